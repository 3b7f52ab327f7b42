"""Counterfactual images: shape, foreground and background of independent labels.

What invariant classifiers are trained on (Sauer & Geiger 2021, section 4.1): each part
gets a label and noise of its own, so that of an image's three labels none tells
anything about the others.

Differences from the reference code, which runs all three networks in every pass and
throws away what it does not need, 100 images at a time: here each network runs once for
each part that is used, in one compiled call. All three labels are kept (there the
shape's alone). Labels are drawn freely (there each texture's are a permutation of the
batch's shape labels).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from causal_jax.networks.cgn.composition import LABELS, PARTS, compose
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Params

# Images drawn at once: their feature maps stay in the cache (measured on a CPU).
_BLOCK = 64


class Counterfactuals(NamedTuple):
    """Images and the labels of their parts, row by row.

    Attributes:
      images: [N, 32, 32, 3] in [-1, 1].
      shape_labels: int32 [N] in 0..9.
      texture_labels: int32 [N] in 0..9, the foreground's.
      background_labels: int32 [N] in 0..9.
    """

    images: Array
    shape_labels: Array
    texture_labels: Array
    background_labels: Array


@partial(jax.jit, static_argnames=("scm", "num", "per_mask"))
def sample_counterfactuals(
    scm: SCM, params: Params, key: Key, *, num: int, per_mask: int = 1
) -> Counterfactuals:
    """Draws counterfactual images with fresh noise for every one.

    With one image a mask these are the units of `scm.sample(params, key, num=num)`.

    Args:
      scm: `mnist.scm()`, or what `substitute` makes of it.
      params: {node: parameters}.
      key: PRNG key.
      num: number of images.
      per_mask: how many images in a row share a mask, with other textures (the
        reference's `no_cfs`); must divide `num`.

    Raises:
      ValueError: `per_mask` does not divide `num`.
    """
    if per_mask < 1 or num % per_mask:
        raise ValueError(
            f"per_mask={per_mask} does not divide num={num}: draw a multiple of it"
        )
    num_masks = num // per_mask
    noise = scm.sample_noise(key, num)
    shape = {n: jax.tree.map(lambda x: x[::per_mask], noise[n]) for n in _SHAPE_NODES}
    textures = {
        n: jax.tree.map(
            lambda x: x.reshape(num_masks, per_mask, *x.shape[1:]), noise[n]
        )
        for n in (*LABELS[1:], *PARTS[1:])
    }

    def part(label: str, name: str, noise) -> tuple[Array, Array]:
        state = scm.mechanisms[label].apply(params[label], (), noise[label])
        value = scm.mechanisms[name].apply(params[name], (state,), noise[name])
        return state, value

    def one_mask(noise):
        shape, textures = noise
        label, mask = part(*_SHAPE_NODES, shape)
        texture_label, foreground = jax.vmap(partial(part, LABELS[1], PARTS[1]))(
            textures
        )
        background_label, background = jax.vmap(partial(part, LABELS[2], PARTS[2]))(
            textures
        )
        images = compose(mask, foreground, background)
        labels = jnp.full(per_mask, label, jnp.int32)
        return Counterfactuals(
            images=images,
            shape_labels=labels,
            texture_labels=texture_label,
            background_labels=background_label,
        )

    block = min(max(1, _BLOCK // per_mask), num_masks)
    drawn = jax.lax.map(one_mask, (shape, textures), batch_size=block)
    return jax.tree.map(lambda x: x.reshape(num, *x.shape[2:]), drawn)


_SHAPE_NODES = (LABELS[0], PARTS[0])
