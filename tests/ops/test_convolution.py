"""Convolutions on a CPU: the numbers of the native operations."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.ops import (
    convolution,
    convolution_native,
    convolution_products,
    winograd,
)
from causal_jax.ops.blocks import block_size
from causal_jax.ops.convolution import conv, conv_transpose

# (height, width, kernel, strides): odd and even sides, kernels below and above stride.
GEOMETRIES = [
    (8, 8, 5, 2),
    (7, 9, 5, 2),
    (6, 5, 4, 2),
    (5, 6, 3, 2),
    (4, 4, 3, 1),
    (7, 5, 4, 1),
    (1, 1, 5, 2),
    (2, 1, 5, 1),
    (9, 7, 3, 3),
    (7, 6, 2, 3),
    (11, 10, 5, 4),
    (8, 10, 3, 1),
]
FUNCTIONS = [conv, conv_transpose]


def draw(seed, *shape):
    return jnp.asarray(np.random.RandomState(seed).randn(*shape))


def inputs(geometry, channels=3, features=4, num=3):
    height, width, kernel, _ = geometry
    x = draw(0, num, height, width, channels)
    return x, draw(1, kernel, kernel, channels, features)


@pytest.fixture
def by_products(monkeypatch):
    """No convolution is XLA's own: neither a gradient nor a forward one."""
    monkeypatch.setattr(convolution_products, "_NATIVE_NUMBERS", 0)
    jax.clear_caches()  # of programs that were made otherwise
    yield
    jax.clear_caches()


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.usefixtures("by_products")
@pytest.mark.parametrize("conv_fn", FUNCTIONS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_value_and_gradients_equal_the_native_operation(conv_fn, geometry):
    with jax.enable_x64(True):
        x, kernel = inputs(geometry)
        strides = geometry[-1]

        def value_and_gradients(method):
            y, pullback = jax.vjp(
                lambda x, k: conv_fn(x, k, strides=strides, method=method), x, kernel
            )
            return y, *pullback(draw(2, *y.shape))

        pairs = zip(
            value_and_gradients(None), value_and_gradients("native"), strict=True
        )
        for ours, native in pairs:
            assert ours.shape == native.shape
            close(ours, native)


@pytest.mark.parametrize(
    ("channels", "features", "taken"),
    [(3, 24, 4), (3, 32, 4), (3, 16, 3), (3, 33, 3), (4, 24, 4), (1, 24, 1)],
)
def test_an_odd_number_of_channels_gets_one_of_zeros(
    channels, features, taken, monkeypatch
):
    """Where XLA is slow without."""
    shapes, native = [], convolution_native.conv

    def recorded(x, kernel, **settings):
        shapes.append((x.shape[-1], kernel.shape[-2]))
        return native(x, kernel, **settings)

    monkeypatch.setattr(convolution_native, "conv", recorded)
    with jax.enable_x64(True):
        x, kernel = inputs((8, 10, 3, 1), channels, features)
        found = convolution_products.conv(x, kernel, kernel_size=(3, 3), strides=1)
        close(found, native(x, kernel, strides=1))
    assert shapes == [(taken, taken)]


@pytest.mark.parametrize("strides", [1, 2, 3])
def test_transposed_equals_lax_conv_transpose(strides):
    with jax.enable_x64(True):
        x, kernel = inputs((5, 4, 5, strides))
        ours = conv_transpose(x, kernel, strides=strides, method=None)
        close(ours, jax.lax.conv_transpose(x, kernel, (strides, strides), "SAME"))


@pytest.mark.usefixtures("by_products")
@pytest.mark.parametrize("conv_fn", FUNCTIONS)
def test_wide_blocks_and_kernels_that_are_not_square(conv_fn):
    with jax.enable_x64(True):
        x, kernel = draw(0, 6, 32, 24, 5), draw(1, 3, 5, 5, 2)  # several blocks
        assert block_size(6, 32 * 24 // 4, 512) < 6
        ours, native = (
            jax.grad(lambda k: (conv_fn(x, k, strides=2, method=m) ** 2).sum())(kernel)  # noqa: B023
            for m in (None, "native")
        )
        close(ours, native)


@pytest.mark.parametrize("conv_fn", FUNCTIONS)
def test_gradient_penalty_equals_native(conv_fn):
    with jax.enable_x64(True):
        x, kernel = inputs((7, 8, 5, 2))

        def penalty(x, kernel, method):
            def critic(x):
                y = jnp.tanh(conv_fn(x, kernel, strides=2, method=method))
                return (y**2).sum()

            return (jnp.sqrt((jax.grad(critic)(x) ** 2).sum()) - 1) ** 2

        ours, native = (
            jax.grad(penalty, (0, 1))(x, kernel, m) for m in (None, "native")
        )
        for a, b in zip(ours, native, strict=True):
            close(a, b, 1e-10)


@pytest.mark.parametrize("conv_fn", FUNCTIONS)
def test_forward_mode_and_second_order_equal_native(conv_fn):
    with jax.enable_x64(True):
        x, kernel = inputs((4, 5, 3, 2), 2, 2, num=1)

        def loss(kernel, method):
            return jnp.sin(conv_fn(x, kernel, strides=2, method=method)).sum()

        close(jax.hessian(loss)(kernel, None), jax.hessian(loss)(kernel, "native"))


@pytest.mark.parametrize("conv_fn", FUNCTIONS)
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0), (2, 3)])
def test_vmap_equals_a_loop(conv_fn, axes):
    with jax.enable_x64(True):
        x, kernel = inputs((6, 5, 5, 2))
        several = [
            value if axis is None else jnp.stack([value, 2 * value, -value], axis)
            for value, axis in zip((x, kernel), axes, strict=True)
        ]

        def gradients(x, kernel):
            def loss(x, kernel):
                return jnp.sin(conv_fn(x, kernel, strides=2, method=None)).sum()

            return jax.value_and_grad(loss, (0, 1))(x, kernel)

        def pick(i):
            return [
                value if axis is None else jnp.take(value, i, axis)
                for value, axis in zip(several, axes, strict=True)
            ]

        mapped = jax.vmap(gradients, axes)(*several)
        loop = [gradients(*pick(i)) for i in range(3)]
        loop = jax.tree.map(lambda *values: jnp.stack(values), *loop)
        jax.tree.map(close, mapped, loop)


