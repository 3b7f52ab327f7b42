"""Balanced accuracy and R2 against numbers worked out by hand."""

import numpy as np
import pytest

from causal_jax.metrics.accuracy import balanced_accuracy, r_squared


def test_balanced_accuracy_weighs_both_states_alike():
    labels = np.array([[1], [0], [0], [0]])
    always_zero = np.zeros((4, 1))
    assert balanced_accuracy(always_zero, labels) == 0.5
    assert balanced_accuracy(labels, labels) == 1.0


def test_a_label_with_one_state_has_the_accuracy_on_that_state():
    probs = np.array([[0.9, 0.2], [0.9, 0.7], [0.1, 0.2], [0.6, 0.2]])
    labels = np.array([[1, 0], [1, 0], [1, 0], [1, 0]])
    np.testing.assert_allclose(balanced_accuracy(probs, labels), [0.75, 0.75])


def test_r_squared_is_the_explained_share_of_each_column():
    true = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
    mean = np.broadcast_to(true.mean(0), true.shape)
    np.testing.assert_allclose(r_squared(true, true), 1)
    np.testing.assert_allclose(r_squared(mean, true), 0, atol=1e-12)
    # Residuals 1, 0, 0 against squares 1, 0, 1 about the mean; and 0, 1, 1 against 8.
    predicted = np.array([[1.0, 0.0], [1.0, 1.0], [2.0, 5.0]])
    assert r_squared(predicted, true) == pytest.approx([1 - 1 / 2, 1 - 2 / 8])
