"""Digit runs from end to end: networks, plain GANs and classifiers are trained."""

import json
import shutil
from functools import partial

import jax
import numpy as np
import pytest
from PIL import Image

import causal_jax
from causal_jax.data import counterfactuals
from causal_jax.recipes import recipe, settings
from causal_jax.recipes.digits import data, generator, stages
from causal_jax.runs import folder


def test_one_counterfactual_changes_one_part(digits_run):
    scm, params = causal_jax.load(digits_run)
    key = jax.random.key(0)
    factual, other = scm.twins(params, key, num=4, do={"texture_label": 3})
    np.testing.assert_array_equal(factual["shape"], other["shape"])
    np.testing.assert_array_equal(factual["background"], other["background"])
    assert not np.array_equal(factual["texture"], other["texture"])


# --- what a classifier is trained on --------------------------------------------------


def _training_data(config, originals=None, pair=None, seed=1):
    config = settings.plain(config)
    return stages.training_data(config, originals, pair, jax.random.key(seed))


@pytest.mark.parametrize("target", ["shape", "texture", "background"])
def test_each_part_s_label_can_be_the_target(digits_run, classifier_config, target):
    config = classifier_config(target=target, num_counterfactuals=30)
    pair = generator.open_generator(digits_run)
    found = _training_data(config, pair=pair)
    (drawn,) = generator.draw_blocks(*pair, jax.random.key(1), num=30)
    expected = drawn._asdict()[f"{target}_labels"]
    np.testing.assert_array_equal(found["labels"], expected)


def test_originals_and_counterfactuals_together(digits_run, classifier_config):
    config = classifier_config(train_on="original_cgn", num_counterfactuals=10)
    originals = data.training(settings.plain(config))
    pair = generator.open_generator(digits_run)
    found = _training_data(config, originals, pair)
    assert len(found["images"]) == len(originals.labels) + 10
    np.testing.assert_array_equal(found["images"][:-10], originals.images)


def test_a_written_set_is_read_as_far_as_it_reaches(classifier_config, tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (20, 32, 32, 3), np.uint8)
    labels = {name: random.integers(0, 10, 20) for name in counterfactuals.LABELS}
    block = counterfactuals.Counterfactuals(images, labels)
    counterfactuals.write("cfs", [block], description="", data_dir=tmp_path)
    config = classifier_config(
        counterfactuals="cfs", data_dir=str(tmp_path), num_counterfactuals=8
    )
    read = counterfactuals.read("cfs", data_dir=tmp_path, progress=False)
    found = _training_data(config)
    np.testing.assert_array_equal(found["labels"], read.labels["shape_label"][:8])
    assert sorted(read.labels["shape_label"]) == sorted(labels["shape_label"])
    config.num_counterfactuals = 21
    with pytest.raises(ValueError, match="holds 20 pictures"):
        _training_data(config)


def test_a_set_of_other_digits_is_refused(digits_run, classifier_config, tmp_path):
    block = counterfactuals.Counterfactuals(
        np.zeros((2, 32, 32, 3), np.uint8),
        {name: np.zeros(2, int) for name in counterfactuals.LABELS},
    )
    about = generator.digits_of_run(digits_run)
    write = partial(counterfactuals.write, data_dir=tmp_path, description="")
    write("told", [block], about=about)
    write("untold", [block])
    own = {"counterfactuals": "told", "data_dir": str(tmp_path)}
    with pytest.raises(ValueError, match="set told draws digits of variant double_col"):
        stages.check_classifier(settings.plain(classifier_config("colored", **own)))
    for name in ("told", "untold"):
        config = classifier_config(**{**own, "counterfactuals": name})
        stages.check_classifier(settings.plain(config))


def _folder_of_textures(root, level):
    for kind in ("object", "background"):
        (root / kind).mkdir(parents=True)
        for digit in range(10):
            picture = Image.new("RGB", (8, 8), (level, 20 * digit, 0))
            picture.save(root / kind / f"{digit}_a.png")
    return root


def test_a_generator_of_other_photographs_is_refused(
    digits_run, classifier_config, tmp_path
):
    """Their digests are kept with a run."""
    first, second = (_folder_of_textures(tmp_path / f"{i}", 9 * i) for i in (1, 2))
    run = tmp_path / "generator"
    shutil.copytree(digits_run, run)
    path = run / "config.json"
    own = {"variant": "wildlife", "textures": str(first)}
    path.write_text(json.dumps({**json.loads(path.read_text()), **own}))
    config = classifier_config("wildlife", generator=str(run), textures=str(first))
    folder.keep_sources(run, data.sources(settings.plain(config)))
    stages.check_classifier(settings.plain(config))
    config.textures = str(second)
    with pytest.raises(ValueError, match="paints other textures than .*0_a.png"):
        stages.check_classifier(settings.plain(config))


def test_a_plain_gan_s_pictures_are_trained_on(
    tmp_path, network_config, classifier_config
):
    recipe.train(network_config("double_colored,gan"), tmp_path / "gan")
    metrics = recipe.evaluate(tmp_path / "gan")
    assert "mask_mean" not in metrics
    config = classifier_config(train_on="gan", num_counterfactuals=20)
    pair = generator.open_generator(tmp_path / "gan")
    found = _training_data(config, pair=pair)
    assert found["images"].shape == (20, 32, 32, 3)
    assert len(set(np.asarray(found["labels"]).tolist())) > 1
    with pytest.raises(ValueError, match="no counterfactual generative network"):
        generator.require_parts(pair[0], "gan")


