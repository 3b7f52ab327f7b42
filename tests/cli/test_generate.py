import csv
import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from causal_jax.cli import generate
from causal_jax.data import counterfactuals, tfds
from causal_jax.networks.cgn import mnist
from causal_jax.networks.cgn.composition import LABELS
from causal_jax.recipes.digits.generator import draw_blocks
from causal_jax.recipes.imagenet import generated, opened
from tests.natural_images import NAMES, random_model, save_run


@pytest.fixture(scope="module")
def natural():
    """A model of natural images that was never trained."""
    return random_model()


@pytest.fixture(scope="module")
def digits():
    """Digits that were never trained."""
    scm = mnist.scm(width=2, noise_size=3, init_scale=1.5)
    return scm, scm.init(jax.random.key(0))


def test_a_written_set_is_what_a_classifier_would_draw(digits, tmp_path):
    scm, params = digits
    blocks = generate.blocks(scm, params, num=20, per_mask=2, seed=5)
    counterfactuals.write("cfs", blocks, description="", data_dir=tmp_path)
    read = counterfactuals.read("cfs", data_dir=tmp_path, progress=False)
    drawn = [*draw_blocks(scm, params, jax.random.key(5), num=20, per_mask=2)]
    np.testing.assert_array_equal(read.labels["shape_label"], drawn[0].shape_labels)
    np.testing.assert_allclose(
        read.images / 127.5 - 1, np.clip(drawn[0].images, -1, 1), atol=1 / 127
    )


def test_a_natural_set_keeps_sizes_names_and_the_chosen_classes(
    natural, flags_of, tmp_path
):
    run = save_run(tmp_path / "run", *natural)
    flags = {"generator": str(run), "data_dir": str(tmp_path), "num": 5}
    chosen = {"classes": "shape=lion;background=2|red panda", "truncation": 0.5}
    generate.main(flags_of(generate, **flags, **chosen, name="cfs", batch_size=3))
    features = tfds.features("cfs", data_dir=tmp_path)
    assert all(tuple(features[label].names) == NAMES for label in LABELS)
    read = counterfactuals.read(
        "cfs", size=32, num_classes=3, data_dir=tmp_path, progress=False
    )
    assert read.labels["shape_label"].tolist() == [0] * 5
    assert set(read.labels["background_label"]) <= {1, 2}
    assert read.images.std((1, 2)).min() > 1


def test_single_pictures_are_those_of_the_set_with_their_labels(
    natural, flags_of, tmp_path
):
    run = save_run(tmp_path / "run", *natural)
    flags = {"generator": str(run), "num": 4, "seed": 3}
    generate.main(flags_of(generate, **flags, name="cfs", data_dir=str(tmp_path)))
    folder = tmp_path / "drawn"
    generate.main(flags_of(generate, **flags, files=str(folder)))
    read = counterfactuals.read(
        "cfs", size=32, num_classes=3, data_dir=tmp_path, progress=False
    )
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [f"000000{i}.png" for i in range(4)]
    for i, row in enumerate(rows):
        assert [row[k] for k in LABELS] == [NAMES[read.labels[k][i]] for k in LABELS]
        image = np.asarray(Image.open(folder / row["file"]))
        np.testing.assert_array_equal(image, read.images[i])
    with pytest.raises(ValueError, match="is there already"):
        generate.main(flags_of(generate, **flags, files=str(folder)))
    with pytest.raises(ValueError, match="--name=NAME for a data set, or --files"):
        generate.main(flags_of(generate, **flags))


def joined(model, num, **settings):
    every = dict.fromkeys(LABELS, range(10))
    key = jax.random.key(settings.pop("seed", 0))
    blocks = generated.draw_blocks(*model, key, num=num, choices=every, **settings)
    found = list(blocks)
    labels = {n: np.concatenate([b.labels[n] for b in found]) for n in LABELS}
    return np.concatenate([block.images for block in found]), labels


def test_a_longer_set_begins_with_the_shorter_one_whatever_the_blocks(digits):
    images, labels = joined(digits, 11)
    others, other_labels = joined(digits, 7, block=3)
    assert images.dtype == np.uint8 and len(images) == 11 and len(others) == 7
    assert np.abs(images[:7].astype(int) - others).max() <= 1  # of rounding
    for name, values in labels.items():
        np.testing.assert_array_equal(values[:7], other_labels[name])
    different, _ = joined(digits, 7, seed=1)
    assert np.abs(different.astype(int) - others).max() > 50


