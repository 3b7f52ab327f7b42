"""Convolutions with 3x3 kernels by fewer products: minimal filtering.

Winograd 1980; Lavin & Gray 2016 (arXiv 1509.09308), F(2x2, 3x3). Along one axis, two
neighbouring outputs of three taps k are four products instead of six,

    d0 - d2,  d1 + d2,  d2 - d1,  d1 - d3            of four neighbouring inputs d
    k0, (k0 + k1 + k2) / 2, (k0 - k1 + k2) / 2, k2   of the taps
    p0 + p1 + p2,  p1 - p2 - p3                      of the products p

and along both axes sixteen instead of 36; for the gradient of the taps the transposes
of the last two lines. An image whose every pixel is doubled first
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

from causal_jax.ops.blocks import block_size, map_blocks
from causal_jax.types import Array

# Rows of a product formed at once (measured best of 64 ... 1,024).
_BLOCK_ROWS = 256

Line = Sequence[Array]  # what lies along one axis


def conv(x: Array, kernel: Array) -> Array:
    """SAME convolution: [B, H, W, I] of even sides, [3, 3, I, O] -> [B, H, W, O]."""

    def taps(k: Line) -> Line:
        ends, middle = (k[0] + k[2]) / 2, k[1] / 2
        return k[0], ends + middle, ends - middle, k[2]

    def outputs(p: Line) -> Line:
        return p[0] + p[1] + p[2], p[1] - p[2] - p[3]

    return _by_products(x, kernel, 2, _input_transform, taps, outputs)


def weight_gradient(x: Array, g: Array) -> Array:
    """The transpose of `conv` in its kernel.

    [B, H, W, I] of even sides, [B, H, W, O] -> [3, 3, I, O].
    """

    def outputs(y: Line) -> Line:
        return y[0], y[0] + y[1], y[0] - y[1], -y[1]

    def taps(q: Line) -> Line:
        ends = (q[1] + q[2]) / 2
        return q[0] + ends, (q[1] - q[2]) / 2, ends + q[3]

    rows, columns = x.shape[1] // 2, x.shape[2] // 2
    size = block_size(len(x), rows * columns, _BLOCK_ROWS)

    def block_fn(total, block):
        images, gradients = block
        tiles = _transformed_tiles(images, 2, _input_transform)
        pixels = [[gradients[:, a::2, b::2] for b in range(2)] for a in range(2)]
        return total + jnp.einsum(
            "kri,kro->kio", tiles, _rows_of_grid(outputs, pixels)
        ), None

    total = jnp.zeros((16, x.shape[3], g.shape[3]), x.dtype)
    blocks = tuple(v.reshape(-1, size, *v.shape[1:]) for v in (x, g))
    total, _ = lax.scan(block_fn, total, blocks)
    total = total.reshape(4, 4, *total.shape[1:])
    return jnp.stack([jnp.stack(line) for line in _both_axes(taps, total)])


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
    rows, columns = (size // stride for size in x.shape[1:3])
    matrices = _both_axes(taps, [[kernel[a, b] for b in range(3)] for a in range(3)])
    num = len(matrices)
    matrices = jnp.stack([matrix for line in matrices for matrix in line])

    def block_fn(block):
        tiles = _transformed_tiles(block, stride, inputs)
        products = jnp.einsum("kri,kio->kro", tiles, matrices)
        products = products.reshape(num, num, len(block), rows, columns, -1)
        pixels = _both_axes(outputs, products)
        pixels = jnp.stack([jnp.stack(line, axis=3) for line in pixels], axis=2)
        return pixels.reshape(len(block), 2 * rows, 2 * columns, -1)

    return map_blocks(block_fn, x, rows * columns, _BLOCK_ROWS)


def _input_transform(d: Line) -> Line:
    """What four neighbouring inputs are multiplied as."""
    return d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]


def _transformed_tiles(x: Array, stride: int, inputs: Callable[[Line], Line]) -> Array:
    """What the taps' matrices are multiplied with: [b, H, W, I] -> [places, rows, I].

    A row is a tile, `stride + 2` pixels wide; tiles lie `stride` apart.
    """
    rows, columns = (size // stride for size in x.shape[1:3])
    # Barriers: fused with the sums, copies and products are far slower on a CPU.
    padded = lax.optimization_barrier(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))

    def under(a, b):
        last = (a + (rows - 1) * stride + 1, b + (columns - 1) * stride + 1)
        limit = (len(x), *last, x.shape[3])
        return lax.slice(padded, (0, a, b, 0), limit, (1, stride, stride, 1))

    reach = range(stride + 2)
    return _rows_of_grid(inputs, [[under(a, b) for b in reach] for a in reach])


def _rows_of_grid(transform: Callable[[Line], Line], grid: Sequence[Line]) -> Array:
    """The transform of a grid of [b, h, w, C], as one array [places, b h w, C]."""
    grid = _both_axes(transform, grid)
    rows = [place.reshape(-1, place.shape[-1]) for line in grid for place in line]
    return lax.optimization_barrier(jnp.stack(rows))


def _both_axes(transform: Callable[[Line], Line], grid: Sequence[Line]) -> list[Line]:
    """A transform along the columns of a grid, then along its rows."""
    columns = [transform(column) for column in zip(*grid, strict=True)]
    return [transform(row) for row in zip(*columns, strict=True)]
