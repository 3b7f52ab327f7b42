"""Digit runs from end to end: train, evaluate, sample, generate, classify."""

import json

import jax
import numpy as np
import pytest

import causal_jax
from causal_jax.data import counterfactuals
from experiments import (
    cgn_stage,
    classifier_stage,
    digit_evaluation,
    digit_sets,
    evaluate,
    generate,
    sample,
    train,
)
from experiments.configs import mnist_cgn, mnist_classifier


def cgn_config(variant="double_colored", **changes):
    config = mnist_cgn.get_config(f"{variant},quicktest")
    config.num_digits = 90
    for key, value in changes.items():
        config[key] = value
    return config


def with_model(**changes):
    config = cgn_config()
    config.model.update(changes)
    return config


def classifier_config(variant="double_colored", **changes):
    config = mnist_classifier.get_config(f"{variant},quicktest")
    for key, value in changes.items():
        config[key] = value
    return config


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """The folder of a trained and evaluated `mnist_cgn:quicktest`."""
    workdir = tmp_path_factory.mktemp("digits") / "cgn"
    cgn_stage.train(cgn_config(), workdir)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digit_evaluation, "NUM_PER_CLASS", 10)
        evaluate.evaluate(workdir)
    return workdir


@pytest.fixture(scope="module")
def classified(generator):
    workdir = generator.parent / "classifier"
    config = classifier_config(generator=str(generator))
    classifier_stage.train(config, workdir)
    evaluate.evaluate(workdir)
    return workdir


def test_metrics_and_report_of_a_network(generator):
    metrics = json.loads((generator / "metrics.json").read_text())
    assert metrics["steps"] == {"model": 2}
    assert 0 <= metrics["mask_readability"] <= 1 and metrics["mask_diversity"] > 0
    assert metrics["collapsed"]  # after two steps nothing can be read
    report = (generator / "report.html").read_text()
    assert "COLLAPSED" in report and report.count("<img") >= 8
    assert "COLLAPSED" in evaluate.summary(metrics)


def test_one_counterfactual_changes_one_part(generator):
    scm, params = causal_jax.load(generator)
    key = jax.random.key(0)
    factual, other = scm.twins(params, key, num=4, do={"texture_label": 3})
    np.testing.assert_array_equal(factual["shape"], other["shape"])
    np.testing.assert_array_equal(factual["background"], other["background"])
    assert not np.array_equal(factual["texture"], other["texture"])


def test_experiments_sample_draws_it(generator, tmp_path):
    scm, values = sample.draw(
        generator, num=3, do="texture_label=3", given="", seed=0, twin=False
    )
    assert (values["texture_label"] == 3).all()
    sample.write(tmp_path / "three.png", scm, values, twin=False)


def test_metrics_of_a_classifier(classified):
    metrics = json.loads((classified / "metrics.json").read_text())
    for protocol in ("t10k", "reference"):
        for what in ("accuracy", "distinct", "in_domain"):
            assert 0 <= metrics[f"{what}_{protocol}"] <= 1
    assert "read wrongly" in (classified / "report.html").read_text()


def test_a_written_set_is_what_a_classifier_would_draw(generator, tmp_path):
    blocks = generate.blocks(str(generator), num=20, per_mask=2, seed=5)
    counterfactuals.write("cfs", blocks, description="", data_dir=tmp_path)
    read = counterfactuals.read("cfs", data_dir=tmp_path, progress=False)
    scm, params = causal_jax.load(generator)
    drawn = [
        *classifier_stage.draw_blocks(
            scm, params, jax.random.key(5), num=20, per_mask=2
        )
    ]
    np.testing.assert_array_equal(read.labels["shape_label"], drawn[0].shape_labels)
    np.testing.assert_allclose(
        read.images / 127.5 - 1, np.clip(drawn[0].images, -1, 1), atol=1 / 127
    )
    config = classifier_config(
        counterfactuals="cfs", data_dir=str(tmp_path), num_counterfactuals=8
    )
    data = classifier_stage.training_data(config, None, None, jax.random.key(0))
    np.testing.assert_array_equal(data["labels"], read.labels["shape_label"][:8])
    config.num_counterfactuals = 21
    with pytest.raises(ValueError, match="holds 20 pictures"):
        classifier_stage.training_data(config, None, None, jax.random.key(0))


