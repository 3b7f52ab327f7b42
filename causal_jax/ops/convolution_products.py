"""The three faces of a SAME convolution on a CPU; see `convolution`.

Image sizes are multiples of `strides`, dtypes equal.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from causal_jax.ops import convolution_native as native
from causal_jax.ops import winograd
from causal_jax.ops.blocks import block_size, map_blocks

# Rows of the patch matrix formed at once: measured best of 128 ... 16,384 over the
# layers of the benchmark (the block stays in the second-level cache).
_BLOCK_ROWS = 512

# Where XLA's own convolution is used forward. Of outputs of fewer pixels an image it is
# up to 46 times slower than products of patches (2x2 pixels, 128 to 256 channels: 169
# against 3.7 ms), and of kernels of more numbers up to 1.7 times (4x4, 256 to 512
# channels, 32 images of 32 pixels a side: 836 against 479 ms). Others are as fast by it
# or up to five times as fast (64 images of 32 pixels a side, 5x5, 32 to 32 channels: 24
# against 62 ms; 8 images of 64, 7x7, 16 to 32: 10 against 50; types of 16 and 64 bits
# likewise). An odd number of channels is slow where 17 to 32 come out: 32 images of 64
# pixels a side, 4x4, stride 2, 3 to 32 channels take 4.6 ms, with a fourth of zeros
# 1.5. (Here and below on one core of an Intel Xeon, unless said.)
_NATIVE_PIXELS, _NATIVE_NUMBERS = 16, 2**20
_SLOW_FEATURES = range(17, 33)

# A stride of 1 with so many times fewer channels out than in: forward, products come
# first (16 images of 64 pixels, 3x3, 64 to 3 channels: 4.7 against XLA's 5.2 ms, 128 to
# 3: 9 against 12), and the kernel's gradient copies the few instead of the many (128 to
# 3: 8 instead of 121 ms on two cores; 32 to 3, 32 pixels: 1 instead of 7).
_FEW_FORWARD, _FEW_FOR_KERNEL = 16, 8

# From so many channels and pixels of the batch on Winograd's transforms pay (measured
# when they were formed along both axes at once, and two outputs:
# 64 to 64 channels 15.5 against 7.4 ms; 16 pixels an image, 512 channels: 9 against 22,
# most of it for the kernel). Of stride 2 and 5x5 (one core, 64 images; forward, to the
# image, to the kernel): 32 pixels a side, 64 to 128 channels 75, 72, 84 against 49, 56,
# 57 ms; 8 pixels, 256 to 512 channels 75, 78, 89 against 84, 135, 65.
# Beside XLA's convolution it needs more channels: 3x3, 16 images of 32 pixels a side:
# 32 to 32 channels 3.2 against its 2.0 ms, 64 to 64 7.4 against 8.0.
WINOGRAD_CHANNELS = 32
_FORWARD_CHANNELS = 64
_WINOGRAD_PIXELS = 128


def conv(x, kernel, *, kernel_size, strides):
    """A SAME convolution: [B, H, W, I] -> [B, H / strides, W / strides, O]."""
    channels, features = kernel.shape[2:]
    if _has_few_features(kernel.shape, strides, _FEW_FORWARD):
        # Products first: adding few channels up is cheaper than copying many.
        return _fold_products(x, native.turned(kernel))
    if min(channels, features) >= _FORWARD_CHANNELS:
        if strides == 1 and _is_winograd(x, kernel.shape):
            return winograd.conv(x, kernel)
        if strides == 2 and _is_strided_winograd(x, kernel.shape, 4, 1):
            return winograd.strided_conv(x, kernel)
    rows = x.shape[1] * x.shape[2] // strides**2
    if rows >= _NATIVE_PIXELS and kernel.size <= _NATIVE_NUMBERS:
        if channels % 2 and channels > 1 and features in _SLOW_FEATURES:
            x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, 1)))
            kernel = jnp.pad(kernel, ((0, 0), (0, 0), (0, 1), (0, 0)))
        return native.conv(x, kernel, strides=strides)
    matrix = kernel.reshape(-1, features)
    return map_blocks(
        lambda block: jnp.dot(
            _patches_under_kernel(block, kernel_size, strides), matrix
        ),
        x,
        rows,
        _BLOCK_ROWS,
    )


def input_gradient(g, kernel, *, kernel_size, strides):
    """The transpose of `conv` in its image."""
    if strides == 1 and _is_symmetric(kernel_size):
        return conv(g, native.turned(kernel), kernel_size=kernel_size, strides=1)
    if strides == 2 and _is_strided_winograd(g, kernel.shape, 2, 1):
        return winograd.strided_input_gradient(g, kernel)
    return _fold_products(g, kernel, strides)


def weight_gradient(x, g, *, kernel_size, strides):
    """The transpose of `conv` in its kernel."""
    shape = (*kernel_size, x.shape[3], g.shape[3])
    if _has_few_features(
        shape, strides, _FEW_FOR_KERNEL
    ):  # x and g exchanged, and the kernel turned
        other = weight_gradient(g, x, kernel_size=kernel_size, strides=1)
        return native.turned(other)
    if strides == 1 and _is_winograd(x, shape):
        return winograd.weight_gradient(x, g)
    if strides == 2 and _is_strided_winograd(x, shape, 4, 0.5):
        return winograd.strided_weight_gradient(x, g)
    size = block_size(x.shape[0], g.shape[1] * g.shape[2], _BLOCK_ROWS)
    axes = ((0, 1, 2), (0, 1, 2))

    def block_fn(total, block):
        patches = _patches_under_kernel(block[0], kernel_size, strides)
        return total + jnp.tensordot(patches, block[1], axes), None

    exact = jnp.promote_types(x.dtype, jnp.float32)  # sums of blocks in bfloat16 stall
    total = jnp.zeros((math.prod(kernel_size) * x.shape[3], g.shape[3]), exact)
    blocks = jax.tree.map(lambda v: v.reshape(-1, size, *v.shape[1:]), (x, g))
    total, _ = lax.scan(block_fn, total, blocks)
    return total.astype(x.dtype).reshape(shape)


def conv_of_doubled(x, kernel, *, kernel_size, strides):
    """`conv` of the image with every pixel doubled; the settings are 3x3 and 2."""
    del kernel_size, strides
    return winograd.conv_of_doubled(x, kernel)


def _kernel_places(kernel_size):
    """All places in the kernel, row by row."""
    return [(a, b) for a in range(kernel_size[0]) for b in range(kernel_size[1])]


def _patches_under_kernel(x, kernel_size, strides):
    """`[b, H, W, I]` to `[b, H / s, W / s, kh * kw * I]`, the input under each tap."""
    pads = [
        native.same_padding(size, kernel, strides)
        for size, kernel in zip(x.shape[1:3], kernel_size, strict=True)
    ]
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    rows, columns = x.shape[1] // strides, x.shape[2] // strides

    def under(a, b):
        start = (0, a, b, 0)
        last = (a + (rows - 1) * strides + 1, b + (columns - 1) * strides + 1)
        limit = (x.shape[0], *last, x.shape[3])
        return lax.slice(padded, start, limit, (1, strides, strides, 1))

    return jnp.concatenate(
        [under(a, b) for a, b in _kernel_places(kernel_size)], axis=-1
    )


def _fold_patches(parts, strides):
    """The transpose of `_patches_under_kernel`.

    `[b, h, w, kh, kw, I]` to `[b, h * s, w * s, I]`.

    Tap `t` of output `i` lies at `s * i + t - before = s * (i + shift) + phase`, so
    each phase is a sum of shifted parts and the phases interleave.
    """
    num, rows, columns, height, width, channels = parts.shape
    before = [
        native.same_padding(strides, kernel, strides)[0] for kernel in (height, width)
    ]
    phases = [[[] for _ in range(strides)] for _ in range(strides)]
    for a, b in _kernel_places((height, width)):
        i, p = divmod(a - before[0], strides)
        j, q = divmod(b - before[1], strides)
        phases[p][q].append(_shifted_image(parts[:, :, :, a, b], i, j))
    zero = jnp.zeros((num, rows, columns, channels), parts.dtype)
    total = [[sum(part, start=zero) for part in row] for row in phases]
    image = jnp.stack([jnp.stack(row, axis=3) for row in total], axis=2)
    return image.reshape(num, rows * strides, columns * strides, channels)


def _shifted_image(x, i, j):
    """Moves an image by `(i, j)` places, zeros coming in."""
    pads = ((0, 0, 0), (i, -i, 0), (j, -j, 0), (0, 0, 0))
    return lax.pad(x, jnp.zeros((), x.dtype), pads)


def _fold_products(g, kernel, strides=1):
    """`input_gradient` by one matrix product for all taps."""
    *kernel_size, channels, features = kernel.shape
    matrix = kernel.reshape(-1, features).T

    def block_fn(block):
        parts = jnp.dot(block, matrix)
        parts = parts.reshape(*block.shape[:3], *kernel_size, channels)
        return _fold_patches(parts, strides)

    return map_blocks(block_fn, g, g.shape[1] * g.shape[2], _BLOCK_ROWS)


def _is_symmetric(kernel_size):
    """Whether SAME of stride 1 adds as many zeros before as after."""
    return all(size % 2 for size in kernel_size)


def _has_few_features(kernel_shape, strides, times):
    """Whether channels out are so many times fewer that taking those alone pays."""
    *kernel_size, channels, features = kernel_shape
    return strides == 1 and _is_symmetric(kernel_size) and times * features <= channels


def _is_winograd(x, kernel_shape):
    """Whether fewer products pay for the sums they need; see `winograd`."""
    height, width, channels, features = kernel_shape
    num, rows, columns = x.shape[:3]
    num = num if isinstance(num, int) else 1  # symbolic: images are taken one by one
    return (
        (height, width) == (3, 3)
        and rows % 2 == columns % 2 == 0
        and min(channels, features) >= WINOGRAD_CHANNELS
        and num * rows * columns >= _WINOGRAD_PIXELS
    )


def _is_strided_winograd(x, kernel_shape, side, least):
    """The same of a 5x5 kernel of stride 2; tiles have `side` pixels of `x` a side.

    There have to be so many, `least` times the channels, that what is done for the
    kernel is little beside the products.
    """
    height, width, channels, features = kernel_shape
    num, rows, columns = x.shape[:3]
    num = num if isinstance(num, int) else 1
    return (
        (height, width) == (5, 5)
        and rows % side == columns % side == 0
        and min(channels, features) >= WINOGRAD_CHANNELS
        and num * rows * columns >= least * side**2 * max(channels, features)
    )
