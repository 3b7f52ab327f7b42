"""Measures of imagined images, held to models whose faults are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.data import faces
from causal_jax.metrics import soundness
from causal_jax.recipes.labels_images.faces_judge import load_faces_judge

NUM = 16
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def pairs():
    """(images, labels, other labels, true images): Eyeglasses changed."""
    key_labels, key_noise = jax.random.split(KEY)
    labels = jax.random.bernoulli(key_labels, 0.5, (NUM, 9)).astype(int)
    column = faces.LABELS.index("Eyeglasses")
    others = labels.at[:, column].set(1 - labels[:, column])
    nuisances = jax.random.uniform(key_noise, (NUM, 8))
    render = jax.jit(jax.vmap(faces.render))
    return render(labels, nuisances), labels, others, render(others, nuisances)


def keep(images, labels, others, key):
    return images


def fade(images, labels, others, key):
    return images / 2


def drift(images, labels, others, key):
    """Loses a tenth in each intervention, whatever it is."""
    return images + 0.1


def move(images, labels, others, key):
    """Adds what the labels say: an exact model of additive effects."""
    step = 0.1 * (others - labels).sum(-1).astype(float)
    return images + step[:, None, None, None]


def test_the_identity_has_perfect_composition(pairs):
    images, labels, *_ = pairs
    found = soundness.composition(keep, images, labels, KEY, rounds=3)
    assert found.shape == (3, NUM)
    np.testing.assert_array_equal(found, 0)


def test_composition_grows_by_what_each_round_loses(pairs):
    images, labels, *_ = pairs
    found = soundness.composition(drift, images, labels, KEY, rounds=4)
    expected = 0.1 * np.arange(1, 5)[:, None] * np.ones(NUM)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    halved = soundness.composition(fade, images, labels, KEY, rounds=2)
    size = np.abs(np.asarray(images)).mean((1, 2, 3))
    np.testing.assert_allclose(halved, [size / 2, size * 3 / 4], atol=1e-5)


def test_an_exact_model_is_reversible_and_a_lossy_one_is_not(pairs):
    images, labels, others, _ = pairs
    exact = soundness.reversibility(move, images, labels, others, KEY)
    np.testing.assert_allclose(exact, 0, atol=1e-6)
    lossy = soundness.reversibility(drift, images, labels, others, KEY)
    np.testing.assert_allclose(lossy, 0.2, atol=1e-5)


def test_the_judge_agrees_with_the_truth_and_not_with_the_factual(pairs):
    images, _, others, true = pairs
    judge = load_faces_judge()
    columns = [faces.LABELS.index(name) for name in ("Eyeglasses", "Male")]
    names = [faces.LABELS[i] for i in columns]
    right = soundness.label_agreement(judge, true, others[:, columns], names)
    assert right.shape == (NUM, 2) and right.all()
    wrong = soundness.label_agreement(judge, images, others[:, columns], names)
    assert not wrong[:, 0].any() and wrong[:, 1].all()


def test_the_truth_is_nearer_than_the_factual_and_the_factual_is_not(pairs):
    images, _, _, true = pairs
    perfect = soundness.against_truth(true, images, true)
    np.testing.assert_array_equal(perfect.changed, 0)
    assert perfect.nearer.all() and (perfect.num_changed > 0).all()
    unchanged = soundness.against_truth(images, images, true)
    np.testing.assert_allclose(unchanged.changed, unchanged.factual)
    assert not unchanged.nearer.any()
    np.testing.assert_allclose(unchanged.rest, 0, atol=0.5 / 127.5)


def test_pixels_are_told_apart_by_what_the_truth_changes(pairs):
    images, *_ = pairs
    true = jnp.array(images).at[:, :8].add(0.3)
    ours = jnp.array(images).at[:, :8].add(0.2).at[:, 8:].add(0.05)
    found = soundness.against_truth(ours, images, true)
    np.testing.assert_allclose(found.changed, 0.1, atol=1e-5)
    np.testing.assert_allclose(found.factual, 0.3, atol=1e-5)
    np.testing.assert_allclose(found.rest, 0.05, atol=1e-5)
    np.testing.assert_array_equal(found.num_changed, 8 * 32)
