"""Networks that compute in bfloat16: everything else stays as it is."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks.cgn import mnist
from causal_jax.networks.cgn.discriminators import ConvDiscriminator
from causal_jax.networks.image import ImageGenerator
from causal_jax.training.causal_began import causal_began
from causal_jax.training.causal_gan import causal_gan
from causal_jax.training.cgn import cgn

GENERATOR = ImageGenerator((2, 3), resolution=16, width=4, noise_size=5)
UNSEEN = np.array([[0, 1, 1, 2]], np.int32)
ALGORITHMS = {
    "causal_gan": lambda dtype: causal_gan(
        GENERATOR, batch_size=8, unseen=UNSEEN, dtype=dtype
    ),
    "causal_began": lambda dtype: causal_began(
        GENERATOR, batch_size=8, unseen=UNSEEN, dtype=dtype
    ),
    "cgn": lambda dtype: cgn(
        mnist.scm(width=4, noise_size=3), ConvDiscriminator(), batch_size=8, dtype=dtype
    ),
}


def batch(algorithm):
    random = np.random.default_rng(0)
    shape = algorithm.batch_shape
    if len(shape) == 1:
        images = random.uniform(-1, 1, (*shape, 32, 32, 3)).astype(np.float32)
        return {"images": images, "labels": random.integers(0, 10, shape)}
    labels = np.stack([random.integers(0, k, shape) for k in (2, 3)], -1)
    images = random.integers(0, 256, (*shape, 16, 16, 3), dtype=np.uint8)
    return {"images": jnp.asarray(images), "labels": jnp.asarray(labels)}


def one_step(make, dtype):
    algorithm = make(dtype)
    state = algorithm.init(jax.random.key(0))
    return algorithm.step(state, batch(algorithm), jax.random.key(1))


@pytest.mark.parametrize("make", ALGORITHMS.values(), ids=ALGORITHMS)
def test_bfloat16_moves_the_losses_by_its_rounding_and_no_types(make):
    (state, exact), (rounded_state, rounded) = (
        jax.jit(lambda dtype=dtype: one_step(make, dtype))()
        for dtype in ("float32", "bfloat16")
    )
    chex.assert_trees_all_equal_shapes_and_dtypes(state, rounded_state)
    exact, rounded = np.array(exact), np.array(rounded)
    assert (exact != rounded).any()
    np.testing.assert_allclose(rounded, exact, rtol=0.03, atol=0.03)


@pytest.mark.parametrize("make", ALGORITHMS.values(), ids=ALGORITHMS)
def test_other_types_are_refused(make):
    with pytest.raises(ValueError, match="dtype is 'float32' or 'bfloat16'"):
        make("float16")
