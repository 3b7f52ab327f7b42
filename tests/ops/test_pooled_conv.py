import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.ops.pooled_conv import pooled_conv, rectified_maximum


def plain(x, kernel, bias, scale, shift):
    """Against XLA's own operations, layer by layer."""
    pad = ((kernel.shape[0] // 2,) * 2,) * 2
    y = jax.lax.conv_general_dilated(
        x * scale + shift,
        kernel,
        (1, 1),
        pad,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    y = jax.nn.relu(y + bias)
    pads = ((0, 0), (1, 1), (1, 1), (0, 0))
    return jax.lax.reduce_window(
        y, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), pads
    )


@pytest.mark.parametrize(("taps", "shape"), [(5, (8, 12)), (3, (6, 4)), (1, (4, 4))])
def test_it_equals_its_layers_one_by_one(taps, shape):
    random = np.random.default_rng(taps)

    def draw(*sizes):
        return random.normal(size=sizes).astype(np.float32)

    arguments = (draw(2, *shape, 3), draw(taps, taps, 3, 4), draw(4), draw(3), draw(3))
    cotangent = draw(2, shape[0] // 2, shape[1] // 2, 4)

    def ours(x, kernel, bias, scale, shift):
        return pooled_conv(x, kernel, bias, scale=scale, shift=shift)

    found, found_vjp = jax.vjp(ours, *arguments)
    expected, expected_vjp = jax.vjp(plain, *arguments)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for mine, theirs in zip(found_vjp(cotangent), expected_vjp(cotangent), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-3)


def test_of_equal_maxima_one_gets_the_gradient():
    """A flat picture: one gradient a window, none where nothing is positive."""
    flat = jnp.ones((1, 3, 3, 4))
    gradient = jax.grad(lambda y: jnp.sum(rectified_maximum(y)))(flat)
    assert float(gradient.sum()) == pytest.approx(9, abs=1e-5)
    assert jax.grad(lambda y: jnp.sum(rectified_maximum(y)))(-flat).sum() == 0
