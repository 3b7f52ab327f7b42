"""Convolutions with 3x3 kernels by fewer products: minimal filtering.

Winograd 1980; Lavin & Gray 2016 (arXiv 1509.09308), F(2x2, 3x3). Along one axis, two
neighbouring outputs of three taps k are four products instead of six,

    d0 - d2,  d1 + d2,  d2 - d1,  d1 - d3            of four neighbouring inputs d
    k0, (k0 + k1 + k2) / 2, (k0 - k1 + k2) / 2, k2   of the taps
    p0 + p1 + p2,  p1 - p2 - p3                      of the products p

and along both axes sixteen instead of 36. An image whose every pixel is doubled first
(nearest neighbour) has inputs d, d and needs three products where six stand,

    y[2 i]     = (k0 + k1 + k2) x[i] + k0 (x[i - 1] - x[i])
    y[2 i + 1] = (k0 + k1 + k2) x[i] + k2 (x[i + 1] - x[i])

nine for four outputs. Rounding errors grow a few times; in float32 they stay near 1e-6
of the largest value. Every place of the transformed taps is one matrix product over
all channels; what it is multiplied with is formed for a few images at a time, so that
it stays in the cache.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import lax

from causal_jax.networks.blocks import map_blocks
from causal_jax.types import Array

# Rows of a product formed at once (measured best of 64 ... 1,024).
_BLOCK_ROWS = 256

Line = Sequence[Array]  # what lies along one axis


def conv(x: Array, kernel: Array) -> Array:
    """SAME convolution: [B, H, W, I] of even sides, [3, 3, I, O] -> [B, H, W, O]."""

    def inputs(d: Line) -> Line:
        return d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]

    def taps(k: Line) -> Line:
        ends, middle = (k[0] + k[2]) / 2, k[1] / 2
        return k[0], ends + middle, ends - middle, k[2]

    def outputs(p: Line) -> Line:
        return p[0] + p[1] + p[2], p[1] - p[2] - p[3]

    return _by_products(x, kernel, 2, inputs, taps, outputs)


def conv_of_doubled(x: Array, kernel: Array) -> Array:
    """SAME convolution of the image with every pixel doubled along both axes.

    [B, H, W, I], [3, 3, I, O] -> [B, 2 H, 2 W, O].
    """

    def inputs(d: Line) -> Line:
        return d[1], d[0] - d[1], d[2] - d[1]

    def taps(k: Line) -> Line:
        return k[0] + k[1] + k[2], k[0], k[2]

    def outputs(p: Line) -> Line:
        return p[0] + p[1], p[0] + p[2]

    return _by_products(x, kernel, 1, inputs, taps, outputs)


def _by_products(
    x: Array,
    kernel: Array,
    stride: int,
    inputs: Callable[[Line], Line],
    taps: Callable[[Line], Line],
    outputs: Callable[[Line], Line],
) -> Array:
    """The three transforms along both axes; tiles lie `stride` pixels apart."""
    channels = x.shape[3]
    rows, columns = (size // stride for size in x.shape[1:3])
    matrices = _both_axes(taps, [[kernel[a, b] for b in range(3)] for a in range(3)])
    num = len(matrices)
    matrices = jnp.stack([matrix for line in matrices for matrix in line])

    def block_fn(block):
        # Barriers: fused with the sums, copies and products are far slower on a CPU.
        padded = lax.optimization_barrier(
            jnp.pad(block, ((0, 0), (1, 1), (1, 1), (0, 0)))
        )

        def under(a, b):
            last = (a + (rows - 1) * stride + 1, b + (columns - 1) * stride + 1)
            limit = (len(block), *last, channels)
            return lax.slice(padded, (0, a, b, 0), limit, (1, stride, stride, 1))

        reach = range(stride + 2)
        tiles = _both_axes(inputs, [[under(a, b) for b in reach] for a in reach])
        tiles = [tile.reshape(-1, channels) for line in tiles for tile in line]
        tiles = lax.optimization_barrier(jnp.stack(tiles))
        products = jnp.einsum("kri,kio->kro", tiles, matrices)
        products = products.reshape(num, num, len(block), rows, columns, -1)
        pixels = _both_axes(outputs, products)
        pixels = jnp.stack([jnp.stack(line, axis=3) for line in pixels], axis=2)
        return pixels.reshape(len(block), 2 * rows, 2 * columns, -1)

    return map_blocks(block_fn, x, rows * columns, _BLOCK_ROWS)


def _both_axes(transform: Callable[[Line], Line], grid: Sequence[Line]) -> list[Line]:
    """A transform along the columns of a grid, then along its rows."""
    columns = [transform(column) for column in zip(*grid, strict=True)]
    return [transform(row) for row in zip(*columns, strict=True)]
