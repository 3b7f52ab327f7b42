import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks.layers import Conv
from causal_jax.ops.constant_channels import conv_of_constant
from causal_jax.ops.convolution import conv


@pytest.mark.parametrize(
    ("size", "kernel_size", "strides"),
    [
        ((16, 16), (5, 5), 2),
        ((4, 8), (5, 5), 2),
        ((1, 2), (5, 5), 2),
        ((7, 5), (4, 3), 2),
        ((6, 6), (3, 3), 1),
    ],
)
def test_it_is_the_convolution_of_channels_that_are_alike_everywhere(
    size, kernel_size, strides
):
    rng = np.random.RandomState(0)
    x = jnp.asarray(rng.randn(3, 4), jnp.float32)
    kernel = jnp.asarray(rng.randn(*kernel_size, 4, 6), jnp.float32)

    def ours(x, kernel):
        return conv_of_constant(x, kernel, size=size, strides=strides)

    def expected(x, kernel):
        x = jnp.broadcast_to(x[:, None, None], (3, *size, 4))
        return conv(x, kernel, strides=strides, method="native")

    y, pullback = jax.vjp(ours, x, kernel)
    z, expected_pullback = jax.vjp(expected, x, kernel)
    cotangent = jnp.asarray(rng.randn(*z.shape), jnp.float32)
    found = y, *pullback(cotangent)
    for a, b in zip(found, (z, *expected_pullback(cotangent)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * float(jnp.abs(b).max()))


def test_a_layers_constant_channels_are_its_kernels_last():
    rng = np.random.RandomState(0)
    image = jnp.asarray(rng.randn(2, 8, 8, 3), jnp.float32)
    constant = jnp.asarray(rng.randn(2, 5), jnp.float32)
    layer = Conv(4, 5, 2)
    params = layer.init(jax.random.key(0), image, constant)
    channels = jnp.broadcast_to(constant[:, None, None], (2, 8, 8, 5))
    whole = layer.apply(params, jnp.concatenate([image, channels], -1))
    np.testing.assert_allclose(layer.apply(params, image, constant), whole, atol=1e-5)
    unit = layer.apply(params, image[0], constant[0])
    np.testing.assert_allclose(unit, whole[0], atol=1e-5)


def test_constant_channels_with_a_padding_are_refused():
    with pytest.raises(ValueError, match="go with padding None"):
        Conv(4, 3, padding=0).init(
            jax.random.key(0), jnp.zeros((1, 4, 4, 1)), jnp.zeros((1, 2))
        )
