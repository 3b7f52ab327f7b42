"""Convolutions with 3x3 and strided 5x5 kernels by fewer products: minimal filtering.

Winograd 1980; Lavin & Gray 2016 (arXiv 1509.09308). m neighbouring outputs of r taps k
on inputs d are, as the coefficients of a product of polynomials, found from its values
at m + r - 1 places (Toom and Cook),

    y = outputs @ ((taps @ k) * (inputs @ d)),

m + r - 1 products instead of m r: six instead of twelve for four outputs of three taps,
and 36 instead of 144 along both axes (with two outputs 16 instead of 36). For the
gradient of the taps it is the same with `outputs` and `taps` transposed. A 5x5 kernel
of stride 2 is one of three taps on every second input and one of two on the others:
four and three products for two outputs, 49 instead of 100 along both axes; its
transpose, of the taps in reverse, likewise. An image whose every pixel is doubled first
(nearest neighbour) has inputs d, d and needs three products where six stand,

    y[2 i]     = (k0 + k1 + k2) x[i] + k0 (x[i - 1] - x[i])
    y[2 i + 1] = (k0 + k1 + k2) x[i] + k2 (x[i + 1] - x[i])

nine for four outputs.

Rounding errors grow with the number of outputs: in float32 they stay near 1e-6 of the
largest value with two and 1e-5 with four; types of fewer digits take two. Every place
of the transformed taps is one matrix product over all channels; what it is multiplied
with is formed for a few images at a time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from causal_jax.ops.blocks import block_size, map_blocks
from causal_jax.types import Array

# Numbers formed at once: best of 2^19 ... 2^23 for 64 to 128 channels, on two cores of
# an Intel Xeon with AVX-512.
_BLOCK = 2**22
_PLACES = (0, 1, -1, 2, -2)  # where polynomials are evaluated, and at infinity


class Filter(NamedTuple):
    """A way to filter along one axis; matrices are float64.

    Attributes:
      inputs: [products, pixels of a tile].
      taps: [products, taps].
      outputs: [outputs of a tile, products].
      stride: input pixels from one tile to the next.
      before: zeros in front of the image.
      after: zeros behind it.
    """

    inputs: np.ndarray
    taps: np.ndarray
    outputs: np.ndarray
    stride: int
    before: int
    after: int


def minimal(
    num_outputs: int, num_taps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`inputs`, `taps` and `outputs` of y[i] = sum of k[t] d[i + t] over t.

    Shapes are [n, n], [n, num_taps] and [num_outputs, n], with the products' number
    n = num_outputs + num_taps - 1, at most 6.

    >>> inputs, taps, outputs = minimal(2, 3)
    >>> d, k = np.arange(4.0), np.array([1.0, 10.0, 100.0])
    >>> outputs @ ((taps @ k) * (inputs @ d))
    array([210., 321.])
    """
    places = np.array(_PLACES[: num_outputs + num_taps - 2], float)
    others = [np.delete(places, i) for i in range(len(places))]
    scales = [np.prod(place - rest) for place, rest in zip(places, others, strict=True)]

    def powers(num: int) -> np.ndarray:
        at_infinity = np.eye(num)[-1:]
        return np.concatenate([places[:, None] ** np.arange(num), at_infinity])

    size = len(places) + 1
    inputs = np.zeros((size, size))
    for row, roots in zip(inputs, [*others, places], strict=True):
        row[: len(roots) + 1] = np.poly(roots)[::-1]
    taps = powers(num_taps) / np.array([*scales, 1.0])[:, None]
    return inputs, taps, powers(num_outputs).T


def plain(num_outputs: int) -> Filter:
    """The filter of a convolution with three taps."""
    return Filter(*minimal(num_outputs, 3), stride=num_outputs, before=1, after=1)


def doubled() -> Filter:
    """The filter of three taps on inputs of which each stands twice."""
    inputs = np.array([[0, 1, 0], [1, -1, 0], [0, -1, 1]], float)
    taps = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 1]], float)
    outputs = np.array([[1, 1, 0], [1, 0, 1]], float)
    return Filter(inputs, taps, outputs, stride=1, before=1, after=1)


