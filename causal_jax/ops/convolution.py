"""Convolutions whose cost on a CPU is that of the matrix products they stand for.

Formula. A SAME convolution, its input gradient and its weight gradient are the
three faces of one trilinear form ``T(x, k, g) = sum(conv(x, k) * g)``::

    conv(x, k)            = dT/dg = patches(x) @ k
    input_gradient(g, k)  = dT/dx = fold(g @ k^T),  fold the transpose of patches
    weight_gradient(x, g) = dT/dk = patches(x)^T @ g

Each face is linear in both its arguments, and each one's derivatives are the
other two. They are declared so, as bilinear primitives (a fourth is the
convolution of a doubled image): reverse mode,
forward mode and every higher order follow without further rules. A transposed
convolution is ``input_gradient`` with the kernel turned by 180 degrees and its
channel axes swapped.

Why not the compiler's own: XLA's CPU gradients, and its forward convolution of few
pixels, are 2 to 100 times slower than the matrix product (``python -m benchmarks.run
--only=layers`` prints the table). Where its forward one is as fast, and elsewhere than
on a CPU, the native operations are used; all mean the same numbers.

Why primitives and not ``jax.custom_vjp``: training maps one unit at a time with
``jax.vmap``, and a mapped ``custom_vjp`` forms one weight gradient per unit
before it sums them. Here the batching rule folds the mapped axis into the batch
first, so there is one weight gradient, as with the native operation. Under
``jax.shard_map`` differentiate with ``check_vma=False`` (``jax.pmap`` needs nothing):
the primitives do not tell over which mesh axes they vary, and JAX refuses otherwise.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from causal_jax.ops import convolution_native as native
from causal_jax.ops import convolution_products as products

METHODS = (None, "native")


def conv(x, kernel, *, strides=1, method=None):
    """Convolves with padding SAME, as ``jax.lax.conv_general_dilated`` does.

    Args:
      x: `[B, H, W, I]` input.
      kernel: `[kh, kw, I, O]` weights.
      strides: the step along both image axes, at least 1.
      method: None for the fastest way on a CPU, often matrix products, and the native
        operation elsewhere, decided when the program is lowered; "native" for the
        native one everywhere.

    Returns:
      `[B, ceil(H / strides), ceil(W / strides), O]`.

    Raises:
      ValueError: if ranks, channels, strides or method do not fit.
    """
    _require_fitting(x, kernel, strides, method)
    x, kernel = _in_common_type(x, kernel)
    if method == "native":
        return native.conv(x, kernel, strides=strides)
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
    _require_fitting(x, kernel, strides, method)
    x, kernel = _in_common_type(x, kernel)
    if method == "native":
        return native.conv_transpose(x, kernel, strides)
    return _input_gradient_p.bind(
        x, native.turned(kernel), kernel_size=kernel.shape[:2], strides=strides
    )


def conv_of_doubled(x, kernel, *, method=None):
    """SAME 3x3 convolution of the image with every pixel doubled (nearest neighbour).

    A doubled image holds each pixel in a 2x2 block, so that is a transposed convolution
    of stride 2 with the kernel spread over such a block, 4x4: 4/9 of the products; with
    many channels 1/4 (see `winograd`).

    Args:
      x: `[B, H, W, I]` input.
      kernel: `[3, 3, I, O]` weights.
      method: see `conv`.

    Returns:
      `[B, 2 H, 2 W, O]`.

    Raises:
      ValueError: if ranks, channels or method do not fit.
    """
    _require_fitting(x, kernel, 2, method)
    x, kernel = _in_common_type(x, kernel)
    if method == "native" or min(kernel.shape[2:]) < products.WINOGRAD_CHANNELS:
        return conv_transpose(x, native.spread(kernel), method=method)
    return _doubled_p.bind(x, kernel, kernel_size=(3, 3), strides=2)


def _require_fitting(x, kernel, strides, method):
    """Raises ValueError on what does not fit."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}")
    if not isinstance(strides, int) or strides < 1:
        raise ValueError(f"strides must be a positive int, got {strides!r}")
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[-1] != kernel.shape[2]:
        raise ValueError(
            "expected x [B, H, W, I] and kernel [kh, kw, I, O] of equal I, got "
            f"{x.shape} and {kernel.shape}"
        )


