"""VGG16's features: its layers are those of the paper."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from causal_jax.networks import vgg
from causal_jax.networks.vgg import VGG16Features


@pytest.fixture(scope="module")
def params():
    """Random weights."""
    random, layers, channels = np.random.default_rng(0), {}, 3
    sizes = [number for block in vgg.BLOCKS for number in block]
    for i, features in enumerate(sizes):
        kernel = random.normal(0, 1, (3, 3, channels, features)) / np.sqrt(9 * channels)
        bias = jnp.full(features, 0.1)
        layers[f"conv_{i}"] = {"kernel": jnp.asarray(kernel, jnp.float32), "bias": bias}
        channels = features
    return {"params": layers}


def test_it_is_vgg16_up_to_its_fourth_pooling(params):
    images = jax.random.uniform(jax.random.key(0), (2, 32, 32, 3), minval=-1.0)
    maps = VGG16Features().apply(params, images)
    shapes = [m.shape[1:] for m in maps]
    assert shapes == [(32, 32, 64), (16, 16, 128), (8, 8, 256), (4, 4, 512)]
    x, index = images, 0
    for block, found in zip(vgg.BLOCKS, maps, strict=True):
        if index:
            window = (1, 2, 2, 1)
            x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
        for _ in block:
            layer = params["params"][f"conv_{index}"]
            numbers = ("NHWC", "HWIO", "NHWC")
            x = lax.conv_general_dilated(
                x, layer["kernel"], (1, 1), "SAME", dimension_numbers=numbers
            )
            x, index = jax.nn.relu(x + layer["bias"]), index + 1
        np.testing.assert_allclose(found, x, atol=1e-4)


def test_fewer_blocks_are_the_same_maps(params):
    images = jnp.ones((1, 8, 8, 3))
    two, four = (VGG16Features(n).apply(params, images) for n in (2, 4))
    assert len(two) == 2
    np.testing.assert_allclose(two[1], four[1], atol=1e-5)
