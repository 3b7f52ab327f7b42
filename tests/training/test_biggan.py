"""Training of a BigGAN-deep: what a step keeps, and what is sampled from."""

import chex
import jax
import jax.numpy as jnp
import pytest

from causal_jax.networks.biggan import Discriminator, Generator
from causal_jax.networks.cgn.imagenet import GeneratedPicture, label_and_picture
from causal_jax.networks.feature_discriminator import (
    FEATURES,
    FIXED,
    FeatureDiscriminator,
)
from causal_jax.networks.resnet import ResNet
from causal_jax.training.biggan import biggan

SETTINGS = {"size": 32, "width": 4, "num_classes": 3}
NOISE = {"noise_size": 5, "embedding_size": 4, "spectral_norm": True, "rgb_features": 3}
GENERATOR = Generator(**SETTINGS, **NOISE, statistics="batch")
DISCRIMINATOR = Discriminator(**SETTINGS)


def shapes(tree):
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(path, x.shape, x.dtype, x.weak_type) for path, x in leaves]


def test_a_step_keeps_structure_shapes_and_dtypes():
    algorithm = biggan(
        GENERATOR, DISCRIMINATOR, batch_size=4, num_discriminator_steps=2, num_steps=9
    )
    state = jax.eval_shape(algorithm.init, jax.random.key(0))
    batch = {
        "image": jax.ShapeDtypeStruct((2, 4, 32, 32, 3), jnp.uint8),
        "label": jax.ShapeDtypeStruct((2, 4), jnp.int32),
    }
    assert algorithm.batch_shape == (2, 4)
    after, info = jax.eval_shape(algorithm.step, state, batch, jax.random.key(1))
    assert shapes(after) == shapes(state)
    assert all(value.shape == () for value in info)


def test_a_discriminator_of_features_reads_those_that_are_given():
    """The trained classifier is what the state holds, and a step leaves it."""
    classifier = ResNet((1,), num_classes=3, width=4)
    features = classifier.init(jax.random.key(7), jnp.zeros((1, 32, 32, 3)))
    algorithm = biggan(
        GENERATOR,
        FeatureDiscriminator(classifier, **SETTINGS),
        features=features,
        batch_size=4,
    )
    state = algorithm.init(jax.random.key(0))
    batch = {
        "image": jnp.zeros((1, 4, 32, 32, 3), jnp.uint8),
        "label": jnp.array([[0, 1, 2, 0]]),
    }
    after, info = jax.jit(algorithm.step)(state, batch, jax.random.key(1))
    for kept in (state, after):
        chex.assert_trees_all_equal(kept.discriminator[FEATURES][FIXED], features)
    before, params = state.discriminator["params"], after.discriminator["params"]
    moved = jax.tree.map(lambda a, b: not jnp.array_equal(a, b), before, params)
    kernels = [moved["pixels"]["conv_0"]["kernel"], moved["map_0"]["conv_0"]["kernel"]]
    assert all(kernels) and jnp.isfinite(info.discriminator_loss)


def test_its_params_are_those_of_the_causal_model():
    algorithm = biggan(GENERATOR, DISCRIMINATOR, batch_size=4, num_levels=3)
    state = jax.eval_shape(algorithm.init, jax.random.key(0))
    scm = label_and_picture(GeneratedPicture(**SETTINGS, **NOISE, num_levels=3))
    expected = jax.eval_shape(scm.init, jax.random.key(0))
    found = jax.eval_shape(algorithm.params, state)
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, expected)


def test_players_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="num_classes is 3, the discriminator's 4"):
        biggan(GENERATOR, Discriminator(**{**SETTINGS, "num_classes": 4}))
    judge = FeatureDiscriminator(ResNet((1,), num_classes=3, width=4), **SETTINGS)
    with pytest.raises(ValueError, match="give both or neither"):
        biggan(GENERATOR, judge)
    with pytest.raises(ValueError, match="give both or neither"):
        biggan(GENERATOR, DISCRIMINATOR, features={})
    with pytest.raises(ValueError, match="has statistics='batch', not 'table'"):
        biggan(GENERATOR.clone(statistics="table"), DISCRIMINATOR)
