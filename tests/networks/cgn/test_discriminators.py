"""Both discriminators: their sizes, and that they read images with labels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks.cgn.discriminators import (
    ConvDiscriminator,
    LinearDiscriminator,
)

IMAGES = jnp.linspace(-1, 1, 2 * 32 * 32 * 3).reshape(2, 32, 32, 3)
LABELS = jnp.array([3, 8])


@pytest.mark.parametrize(
    ("module", "num"),
    [(LinearDiscriminator(), 2_104_421), (ConvDiscriminator(), 413_642)],
)
def test_they_have_the_reference_s_parameters(module, num):
    def init(key):
        return module.init(key, IMAGES, LABELS, module.dropout(key, 2))

    shapes = jax.eval_shape(init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == num


@pytest.mark.parametrize("module", [LinearDiscriminator(8), ConvDiscriminator(2)])
def test_an_image_is_judged_with_its_label(module):
    dropout = jnp.ones_like(module.dropout(jax.random.key(0), 2))
    init = jax.jit(lambda key: module.init(key, IMAGES, LABELS, dropout))
    variables = init(jax.random.key(1))

    def read(labels):
        return module.apply(variables, IMAGES, labels, dropout, mutable=["batch_stats"])

    logits, _ = read(LABELS)
    assert logits.shape == (2,)
    other, _ = read(LABELS.at[1].set(5))
    assert float(other[1]) != float(logits[1])


def test_dropout_keeps_the_mean():
    factors = LinearDiscriminator(50).dropout(jax.random.key(0), 200)
    assert factors.shape == (200, 2, 50)
    np.testing.assert_allclose(np.unique(factors), [0, 1 / 0.6], rtol=1e-6)
    standard_error = np.sqrt(0.4 / 0.6 / factors.size)
    assert abs(float(factors.mean()) - 1) < 5 * standard_error