@pytest.mark.parametrize("conv_fn", FUNCTIONS)
def test_units_mapped_share_one_weight_gradient(conv_fn):
    x, kernel = inputs((8, 8, 5, 2), num=16)

    def loss(kernel):
        each = jax.vmap(lambda x: conv_fn(x[None], kernel, method=None))(x)
        return (each**2).sum()

    equations = jax.make_jaxpr(jax.grad(loss))(kernel).eqns
    names = [str(equation.primitive) for equation in equations]
    assert names.count("same_conv_weight_gradient") == 1
    assert not {"scan", "while"} & set(names)


@pytest.mark.parametrize(
    ("x", "kernel", "settings", "message"),
    [
        ((1, 4, 4, 3), (3, 3, 2, 2), {}, "equal I"),
        ((4, 4, 3), (3, 3, 3, 2), {}, "equal I"),
        ((1, 4, 4, 3), (3, 3, 3, 2), {"strides": 0}, "positive int"),
        ((1, 4, 4, 3), (3, 3, 3, 2), {"method": "fast"}, "method"),
    ],
)
def test_what_does_not_fit_is_refused(x, kernel, settings, message):
    with pytest.raises(ValueError, match=message):
        conv(jnp.zeros(x), jnp.zeros(kernel), **settings)


def conv_3x3(x, kernel, method):
    return convolution.conv(x, kernel, method=method)


def conv_of_doubled(x, kernel, method):
    return convolution.conv_of_doubled(x, kernel, method=method)


def few_features(x, kernel, method):
    return convolution.conv(x, kernel[..., :2], method=method)


