"""Minimal filtering: its matrices, and the convolutions that are made of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.ops import convolution_products as products
from causal_jax.ops import winograd
from causal_jax.ops.convolution import conv, conv_transpose


@pytest.mark.parametrize(("outputs", "taps"), [(2, 2), (2, 3), (4, 2), (4, 3)])
def test_the_minimal_way_is_a_correlation(outputs, taps):
    rng = np.random.RandomState(0)
    d, k = rng.randn(outputs + taps - 1), rng.randn(taps)
    of_inputs, of_taps, of_outputs = winograd.minimal(outputs, taps)
    assert len(of_inputs) == outputs + taps - 1  # products
    found = of_outputs @ ((of_taps @ k) * (of_inputs @ d))
    np.testing.assert_allclose(found, np.correlate(d, k), atol=1e-12)


def faces(x, kernel, g):
    """A 3x3 convolution and its gradient of the kernel: the native ones, and ours."""
    y, pullback = jax.vjp(
        lambda kernel: conv(x, kernel, method="native"), jnp.asarray(kernel)
    )
    return (y, *pullback(g)), (
        winograd.conv(x, kernel),
        winograd.weight_gradient(x, g),
    )


@pytest.mark.parametrize(("sides", "outputs"), [((8, 12), 4), ((6, 8), 2), ((8, 6), 2)])
@pytest.mark.parametrize("block", [1, 2**22])
def test_two_or_four_outputs_at_once_are_the_native_ones(
    sides, outputs, block, monkeypatch
):
    monkeypatch.setattr(winograd, "_BLOCK", block)
    rng = np.random.RandomState(0)
    with jax.enable_x64(True):
        x, g = (
            jnp.asarray(rng.randn(4, *sides, 3)),
            jnp.asarray(rng.randn(4, *sides, 5)),
        )
        kernel = jnp.asarray(rng.randn(3, 3, 3, 5))
        assert len(winograd._way(x, kernel).outputs) == outputs
        for native, ours in zip(*faces(x, kernel, g), strict=True):
            np.testing.assert_allclose(ours, native, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("rows", "allowed"), [(16, 3e-5), (18, 3e-6)])
def test_rounding_errors_are_those_that_are_stated(rows, allowed):
    rng = np.random.RandomState(0)
    x, g = (rng.randn(16, rows, 16, 64).astype(np.float32) for _ in range(2))
    kernel = rng.randn(3, 3, 64, 64).astype(np.float32)
    with jax.enable_x64(True):
        exact, _ = faces(*(a.astype(np.float64) for a in (x, kernel, g)))
    _, found = faces(x, kernel, g)
    for a, b in zip(found, exact, strict=True):
        assert np.abs(a - b).max() < allowed * np.abs(b).max()


def test_types_of_few_digits_and_kernels_larger_than_the_batch_get_two_outputs():
    x, kernel = jnp.zeros((16, 8, 8, 4)), jnp.zeros((3, 3, 4, 4))
    assert len(winograd._way(x, kernel).outputs) == 4
    assert len(winograd._way(x.astype(jnp.bfloat16), kernel).outputs) == 2
    assert len(winograd._way(x, jnp.zeros((3, 3, 4, 65))).outputs) == 2


@pytest.mark.parametrize("sides", [(16, 16), (4, 8)])
def test_its_three_faces_are_the_native_convolutions(sides):
    rng = np.random.RandomState(0)
    x = jnp.asarray(rng.randn(3, *sides, 4), jnp.float32)
    kernel = jnp.asarray(rng.randn(5, 5, 4, 6), jnp.float32)

    def native(x, kernel):
        return conv(x, kernel, strides=2, method="native")

    y, pullback = jax.vjp(native, x, kernel)
    g = jnp.asarray(rng.randn(*y.shape), jnp.float32)
    found = (
        winograd.strided_conv(x, kernel),
        winograd.strided_input_gradient(g, kernel),
        winograd.strided_weight_gradient(x, g),
    )
    for a, b in zip(found, (y, *pullback(g)), strict=True):
        scale = float(jnp.abs(b).max())
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-6 * scale)


@pytest.mark.parametrize("conv_fn", [conv, conv_transpose])
def test_layers_of_many_pixels_take_it_and_mean_the_native_ones(conv_fn, monkeypatch):
    taken = []
    for name in ("conv", "input_gradient", "weight_gradient"):
        fn = getattr(winograd, f"strided_{name}")
        monkeypatch.setattr(
            products.winograd,
            f"strided_{name}",
            lambda *args, fn=fn, name=name: taken.append(name) or fn(*args),
        )
    rng = np.random.RandomState(0)
    x = jnp.asarray(rng.randn(8, 16, 16, 64), jnp.float32)
    kernel = jnp.asarray(rng.randn(5, 5, 64, 65), jnp.float32)

    def found(method):
        y, pullback = jax.vjp(
            lambda x, kernel: conv_fn(x, kernel, strides=2, method=method), x, kernel
        )
        return y, *pullback(jnp.cos(y))

    ours = jax.jit(lambda: found(None))()
    assert set(taken) == {"conv", "input_gradient", "weight_gradient"}
    for a, b in zip(ours, found("native"), strict=True):
        scale = float(jnp.abs(b).max())
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * scale)


def wide():
    """Images and a kernel of so many channels that products are fewer."""
    rng = np.random.RandomState(0)
    x, kernel = rng.randn(8, 12, 12, 64), rng.randn(3, 3, 64, 72)
    return jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32)


def test_a_program_for_any_number_of_images_means_the_native_one(monkeypatch):
    x, kernel = wide()
    taken, fn = [], winograd.conv
    monkeypatch.setattr(winograd, "conv", lambda *args: taken.append(args) or fn(*args))
    (num,) = jax.export.symbolic_shape("num")
    anywhere = jax.ShapeDtypeStruct((num, *x.shape[1:]), x.dtype)
    exported = jax.export.export(jax.jit(lambda x: conv(x, kernel)))(anywhere)
    assert taken
    for some in (x, x[:1]):
        native = conv(some, kernel, method="native")
        found = exported.call(some)
        np.testing.assert_allclose(found, native, rtol=0, atol=1e-4 * jnp.ptp(native))


def test_few_digits_lose_no_more_than_they_have():
    x, kernel = (a.astype(jnp.bfloat16) for a in wide())
    g = winograd.conv(x, kernel)
    native, _ = faces(*(a.astype(jnp.float32) for a in (x, kernel, g)))
    _, found = faces(x, kernel, g)
    for a, b in zip(found, native, strict=True):
        assert a.dtype == jnp.bfloat16
        assert float(jnp.abs(a - b).max() / jnp.abs(b).max()) < 2**-6
