"""Runs of the family, from a config to the report."""

import json
import shutil

import numpy as np
import pytest

from causal_jax.networks.resnet import ENSEMBLE
from causal_jax.recipes import recipe
from causal_jax.recipes.ensemble import data, measures, model, report
from causal_jax.training.ensemble import read_logits

HEADS = (*ENSEMBLE, "average", "shape_texture")


@pytest.fixture(scope="module")
def trained(quick, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("ensemble") / "run"
    recipe.train(quick(), workdir)
    return workdir


@pytest.fixture(scope="module")
def metrics(trained, conflicts, backgrounds):
    return recipe.evaluate(
        trained, cue_conflict=str(conflicts), backgrounds=str(backgrounds)
    )


def test_every_head_is_measured_on_all_sets_with_its_error(metrics):
    figures = ("shape_bias", "shape_accuracy", "texture_accuracy")
    wanted = {
        "validation": [f"{h}/{f}" for h in HEADS for f in ("top1", "top5")],
        "counterfactual": [f"{head}/accuracy" for head in ENSEMBLE],
        "cue_conflict": [f"{head}/{figure}" for head in HEADS for figure in figures],
        "backgrounds": ["gap"] + [f"{head}/gap" for head in HEADS],
    }
    for part, names in wanted.items():
        for name in names:
            assert {name, f"{name}_error"} <= set(metrics[part]), name
    found = metrics["backgrounds"]
    assert found["gap"] == found["shape_texture/gap"]
    assert metrics["cue_conflict"]["num_pictures"] == 3


def test_accuracy_is_of_all_validation_pictures_and_no_more(trained, metrics, quick):
    config = quick()
    network = model.network(config, 6)
    variables = model.load(trained, network)
    hits = []
    for batch in data.validation(config):
        logits = read_logits(network, variables, batch["image"], data.EVALUATION_BATCH)
        hits += list(np.argmax(logits["average"], -1) == batch["label"])
    assert len(hits) == 7
    assert metrics["validation"]["average/top1"] == pytest.approx(np.mean(hits))


def test_the_report_begins_with_what_was_found(trained, metrics):
    page = (trained / "report.html").read_text("utf-8")
    for sentence in report.found(metrics, is_plain=False):
        assert sentence in page
    assert page.index("The mean of the heads tells") < page.index("<table")
    assert "Other backgrounds" in page and "What each head reads" in page
    written = json.loads((trained / "metrics.json").read_text())
    assert written["validation"] == metrics["validation"]


def test_finer_classes_are_mapped_onto_those_of_a_folder(trained, conflicts, tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"0": 0, "1": 1, "2": 1, "3": 2, "4": -1, "5": 3}))
    shutil.copytree(conflicts / "cat", tmp_path / "set/cat")
    (tmp_path / "set/cat/cat1-fox2.png").unlink()
    shutil.copytree(conflicts / "ant", tmp_path / "set/ant")
    shutil.copytree(conflicts / "bee", tmp_path / "set/bee")
    options = {"cue_conflict": str(tmp_path / "set"), "cue_conflict_map": str(path)}
    with pytest.raises(ValueError, match="has class 3, .* has 3: it maps"):
        measures.measure(recipe.open_run(trained), **options)
    path.write_text(json.dumps({"0": 0, "1": 1, "2": 1, "3": 1, "4": -1, "5": 1}))
    with pytest.raises(ValueError, match="maps nothing to 'cat', class 2"):
        measures.measure(recipe.open_run(trained), **options)
    path.write_text(json.dumps({"0": 0, "1": 1, "2": 1, "3": 2, "4": -1, "5": 2}))
    found = measures.measure(recipe.open_run(trained), **options).metrics
    assert found["cue_conflict"]["num_pictures"] == 2


def test_classes_that_the_network_lacks_are_refused(quick, conflicts):
    own = data.classes(quick())
    with pytest.raises(ValueError, match="'bea' of DIR is none of .*mean 'bee'"):
        data.class_map(("ant", "bea"), own, "DIR", "cue_conflict", None)
    with pytest.raises(ValueError, match="--cue_conflict_map=FILE"):
        data.class_map(("zebra",), own, "DIR", "cue_conflict", None)
    found = data.class_map(("fox", "ant"), own, "DIR", "cue_conflict", None)
    assert found.tolist() == [1, -1, -1, -1, -1, 0]


def test_a_word_that_names_two_classes_is_refused():
    own = data.Classes(
        names=("n02 crane", "n03 crane", "dog"), words=("crane", "crane", "dog")
    )
    with pytest.raises(ValueError, match="'crane' of DIR may be any of 2 of the"):
        data.class_map(("crane", "dog"), own, "DIR", "cue_conflict", None)
    found = data.class_map(("n03 crane", "dog"), own, "DIR", "cue_conflict", None)
    assert found.tolist() == [-1, 0, 1]


def test_folders_of_another_layout_are_refused_before_anything_is_read(
    trained, conflicts, backgrounds
):
    run = recipe.open_run(trained)
    with pytest.raises(ValueError, match="has no folder original/val"):
        measures.measure(run, backgrounds=str(conflicts))
    with pytest.raises(ValueError, match="'mixed_rand' of .* is none of the"):
        measures.measure(run, cue_conflict=str(backgrounds))
    with pytest.raises(ValueError, match="--backgrounds_map goes with --backgrounds"):
        measures.measure(run, backgrounds_map="map.json")


def test_a_plain_classifier_has_one_head(quick, tmp_path, backgrounds):
    workdir = tmp_path / "plain"
    recipe.train(quick("plain", counterfactuals=""), workdir)
    found = recipe.evaluate(workdir, backgrounds=str(backgrounds))
    assert "counterfactual" not in found
    assert set(found["validation"]) == {
        f"class/{name}" for name in ("top1", "top1_error", "top5", "top5_error")
    }
    assert found["backgrounds"]["gap"] == found["backgrounds"]["class/gap"]
    said = report.found(found, is_plain=True)
    assert said[0].startswith("It tells the class of")
    with pytest.raises(ValueError, match="--judge is not for this run"):
        recipe.evaluate(workdir, judge="judge.npz")