# --- settings that cannot be ----------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"style": "vgg"}, "config.vgg=FILE"),
        ({"style": "oil"}, "style is one of none, own, vgg"),
        ({"discriminator": "deep"}, "one of projection, linear, conv"),
        ({"num_steps": 0}, "at least 1"),
        ({"vgg": "vgg.npz"}, "add --config.style=vgg"),
        ({"model": {"width": 0}}, "width and noise_size are at least 1"),
        ({"model": {"texture_width": 0}}, "width and noise_size are at least 1"),
        ({"model": {"init_kind": "flat"}}, "orthogonal or normal, not 'flat'"),
        ({"model": {"truncation": 0.0}}, "truncation is above 0, not 0.0"),
        ({"num_digits": -3}, "num_digits is at least 0"),
        ({"cgn": {"dtype": "float16"}}, "not 'float16'"),
        ({"cgn": {"style_weights": (1.0,)}}, "style=none compares no feature maps"),
        ({"cgn": {"spread_weights": (1.0, 1.0)}, "batch_size": 5}, "batch_size=5"),
        ({"style": "vgg", "vgg": "none.npz"}, "there is no file none.npz"),
        ({"dataset": "no_such_set"}, "no_such_set"),
        ({"variant": "wildlife", "textures": "/nowhere"}, "/nowhere"),
    ],
)
def test_a_network_s_bad_settings_leave_nothing(
    network_config, changes, message, tmp_path
):
    changes = dict(changes)
    variant = changes.pop("variant", "double_colored")
    with pytest.raises(ValueError, match=message):
        recipe.train(network_config(variant, **changes), tmp_path / "run")
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
        ({"train_on": "irm", "correlation": 9.0}, "correlation is a share, not 9.0"),
        ({"train_on": "irm", "batch_size": 5}, "batch_size=5 over 1 devices is odd"),
        ({"counterfactuals": "no_such_set"}, "no_such_set"),
        ({"num_counterfactuals": 5}, "less than a batch: ask for 8 or more"),
        ({"per_mask": 7}, "per_mask=7 does not divide 80"),
        ({"on_the_fly": True, "per_mask": 10}, "on_the_fly draws a mask for every"),
        ({"train_on": "irm", "target": "texture"}, "goes with train_on=cgn"),
        (
            {"variant": "colored", "target": "background"},
            "target=background has no truth in coloured digits",
        ),
        (
            {"train_on": "original", "num_digits": 5, "num_epochs": 1},
            "are less than a batch",
        ),
        ({"on_the_fly": True, "train_on": "original"}, "goes with train_on=cgn"),
        ({"counterfactuals": "set", "train_on": "gan"}, "goes with train_on=cgn or"),
    ],
)
def test_a_classifier_s_bad_settings_leave_nothing(
    classifier_config, changes, message, tmp_path
):
    with pytest.raises(ValueError, match=message):
        recipe.train(classifier_config(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_wrong_kind_of_generator(digits_run, classifier_config, tmp_path):
    config = classifier_config(generator=str(digits_run), train_on="gan")
    with pytest.raises(ValueError, match="no plain GAN"):
        recipe.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_generator_that_trains_on_is_refused(digits_run, classifier_config, tmp_path):
    generator = tmp_path / "generator"
    shutil.copytree(digits_run, generator)
    path = generator / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "num_steps": 4000}))
    config = classifier_config(generator=str(generator))
    with pytest.raises(ValueError, match="has 2 of its 4,000 steps: train it to the e"):
        recipe.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_generator_of_other_textures_is_refused(
    digits_run, classifier_config, tmp_path
):
    config = classifier_config(generator=str(digits_run), textures=str(tmp_path))
    with pytest.raises(ValueError, match="paints drawn textures, .* photographs' ones"):
        recipe.train(config, tmp_path / "run")


def test_a_generator_of_other_digits_is_refused(
    digits_run, classifier_config, tmp_path
):
    config = classifier_config("colored", generator=str(digits_run))
    with pytest.raises(ValueError, match="draws digits of variant double_colored, and"):
        recipe.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


# --- several seeds at once ------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cgn", "classifier"])
def test_seeds_trained_together_are_those_trained_alone(
    kind, network_config, classifier_config, digits_run, tmp_path
):
    if kind == "cgn":
        configs = [network_config(seed=seed) for seed in range(2)]
    else:
        changes = {"generator": str(digits_run), "num_counterfactuals": 24}
        configs = [classifier_config(seed=seed, **changes) for seed in range(2)]
    folders = [tmp_path / "0", tmp_path / "1"]
    recipe.train_together(configs, folders)
    together = log_of(folders[1])
    recipe.train(configs[1], folders[1])  # is finished
    assert log_of(folders[1]) == together != log_of(folders[0])
    recipe.train(configs[1], tmp_path / "alone")
    for found, alone in zip(together, log_of(tmp_path / "alone"), strict=True):
        assert found == pytest.approx(alone, rel=1e-3, abs=1e-4)


def log_of(workdir):
    """The lines of metrics.jsonl, without what is no number."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return [{k: v for k, v in entry.items() if k != "stage"} for entry in entries]


def test_what_cannot_be_trained_together(
    network_config, classifier_config, digits_run, tmp_path
):
    config = network_config("double_colored,style")
    with pytest.raises(ValueError, match="style=own trains features of each run"):
        recipe.train_together([config], [tmp_path / "run"])
    config = classifier_config(generator=str(digits_run), on_the_fly=True)
    with pytest.raises(ValueError, match="train them in turn"):
        recipe.train_together([config], [tmp_path / "run"])
    assert not (tmp_path / "run").exists()


def test_style_features_of_the_project_s_own(network_config, tmp_path):
    """They are trained first, and their style term is logged."""
    recipe.train(network_config("double_colored,style"), tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    logged = [json.loads(line) for line in lines]
    assert {line["stage"] for line in logged} == {"style_features", "model"}
    assert all(line["style"] > 0 for line in logged if line["stage"] == "model")
