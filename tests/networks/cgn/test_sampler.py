"""Counterfactual images: the model's own units, in one compiled call."""

import jax
import numpy as np
import pytest

from causal_jax.networks.cgn import mnist
from causal_jax.networks.cgn.sampler import sample_counterfactuals

NUM = 12


@pytest.fixture(scope="module")
def model():
    scm = mnist.scm(width=2, noise_size=5, init_scale=1.0)
    return scm, jax.jit(scm.init)(jax.random.key(0))


def test_they_are_the_model_s_own_units(model):
    scm, params = model
    found = sample_counterfactuals(scm, params, jax.random.key(1), num=NUM)
    expected = scm.sample(params, jax.random.key(1), num=NUM)
    np.testing.assert_allclose(found.images, expected["image"], atol=1e-5)
    for label in mnist.LABELS:
        np.testing.assert_array_equal(getattr(found, f"{label}s"), expected[label])


def test_images_in_a_row_share_their_mask_and_nothing_else(model):
    scm, params = model
    found = sample_counterfactuals(scm, params, jax.random.key(1), num=NUM, per_mask=4)
    each = sample_counterfactuals(scm, params, jax.random.key(1), num=NUM)
    assert found.images.shape == (NUM, 32, 32, 3)
    np.testing.assert_array_equal(
        found.shape_labels, each.shape_labels.reshape(3, 4)[:, :1].repeat(4, 1).ravel()
    )
    # Textures are those of one image a mask; a row's first image is the same.
    np.testing.assert_array_equal(found.texture_labels, each.texture_labels)
    np.testing.assert_array_equal(found.background_labels, each.background_labels)
    np.testing.assert_allclose(found.images[::4], each.images[::4], atol=1e-5)
    assert (np.asarray(found.images[1]) != each.images[1]).any()


def test_labels_of_the_parts_are_independent(model):
    """Drawn by the nodes themselves: only their pairing is to be tested here."""
    scm, params = model
    num = 400
    found = sample_counterfactuals(scm, params, jax.random.key(2), num=num)
    _, shapes, textures, backgrounds = map(np.asarray, found)
    for a, b in ((shapes, textures), (shapes, backgrounds), (textures, backgrounds)):
        assert abs(np.mean(a == b) - 0.1) < 5 * np.sqrt(0.1 * 0.9 / num)


def test_it_compiles_once_and_runs_inside_another_call(model, count_compilations):
    scm, params = model
    keys = jax.random.split(jax.random.key(3), 2)

    def draw(key):
        return sample_counterfactuals(scm, params, key, num=2).images

    draw(keys[0])
    assert count_compilations(lambda: draw(keys[1])) == 0
    inside = jax.jit(lambda key: draw(key).mean())(keys[0])
    np.testing.assert_allclose(inside, draw(keys[0]).mean(), atol=1e-5)


def test_masks_that_do_not_divide_are_refused(model):
    scm, params = model
    with pytest.raises(ValueError, match="per_mask=5 does not divide num=12"):
        sample_counterfactuals(scm, params, jax.random.key(0), num=NUM, per_mask=5)
