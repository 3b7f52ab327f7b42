"""The losses of CGN on natural images against numbers worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.losses import cgn_imagenet as losses


def test_reconstruction_is_the_mean_absolute_difference():
    images = jnp.zeros((2, 2, 2, 3)).at[0].set(0.5)
    assert float(losses.reconstruction(images, jnp.zeros_like(images))) == 0.25


def test_mask_size_counts_what_lies_outside():
    masks = jnp.stack([jnp.full((2, 2, 1), m) for m in (0.0, 0.5, 1.0, 0.06)])
    # .1 below, none, .1 above, .04 below: a mean of .06
    assert float(losses.mask_size(masks)) == pytest.approx(0.06, abs=1e-6)


def test_mask_size_has_no_slope_inside():
    slope = jax.grad(losses.mask_size)
    assert float(jnp.abs(slope(jnp.full((1, 4, 4, 1), 0.3))).sum()) == 0
    assert float(slope(jnp.full((1, 4, 4, 1), 0.05)).sum()) == pytest.approx(-1)
    assert float(slope(jnp.full((1, 4, 4, 1), 0.95)).sum()) == pytest.approx(1)


def test_patch_means_are_those_of_every_place():
    mask = np.random.RandomState(0).rand(9, 9).astype(np.float32)
    expected = [[mask[a : a + 4, b : b + 4].mean() for b in range(6)] for a in range(6)]
    np.testing.assert_allclose(losses._patch_means(mask, 4), expected, atol=1e-6)


SIZES = {"working_size": 16, "patch": 4, "num_best": 9, "grid": 3}


def keys(num):
    return jax.random.split(jax.random.key(3), num)


def painted():
    """Black pictures of 16 pixels with a coloured square, and its mask."""
    colours = np.array([[1.0, -1.0, 0.5], [-0.5, 1.0, 1.0]], np.float32)
    images, masks = -np.ones((2, 16, 16, 3)), np.zeros((2, 16, 16, 1))
    images[:, 4:10, 6:12] = colours[:, None, None]
    masks[:, 4:10, 6:12] = 1
    return jnp.asarray(images, jnp.float32), jnp.asarray(masks, jnp.float32), colours


@pytest.mark.parametrize("x64", [False, True])
def test_a_collage_shows_the_object_alone(x64):
    """A square of 6 holds 9 patches of 4: everything in the collage is its colour."""
    with jax.enable_x64(x64):
        images, masks, colours = painted()
        found = losses.collage(images, masks, keys(2), **SIZES)
        expected = np.broadcast_to(colours[:, None, None], found.shape)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_collage_is_of_patches_of_the_picture():
    """At its own scale every tile of the collage is a patch of the picture."""
    image = np.random.RandomState(1).uniform(-1, 1, (1, 12, 12, 3)).astype(np.float32)
    masks = jnp.ones((1, 12, 12, 1))
    sizes = {"working_size": 12, "patch": 4, "num_best": 81, "grid": 3}
    found = losses.collage(jnp.asarray(image), masks, keys(1), **sizes)[0]
    patches = [image[0, a : a + 4, b : b + 4] for a in range(9) for b in range(9)]
    tiles = [
        found[a : a + 4, b : b + 4] for a in range(0, 12, 4) for b in range(0, 12, 4)
    ]
    nearest = [min(np.abs(tile - p).max() for p in patches) for tile in tiles]
    assert max(nearest) < 1e-5
    picked = {int(np.argmin([np.abs(t - p).max() for p in patches])) for t in tiles}
    assert len(picked) > 3


def test_an_image_is_drawn_the_same_beside_others():
    images, masks, _ = painted()
    images = images + 0.1 * jax.random.normal(jax.random.key(5), images.shape)
    both = losses.collage(images, masks, keys(2), **SIZES)
    one = losses.collage(images[:1], masks[:1], keys(2)[:1], **SIZES)
    np.testing.assert_allclose(one[0], both[0], atol=1e-6)


def test_too_few_patches_are_refused():
    images, masks, _ = painted()
    with pytest.raises(ValueError, match="has 169 patches of 4: num_best is 200"):
        losses.collage(images, masks, keys(2), **{**SIZES, "num_best": 200})
