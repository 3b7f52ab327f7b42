"""The digit classifier: the reference's layers, size and pooling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from causal_jax.networks.digit_classifier import DigitClassifier
from causal_jax.networks.layers import max_pool, padded_conv


@pytest.fixture(scope="module")
def network():
    images = jax.random.uniform(jax.random.key(0), (4, 32, 32, 3), minval=-1.0)
    module = DigitClassifier()
    init = jax.jit(lambda key: module.init(key, images, False))
    return module, init(jax.random.key(1)), images


def test_it_has_the_reference_s_parameters(network):
    sizes = [leaf.size for leaf in jax.tree.leaves(network[1]["params"])]
    assert sum(sizes) == 67_760


def test_it_is_the_reference_s_layers_one_by_one(network):
    """Against XLA's own convolutions with PyTorch's paddings."""
    module, variables, images = network
    p = variables["params"]

    def conv(x, name, strides):
        kernel = p[name]["kernel"]
        pad = ((kernel.shape[0] // 2,) * 2,) * 2
        y = lax.conv_general_dilated(
            x, kernel, (strides,) * 2, pad, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jax.nn.relu(y + p[name]["bias"])

    x = conv(images / np.sqrt(1 + 1e-5), "conv_0", 1)
    window, pads = (1, 3, 3, 1), ((0, 0), (1, 1), (1, 1), (0, 0))
    x = lax.reduce_window(x, -jnp.inf, lax.max, window, (1, 2, 2, 1), pads)
    x = conv(conv(conv(x, "conv_1", 1), "conv_2", 2), "conv_3", 1)
    assert x.shape == (4, 8, 8, 64)
    x = x[:, :7, :7].mean((1, 2))
    expected = x @ p["linear"]["kernel"] + p["linear"]["bias"]
    found = module.apply(variables, images, False)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_training_updates_the_statistics_of_its_input(network):
    module, variables, images = network
    _, updated = module.apply(variables, images, True, mutable=["batch_stats"])
    found = updated["batch_stats"]["norm"]["norm"]["mean"]
    np.testing.assert_allclose(found, 0.1 * images.mean((0, 1, 2)), rtol=1e-4)


@pytest.mark.parametrize(
    ("size", "taps", "strides", "padding"),
    [
        (16, 3, 2, 1),
        (28, 4, 2, 0),
        (13, 4, 2, 0),
        (9, 3, 1, 0),
        (8, 5, 1, 2),
        (7, 5, 3, 1),
    ],
)
def test_padded_convolution_equals_the_native_one(size, taps, strides, padding):
    random = np.random.default_rng(0)
    x = random.normal(size=(2, size, size + 1, 3)).astype(np.float32)
    kernel = random.normal(size=(taps, taps, 3, 4)).astype(np.float32)
    expected = lax.conv_general_dilated(
        x,
        kernel,
        (strides, strides),
        ((padding, padding),) * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    found = padded_conv(x, kernel, strides=strides, padding=padding)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("size", "strides", "padding"), [(3, 2, 1), (2, 2, 0)])
def test_max_pool_equals_the_window_s_maximum(size, strides, padding):
    x = np.random.default_rng(0).normal(size=(2, 8, 10, 3)).astype(np.float32)
    pads = ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0))
    expected = lax.reduce_window(
        x, -jnp.inf, lax.max, (1, size, size, 1), (1, strides, strides, 1), pads
    )
    np.testing.assert_array_equal(max_pool(x, size, strides, padding), expected)