@pytest.mark.parametrize(
    ("conv_fn", "ways"),
    [
        (conv_3x3, {"conv", "weight_gradient"}),
        (conv_of_doubled, {"conv_of_doubled"}),
        (few_features, {"_fold_products"}),
    ],
)
def test_fewer_products_equal_native(conv_fn, ways, monkeypatch):
    """The values, both gradients, a tangent and a second order."""
    taken = set()
    for module, name in [
        *((winograd, name) for name in ("conv", "weight_gradient", "conv_of_doubled")),
        (convolution_products, "_fold_products"),
    ]:
        fn = getattr(module, name)
        monkeypatch.setattr(
            module,
            name,
            lambda *args, fn=fn, name=name: taken.add(name) or fn(*args),
        )
    for name in ("WINOGRAD_CHANNELS", "_FORWARD_CHANNELS"):
        monkeypatch.setattr(convolution_products, name, 6)
    monkeypatch.setattr(winograd, "_BLOCK", 2**9)  # several blocks
    monkeypatch.setattr(convolution_products, "_BLOCK_ROWS", 64)
    with jax.enable_x64(True):
        x, kernel = draw(0, 3, 8, 12, 32), draw(1, 3, 3, 32, 6)

        def value_and_derivatives(method):
            def total(x, kernel):
                return (jnp.tanh(conv_fn(x, kernel, method)) ** 2).sum()

            def slope(kernel):
                return (jax.grad(total)(x, kernel) ** 2).sum()

            tangent = jax.jvp(total, (x, kernel), (x, kernel))
            gradients = jax.grad(total, (0, 1))(x, kernel)
            value = conv_fn(x, kernel, method)
            return [value, *tangent, *gradients, jax.grad(slope)(kernel)]

        pairs = zip(
            *(value_and_derivatives(method) for method in (None, "native")),
            strict=True,
        )
        for ours, native in pairs:  # sums of many terms: errors are of the largest's
            largest = float(jnp.abs(native).max())
            np.testing.assert_allclose(ours, native, rtol=0, atol=1e-11 * largest)
    assert ways <= taken


def test_a_doubled_image_is_mapped_into_the_batch():
    x, kernel = draw(0, 3, 2, 4, 4, 32), draw(1, 3, 3, 32, 32)
    mapped = jax.vmap(lambda x: convolution.conv_of_doubled(x, kernel))(x)
    whole = convolution.conv_of_doubled(x.reshape(6, 4, 4, 32), kernel)
    close(mapped.reshape(6, 8, 8, 32), whole, 1e-5)


@pytest.mark.usefixtures("by_products")
@pytest.mark.parametrize("strides", [1, 2])
def test_what_a_gpu_gets_is_what_a_cpu_gets(strides):
    """The faces' native forms, in float64 on this machine."""
    with jax.enable_x64(True):
        x, kernel = draw(0, 3, 8, 6, 5), draw(1, 4, 3, 5, 7)
        g = draw(2, 3, 8 // strides, 6 // strides, 7)
        settings = {"kernel_size": (4, 3), "strides": strides}
        for face, arguments in (
            ("conv", (x, kernel)),
            ("input_gradient", (g, kernel)),
            ("weight_gradient", (x, g)),
        ):
            ours = getattr(convolution_products, face)(*arguments, **settings)
            close(ours, getattr(convolution_native, face)(*arguments, **settings))


def test_a_program_for_another_platform_holds_its_native_operations():
    def value_and_derivatives(x, kernel):
        def total(x, kernel):
            y = convolution.conv_of_doubled(conv(x, kernel, strides=2), kernel)
            return (conv_transpose(y, kernel) ** 2).sum()

        return jax.value_and_grad(total, (0, 1))(x, kernel)

    arguments = draw(0, 2, 8, 8, 32), draw(1, 3, 3, 32, 32)
    for platform, native in (("cpu", False), ("cuda", True), ("tpu", True)):
        exported = jax.export.export(
            jax.jit(value_and_derivatives), platforms=[platform]
        )(*arguments)
        text = exported.mlir_module()
        # XLA's convolutions with zeros between are what a CPU is slow at.
        assert ("lhs_dilate = [2, 2]" in text) == native
        assert ("rhs_dilate = [2, 2]" in text) == native
        assert ("stablehlo.dot_general" in text) == (not native)
