"""Pictures of a Gaussian law have the training pictures' mean and covariance."""

import jax
import numpy as np
import pytest

from causal_jax.metrics.frechet import frechet_distance
from causal_jax.metrics.gaussian_pictures import gaussian_pictures

NUM = 4000


@pytest.fixture(scope="module")
def images():
    """Two by two grey levels: a common part of deviation 20, and 5 of its own."""
    random = np.random.default_rng(0)
    levels = 128 + 20 * random.normal(size=(NUM, 1)) + 5 * random.normal(size=(NUM, 4))
    return np.rint(levels).astype(np.uint8).reshape(NUM, 2, 2, 1)


def _covariance(images):
    return np.cov(images.reshape(len(images), -1).astype(float), rowvar=False)


def test_mean_and_covariance_are_those_of_the_training_pictures(images):
    # Of four components all but the last, whose variance is about 25, are kept.
    found = gaussian_pictures(images, jax.random.key(0), num=NUM, num_components=3)
    assert found.dtype == np.uint8 and found.shape == images.shape
    expected = _covariance(images)
    values, vectors = np.linalg.eigh(expected)
    expected = expected - values[0] * np.outer(vectors[:, 0], vectors[:, 0])
    deviations = np.sqrt(np.diag(expected))
    error = np.outer(deviations, deviations) * np.sqrt(2 / NUM)
    # Rounding adds 1/12 to each variance.
    assert (abs(_covariance(found) - expected) < 5 * error + 1 / 12).all()
    difference = found.mean(0) - images.mean(0)
    assert (abs(difference) < 5 * deviations.max() / np.sqrt(NUM)).all()


def test_one_component_leaves_one_direction(images):
    found = gaussian_pictures(images, jax.random.key(1), num=500, num_components=1)
    values = np.linalg.eigvalsh(_covariance(found))
    assert values[-1] > 1000 and values[:-1].max() < 1  # rounding


def test_they_are_nearer_than_pictures_without_covariance(images):
    flat = images.reshape(NUM, -1).astype(float)
    drawn = gaussian_pictures(images, jax.random.key(2), num=NUM, num_components=3)
    apart = np.random.default_rng(1).permuted(flat, axis=0)
    own = frechet_distance(drawn.reshape(NUM, -1), flat)
    assert own < 0.2 * frechet_distance(apart, flat)


def test_levels_are_cut_to_bytes():
    images = np.zeros((2, 1, 1, 3), np.uint8)
    images[1] = 255
    found = gaussian_pictures(images, jax.random.key(0), num=200, num_components=1)
    assert found.min() == 0 and found.max() == 255


@pytest.mark.parametrize(
    ("change", "numbers", "message"),
    [
        (lambda x: x / 255, {}, "give uint8"),
        (lambda x: x[:1], {}, "with N at least 2"),
        (lambda x: x, {"num_components": 4}, "components below 4"),
        (lambda x: x, {"num": 0}, "num=0"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(images, change, numbers, message):
    given = {"num": 2, "num_components": 1, **numbers}
    with pytest.raises(ValueError, match=message) as error:
        gaussian_pictures(change(images), jax.random.key(0), **given)
    assert "\n" not in str(error.value)
