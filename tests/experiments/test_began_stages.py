import json

import jax
import pytest

import causal_jax
from causal_jax.reporting import plots
from causal_jax.training.causal_began import BEGANInfo
from experiments import evaluate, evaluation, imagination, questions, stages
from experiments.configs import (
    celeba_causal_began,
    faces_causal_began,
    faces_causal_gan,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a trained and evaluated `faces_causal_began:quicktest`."""
    workdir = tmp_path_factory.mktemp("runs") / "began"
    stages.train(faces_causal_began.get_config("quicktest"), workdir)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "NUM_PER_STATE", 8)
        patch.setattr(evaluation, "NUM_FRECHET", 32)
        patch.setattr(evaluation, "NUM_NEIGHBOURS", 8)
        evaluate.evaluate(workdir)
    return workdir


def test_its_own_labeler_reads_given_images(run):
    model = imagination.open_model(run)
    images, _ = questions.pictures("0,1", model)
    rows, note = questions.labels(model, images, "Male=1")
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
        plots, "_curve", lambda axes, title, points: drawn.append(title)
    )
    plots.curves_figure([line])
    assert {"images: convergence", "images: convergence_complete"} <= set(drawn)
    assert "Training" in (run / "report.html").read_text()


@pytest.mark.parametrize("variant", ["reference,quicktest", "mle,size64,quicktest"])
def test_variants_run(tmp_path, variant):
    config = faces_causal_began.get_config(variant)
    config.num_images, config.generator.width = 16, 2
    stages.train(config, tmp_path / "run")
    scm, params = causal_jax.load(tmp_path / "run")
    assert scm.sample(params, jax.random.key(0), num=1)["image"].shape == (1, 64, 64, 3)


def test_reference_has_the_originals_networks_and_settings():
    config = faces_causal_began.get_config("reference")
    assert (config.image_size, config.batch_size, config.num_steps) == (64, 16, 250_000)
    assert config.generator.to_dict() == {
        "architecture": "began",
        "width": 128,
        "noise_size": 64,
        "label_noise": "",
    }
    assert config.gan.rates == (1e-3, 8e-5, 1e-2) and not config.gan.conditional


def test_celeba_config_differs_from_causal_gans_in_the_algorithm_only():
    config = celeba_causal_began.get_config("quicktest")
    assert config.algorithm == "causal_began" and config.gan.flip
    assert (config.image_size, config.num_steps) == (64, 2)
    with pytest.raises(SystemExit, match="unknown variant 'nope'"):
        celeba_causal_began.get_config("nope")


def test_settings_of_another_algorithm_are_named_before_anything_is_written(tmp_path):
    config = faces_causal_gan.get_config("quicktest")
    config.algorithm = "causal_began"
    message = "causal_began has no setting .*'joint', .*'smoothness': it has .*gammas"
    with pytest.raises(ValueError, match=message) as raised:
        stages.train(config, tmp_path / "run")
    assert "\n" not in str(raised.value) and "unseen" not in str(raised.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("module", "variant", "change", "message"),
    [
        (faces_causal_began, "reference", {"decay": True}, "halve_every or num_steps"),
        (faces_causal_began, "", {"gan.label_loss": "theory"}, "not 'theory'"),
        (faces_causal_gan, "", {"gan.label_loss": "xe"}, "not 'xe'"),
        (
            faces_causal_gan,
            "mle",
            {"trainer_settings": {"penalty_weight": 1.0}},
            "mle has no setting 'penalty_weight': it has learning_rate$",
        ),
    ],
)
def test_impossible_settings_are_refused_before_the_label_stage(
    tmp_path, module, variant, change, message
):
    config = module.get_config(f"{variant},quicktest")
    config.update_from_flattened_dict(change)
    with pytest.raises(ValueError, match=message):
        stages.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_unknown_algorithm_is_refused(tmp_path):
    config = faces_causal_gan.get_config("quicktest")
    config.algorithm = "began"
    with pytest.raises(ValueError, match="algorithm is causal_gan or causal_began"):
        stages.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
