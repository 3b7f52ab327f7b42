"""Pictures read with masks: a class at a time, as many as asked for, counted."""

import numpy as np
import pytest

from causal_jax.data import masked_pictures, tfds
from causal_jax.data.images import encoded_png
from causal_jax.data.mixtures import VERDICTS

NAMES, SIZE = ("cat", "dog", "bee"), 16
VERDICT_OF_RED = {200: "usable", 100: "unsure", 0: "empty", 250: "full"}
# Of each class: 6 pictures, of which 4, 2 and 1 have a usable mask.
REDS = [*(200,) * 4, 0, 250, *(200,) * 2, 0, 0, 100, 250, 200, *(0,) * 3, 100, 100]


def mask_fn(pictures):
    """A square whose certainty is the red of the picture, everything at 250."""
    red = pictures[:, 0, 0, 0]
    masks = np.zeros(pictures.shape[:3])
    masks[:, 4:12, 4:12] = np.where(red == 100, 0.6, red > 100)[:, None, None]
    masks[red == 250] = 1
    return masks


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    root = tmp_path_factory.mktemp("tfds")
    _write(root, "reds", REDS, [i // 6 for i in range(18)])
    _write(root, "two", REDS[:12], [i // 6 for i in range(12)])
    _write(root, "faint", REDS[:12] + [0] * 6, [i // 6 for i in range(18)])
    _write(root, "unlabelled", [200] * 3, None)
    return root


def _write(root, name, reds, labels):
    features = {"image": tfds.picture(SIZE, SIZE, 3)}
    examples = [{"image": encoded_png(_picture(red, i))} for i, red in enumerate(reds)]
    if labels is not None:
        features["label"] = tfds.label(3, names=NAMES)
        for example, label in zip(examples, labels, strict=True):
            example["label"] = label
    tfds.write_new(
        name,
        features,
        lambda: {"test": iter(list(enumerate(examples)))},
        description="a test",
        data_dir=root,
    )


def _picture(red, number):
    image = np.full((SIZE, SIZE, 3), number, np.uint8)
    image[..., 0] = red
    return image


@pytest.fixture
def read(data_dir):
    def reading(name="reds", split="test", **settings):
        given = {"size": SIZE, "num": 9, "data_dir": data_dir, "progress": False}
        return masked_pictures.read(name, split, mask_fn, **{**given, **settings})

    return reading


def test_usable_pictures_are_found_and_all_are_counted(read):
    found = read()
    np.testing.assert_array_equal(found.records, [0, 1, 2, 3, 6, 7, 12])
    np.testing.assert_array_equal(found.labels, found.records // 6)
    np.testing.assert_array_equal(found.images[:, 0, 0, 1], found.records)
    assert found.names == NAMES and found.masks.shape == (7, SIZE, SIZE)
    assert (found.masks == mask_fn(found.images)).all()
    expected = {name: [0] * 4 for name in NAMES}
    for i, red in enumerate(REDS):
        expected[NAMES[i // 6]][VERDICTS.index(VERDICT_OF_RED[red])] += 1
    np.testing.assert_array_equal(found.counts, list(expected.values()))


def test_a_class_is_read_until_enough_are_found(read):
    found = read(num=2)
    np.testing.assert_array_equal(np.bincount(found.labels), [2, 2, 1])
    assert found.counts[0].sum() < 6 and found.counts[2].sum() == 6
    again, other = read(num=2), [read(num=2, seed=seed) for seed in range(1, 5)]
    np.testing.assert_array_equal(found.records, again.records)
    assert any((found.records != one.records).any() for one in other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "unlabelled"}, "data set 'unlabelled' has no class 'label'"),
        ({"name": "two"}, "split test has no picture of class 'bee'"),
        (
            {"name": "faint"},
            r"class 'bee' has no picture with a usable mask \(6 empty, 0 full, 0 unsu",
        ),
        ({"split": "train"}, "has no split 'train'"),
        ({"size": 0}, "size=0 is no number of pixels"),
    ],
)
def test_sets_that_cannot_be_mixed_are_one_line(read, change, message):
    with pytest.raises(ValueError, match=message) as error:
        read(**change)
    assert "\n" not in str(error.value)
