"""Layers whose cost on a CPU is that of the matrix products they stand for.

Formula. A SAME convolution, its input gradient and its weight gradient are the
three faces of one trilinear form ``T(x, k, g) = sum(conv(x, k) * g)``::

    conv(x, k)            = dT/dg = patches(x) @ k
    input_gradient(g, k)  = dT/dx = fold(g @ k^T),  fold the transpose of patches
    weight_gradient(x, g) = dT/dk = patches(x)^T @ g

Each face is linear in both its arguments, and each one's derivatives are the
other two. They are declared so, as three bilinear primitives: reverse mode,
forward mode and every higher order follow without further rules. A transposed
convolution is ``input_gradient`` with the kernel turned by 180 degrees and its
channel axes swapped.

Why not the compiler's own: XLA's CPU backward of strided convolutions, and its
forward at small spatial sizes, are 2 to 100 times slower than the matrix
product (``python -m benchmarks.convolutions`` prints the table). Elsewhere than
on a CPU the native operations are used; both mean the same numbers.

Why primitives and not ``jax.custom_vjp``: training maps one unit at a time with
``jax.vmap``, and a mapped ``custom_vjp`` forms one weight gradient per unit
before it sums them. Here the batching rule folds the mapped axis into the batch
first, so there is one weight gradient, as with the native operation. Under
``jax.shard_map`` differentiate with ``check_vma=False`` (``jax.pmap`` needs nothing):
the primitives do not tell over which mesh axes they vary, and JAX refuses otherwise.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

METHODS = ("matmul", "native")

# Rows of the patch matrix formed at once: measured best of 128 ... 16,384 over the
# layers of the benchmark (the block stays in the second-level cache).
_BLOCK_ROWS = 512

# Up to this many input channels a forward convolution is bound by copying patches,
# and XLA's own is up to twice as fast (measured: 3 channels 3.5 against 7.5 ms).
_NATIVE_FORWARD_CHANNELS = 4

_DIMENSION_NUMBERS = ("NHWC", "HWIO", "NHWC")


def conv(x, kernel, *, strides=1, method=None):
    """Convolves with padding SAME, as ``jax.lax.conv_general_dilated`` does.

    Args:
      x: `[B, H, W, I]` input.
      kernel: `[kh, kw, I, O]` weights.
      strides: the step along both image axes, at least 1.
      method: "matmul", "native", or None for "matmul" on a CPU and "native"
        elsewhere, decided when the function is traced.

    Returns:
      `[B, ceil(H / strides), ceil(W / strides), O]`.

    Raises:
      ValueError: if ranks, channels, strides or method do not fit.
    """
    method = _checked_method(x, kernel, strides, method)
    x, kernel = _promoted(x, kernel)
    if method == "native":
        return _native_conv(x, kernel, strides)
    x = _padded_to_multiple(x, kernel.shape[:2], strides)
    return _conv_p.bind(x, kernel, kernel_size=kernel.shape[:2], strides=strides)


def conv_transpose(x, kernel, *, strides=2, method=None):
    """Transposed convolution: ``jax.lax.conv_transpose(..., padding="SAME")``.

    Kernel convention: that of ``transpose_kernel=False``. The kernel is
    `[kh, kw, I, O]` with `I` the channels of *x*, and it is not turned: the
    zero-dilated input is correlated with it. (TensorFlow's and PyTorch's kernels
    for the same layer are turned by 180 degrees.)

    Args:
      x: `[B, H, W, I]` input.
      kernel: `[kh, kw, I, O]` weights.
      strides: the factor along both image axes, at least 1.
      method: see `conv`.

    Returns:
      `[B, H * strides, W * strides, O]`.

    Raises:
      ValueError: if ranks, channels, strides or method do not fit.
    """
    method = _checked_method(x, kernel, strides, method)
    x, kernel = _promoted(x, kernel)
    if method == "native":
        return lax.conv_transpose(
            x, kernel, (strides, strides), "SAME", dimension_numbers=_DIMENSION_NUMBERS
        )
    turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    return _input_gradient_p.bind(
        x, turned, kernel_size=kernel.shape[:2], strides=strides
    )


def _checked_method(x, kernel, strides, method):
    """The method to use; raises on what does not fit."""
    if method is None:
        method = "matmul" if jax.default_backend() == "cpu" else "native"
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS} or None, got {method!r}")
    if not isinstance(strides, int) or strides < 1:
        raise ValueError(f"strides must be a positive int, got {strides!r}")
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[-1] != kernel.shape[2]:
        raise ValueError(
            "expected x [B, H, W, I] and kernel [kh, kw, I, O] of equal I, got "
            f"{x.shape} and {kernel.shape}"
        )
    return method


def _promoted(x, kernel):
    """Both arrays in their common type."""
    dtype = jnp.result_type(x, kernel)
    return jnp.asarray(x, dtype), jnp.asarray(kernel, dtype)


def _same_padding(size, kernel, strides):
    """SAME's zeros before and after an axis."""
    out = -(-size // strides)
    total = max((out - 1) * strides + kernel - size, 0)
    return total // 2, total - total // 2


def _padded_to_multiple(x, kernel_size, strides):
    """Zero-pads the image to a multiple of `strides` without moving SAME's taps."""
    pads = []
    for size, kernel in zip(x.shape[1:3], kernel_size, strict=True):
        full = -(-size // strides) * strides
        before = _same_padding(size, kernel, strides)[0]
        before -= _same_padding(full, kernel, strides)[0]
        pads.append((before, full - size - before))
    if pads == [(0, 0), (0, 0)]:
        return x
    return jnp.pad(x, ((0, 0), *pads, (0, 0)))


def _native_conv(x, kernel, strides):
    return lax.conv_general_dilated(
        x, kernel, (strides, strides), "SAME", dimension_numbers=_DIMENSION_NUMBERS
    )


# The three faces as matrix products. Image sizes are multiples of `strides`.


def _taps(kernel_size):
    """All places in the kernel, row by row."""
    return [(a, b) for a in range(kernel_size[0]) for b in range(kernel_size[1])]


def _patches(x, kernel_size, strides):
    """`[b, H, W, I]` to `[b, H / s, W / s, kh * kw * I]`, the input under each tap."""
    pads = [
        _same_padding(size, kernel, strides)
        for size, kernel in zip(x.shape[1:3], kernel_size, strict=True)
    ]
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    rows, columns = x.shape[1] // strides, x.shape[2] // strides

    def under(a, b):
        start = (0, a, b, 0)
        last = (a + (rows - 1) * strides + 1, b + (columns - 1) * strides + 1)
        limit = (x.shape[0], *last, x.shape[3])
        return lax.slice(padded, start, limit, (1, strides, strides, 1))

    return jnp.concatenate([under(a, b) for a, b in _taps(kernel_size)], axis=-1)


def _fold(parts, strides):
    """The transpose of `_patches`: `[b, h, w, kh, kw, I]` to `[b, h * s, w * s, I]`.

    Tap `t` of output `i` lies at `s * i + t - before = s * (i + shift) + phase`, so
    each phase is a sum of shifted parts and the phases interleave.
    """
    num, rows, columns, height, width, channels = parts.shape
    before = [_same_padding(strides, kernel, strides)[0] for kernel in (height, width)]
    phases = [[[] for _ in range(strides)] for _ in range(strides)]
    for a, b in _taps((height, width)):
        i, p = divmod(a - before[0], strides)
        j, q = divmod(b - before[1], strides)
        phases[p][q].append(_shifted(parts[:, :, :, a, b], i, j))
    zero = jnp.zeros((num, rows, columns, channels), parts.dtype)
    total = [[sum(part, start=zero) for part in row] for row in phases]
    image = jnp.stack([jnp.stack(row, axis=3) for row in total], axis=2)
    return image.reshape(num, rows * strides, columns * strides, channels)


def _shifted(x, i, j):
    """Moves an image by `(i, j)` places, zeros coming in."""
    pads = ((0, 0, 0), (i, -i, 0), (j, -j, 0), (0, 0, 0))
    return lax.pad(x, jnp.zeros((), x.dtype), pads)


def _block_size(num, rows):
    """The largest divisor of `num` that keeps a block near `_BLOCK_ROWS` rows."""
    # At least 2 images: one alone measured slower, however many rows it has.
    largest = min(num, max(2, _BLOCK_ROWS // max(rows, 1)))
    return max(size for size in range(1, largest + 1) if num % size == 0)


def _map_blocks(block_fn, x, rows):
    """Applies `block_fn` to blocks of the batch and joins the results."""
    size = _block_size(x.shape[0], rows)
    if size == x.shape[0]:
        return block_fn(x)
    y = lax.map(block_fn, x.reshape(-1, size, *x.shape[1:]))
    return y.reshape(-1, *y.shape[2:])


def _conv(x, kernel, *, kernel_size, strides):
    """`conv` of an image whose sides are multiples of `strides`."""
    if x.shape[-1] <= _NATIVE_FORWARD_CHANNELS:
        return _native_conv(x, kernel, strides)
    matrix = kernel.reshape(-1, kernel.shape[3])
    rows = x.shape[1] * x.shape[2] // strides**2
    return _map_blocks(
        lambda block: jnp.dot(_patches(block, kernel_size, strides), matrix), x, rows
    )


def _input_gradient(g, kernel, *, kernel_size, strides):
    """The transpose of `_conv` in its image."""
    channels, features = kernel.shape[2:]
    matrix = kernel.reshape(-1, features).T

    def block_fn(block):
        parts = jnp.dot(block, matrix)
        parts = parts.reshape(*block.shape[:3], *kernel_size, channels)
        return _fold(parts, strides)

    return _map_blocks(block_fn, g, g.shape[1] * g.shape[2])


def _weight_gradient(x, g, *, kernel_size, strides):
    """The transpose of `_conv` in its kernel."""
    size = _block_size(x.shape[0], g.shape[1] * g.shape[2])
    axes = ((0, 1, 2), (0, 1, 2))

    def block_fn(total, block):
        patches = _patches(block[0], kernel_size, strides)
        return total + jnp.tensordot(patches, block[1], axes), None

    total = jnp.zeros((math.prod(kernel_size) * x.shape[3], g.shape[3]), x.dtype)
    blocks = jax.tree.map(lambda v: v.reshape(-1, size, *v.shape[1:]), (x, g))
    total, _ = lax.scan(block_fn, total, blocks)
    return total.reshape(*kernel_size, x.shape[3], g.shape[3])


# Their declaration as primitives, all with the same two settings.


def _conv_shape(x, kernel, *, kernel_size, strides):
    num, height, width, _ = x.shape
    return num, height // strides, width // strides, kernel.shape[3]


def _input_gradient_shape(g, kernel, *, kernel_size, strides):
    num, height, width, _ = g.shape
    return num, height * strides, width * strides, kernel.shape[2]


def _weight_gradient_shape(x, g, *, kernel_size, strides):
    return *kernel_size, x.shape[3], g.shape[3]


def _bilinear_primitive(name, fn, shape_fn):
    """A primitive computed by `fn`, its result typed like the first argument."""
    primitive = Primitive(name)
    primitive.def_impl(jax.jit(fn, static_argnames=("kernel_size", "strides")))
    primitive.def_abstract_eval(
        lambda a, b, **settings: a.update(shape=shape_fn(a, b, **settings))
    )
    mlir.register_lowering(primitive, mlir.lower_fun(fn, multiple_results=False))
    return primitive


_conv_p = _bilinear_primitive("same_conv", _conv, _conv_shape)
_input_gradient_p = _bilinear_primitive(
    "same_conv_input_gradient", _input_gradient, _input_gradient_shape
)
_weight_gradient_p = _bilinear_primitive(
    "same_conv_weight_gradient", _weight_gradient, _weight_gradient_shape
)

# The transpose rules take the cotangent `ct` and both arguments, one of them unknown.
ad.defbilinear(
    _conv_p,
    lambda ct, x, kernel, **settings: _input_gradient_p.bind(ct, kernel, **settings),
    lambda ct, x, kernel, **settings: _weight_gradient_p.bind(x, ct, **settings),
)
ad.defbilinear(
    _input_gradient_p,
    lambda ct, g, kernel, **settings: _conv_p.bind(ct, kernel, **settings),
    lambda ct, g, kernel, **settings: _weight_gradient_p.bind(ct, g, **settings),
)
ad.defbilinear(
    _weight_gradient_p,
    lambda ct, x, g, **settings: _input_gradient_p.bind(g, ct, **settings),
    lambda ct, x, g, **settings: _conv_p.bind(x, ct, **settings),
)


def _batch_image(primitive, args, axes, **settings):
    """A mapped image joins the batch; mapped kernels are taken one at a time."""
    image, kernel = args
    if axes[1] is not None:
        return _batch_in_turn(primitive, args, axes, **settings)
    image = jnp.moveaxis(image, axes[0], 0)
    out = primitive.bind(image.reshape(-1, *image.shape[2:]), kernel, **settings)
    return out.reshape(*image.shape[:2], *out.shape[1:]), 0


def _batch_in_turn(primitive, args, axes, **settings):
    """Maps one element at a time: grouped convolutions are no faster on a CPU."""
    mapped = [
        jnp.moveaxis(value, axis, 0)
        for value, axis in zip(args, axes, strict=True)
        if axis is not None
    ]

    def one(values):
        values = iter(values)
        picked = [
            value if axis is None else next(values)
            for value, axis in zip(args, axes, strict=True)
        ]
        return primitive.bind(*picked, **settings)

    return lax.map(one, mapped), 0


for _primitive, _rule in (
    (_conv_p, _batch_image),
    (_input_gradient_p, _batch_image),
    (_weight_gradient_p, _batch_in_turn),
):
    batching.primitive_batchers[_primitive] = functools.partial(_rule, _primitive)
