"""Differentiable augmentation: both players of a game see changed pictures.

Zhao et al. 2020 (arXiv 2006.10738): a discriminator of few pictures learns them by
heart. It is shown T(x) of real and of generated pictures alike, T drawn anew for each,
and the generator's gradient goes through T::

    colour        brightness x + b, b in [-.5, .5]; saturation times 0 to 2; contrast
                  times .5 to 1.5
    translation   by at most an eighth of the side, mid-grey beyond the edge
    cutout        a square of half the side is mid-grey, wherever its centre lies

Pictures are not mirrored here: see `image_stage.pixels`.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from causal_jax.training import parallel
from causal_jax.types import Array, Key


def _coloured(image: Array, key: Key) -> Array:
    brightness, saturation, contrast = jax.random.uniform(key, (3,))
    image = image + (brightness - 0.5)
    grey = image.mean(-1, keepdims=True)
    image = grey + 2 * saturation * (image - grey)
    mean = image.mean()
    return mean + (0.5 + contrast) * (image - mean)


def _translated(image: Array, key: Key) -> Array:
    """Moved by whole pixels, as two products: a gradient needs no scatter."""
    height, width, _ = image.shape
    shift = jax.random.uniform(key, (2,), minval=-1, maxval=1)
    down = jnp.round(shift[0] * (height // 8))
    right = jnp.round(shift[1] * (width // 8))
    image = jnp.einsum("ij,jkc->ikc", _shifting(height, down), image)
    return jnp.einsum("kl,ilc->ikc", _shifting(width, right), image)


def _shifting(size: int, shift: Array) -> Array:
    """The matrix that moves rows by `shift` and lets zeros in."""
    index = jnp.arange(size)
    return (index[:, None] - index[None] == shift).astype(jnp.float32)


def _cut_out(image: Array, key: Key) -> Array:
    height, width, _ = image.shape
    row, column = jax.random.uniform(key, (2,)) * jnp.array([height, width])
    rows = jnp.abs(jnp.arange(height) + 0.5 - row) < height / 4
    columns = jnp.abs(jnp.arange(width) + 0.5 - column) < width / 4
    return jnp.where((rows[:, None] & columns)[..., None], 0.0, image)


KINDS = {"colour": _coloured, "translation": _translated, "cutout": _cut_out}


def partly_augmented(
    images: Array, key: Key, batch_size: int, kinds: Sequence[str], share: float
) -> Array:
    """A device's pictures `[B, H, W, 3]`, a share of the whole batch `augment`ed.

    Args:
      images: this device's part of the batch.
      key: which are changed, and how.
      batch_size: pictures of the batch, over all devices.
      kinds: of `KINDS`; () changes nothing.
      share: of the pictures that are changed.
    """
    if not kinds:
        return images
    key_which, key_how = jax.random.split(key)
    keys = parallel.local(jax.random.split(key_how, batch_size))
    which = jax.random.bernoulli(key_which, share, (batch_size, 1, 1, 1))
    return jnp.where(parallel.local(which), augment(images, keys, kinds), images)


def require_augmentation(kinds: Sequence[str], share: float) -> None:
    """Raises ValueError on an unknown kind, or what is no share."""
    augment(jnp.zeros((1, 8, 8, 3)), jax.random.key(0), kinds)
    if not 0 <= share <= 1:
        raise ValueError(f"augmented_share is between 0 and 1, not {share}")


def augment(images: Array, key: Key, kinds: Sequence[str] = tuple(KINDS)) -> Array:
    """Each picture changed in its own way.

    Args:
      images: [B, H, W, 3] in [-1, 1].
      key: of this batch, or one for each picture [B].
      kinds: which changes, of `KINDS`, in this order.

    Returns:
      [B, H, W, 3]; colours may leave [-1, 1].

    Raises:
      ValueError: an unknown kind.

    >>> augment(jnp.zeros((2, 8, 8, 3)), jax.random.key(0), ["cutout"]).shape
    (2, 8, 8, 3)
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ValueError(f"augmentation is of {', '.join(KINDS)}, not {unknown[0]!r}")
    keys = key if key.ndim else jax.random.split(key, len(images))

    def changed(image: Array, own: Key) -> Array:
        for number, kind in enumerate(kinds):
            image = KINDS[kind](image, jax.random.fold_in(own, number))
        return image

    return jax.vmap(changed)(images, keys)
