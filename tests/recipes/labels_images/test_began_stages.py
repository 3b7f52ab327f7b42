"""Runs whose images CausalBEGAN learns: trained, measured and read like CausalGAN's."""

import json

import jax
import pytest

import causal_jax
from causal_jax.cli import factual
from causal_jax.recipes import recipe, registry, settings
from causal_jax.recipes.labels_images import imagination, measures, model, stages
from causal_jax.reporting import plots
from causal_jax.training.causal_began import BEGANInfo


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a trained and evaluated `faces_causal_began:quicktest`."""
    workdir = tmp_path_factory.mktemp("runs") / "began"
    recipe.train(registry.get_config("faces_causal_began:quicktest"), workdir)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measures, "NUM_PER_STATE", 8)
        patch.setattr(measures, "NUM_FRECHET", 32)
        patch.setattr(measures, "NUM_NEIGHBOURS", 8)
        recipe.evaluate(workdir)
    return workdir


def test_its_own_labeler_reads_given_images(run):
    model = imagination.open_imagination(recipe.open_run(run))
    images, _ = factual.pictures("0,1", model.trained)
    rows, note = factual.labels(model.trained, images, "Male=1")
    assert rows.shape == (2, 9) and set(rows[:, 1]) == {1}
    assert "read in the pictures by the run's Labeler" in note


def _image_lines(run):
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["stage"] == "images"]


def test_run_is_measured_like_causal_gan(run):
    measured = json.loads((run / "metrics.json").read_text())["images"]
    assert {
        "label_accuracy_mean",
        "unseen_accuracy",
        "diversity",
        "frechet",
        "frechet_floor",
    } <= measured.keys()
    scm, params = causal_jax.load(run)
    done = scm.sample(params, jax.random.key(0), num=2, do={"Mustache": 1})
    assert done["image"].shape == (2, 32, 32, 3)


def test_report_draws_both_convergence_measures_margins_and_controls(run, monkeypatch):
    (line,) = _image_lines(run)
    assert set(BEGANInfo._fields) <= line.keys()
    drawn = []
    monkeypatch.setattr(
        plots, "_draw_curve", lambda axes, title, points: drawn.append(title)
    )
    plots.curves_figure([line])
    assert {"images: convergence", "images: convergence_complete"} <= set(drawn)
    assert "Training" in (run / "report.html").read_text()


@pytest.mark.parametrize("variant", ["reference,quicktest", "mle,size64,quicktest"])
def test_variants_run(tmp_path, variant):
    config = registry.get_config(f"faces_causal_began:{variant}")
    config.num_images, config.generator.width = 16, 2
    recipe.train(config, tmp_path / "run")
    scm, params = causal_jax.load(tmp_path / "run")
    assert scm.sample(params, jax.random.key(0), num=1)["image"].shape == (1, 64, 64, 3)


def test_reference_has_the_originals_networks_and_settings():
    config = registry.get_config("faces_causal_began:reference")
    assert (config.image_size, config.batch_size, config.num_steps) == (64, 16, 250_000)
    assert config.generator.to_dict() == {
        "architecture": "began",
        "width": 128,
        "noise_size": 64,
        "label_noise": "",
        "modulated": False,
    }
    assert config.gan.rates == (1e-3, 8e-5, 1e-2) and not config.gan.conditional


def test_celeba_config_differs_from_causal_gans_in_the_algorithm_only():
    config = registry.get_config("celeba_causal_began:quicktest")
    assert config.algorithm == "causal_began" and config.gan.flip
    assert (config.image_size, config.num_steps) == (64, 2)
    augmented = settings.plain(registry.get_config("celeba_causal_began:augmented"))
    stages.image_algorithm(augmented, model.image_mechanism(augmented, (2,) * 9))
    assert sorted(stages.label_factors(augmented)) == [1.0] * 8 + [8.0]
    with pytest.raises(SystemExit, match="unknown variant 'nope'"):
        registry.get_config("celeba_causal_began:nope")