def _in_common_type(x, kernel):
    """Both arrays in their common type."""
    dtype = jnp.result_type(x, kernel)
    return jnp.asarray(x, dtype), jnp.asarray(kernel, dtype)


def _padded_to_multiple(x, kernel_size, strides):
    """Zero-pads the image to a multiple of `strides` without moving SAME's taps."""
    pads = []
    for size, kernel in zip(x.shape[1:3], kernel_size, strict=True):
        full = -(-size // strides) * strides
        before = native.same_padding(size, kernel, strides)[0]
        before -= native.same_padding(full, kernel, strides)[0]
        pads.append((before, full - size - before))
    if pads == [(0, 0), (0, 0)]:
        return x
    return jnp.pad(x, ((0, 0), *pads, (0, 0)))


# Their declaration as primitives, all with the same two settings.


def _conv_shape(x, kernel, *, kernel_size, strides):
    num, height, width, _ = x.shape
    return num, height // strides, width // strides, kernel.shape[3]


def _input_gradient_shape(g, kernel, *, kernel_size, strides):
    num, height, width, _ = g.shape
    return num, height * strides, width * strides, kernel.shape[2]


def _weight_gradient_shape(x, g, *, kernel_size, strides):
    return *kernel_size, x.shape[3], g.shape[3]


def _doubled_shape(x, kernel, *, kernel_size, strides):
    num, height, width, _ = x.shape
    return num, height * strides, width * strides, kernel.shape[3]


def _bilinear_primitive(name, products_fn, native_fn, shape_fn):
    """A primitive computed by `products_fn` on a CPU and by `native_fn` elsewhere.

    Its result is typed like the first argument.
    """
    primitive = Primitive(name)
    settings = ("kernel_size", "strides")
    primitive.def_impl(jax.jit(primitive.bind, static_argnames=settings))
    primitive.def_abstract_eval(
        lambda a, b, **settings: a.update(shape=shape_fn(a, b, **settings))
    )
    for fn, platform in ((native_fn, None), (products_fn, "cpu")):
        lowering = mlir.lower_fun(fn, multiple_results=False)
        mlir.register_lowering(primitive, lowering, platform=platform)
    return primitive


_conv_p = _bilinear_primitive("same_conv", products.conv, native.conv, _conv_shape)
_input_gradient_p = _bilinear_primitive(
    "same_conv_input_gradient",
    products.input_gradient,
    native.input_gradient,
    _input_gradient_shape,
)
_weight_gradient_p = _bilinear_primitive(
    "same_conv_weight_gradient",
    products.weight_gradient,
    native.weight_gradient,
    _weight_gradient_shape,
)
_doubled_p = _bilinear_primitive(
    "same_conv_of_doubled",
    products.conv_of_doubled,
    native.conv_of_doubled,
    _doubled_shape,
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


def _spread_turned(kernel):
    """What stands for a doubled image's kernel where it is an input gradient."""
    return native.turned(native.spread(kernel))


def _doubled_kernel_gradient(ct, x, kernel, **settings):
    del settings
    (gradient,) = jax.linear_transpose(_spread_turned, kernel.aval)(
        _weight_gradient_p.bind(ct, x, kernel_size=(4, 4), strides=2)
    )
    return gradient


ad.defbilinear(
    _doubled_p,
    lambda ct, x, kernel, **settings: _conv_p.bind(
        ct, _spread_turned(kernel), kernel_size=(4, 4), strides=2
    ),
    _doubled_kernel_gradient,
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
    (_doubled_p, _batch_image),
    (_weight_gradient_p, _batch_in_turn),
):
    batching.primitive_batchers[_primitive] = functools.partial(_rule, _primitive)