@pytest.mark.parametrize("target", ["shape", "texture", "background"])
def test_each_part_s_label_can_be_the_target(generator, target):
    config = classifier_config(generator=str(generator), target=target)
    config.num_counterfactuals = 30
    pair = classifier_stage.open_generator(config.generator)
    data = classifier_stage.training_data(config, None, pair, jax.random.key(1))
    (drawn,) = classifier_stage.draw_blocks(*pair, jax.random.key(1), num=30)
    expected = drawn._asdict()[f"{target}_labels"]
    np.testing.assert_array_equal(data["labels"], expected)


def test_originals_and_counterfactuals_together(generator):
    config = classifier_config(generator=str(generator), train_on="original_cgn")
    config.num_counterfactuals = 10
    originals = digit_sets.training(config)
    pair = classifier_stage.open_generator(config.generator)
    data = classifier_stage.training_data(config, originals, pair, jax.random.key(1))
    assert len(data["images"]) == len(originals.labels) + 10
    np.testing.assert_array_equal(data["images"][:-10], originals.images)


def test_environments_of_invariant_risk():
    config = classifier_config(train_on="irm", correlation=0.5)
    config.num_digits = 0
    originals = digit_sets.training(config)
    data = classifier_stage.environments(config, originals)
    same = np.asarray(data["images"] == originals.images).all((1, 2, 3))
    first = np.asarray(data["environments"]) == 0
    assert same[first].all()
    num = (~first).sum()
    assert abs(same[~first].mean() - 0.5) < 5 * np.sqrt(0.25 / num)