def strided() -> Filter:
    """The filter of five taps, stride 2: three taps and two, on every second input."""
    three, two = minimal(2, 3), minimal(2, 2)
    inputs, taps = _interleaved(three[0], two[0]), _interleaved(three[1], two[1])
    outputs = np.concatenate([three[2], two[2]], axis=1)
    return Filter(inputs, taps, outputs, stride=4, before=1, after=2)


def strided_transpose() -> Filter:
    """The filter of five taps, a zero after every input: two taps, three, in turn."""
    three, two = minimal(2, 3), minimal(2, 2)
    inputs = np.concatenate([three[0], np.pad(two[0], ((0, 0), (0, 1)))])
    taps = _interleaved(three[1], two[1])
    outputs = _interleaved(two[2].T, three[2].T).T
    outputs = np.roll(outputs, len(three[0]), axis=1)  # products of three taps first
    return Filter(inputs, taps, outputs, stride=2, before=1, after=1)


def _interleaved(even: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """The rows of both: the first's in the even columns, the other's in the odd."""
    matrix = np.zeros((len(even) + len(odd), even.shape[1] + odd.shape[1]))
    matrix[: len(even), ::2], matrix[len(even) :, 1::2] = even, odd
    return matrix


_TWO, _FOUR, _DOUBLED = plain(2), plain(4), doubled()
_STRIDED, _STRIDED_TRANSPOSE = strided(), strided_transpose()


def conv(x: Array, kernel: Array) -> Array:
    """SAME convolution: [B, H, W, I] of even sides, [3, 3, I, O] -> [B, H, W, O]."""
    return _by_products(x, kernel, _way(x, kernel))


def weight_gradient(x: Array, g: Array) -> Array:
    """The transpose of `conv` in its kernel.

    [B, H, W, I] of even sides, [B, H, W, O] -> [3, 3, I, O].
    """
    return _weight_gradient(x, g, _way(x, g))


def conv_of_doubled(x: Array, kernel: Array) -> Array:
    """SAME convolution of the image with every pixel doubled along both axes.

    [B, H, W, I], [3, 3, I, O] -> [B, 2 H, 2 W, O].
    """
    return _by_products(x, kernel, _DOUBLED)


def strided_conv(x: Array, kernel: Array) -> Array:
    """SAME convolution of stride 2.

    [B, H, W, I] of sides that 4 divides, [5, 5, I, O] -> [B, H / 2, W / 2, O].
    """
    return _by_products(x, kernel, _STRIDED)


def strided_input_gradient(g: Array, kernel: Array) -> Array:
    """The transpose of `strided_conv` in its image.

    [B, h, w, O] of even sides, [5, 5, I, O] -> [B, 2 h, 2 w, I].
    """
    kernel = kernel[::-1, ::-1].swapaxes(2, 3)
    return _by_products(g, kernel, _STRIDED_TRANSPOSE)


def strided_weight_gradient(x: Array, g: Array) -> Array:
    """The transpose of `strided_conv` in its kernel.

    [B, H, W, I] of sides that 4 divides, [B, H / 2, W / 2, O] -> [5, 5, I, O].
    """
    return _weight_gradient(x, g, _STRIDED)


def _way(x: Array, other: Array) -> Filter:
    """Four outputs at once where that pays, or two; `other` has the other channels."""
    num, rows, columns, channels = x.shape
    num = num if isinstance(num, int) else 1  # symbolic: images are taken one by one
    fits = rows % 4 == columns % 4 == 0
    # With as many tiles as channels, what is done for the kernel is little.
    pays = num * rows * columns >= 16 * max(channels, other.shape[-1])
    exact = jnp.finfo(x.dtype).bits >= 32
    return _FOUR if fits and pays and exact else _TWO


def _by_products(x: Array, kernel: Array, way: Filter) -> Array:
    """Transforms along both axes, and products between them."""
    rows, columns = (size // way.stride for size in x.shape[1:3])
    num, size = len(way.inputs), len(way.outputs)
    matrices = _along(_along(kernel, way.taps, 0), way.taps, 1)
    matrices = matrices.reshape(num**2, *kernel.shape[2:])

    def block_fn(block):
        products = jnp.einsum("kri,kio->kro", _of_tiles(block, way), matrices)
        # Barriers: fused, sums would be formed again for each of their uses.
        products = lax.optimization_barrier(products)
        products = products.reshape(num, num, len(block), rows, columns, -1)
        lines = _along(products, way.outputs, 0, to=3)
        pixels = _along(lax.optimization_barrier(lines), way.outputs, 0, to=4)
        return pixels.reshape(len(block), size * rows, size * columns, -1)

    return map_blocks(block_fn, x, rows * columns, _block_rows(way, *kernel.shape[2:]))


def _weight_gradient(x: Array, g: Array, way: Filter) -> Array:
    """The same of the gradient of the taps, by the transposes of the last two."""
    rows, columns = (size // way.stride for size in x.shape[1:3])
    limit = _block_rows(way, x.shape[3], g.shape[3])
    size = block_size(x.shape[0], rows * columns, limit)
    of_gradients = way._replace(
        inputs=way.outputs.T, stride=len(way.outputs), before=0, after=0
    )

    def block_fn(total, block):
        images, gradients = block
        return total + jnp.einsum(
            "kri,kro->kio", _of_tiles(images, way), _of_tiles(gradients, of_gradients)
        ), None

    num = len(way.inputs)
    exact = jnp.promote_types(x.dtype, jnp.float32)  # sums of blocks in bfloat16 stall
    total = jnp.zeros((num**2, x.shape[3], g.shape[3]), exact)
    blocks = tuple(v.reshape(-1, size, *v.shape[1:]) for v in (x, g))
    total, _ = lax.scan(block_fn, total, blocks)
    total = total.reshape(num, num, *total.shape[1:])
    return _along(_along(total, way.taps.T, 0), way.taps.T, 1).astype(x.dtype)


def _block_rows(way: Filter, *channels: int) -> int:
    """How many tiles are taken at once."""
    return _BLOCK // (len(way.inputs) ** 2 * max(channels))


def _of_tiles(x: Array, way: Filter) -> Array:
    """What the taps' matrices are multiplied with: [b, H, W, I] -> [places, rows, I].

    A row is a tile.
    """
    pads, stride = (way.before, way.after), way.stride

    def transformed(x: Array, axis: int, num: int) -> list[Array]:
        last = 1 + stride * (num - 1)
        pixels = [
            lax.slice_in_dim(x, i, i + last, stride, axis)
            for i in range(way.inputs.shape[1])
        ]
        return _combined(pixels, way.inputs)

    # Barriers: fused with the sums, copies and products are far slower on a CPU, and
    # sums would be formed again for each of their uses.
    padded = lax.optimization_barrier(jnp.pad(x, ((0, 0), pads, pads, (0, 0))))
    lines = jnp.stack(transformed(padded, 1, x.shape[1] // stride))
    lines = lax.optimization_barrier(lines)
    places = jnp.stack(transformed(lines, 3, x.shape[2] // stride), axis=1)
    return lax.optimization_barrier(
        places.reshape(len(way.inputs) ** 2, -1, x.shape[3])
    )


def _along(x: Array, matrix: np.ndarray, axis: int, to: int | None = None) -> Array:
    """What lies along an axis combined by a matrix, and stacked along `to`."""
    line = [lax.index_in_dim(x, i, axis, keepdims=False) for i in range(x.shape[axis])]
    return jnp.stack(_combined(line, matrix), axis=axis if to is None else to)


def _combined(line: Sequence[Array], matrix: np.ndarray) -> list[Array]:
    """Sums of arrays, one for each row of weights; what has weight 0 is not touched."""

    def total(weights: np.ndarray) -> Array:
        parts = [
            part if weight == 1 else -part if weight == -1 else float(weight) * part
            for part, weight in zip(line, weights, strict=True)
            if weight
        ]
        return sum(parts[1:], start=parts[0])

    return [total(weights) for weights in matrix]
