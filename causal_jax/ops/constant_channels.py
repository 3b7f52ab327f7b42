"""Convolutions of channels that are the same at all pixels of a picture.

Away from the edges every output is the same, then: the channels times the sum of all
taps. Near an edge taps lie outside the picture and are left out of the sum. Outputs
that miss the same taps along an axis are neighbours, so there are a few products (nine
for a 5x5 kernel of stride 2) instead of one for every pixel and tap.
"""

import itertools

import jax.numpy as jnp
import numpy as np
from jax import lax

from causal_jax.ops.convolution_native import same_padding
from causal_jax.types import Array


def conv_of_constant(
    x: Array, kernel: Array, *, size: tuple[int, int], strides: int = 1
) -> Array:
    """`convolution.conv` of `x` at every pixel of a picture.

    Args:
      x: `[B, I]`.
      kernel: `[kh, kw, I, O]`.
      size: height and width of the picture.
      strides: the step along both image axes.

    Returns:
      `[B, ceil(H / strides), ceil(W / strides), O]`.

    >>> x, kernel = jnp.ones((1, 1)), jnp.ones((3, 3, 1, 1))
    >>> conv_of_constant(x, kernel, size=(4, 4))[0, 0, :, 0]
    Array([4., 6., 6., 4.], dtype=float32)
    """
    runs = []
    for axis in (0, 1):
        inside = taps_inside(size[axis], kernel.shape[axis], strides)
        alike = [(key, len(list(run))) for key, run in itertools.groupby(inside)]
        taps = jnp.asarray([key for key, _ in alike], kernel.dtype)
        kernel = jnp.moveaxis(jnp.tensordot(taps, kernel, (1, axis)), 0, axis)
        runs.append([length for _, length in alike])
    y = jnp.einsum("bi,pqio->bpqo", x, kernel)
    return _repeated(_repeated(y, runs[0], 1), runs[1], 2)


def taps_inside(size: int, num_taps: int, strides: int) -> list[tuple[bool, ...]]:
    """For each output along an axis, which taps of the kernel lie in the picture.

    >>> taps_inside(4, 3, 2)
    [(True, True, True), (True, True, False)]
    """
    before = same_padding(size, num_taps, strides)[0]
    places = strides * np.arange(-(-size // strides))[:, None] + np.arange(num_taps)
    inside = (places >= before) & (places < before + size)
    return [tuple(row) for row in inside.tolist()]


def _repeated(y: Array, lengths: list[int], axis: int) -> Array:
    """Each entry along `axis` as often as `lengths` says, without a gather."""
    parts = []
    for i, length in enumerate(lengths):
        shape = list(y.shape)
        shape[axis] = length
        entry = lax.slice_in_dim(y, i, i + 1, axis=axis)
        parts.append(jnp.broadcast_to(entry, shape))
    return jnp.concatenate(parts, axis)
