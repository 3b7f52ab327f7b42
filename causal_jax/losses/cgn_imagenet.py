"""Losses of counterfactual generative networks on natural images.

Sauer & Geiger (2021), section 3.3, and the reference code's `shared/losses.py`. A fixed
generator draws an image x_t of a class from noise u; the model composes one of the same
class and noise, x = m f + (1 - m) b, and learns to draw it by parts::

    L =   w1 E |x - x_t|  +  sum_l w2_l E |Gram_l(x) - Gram_l(x_t)|     reconstruction
        + w3 E H2(m)  +  w4 E [max(0, .1 - mean m) + max(0, mean m - .9)]        shape
        + sum_l w5_l E |Gram_l(f) - Gram_l(collage)|                           texture
        + w6 E S(b)                                                         background

S is the saliency of the mechanism's mask network. The collage shows an object's
patches, without its shape: those of x_t where the mask is largest. H2 and the Gram
terms are `losses.cgn`'s.
"""

import jax
import jax.numpy as jnp

from causal_jax.types import Array, Key

# The paper's collage: patches of 15 pixels in a picture of 128, the hundred whose mask
# is largest, 36 of them drawn, 6 x 6.
PATCH, WORKING_SIZE, NUM_BEST, GRID = 15, 128, 100, 6


def reconstruction(images: Array, targets: Array) -> Array:
    """Mean absolute difference of images [B, H, W, 3] in [-1, 1]; in [0, 2]."""
    return jnp.mean(jnp.abs(images - targets))


def mask_size(masks: Array, *, least: float = 0.1, most: float = 0.9) -> Array:
    """How far the masks' means lie outside [least, most], mean over masks.

    Args:
      masks: [B, H, W, 1] in [0, 1].
      least: mean below which a mask is too small.
      most: mean above which it is too large.
    """
    means = jnp.mean(masks, axis=(1, 2, 3))
    return jnp.mean(jax.nn.relu(least - means) + jax.nn.relu(means - most))


def collage(
    images: Array,
    masks: Array,
    keys: Key,
    *,
    working_size: int = WORKING_SIZE,
    patch: int = PATCH,
    num_best: int = NUM_BEST,
    grid: int = GRID,
) -> Array:
    """Pictures of an object's texture: its patches, tiled.

    Of all patches of the picture, scaled to `working_size`, those `num_best` with the
    largest mean mask are kept, `grid**2` of them drawn with replacement, laid out in a
    square, and the square scaled to the picture's size. Scaling is bicubic and, where
    it makes smaller, over area; values are cut to [-1, 1]. (The reference code's takes
    no area, has -.75 where this kernel has -.5, and is not cut.)

    Args:
      images: [B, H, W, 3] in [-1, 1].
      masks: [B, H, W, 1] in [0, 1].
      keys: [B], of each image's draw.
      working_size: side that pictures are scaled to first.
      patch: side of a patch, at most `working_size`.
      num_best: number of patches that are drawn from.
      grid: patches a side.

    Returns:
      [B, H, W, 3], within [-1, 1].

    Raises:
      ValueError: see `require_collage`.

    >>> images, masks = jnp.ones((2, 32, 32, 3)), jnp.ones((2, 32, 32, 1))
    >>> sizes = {"working_size": 16, "patch": 4, "num_best": 10, "grid": 3}
    >>> keys = jax.random.split(jax.random.key(0), 2)
    >>> collage(images, masks, keys, **sizes).shape
    (2, 32, 32, 3)
    """
    require_collage(working_size, patch, num_best, grid)
    places = working_size - patch + 1

    def of_image(image: Array, mask: Array, key: Key) -> Array:
        shape = (working_size, working_size)
        small = jax.image.resize(image, (*shape, image.shape[-1]), "cubic")
        means = _patch_means(jax.image.resize(mask[..., 0], shape, "cubic"), patch)
        best = jax.lax.top_k(means.ravel(), num_best)[1]
        drawn = best[jax.random.randint(key, (grid**2,), 0, num_best)]

        def cut(place: Array) -> Array:
            start = (place // places, place % places, jnp.zeros_like(place))
            return jax.lax.dynamic_slice(small, start, (patch, patch, image.shape[-1]))

        patches = jax.vmap(cut)(drawn).reshape(grid, grid, patch, patch, -1)
        square = patches.swapaxes(1, 2).reshape(grid * patch, grid * patch, -1)
        return jnp.clip(jax.image.resize(square, image.shape, "cubic"), -1, 1)

    return jax.vmap(of_image)(images, masks, keys)


def require_collage(
    working_size: int = WORKING_SIZE,
    patch: int = PATCH,
    num_best: int = NUM_BEST,
    grid: int = GRID,
) -> None:
    """Raises ValueError unless a `collage` can have these settings."""
    if patch < 1 or grid < 1:
        raise ValueError(f"patch={patch} and grid={grid} of a collage are at least 1")
    places = working_size - patch + 1
    if not 0 < num_best <= places**2 or places < 1:
        raise ValueError(
            f"a picture of {working_size} pixels has {max(places, 0) ** 2} patches of "
            f"{patch}: num_best is {num_best}, give at least 1 and no more than those"
        )


def _patch_means(mask: Array, patch: int) -> Array:
    """[S, S] -> [S - patch + 1, S - patch + 1], the mean under each patch."""
    sums = jax.lax.reduce_window(
        mask, 0.0, jax.lax.add, (patch, patch), (1, 1), "VALID"
    )
    return sums / patch**2
