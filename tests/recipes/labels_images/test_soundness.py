"""Soundness keeps what it measured of every unit: of a quick run, of one of noise."""

import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image

from causal_jax.cli.soundness import table
from causal_jax.progress import tqdm
from causal_jax.recipes.labels_images import soundness
from causal_jax.recipes.labels_images.cases import Cases

NAMES = ("A", "B")
STRATA = ["A=0 to 1", "B=1 to 0", "B=0 to 1"]
NUM = 8


def _imagine_fn(model, *, residual):
    """Imagines the image with noise, less with the residual."""
    scale = 0.01 if residual else 0.1

    def imagine(images, labels, others, key):
        return images + scale * jax.random.normal(key, images.shape)

    return imagine


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """The folder and the figures of a run without training."""
    random = np.random.default_rng(0)
    shape = (len(STRATA), NUM)
    images, true = random.uniform(-1, 1, (2, *shape, 8, 8, 3)).astype(np.float32)
    labels, others = random.integers(0, 2, (2, *shape, len(NAMES)))
    cases = Cases(STRATA, np.array([0, 1, 1]), images, labels, others, true)
    reader = SimpleNamespace(label_names=NAMES)
    label_scm = SimpleNamespace(nodes=NAMES)
    trained = SimpleNamespace(label_scm=label_scm, can_be_judged=True)
    model = SimpleNamespace(trained=trained)
    for module, name, value in (
        (soundness, "open_run", lambda workdir: None),
        (soundness, "open_with_images", lambda run: trained),
        (soundness, "with_encoder", lambda trained: model),
        (soundness, "imagine_fn", _imagine_fn),
        (soundness, "open_cases", lambda *args: (reader, cases)),
        (soundness, "reconstruction", lambda *args: {"error": 0.0, "labels_kept": 1.0}),
        (soundness, "sheet", lambda *args: Image.new("RGB", (8, 8))),
        (
            soundness.soundness,
            "label_agreement",
            lambda judge, imagined, rows, names: rows == 1,
        ),
    ):
        monkeypatch.setattr(module, name, value)
    shown = []
    monkeypatch.setattr(
        soundness, "tqdm", lambda **settings: shown.append(tqdm(**settings)) or shown[0]
    )
    soundness.evaluate(tmp_path, num=NUM)
    assert shown[0].n == shown[0].total  # the bar has come to its end
    return tmp_path, json.loads((tmp_path / "soundness.json").read_text())


def test_every_figure_is_the_mean_of_the_units_beside_it(measured):
    folder, figures = measured
    units = np.load(folder / "soundness_units.npz", allow_pickle=False)
    assert list(units["strata"]) == STRATA
    variants = {"residual": "residual", "generator alone": "generator_alone"}
    for variant, prefix in variants.items():
        found = figures["variants"][variant]["all"]
        assert len(found) == 2 + len(soundness.Measured._fields)
        for quantity, interval in found.items():
            name, _, number = quantity.partition("_")
            values = units[f"{prefix}_{name}"]
            values = values[int(number) - 1] if number else values
            assert np.nanmean(values) == pytest.approx(interval["value"], nan_ok=True)
            if not number:
                assert values.shape == (len(STRATA), NUM)


def test_the_smaller_number_of_cases_of_composition_is_said(measured):
    folder, figures = measured
    assert figures["num_per_stratum"] == NUM
    assert figures["composition_num_per_stratum"] == NUM  # ten, where there are so many
    units = np.load(folder / "soundness_units.npz", allow_pickle=False)
    assert units["residual_composition"].shape == (soundness.ROUNDS, len(STRATA), NUM)


def test_a_quarter_is_composed_and_ten_where_that_is_fewer():
    assert [soundness.num_composed(num) for num in (2, 7, 20, 60)] == [2, 7, 10, 15]


def test_soundness_writes_its_figures_and_a_sheet(imagination_model, monkeypatch):
    monkeypatch.setattr(soundness, "ROUNDS", 2)
    folder = imagination_model.trained.run.workdir
    figures = soundness.evaluate(folder, num=2)
    kept = json.loads((folder / "soundness.json").read_text())
    assert kept.keys() == figures.keys()
    assert (folder / "soundness.png").is_file()
    found = figures["variants"]["residual"]["all"]
    assert found["composition_1"]["value"] < 1e-4  # the residual gives it back
    alone = figures["variants"]["generator alone"]["all"]
    assert alone["composition_1"]["value"] == pytest.approx(
        figures["reconstruction"]["error"], rel=0.5
    )
    assert 0 <= found["effective"]["low"] <= found["effective"]["high"] <= 1
    assert "effective" in table(figures)
    _check_units(folder, figures)


def _check_units(folder, figures):
    """Every mean of the figures is that of the units kept beside them."""
    assert figures["composition_num_per_stratum"] == 2  # all: fewer than ten
    units = np.load(folder / "soundness_units.npz", allow_pickle=False)
    assert len(units["strata"]) == figures["strata"] == 18
    for variant, prefix in (
        ("residual", "residual"),
        ("generator alone", "generator_alone"),
    ):
        for quantity, interval in figures["variants"][variant]["all"].items():
            name, _, number = quantity.partition("_")
            values = units[f"{prefix}_{name}"]
            if name == "composition":
                assert values.shape == (2, 18, 2)
                values = values[int(number) - 1]
            else:
                assert values.shape == (18, 2)
            assert values.mean() == pytest.approx(interval["value"], rel=1e-5)
