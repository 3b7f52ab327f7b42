"""The judges' network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks.classifier import Classifier, average_pool, space_to_depth


@pytest.fixture(scope="module")
def images():
    return jax.random.uniform(jax.random.key(0), (4, 32, 32, 3), minval=-1.0)


def test_shapes(images):
    outputs, features = Classifier(17).init_with_output(jax.random.key(1), images)[0]
    assert outputs.shape == (4, 17)
    assert features.shape == (4, 64)
    assert (features >= 0).all()


def test_an_image_is_read_alike_in_every_batch(images):
    network = Classifier(17)
    params = network.init(jax.random.key(1), images)
    together = network.apply(params, images)[0]
    alone = network.apply(params, images[:1])[0]
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)


def test_average_pool_is_the_mean_of_blocks(images):
    pooled = average_pool(images, 2)
    assert pooled.shape == (4, 16, 16, 3)
    np.testing.assert_allclose(
        pooled[:, 3, 5], images[:, 6:8, 10:12].mean((1, 2)), atol=1e-6
    )
    np.testing.assert_array_equal(average_pool(images, 1), images)


def test_space_to_depth_keeps_every_number_in_its_block(images):
    deep = space_to_depth(images)
    assert deep.shape == (4, 16, 16, 12)
    np.testing.assert_array_equal(
        deep[:, 3, 5].reshape(4, 2, 2, 3), images[:, 6:8, 10:12]
    )


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiples of 2"):
        average_pool(jnp.zeros((1, 31, 32, 3)), 2)
