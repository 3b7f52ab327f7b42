"""The ensemble's losses against sums written out by hand."""

import math

import jax.numpy as jnp
import numpy as np

from causal_jax.losses import ensemble


def test_real_pictures_are_read_by_the_mean_of_the_heads():
    logits = {
        "shape": jnp.array([[3.0, 0.0]]),
        "texture": jnp.array([[0.0, 3.0]]),
        "background": jnp.array([[0.0, 0.0]]),
    }
    mean = ensemble.mean_logits(logits)
    np.testing.assert_allclose(mean, [[1, 1]])
    assert math.isclose(
        ensemble.cross_entropy(mean, jnp.array([1])), math.log(2), rel_tol=1e-6
    )


def test_each_head_is_held_to_its_own_label():
    logits = dict.fromkeys(
        ("shape", "texture"), jnp.array([[math.log(3), 0.0], [0.0, 0.0]])
    )
    labels = {"shape": jnp.array([0, 1]), "texture": jnp.array([1, 0])}
    found = ensemble.of_parts(logits, labels)
    half = math.log(2)  # of a picture whose logits are equal
    assert math.isclose(found["shape"], (-math.log(3 / 4) + half) / 2, rel_tol=1e-6)
    assert math.isclose(found["texture"], (-math.log(1 / 4) + half) / 2, rel_tol=1e-6)
