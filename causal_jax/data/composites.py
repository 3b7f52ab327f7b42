"""Composites of two pictures: labels that never occur together, in one picture.

A reader learns what helps: a mustache is read off a man's hair, and sex off a mustache,
because no woman has one. Such a reader says nothing of a picture of a woman with one. A
composite has a region of one picture in another, as in CutMix (Yun et al. 2019, arXiv
1905.04899), and each label's new value is the region's share of the pixels that show
*that* label: a man's mouth in a woman's face brings its mustache, and little
of his sex.

What a pixel shows of a label is the square of its coefficient in a linear regression of
pixels on all labels (`effect_maps`): of two labels that go together each has its own.
Regions are rectangles, or where one label shows most.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.types import Array, Key

_NUMBERS = 1 << 24  # pixels read at once
_LABELLED = 0.6  # share of the regions that are a label's
_LEAST, _MOST = 0.4, 0.9  # how much of the label's effect such a region has


class Regions(NamedTuple):
    """Where labels show in pictures.

    Attributes:
      effects: `[L, H, W]`, each label's sum is 1.
      ranks: `[L, H, W]` in (0, 1]: the share of the effect in all pixels that have as
        much of it, or more.
    """

    effects: Array
    ranks: Array


def effect_maps(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Where each label shows, whatever the others are.

    Args:
      images: uint8 `[N, H, W, 3]`.
      labels: `[N, L]` numbers.

    Returns:
      float32 `[L, H, W]`, each sum is 1: squared coefficients of the regression, summed
      over colours; of images mirrored and as they are. Uniform where a label shows
      nowhere, or never changes.

    >>> images = np.zeros((4, 8, 8, 3), np.uint8)
    >>> images[2:, :2] = 255
    >>> maps = effect_maps(images, np.array([[0], [0], [1], [1]]))
    >>> round(float(maps[0, :2].sum()), 3)
    1.0
    """
    design = labels - labels.mean(0)  # centred: no intercept, and constants are zero
    pixels = int(np.prod(images.shape[1:]))
    products = np.zeros((design.shape[1], pixels))
    rows = max(1, _NUMBERS // pixels)
    for start in range(0, len(images), rows):
        part = images[start : start + rows].astype(np.float32) / 255
        part = (part + part[:, :, ::-1]).reshape(len(part), -1) / 2
        products += design[start : start + rows].astype(np.float32).T @ part
    # Columns of one label's states sum to one: of the solutions the smallest.
    inverse = np.linalg.pinv(design.T @ design, rcond=1e-10, hermitian=True)
    squares = (inverse @ products).reshape(-1, *images.shape[1:]) ** 2
    maps = squares.sum(-1)
    total = maps.sum((1, 2), keepdims=True)
    even = np.full_like(maps, 1 / maps[0].size)
    shown = total > 1e-9  # more than rounding
    return np.where(shown, maps / np.where(shown, total, 1), even).astype(np.float32)


def find_regions(images: np.ndarray, labels: np.ndarray) -> Regions:
    """The effects of labels in uint8 images `[N, H, W, 3]`, and their ranks."""
    effects = effect_maps(images, labels)
    flat = effects.reshape(len(effects), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    cumulated = np.cumsum(np.take_along_axis(flat, order, 1), 1)
    ranks = np.empty_like(flat)
    np.put_along_axis(ranks, order, np.minimum(cumulated, 1), 1)
    return Regions(jnp.asarray(effects), jnp.asarray(ranks.reshape(effects.shape)))


def mixed(
    images: Array, labels: Array, regions: Regions, key: Key, *, share: float
) -> tuple[Array, Array]:
    """A batch in which some pictures have a region of their neighbour's.

    Args:
      images: `[B, H, W, C]`; the first two are neighbours, the next two, and so on.
      labels: `[B, L]` in [0, 1].
      regions: of these labels.
      key: random key.
      share: of the pictures that are changed.

    Returns:
      Images and labels, of the same shapes.
    """

    def one(image, label, other, other_label, own):
        key_region, key_changed = jax.random.split(own)
        region = _region(regions, key_region) & jax.random.bernoulli(key_changed, share)
        brought = jnp.sum(regions.effects * region, (1, 2))
        image = jnp.where(region[..., None], other, image)
        return image, label + brought * (other_label - label)

    keys = jax.random.split(key, len(images))
    neighbour = jnp.minimum(jnp.arange(len(images)) ^ 1, len(images) - 1)
    return jax.vmap(one)(images, labels, images[neighbour], labels[neighbour], keys)


def _region(regions: Regions, key: Key) -> Array:
    """Bool `[H, W]`: a rectangle, or where a label shows most."""
    num, height, width = regions.ranks.shape
    key_kind, key_area, key_centre, key_label, key_level = jax.random.split(key, 5)
    half = jnp.sqrt(jax.random.uniform(key_area)) / 2  # its area is uniform
    row, column = jax.random.uniform(key_centre, (2,))
    rows = jnp.abs((jnp.arange(height) + 0.5) / height - row) < half
    columns = jnp.abs((jnp.arange(width) + 0.5) / width - column) < half
    label = jax.random.randint(key_label, (), 0, num)
    level = jax.random.uniform(key_level, minval=_LEAST, maxval=_MOST)
    labelled = regions.ranks[label] <= level
    is_labelled = jax.random.bernoulli(key_kind, _LABELLED)
    return jnp.where(is_labelled, labelled, rows[:, None] & columns)
