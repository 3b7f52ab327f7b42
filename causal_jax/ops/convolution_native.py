"""The three faces of a SAME convolution as XLA's own operations; see `convolution`.

Image sizes are multiples of `strides`, dtypes equal.
"""

import jax
import jax.numpy as jnp
from jax import lax

_DIMENSION_NUMBERS = ("NHWC", "HWIO", "NHWC")


def conv(x, kernel, *, kernel_size=None, strides):
    """A SAME convolution: [B, H, W, I] -> [B, H / strides, W / strides, O]."""
    del kernel_size
    return lax.conv_general_dilated(
        x, kernel, (strides, strides), "SAME", dimension_numbers=_DIMENSION_NUMBERS
    )


def conv_transpose(x, kernel, strides):
    """A transposed convolution: [B, H, W, I] -> [B, H * strides, W * strides, O]."""
    return lax.conv_transpose(
        x, kernel, (strides, strides), "SAME", dimension_numbers=_DIMENSION_NUMBERS
    )


def input_gradient(g, kernel, *, kernel_size, strides):
    """The transpose of `conv` in its image."""
    del kernel_size
    return conv_transpose(g, turned(kernel), strides)


def weight_gradient(x, g, *, kernel_size, strides):
    """The transpose of `conv` in its kernel."""
    kernel = jax.ShapeDtypeStruct((*kernel_size, x.shape[3], g.shape[3]), x.dtype)
    (gradient,) = jax.linear_transpose(
        lambda kernel: conv(x, kernel, strides=strides), kernel
    )(g)
    return gradient


def conv_of_doubled(x, kernel, *, kernel_size, strides):
    """`conv` of the image with every pixel doubled; the settings are 3x3 and 2."""
    del kernel_size
    return conv_transpose(x, spread(kernel), strides)


def turned(kernel):
    """The kernel of the transpose: turned by 180 degrees, its channels swapped."""
    return jnp.flip(kernel, (0, 1)).swapaxes(2, 3)


def spread(kernel):
    """`[3, 3, I, O]` to `[4, 4, I, O]`: what it is for the pixels of a 2x2 block."""
    for axis in (0, 1):
        pads = [[(0, 0)] * 4 for _ in range(2)]
        pads[0][axis], pads[1][axis] = (0, 1), (1, 0)
        kernel = jnp.pad(kernel, pads[0]) + jnp.pad(kernel, pads[1])
    return kernel


def same_padding(size, kernel, strides):
    """SAME's zeros before and after an axis."""
    out = -(-size // strides)
    total = max((out - 1) * strides + kernel - size, 0)
    return total // 2, total - total // 2