def test_pictures_are_not_stretched_to_their_own_range(digits):
    """As the model has them: -1 is 0 and 1 is 255 in every picture."""
    scm, params = digits
    images, labels = joined(digits, 2)
    do = {name: values[1:] for name, values in labels.items()}
    key = jax.random.fold_in(jax.random.key(0), 1)
    wanted = (scm.sample(params, key, num=1, do=do)["image"][0] + 1) * 127.5
    np.testing.assert_allclose(images[1], np.clip(wanted, 0, 255), atol=1.01)


def test_the_three_labels_are_independent_and_uniform_over_their_choices():
    choices = {LABELS[0]: np.arange(4), LABELS[1]: np.array([1, 3])}
    num = 20_000
    drawn = generated.draw_classes(choices, jax.random.key(0), 0, num=num)
    found = np.zeros((4, 4))
    np.add.at(found, tuple(np.asarray(drawn[name]) for name in LABELS[:2]), 1)
    assert not found[:, [0, 2]].any()
    error = np.sqrt(1 / 8 * 7 / 8 / num)
    assert np.abs(found[:, [1, 3]] / num - 1 / 8).max() < 5 * error


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num": 5, "per_mask": 2}, "does not divide"),
        ({"num": 5, "block": 2}, "--batch_size is not for digits of all classes"),
        ({"num": 6, "per_mask": 2, "choices": dict.fromkeys(LABELS, (1,))}, "leave it"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(digits, settings, message):
    with pytest.raises(ValueError, match=message):
        generate.blocks(*digits, **settings, seed=0)


def test_a_model_without_parts_is_refused(flags_of, tmp_path):
    gan = mnist.gan(width=2)
    run = save_run(tmp_path, gan, gan.init(jax.random.key(0)))
    args = flags_of(generate)
    with pytest.raises(ValueError, match="no counterfactual generative network"):
        generate.open_generator(str(run), args)


def test_a_run_that_trains_on_is_refused(digits_run, flags_of, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(digits_run, run)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "num_steps": 4000}))
    with pytest.raises(ValueError, match="has 2 of its 4,000 steps: train it to the"):
        generate.open_generator(str(run), flags_of(generate))


def test_a_published_checkpoint_of_digits_has_no_use_for_names(flags_of):
    for flags in ({"class_names": "names.txt"}, {"shared_noise": True}):
        with pytest.raises(ValueError, match="leave --class_names and --shared_noise"):
            generate.open_generator("ckp.pth", flags_of(generate, **flags))


def test_a_set_says_which_digits_it_shows(digits_run, flags_of, tmp_path):
    flags = {"generator": str(digits_run), "data_dir": str(tmp_path), "num": 4}
    generate.main(flags_of(generate, **flags, name="cfs"))
    about = tfds.about("cfs", data_dir=tmp_path)
    assert about["variant"] == "double_colored" and about["dataset"] == "embedded"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"num": 0}, "--num is at least 1, not 0"),
        ({"per_mask": 0}, "--per_mask is at least 1"),
        ({"batch_size": 0}, "--batch_size is at least 1"),
        ({"jpeg_quality": 96}, "--jpeg_quality is 1 to 95, not 96"),
        ({"truncation": 1.5}, "truncation is above 0 and at most 1, not 1.5"),
        ({"classes": "shape=lyon"}, "did you mean 'lion'"),
        ({"classes": "best"}, "run causal-jax evaluate"),
        ({"per_mask": 2}, "--per_mask is for digits"),
    ],
)
def test_bad_questions_are_one_line_and_nothing_is_written(
    natural, flags_of, tmp_path, monkeypatch, flags, message
):
    monkeypatch.setattr(opened, "load", lambda path: natural)
    own = {"generator": str(tmp_path), "data_dir": str(tmp_path), "name": "cfs"}
    with pytest.raises(ValueError, match=message) as raised:
        generate.main(flags_of(generate, **own, **flags))
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())