def test_hidden_digits_are_one_in_ten():
    config = classifier_config()
    config.num_digits = 0
    pictures = digit_sets.draw(config).tests["t10k"]
    hidden = digit_evaluation.hidden(pictures)
    assert abs(hidden.mean() - 0.1) < 5 * np.sqrt(0.09 / len(hidden))
    inside = np.asarray(pictures.truth.masks[..., 0]) > 0.5
    for image, mask in zip(
        np.asarray(pictures.images)[hidden], inside[hidden], strict=True
    ):
        gap = np.abs(image[mask].mean(0) - image[~mask].mean(0)).max()
        assert gap < 0.2  # jitter of .02 a channel, each


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (lambda: cgn_config(style="vgg"), "config.vgg=FILE"),
        (lambda: cgn_config(style="oil"), "style is one of none, own, vgg"),
        (lambda: cgn_config(discriminator="deep"), "one of projection, linear, conv"),
        (lambda: cgn_config(num_steps=0), "at least 1"),
        (lambda: cgn_config(vgg="vgg.npz"), "add --config.style=vgg"),
        (lambda: with_model(width=0), "width and noise_size are at least 1"),
        (lambda: with_model(texture_width=0), "width and noise_size are at least 1"),
        (lambda: with_model(init_kind="flat"), "orthogonal or normal, not 'flat'"),
        (lambda: cgn_config(dataset="no_such_set"), "no_such_set"),
        (lambda: cgn_config("wildlife", textures="/nowhere"), "/nowhere"),
    ],
)
def test_a_network_s_bad_settings_leave_nothing(config, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        cgn_stage.train(config(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "no generator"),
        ({"generator": "/nowhere"}, "holds no run"),
        ({"train_on": "dreams"}, "train_on is one of"),
        ({"target": "size"}, "target is one of"),
        ({"num_epochs": 0}, "num_epochs is at least 1"),
        ({"num_digits": -1}, "num_digits is at least 0"),
        ({"num_counterfactuals": 5}, "less than a batch: ask for 8 or more"),
        ({"per_mask": 7}, "per_mask=7 does not divide 80"),
        ({"on_the_fly": True, "per_mask": 10}, "on_the_fly draws a mask for every"),
        ({"train_on": "irm", "target": "texture"}, "goes with train_on=cgn"),
        ({"on_the_fly": True, "train_on": "original"}, "goes with train_on=cgn"),
        ({"counterfactuals": "set", "train_on": "gan"}, "goes with train_on=cgn or"),
    ],
)
def test_a_classifier_s_bad_settings_leave_nothing(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        classifier_stage.train(classifier_config(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_wrong_kind_of_generator(generator, tmp_path):
    config = classifier_config(generator=str(generator), train_on="gan")
    with pytest.raises(ValueError, match="no plain GAN"):
        classifier_stage.train(config, tmp_path / "run")
    with pytest.raises(ValueError, match="does not divide"):
        next(generate.blocks(str(generator), num=5, per_mask=2, seed=0))


def test_a_plain_gan_s_pictures_are_trained_on(tmp_path):
    cgn_stage.train(cgn_config("double_colored,gan"), tmp_path / "gan")
    metrics = evaluate.evaluate(tmp_path / "gan")
    assert "mask_mean" not in metrics
    config = classifier_config(generator=str(tmp_path / "gan"), train_on="gan")
    config.num_counterfactuals = 20
    pair = classifier_stage.open_generator(config.generator)
    data = classifier_stage.training_data(config, None, pair, jax.random.key(1))
    assert data["images"].shape == (20, 32, 32, 3)
    assert len(set(np.asarray(data["labels"]).tolist())) > 1
    with pytest.raises(ValueError, match="no counterfactual generative network"):
        next(generate.blocks(config.generator, num=2, per_mask=1, seed=0))


@pytest.mark.parametrize("kind", ["cgn", "classifier"])
def test_seeds_trained_together_are_those_trained_alone(kind, generator, tmp_path):
    if kind == "cgn":
        configs = [cgn_config(seed=seed) for seed in range(2)]
    else:
        settings = {"generator": str(generator), "num_counterfactuals": 24}
        configs = [classifier_config(seed=seed, **settings) for seed in range(2)]
    folders = [tmp_path / "0", tmp_path / "1"]
    train.TRAIN_TOGETHER[kind](configs, folders)
    together = log_of(folders[1])
    train.TRAIN[kind](configs[1], folders[1])  # is finished
    assert log_of(folders[1]) == together != log_of(folders[0])
    train.TRAIN[kind](configs[1], tmp_path / "alone")
    for found, alone in zip(together, log_of(tmp_path / "alone"), strict=True):
        assert found == pytest.approx(alone, rel=1e-3, abs=1e-4)


def test_what_cannot_be_trained_together(generator, tmp_path):
    config = cgn_config("double_colored,style")
    with pytest.raises(ValueError, match="style=own trains features of each run"):
        cgn_stage.train_together([config], [tmp_path / "run"])
    config = classifier_config(generator=str(generator), on_the_fly=True)
    with pytest.raises(ValueError, match="train in turn"):
        classifier_stage.train_together([config], [tmp_path / "run"])
    assert not (tmp_path / "run").exists()


def log_of(workdir):
    """The lines of metrics.jsonl, without what is no number."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return [{k: v for k, v in entry.items() if k != "stage"} for entry in entries]


def test_style_features_of_the_project_s_own(tmp_path):
    """They are trained first, and their style term is logged."""
    cgn_stage.train(cgn_config("double_colored,style"), tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    logged = [json.loads(line) for line in lines]
    assert {line["stage"] for line in logged} == {"style_features", "model"}
    assert all(line["style"] > 0 for line in logged if line["stage"] == "model")


@pytest.mark.parametrize("spread", [0.0, 0.1, float("nan")])
def test_textures_that_are_all_one_have_collapsed(spread):
    fine = {"texture_worst": 0.05, "texture_spread": 1.0}
    fine |= {"background_worst": 0.0, "background_spread": None}
    assert digit_evaluation.collapsed_textures(fine) == []
    [text] = digit_evaluation.collapsed_textures(fine | {"texture_spread": spread})
    assert "textures of a class vary" in text
