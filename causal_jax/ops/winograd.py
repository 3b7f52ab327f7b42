"""Convolutions with 3x3 and strided 5x5 kernels by fewer products: minimal filtering.

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

nine for four outputs. A 5x5 kernel of stride 2 is one of three taps on every second
input and one of two on the others, so two outputs along an axis are four products of
the first kind and three of the second,

    e0 - e1,  e1,  e2 - e1;   k1, k1 + k3, k3;   q0 + q1,  q1 + q2

49 for four outputs instead of 100; its transpose, of the taps in reverse, likewise.
Rounding errors grow a few times; in float32 they stay near 1e-6
of the largest value. Every place of the transformed taps is one matrix product over
all channels; what it is multiplied with is formed for a few images at a time, so that
it stays in the cache.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from causal_jax.ops.blocks import block_size, map_blocks
from causal_jax.types import Array

# Rows of a product formed at once (measured best of 64 ... 1,024).
_BLOCK_ROWS = 256

Line = Sequence[Array]  # what lies along one axis


class Tiles(NamedTuple):
    """How an image is cut along each axis.

    Attributes:
      stride: pixels from one tile to the next.
      reach: pixels of a tile.
      before: zeros in front of the image.
      after: zeros behind it.
    """

    stride: int
    reach: int
    before: int
    after: int


_PLAIN, _DOUBLED = Tiles(2, 4, 1, 1), Tiles(1, 3, 1, 1)
_STRIDED = Tiles(4, 7, 1, 2)


def conv(x: Array, kernel: Array) -> Array:
    """SAME convolution: [B, H, W, I] of even sides, [3, 3, I, O] -> [B, H, W, O]."""

    def taps(k: Line) -> Line:
        ends, middle = (k[0] + k[2]) / 2, k[1] / 2
        return k[0], ends + middle, ends - middle, k[2]

    def outputs(p: Line) -> Line:
        return p[0] + p[1] + p[2], p[1] - p[2] - p[3]

    return _by_products(x, kernel, _PLAIN, _input_transform, taps, outputs)


def weight_gradient(x: Array, g: Array) -> Array:
    """The transpose of `conv` in its kernel.

    [B, H, W, I] of even sides, [B, H, W, O] -> [3, 3, I, O].
    """

    def outputs(y: Line) -> Line:
        return y[0], y[0] + y[1], y[0] - y[1], -y[1]

    def taps(q: Line) -> Line:
        ends = (q[1] + q[2]) / 2
        return q[0] + ends, (q[1] - q[2]) / 2, ends + q[3]

    return _weight_gradient(x, g, _PLAIN, _input_transform, outputs, taps)


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

    return _by_products(x, kernel, _DOUBLED, inputs, taps, outputs)


def strided_conv(x: Array, kernel: Array) -> Array:
    """SAME convolution of stride 2.

    [B, H, W, I] of sides that 4 divides, [5, 5, I, O] -> [B, H / 2, W / 2, O].
    """

    def outputs(p: Line) -> Line:
        return p[0] + p[1] + p[2] + p[4] + p[5], p[1] - p[2] - p[3] + p[5] + p[6]

    return _by_products(x, kernel, _STRIDED, _strided_inputs, _strided_taps, outputs)


def strided_input_gradient(g: Array, kernel: Array) -> Array:
    """The transpose of `strided_conv` in its image.

    [B, h, w, O] of even sides, [5, 5, I, O] -> [B, 2 h, 2 w, I].
    """

    def inputs(d: Line) -> Line:
        return *_input_transform(d), d[0] - d[1], d[1], d[2] - d[1]

    def outputs(p: Line) -> Line:
        return p[4] + p[5], p[0] + p[1] + p[2], p[5] + p[6], p[1] - p[2] - p[3]

    kernel = kernel[::-1, ::-1].swapaxes(2, 3)
    return _by_products(g, kernel, _PLAIN, inputs, _strided_taps, outputs)


def strided_weight_gradient(x: Array, g: Array) -> Array:
    """The transpose of `strided_conv` in its kernel.

    [B, H, W, I] of sides that 4 divides, [B, H / 2, W / 2, O] -> [5, 5, I, O].
    """

    def outputs(y: Line) -> Line:
        total = y[0] + y[1]
        return y[0], total, y[0] - y[1], -y[1], y[0], total, y[1]

    def taps(q: Line) -> Line:
        ends, middle = (q[1] + q[2]) / 2, (q[1] - q[2]) / 2
        return q[0] + ends, q[4] + q[5], middle, q[5] + q[6], ends + q[3]

    return _weight_gradient(x, g, _STRIDED, _strided_inputs, outputs, taps)


def _strided_inputs(d: Line) -> Line:
    """What seven neighbouring inputs are multiplied as."""
    return *_input_transform(d[::2]), d[1] - d[3], d[3], d[5] - d[3]


def _strided_taps(k: Line) -> Line:
    ends, middle = (k[0] + k[4]) / 2, k[2] / 2
    return k[0], ends + middle, ends - middle, k[4], k[1], k[1] + k[3], k[3]


def _by_products(
    x: Array,
    kernel: Array,
    tiles: Tiles,
    inputs: Callable[[Line], Line],
    taps: Callable[[Line], Line],
    outputs: Callable[[Line], Line],
) -> Array:
    """The three transforms along both axes."""
    rows, columns = (size // tiles.stride for size in x.shape[1:3])
    places = range(len(kernel))
    matrices = _both_axes(taps, [[kernel[a, b] for b in places] for a in places])
    num = len(matrices)
    matrices = jnp.stack([matrix for line in matrices for matrix in line])

    def block_fn(block):
        transformed = _transformed_tiles(block, tiles, inputs)
        products = jnp.einsum("kri,kio->kro", transformed, matrices)
        products = products.reshape(num, num, len(block), rows, columns, -1)
        pixels = _both_axes(outputs, products)
        side = len(pixels)
        pixels = jnp.stack([jnp.stack(line, axis=3) for line in pixels], axis=2)
        return pixels.reshape(len(block), side * rows, side * columns, -1)

    return map_blocks(block_fn, x, rows * columns, _BLOCK_ROWS)


def _weight_gradient(
    x: Array,
    g: Array,
    tiles: Tiles,
    inputs: Callable[[Line], Line],
    outputs: Callable[[Line], Line],
    taps: Callable[[Line], Line],
) -> Array:
    """The same of the gradient of the taps, by the transposes of the last two."""
    rows, columns = (size // tiles.stride for size in x.shape[1:3])
    size = block_size(len(x), rows * columns, _BLOCK_ROWS)

    def block_fn(total, block):
        images, gradients = block
        transformed = _transformed_tiles(images, tiles, inputs)
        pixels = [[gradients[:, a::2, b::2] for b in range(2)] for a in range(2)]
        return total + jnp.einsum(
            "kri,kro->kio", transformed, _rows_of_grid(outputs, pixels)
        ), None

    num = len(inputs([jnp.zeros(())] * tiles.reach))
    exact = jnp.promote_types(x.dtype, jnp.float32)  # sums of blocks in bfloat16 stall
    total = jnp.zeros((num**2, x.shape[3], g.shape[3]), exact)
    blocks = tuple(v.reshape(-1, size, *v.shape[1:]) for v in (x, g))
    total, _ = lax.scan(block_fn, total, blocks)
    total = total.astype(x.dtype).reshape(num, num, *total.shape[1:])
    return jnp.stack([jnp.stack(line) for line in _both_axes(taps, total)])


def _input_transform(d: Line) -> Line:
    """What four neighbouring inputs are multiplied as."""
    return d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]


def _transformed_tiles(x: Array, tiles: Tiles, inputs: Callable[[Line], Line]) -> Array:
    """What the taps' matrices are multiplied with: [b, H, W, I] -> [places, rows, I].

    A row is a tile.
    """
    stride, pads = tiles.stride, (tiles.before, tiles.after)
    rows, columns = (size // stride for size in x.shape[1:3])
    # Barriers: fused with the sums, copies and products are far slower on a CPU.
    padded = lax.optimization_barrier(jnp.pad(x, ((0, 0), pads, pads, (0, 0))))

    def under(a, b):
        last = (a + (rows - 1) * stride + 1, b + (columns - 1) * stride + 1)
        limit = (len(x), *last, x.shape[3])
        return lax.slice(padded, (0, a, b, 0), limit, (1, stride, stride, 1))

    reach = range(tiles.reach)
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
