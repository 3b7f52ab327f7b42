"""The study of natural images: its cells and the tables that rows make."""

import types

import pytest

from experiments import natural_images, results, study

GENERATOR = {
    "class_accuracy": 0.5,
    "class_accuracy_error": 0.011,
    "judge_accuracy": 0.7,
    "frechet": 6.5,
    "frechet_class_blind": 30.0,
    "frechet_real": 2.0,
    "nearest_ratio": 0.95,
}


def classifier(kind, accuracy, gap):
    heads = ("class",) if kind == "plain" else ("shape", "average")
    conflict = {"shape_accuracy": 0.3, "texture_accuracy": 0.4, "shape_bias": 3 / 7}
    found = {"validation": {}, "cue_conflict": {}, "backgrounds": {}}
    for head in heads:
        found["validation"][f"{head}/top1"] = accuracy
        found["backgrounds"][f"{head}/gap"] = gap
        found["cue_conflict"] |= {f"{head}/{k}": v for k, v in conflict.items()}
    return found


@pytest.fixture
def rows(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "FOLDER", tmp_path)

    def write(cell, metrics):
        row = {"command": "", "seconds": {}, "metrics": {"natural": metrics}}
        results.write(natural_images.PREFIX + cell, row)

    return write


def test_generators_come_before_what_needs_them():
    args = types.SimpleNamespace(num_seeds=2, only="")
    cells = study.choose(natural_images.STUDY, args)
    assert cells == [
        *("generator", "network"),
        *("plain_seed0", "plain_seed1", "ensemble_seed0", "ensemble_seed1"),
    ]


def test_tables_say_what_was_reached(rows):
    assert natural_images.tables() == "\n"
    rows("generator", GENERATOR)
    found = natural_images.tables()
    assert "| 0.500 ± 0.011 | at least .40 |" in found
    assert "| 6.50 | below the class-blind 30.00 |" in found


def test_the_claim_is_a_mean_over_seeds_with_its_error(rows):
    for seed, accuracy in enumerate((0.5, 0.6)):
        rows(f"plain_seed{seed}", classifier("plain", accuracy, 0.2))
        rows(f"ensemble_seed{seed}", classifier("ensemble", accuracy - 0.1, 0.1))
    found = natural_images.tables()
    expected = "| 0.550 ± 0.050 | 0.450 ± 0.050 | 0.450 ± 0.050 | at least .85 times |"
    assert expected in found
    assert "| background gap | 0.200 ± 0.000 | 0.100 ± 0.000 |" in found
    assert "generator" not in found


def test_folders_that_are_missing_are_named_before_anything_runs(tmp_path):
    args = types.SimpleNamespace(workdir=str(tmp_path), masker=None, features=None)
    with pytest.raises(ValueError, match="--masker= is no folder: give what"):
        natural_images.run(args, "network")
