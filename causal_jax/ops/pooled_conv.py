"""A convolution of few channels and the pooling after it, computed in 2x2 blocks.

    max pool 3 /2 (relu(conv(a x + b)))        paddings of PyTorch: kernel // 2 and 1

A convolution of three channels is bound by copying, not by multiplying. With every 2x2
block of pixels made one pixel of four times the channels, the same convolution has a
smaller kernel, 4 C inputs and 4 O outputs: 1.4 times the products of a 5x5 kernel, in a
third of the time. Pooling by 2 then joins the four outputs of a block and their upper
and left neighbours. The scale a goes into the kernel and the shift b is convolved once
for all pictures, so that no gradient of the picture is needed for theirs.
"""

import jax
import jax.numpy as jnp

from causal_jax.ops.convolution import conv
from causal_jax.types import Array


def pooled_conv(
    x: Array, kernel: Array, bias: Array, *, scale: Array, shift: Array
) -> Array:
    """Scales, convolves, rectifies and pools.

    Args:
      x: `[B, H, W, C]`, even sides.
      kernel: `[k, k, C, O]`, k odd.
      bias: `[O]`.
      scale: `[C]`, a above.
      shift: `[C]`, b above.

    Returns:
      `[B, H / 2, W / 2, O]`.
    """
    shifted = jnp.broadcast_to(shift, (1, *x.shape[1:]))
    y = conv(blocks(x), block_kernel(kernel * scale[:, None]))
    y = y + conv(blocks(shifted), block_kernel(kernel)) + jnp.tile(bias, 4)
    return rectified_maximum(y)


def blocks(x: Array) -> Array:
    """`[B, H, W, C]` to `[B, H / 2, W / 2, 4 C]`: the pixels of a block row by row."""
    num, height, width, channels = x.shape
    x = x.reshape(num, height // 2, 2, width // 2, 2, channels).swapaxes(2, 3)
    return x.reshape(num, height // 2, width // 2, 4 * channels)


def block_kernel(kernel: Array) -> Array:
    """`[k, k, C, O]` to `[m, m, 4 C, 4 O]`, m odd: the same convolution of blocks."""
    for axis in (0, 1):  # output phases, then taps as (block, input phase)
        reach = kernel.shape[axis] // 2
        before = -(-reach // 2) * 2 - reach  # so that taps begin at a block
        phases = []
        for phase in (0, 1):
            pads = [(0, 0)] * kernel.ndim
            total = 2 * (2 * -(-reach // 2) + 1)
            pads[axis] = (before + phase, total - kernel.shape[axis] - before - phase)
            phases.append(jnp.pad(kernel, pads))
        kernel = jnp.stack(phases, axis=-2)  # [..., C, phases, O]
    # [rows, columns, C, row phase, column phase, O], rows = (block, phase).
    rows, columns, channels, _, _, features = kernel.shape
    kernel = kernel.reshape(rows // 2, 2, columns // 2, 2, channels, 4 * features)
    kernel = kernel.transpose(0, 2, 1, 3, 4, 5)
    return kernel.reshape(rows // 2, columns // 2, 4 * channels, 4 * features)


# The window of an output: its own block, the upper and left neighbours' last pixels.
# (pixel of the block, whether it is the block above's, whether the one's to the left)
_WINDOW = [
    (2 * (row % 2) + column % 2, int(row < 0), int(column < 0))
    for row in (-1, 0, 1)
    for column in (-1, 0, 1)
]


@jax.custom_vjp
def rectified_maximum(y: Array) -> Array:
    """relu and max pool 3 /2, padding 1, of a picture in blocks.

    `[B, H / 2, W / 2, 4 O]` to `[B, H / 2, W / 2, O]`. Of equal maxima the first one
    gets the gradient, as in PyTorch.
    """
    return _maxima_and_places(y)[0]


def _maxima_and_places(y: Array) -> tuple[Array, Array]:
    """The maxima and which of the window each is, int8; -1 for the rectifier's 0."""
    height, width = y.shape[1:3]
    features = y.shape[-1] // 4
    padded = _kept_apart(jnp.pad(y, ((0, 0), (1, 0), (1, 0), (0, 0))))
    highest = jnp.zeros((*y.shape[:-1], features), y.dtype)
    place = jnp.full(highest.shape, -1, jnp.int8)
    for index, (pixel, above, left) in enumerate(_WINDOW):
        rows, columns = slice(1 - above, None), slice(1 - left, None)
        part = padded[:, rows, columns][:, :height, :width]
        part = part[..., pixel * features : (pixel + 1) * features]
        is_higher = part > highest
        highest = jnp.where(is_higher, part, highest)
        place = jnp.where(is_higher, jnp.int8(index), place)
    return highest, place


def _gradient_to_places(place: Array, gradient: Array) -> tuple[Array]:
    height, width = gradient.shape[1:3]
    pads = ((0, 0), (0, 1), (0, 1), (0, 0))
    gradient = _kept_apart(jnp.pad(gradient, pads))
    place = _kept_apart(jnp.pad(place, pads, constant_values=-1))
    parts = [jnp.zeros(())] * 4
    for index, (pixel, above, left) in enumerate(_WINDOW):
        there = (
            slice(None),
            slice(above, above + height),
            slice(left, left + width),
        )
        got = jnp.where(place[there] == index, gradient[there], 0)
        parts[pixel] = parts[pixel] + got
    return (jnp.concatenate(parts, axis=-1),)


def _kept_apart(x: Array) -> Array:
    """Computed by itself: padding within larger loops makes them ten times slower."""
    return jax.lax.optimization_barrier(x)


rectified_maximum.defvjp(_maxima_and_places, _gradient_to_places)
