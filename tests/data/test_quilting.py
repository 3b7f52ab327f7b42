"""Quilting: an object's pixels alone, without its shape; seams are the cheapest."""

import itertools

import numpy as np
import pytest

from causal_jax.data import quilting

SIZE = 32


@pytest.fixture
def striped():
    """A striped square of 12 pixels, red and dark red, on blue."""
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[..., 2] = 255
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[10:22, 5:17] = 1
    image[10:22, 5:17, 2] = 0
    image[10:22, 5:17, 0] = np.where(np.arange(12) % 4 < 2, 250, 150)
    return image, mask


def test_the_texture_shows_the_object_alone_and_fills_the_picture(striped):
    found = quilting.texture(*striped, np.random.default_rng(0)).astype(int)
    assert found.shape == (SIZE, SIZE, 3)
    assert found[..., 2].max() < 30 and found[..., 0].min() > 100
    assert np.ptp(found[..., 0]) > 60, "its stripes are there"


def test_the_same_seed_gives_the_same_texture(striped):
    one, same, other = (
        quilting.texture(*striped, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_small_object_is_enlarged_to_the_picture(striped):
    image, mask = quilting.enlarged_object(*striped)
    assert image.shape == (SIZE, SIZE, 3) and mask.shape == (SIZE, SIZE)
    assert mask.mean() > 0.95 and image[..., 2].mean() < 20


def test_the_least_masked_patch_lies_beside_the_object(striped):
    found = quilting.least_masked(*striped, 8)
    assert found.shape == (8, 8, 3) and (found == [0, 0, 255]).all()


def test_patches_that_fit_exactly_are_joined_exactly():
    """Of all windows of a periodic picture the quilt is periodic too."""
    wave = np.arange(30, dtype=np.uint8) % 7 * 20
    windows = [np.tile(wave[i : i + 9], (9, 1)) for i in range(20)]
    patches = np.repeat(np.stack(windows)[..., None], 3, -1)
    found = quilting.quilted(patches, SIZE, np.random.default_rng(0)).astype(int)
    np.testing.assert_array_equal(found[:, 1:], (found[:, :-1] + 20) % 140)
    np.testing.assert_array_equal(found[1:], found[:-1])


def test_the_seam_is_the_cheapest_of_all_paths():
    costs = np.random.default_rng(1).random((5, 4))
    shown = quilting._beyond_seam(costs)
    columns = shown.argmax(1)
    assert (abs(np.diff(columns)) <= 1).all()
    paths = itertools.product(range(4), repeat=5)
    best = min(
        sum(costs[i, c] for i, c in enumerate(path))
        for path in paths
        if (abs(np.diff(path)) <= 1).all()
    )
    assert costs[range(5), columns].sum() == pytest.approx(best)
    assert (np.diff(shown.astype(int), axis=1) >= 0).all(), "all right of the seam"


def test_without_an_object_there_is_no_texture(striped):
    image, mask = striped
    with pytest.raises(ValueError, match="nowhere above 1/2"):
        quilting.texture(image, mask / 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="patch=0 is no part"):
        quilting.texture(image, mask, np.random.default_rng(0), patch=0)
