"""Grey digits: the embedded ones, prepared sets, and sets of another kind."""

import os

import numpy as np
import pytest

from causal_jax.data import digits, tfds
from causal_jax.data.digits import Digits


@pytest.fixture(scope="module")
def embedded():
    pytest.importorskip("sklearn")
    return digits.embedded()


def test_embedded_digits_are_grey_pictures_of_ten_classes(embedded):
    for half in embedded:
        assert half.images.shape == (len(half), 28, 28)
        assert half.images.dtype == np.uint8
        assert set(half.labels) == set(range(10))
    assert (len(embedded.train), len(embedded.test)) == (1500, 297)
    ink = (embedded.train.images > 25).mean()
    assert 0.15 < ink < 0.25  # MNIST's is .17
    assert not embedded.train.images[:, :3].any()  # a black border


def test_embedded_digits_show_their_class_to_new_writers(embedded):
    """Nearest neighbour, trained on some writers, reads the others."""
    train, test = (half.images.reshape(len(half), -1) / 255.0 for half in embedded)
    products = test @ train.T
    nearest = np.argmin((train**2).sum(1) - 2 * products, axis=1)
    read = embedded.train.labels[nearest]
    assert (read == embedded.test.labels).mean() > 0.9


@pytest.mark.parametrize(
    ("images", "labels", "text"),
    [
        (np.zeros((2, 32, 32), np.uint8), [0, 1], r"uint8 \[N, 28, 28\]"),
        (np.zeros((2, 28, 28), np.float32), [0, 1], "not float32"),
        (np.zeros((2, 28, 28), np.uint8), [0], "2 pictures need as many labels"),
        (np.zeros((2, 28, 28), np.uint8), [0, 10], "label 10 is out of range"),
        (np.zeros((2, 28, 28), np.uint8), [0, -1], "label -1 is out of range"),
        (np.zeros((2, 28, 28), np.uint8), [0.0, 1.0], "labels are integers"),
    ],
)
def test_digits_that_do_not_fit_are_refused(images, labels, text):
    with pytest.raises(ValueError, match=text) as error:
        digits.checked(Digits(images, np.array(labels)))
    assert "\n" not in str(error.value)


def _features(monkeypatch, **features):
    monkeypatch.setattr(tfds, "features", lambda name, data_dir=None: features)


class _Feature:
    def __init__(self, shape=(), num_classes=None):
        self.shape, self.num_classes = shape, num_classes


@pytest.mark.parametrize(
    ("image", "label", "text"),
    [
        (_Feature((32, 32, 3)), _Feature((), 10), "'odd' are 32x32x3: name a set"),
        (_Feature((None, None, 1)), _Feature((), 10), r"are \?x\?x1"),
        (_Feature((28, 28, 1)), _Feature((), 47), "has 47 classes"),
    ],
)
def test_a_set_that_is_not_28x28_grey_is_refused(monkeypatch, image, label, text):
    _features(monkeypatch, image=image, label=label)
    with pytest.raises(ValueError, match=text) as error:
        digits.from_tfds("odd")
    assert "\n" not in str(error.value)


def test_a_set_without_pictures_is_refused(monkeypatch):
    _features(monkeypatch, text=_Feature())
    with pytest.raises(ValueError, match="no feature 'image': name a set of 28x28"):
        digits.from_tfds("imdb")


_MNIST = "TFDS_DATA_DIR" in os.environ and tfds.is_prepared("mnist")


@pytest.mark.skipif(not _MNIST, reason="no mnist in $TFDS_DATA_DIR")
def test_mnist_reads_by_name():
    split = digits.from_tfds("mnist", limit=300, progress=False)
    assert split.train.images.shape == split.test.images.shape == (300, 28, 28)
    assert set(split.train.labels) == set(range(10))
    example = tfds.source("mnist", "test")[7]
    np.testing.assert_array_equal(split.test.images[7], example["image"][..., 0])
    assert split.test.labels[7] == example["label"]
