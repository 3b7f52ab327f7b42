"""The discriminator that reads a classifier's maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks.feature_discriminator import (
    FEATURES,
    FIXED,
    FeatureDiscriminator,
)
from causal_jax.networks.resnet import ResNet, normalized

CLASSIFIER = ResNet((1, 1), num_classes=3, width=4, stem=3)
DISCRIMINATOR = FeatureDiscriminator(CLASSIFIER, size=32, width=4, num_classes=3)
IMAGES = jax.random.uniform(jax.random.key(1), (4, 32, 32, 3), minval=-1)
LABELS = jnp.array([0, 2, 1, 1])


@pytest.fixture(scope="module")
def variables():
    return jax.jit(DISCRIMINATOR.init)(jax.random.key(0), IMAGES, LABELS)


def logits(variables, images=IMAGES, labels=LABELS):
    return jax.jit(DISCRIMINATOR.apply)(variables, images, labels)


def test_pixels_and_each_map_have_a_judge_that_reads_nothing_else(variables):
    """A judge of a map is not changed by what the classifier does further up."""
    found = logits(variables)
    assert found.shape == (4, 3) and float(jnp.abs(found).max()) > 0
    fixed = jax.tree.map(jnp.array, variables[FEATURES][FIXED])
    kernel = fixed["params"]["backbone"]["layer2_0"]["conv1"]["kernel"]
    fixed["params"]["backbone"]["layer2_0"]["conv1"]["kernel"] = kernel * 2
    changed = logits({**variables, FEATURES: {FIXED: fixed}})
    same = np.isclose(changed, found, rtol=1e-5).all(axis=0)
    assert same.tolist() == [True, True, False]


def test_the_last_map_is_what_the_classifier_s_head_reads(variables):
    fixed = variables[FEATURES][FIXED]
    seen = CLASSIFIER.apply(fixed, normalized(IMAGES), method=ResNet.maps)
    assert [x.shape for x in seen] == [(4, 8, 8, 4), (4, 4, 4, 8)]
    features = CLASSIFIER.apply(fixed, normalized(IMAGES), method=ResNet.features)
    np.testing.assert_allclose(seen[-1].mean((1, 2)), features, rtol=1e-6)


def test_every_judge_knows_the_class(variables):
    other = logits(variables, labels=LABELS.at[1].set(0))
    changed = ~np.isclose(other, logits(variables), rtol=1e-5)
    assert changed.tolist() == [[False] * 3, [True] * 3, [False] * 3, [False] * 3]


def test_training_leaves_the_classifier_as_it_is(variables):
    _, updated = DISCRIMINATOR.apply(
        variables, IMAGES, LABELS, train=True, mutable=["spectral", FEATURES]
    )
    same = jax.tree.map(np.array_equal, updated[FEATURES], variables[FEATURES])
    assert all(jax.tree.leaves(same))
    assert set(variables["params"]) == {
        *("pixels", "map_0", "map_1", "map_0_in", "map_1_in")
    }
