"""5x5 kernels of stride 2 by fewer products; `test_convolution` has the others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.ops import convolution_products as products
from causal_jax.ops import winograd
from causal_jax.ops.convolution import conv, conv_transpose


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
    x = jnp.asarray(rng.randn(8, 16, 16, 32), jnp.float32)
    kernel = jnp.asarray(rng.randn(5, 5, 32, 33), jnp.float32)

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
