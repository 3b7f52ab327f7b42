"""Filling a hole: harmonic where it should be, and nothing of the object is left."""

import numpy as np
import pytest

from causal_jax.data import filling


@pytest.fixture
def hole():
    found = np.zeros((16, 20), bool)
    found[4:11, 6:15] = True
    return found


def test_a_linear_picture_is_restored_since_it_is_harmonic(hole):
    rows, columns = np.indices(hole.shape)
    values = (2.0 * rows - 3.0 * columns + 1)[..., None]
    damaged = np.where(hole[..., None], 1e6, values)
    np.testing.assert_allclose(filling.harmonic(damaged, hole), values, atol=1e-9)


def test_a_filled_pixel_is_the_mean_of_its_neighbours(hole):
    hole[0, :3] = True  # at the edge there are fewer neighbours
    values = np.random.default_rng(0).random((*hole.shape, 2))
    found = filling.harmonic(values, hole)
    padded = np.pad(found, ((1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    neighbours = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2]]
    means = np.nanmean([*neighbours, padded[1:-1, 2:]], axis=0)
    np.testing.assert_allclose(found[hole], means[hole], atol=1e-12)
    np.testing.assert_array_equal(found[~hole], values[~hole])


def test_nothing_of_the_object_is_left(hole):
    random = np.random.default_rng(0)
    image = random.integers(60, 100, (*hole.shape, 3), np.uint8)
    one, other = image.copy(), image.copy()
    one[hole], other[hole] = 255, random.integers(0, 256, (hole.sum(), 3))
    found = filling.without_object(one, hole)
    np.testing.assert_array_equal(found, filling.without_object(other, hole))
    np.testing.assert_array_equal(found[~hole], image[~hole])
    assert found[hole].min() > 20 and found[hole].max() < 150


def test_the_background_goes_on_through_the_hole(hole):
    columns = np.indices(hole.shape)[1]
    stripes = np.where(columns % 4 < 2, 200, 50).astype(np.uint8)
    image = np.repeat(stripes[..., None], 3, -1)
    damaged = np.where(hole[..., None], 255, image).astype(np.uint8)
    error = filling.without_object(damaged, hole).astype(float) - image
    smooth = 255 * filling.harmonic(damaged / 255.0, hole) - image
    assert abs(error[hole]).mean() < 0.5 * abs(smooth[hole]).mean()


def test_without_a_hole_nothing_changes_and_without_a_rest_it_is_refused(hole):
    image = np.full((*hole.shape, 3), 9, np.uint8)
    none = np.zeros_like(hole)
    np.testing.assert_array_equal(filling.without_object(image, none), image)
    np.testing.assert_array_equal(filling.widened(none), none)
    with pytest.raises(ValueError, match="the hole is the whole picture"):
        filling.without_object(image, np.ones_like(hole))
