"""Balanced accuracy and R2 against numbers worked out by hand."""

import numpy as np
import pytest

from causal_jax.metrics.accuracy import (
    accuracy_under_do,
    balanced_accuracy,
    r_squared,
)


def test_balanced_accuracy_weighs_both_states_alike():
    labels = np.array([[1], [0], [0], [0]])
    always_zero = np.zeros((4, 1))
    assert balanced_accuracy(always_zero, labels) == 0.5
    assert balanced_accuracy(labels, labels) == 1.0


def test_a_label_with_one_state_has_no_balanced_accuracy():
    labels = np.array([[1, 0], [1, 1]])
    found = balanced_accuracy(np.array([[0.9, 0.2], [0.9, 0.8]]), labels)
    assert np.isnan(found[0]) and found[1] == 1.0


def test_under_do_a_reader_of_the_cause_reads_nothing_of_the_label():
    """`label` follows `cause` in nine of ten; the reader looks at the cause alone."""
    cause = np.repeat([0, 1], 500)
    label = np.where(np.arange(1000) % 10 == 0, 1 - cause, cause)
    assert balanced_accuracy(cause[:, None], label[:, None]) == pytest.approx([0.9])
    found = accuracy_under_do(cause, label, cause[:, None])
    assert found.accuracy == pytest.approx(0.5) and found.covered == 1
    # Four cells of 50 or 450 pictures that are all right or all wrong.
    rates = {50: 1 / 52, 450: 1 / 452}
    variance = 2 * sum(r * (1 - r) / num / 16 for num, r in rates.items())
    assert found.standard_error == pytest.approx(variance**0.5)
    assert accuracy_under_do(label, label, cause[:, None]).accuracy == 1
    nothing_sets_it = accuracy_under_do(cause, label, np.zeros((1000, 0), int))
    assert nothing_sets_it.accuracy == pytest.approx(0.9)


def test_under_do_weighs_by_the_causes_and_leaves_out_what_hardly_occurs():
    # Of cause 0 (3 of 8) ones are read in half, zeros always; cause 2 has no zeros.
    causes = np.repeat([[0, 5], [0, 5], [0, 5], *[[1, 0]] * 4, [2, 0]], 30, axis=0)
    label = np.repeat([1, 1, 0, 1, 0, 0, 0, 1], 30)
    probs = np.repeat([1, 0, 0, 0, 0, 0, 1, 1], 30)
    found = accuracy_under_do(probs, label, causes)
    assert found.covered == pytest.approx(7 / 8)
    expected = (3 * (1 / 2 + 1) / 2 + 4 * (0 + 2 / 3) / 2) / 7
    assert found.accuracy == pytest.approx(expected)
    label[-1] = 0  # one wrong label of cause 2 changes nothing
    again = accuracy_under_do(probs, label, causes)
    assert (again.accuracy, again.covered) == (found.accuracy, found.covered)
    none = accuracy_under_do(label, label, label[:, None])
    assert none.covered == 0 and none.accuracy is None


def test_r_squared_is_the_explained_share_of_each_column():
    true = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
    mean = np.broadcast_to(true.mean(0), true.shape)
    np.testing.assert_allclose(r_squared(true, true), 1)
    np.testing.assert_allclose(r_squared(mean, true), 0, atol=1e-12)
    # Residuals 1, 0, 0 against squares 1, 0, 1 about the mean; and 0, 1, 1 against 8.
    predicted = np.array([[1.0, 0.0], [1.0, 1.0], [2.0, 5.0]])
    assert r_squared(predicted, true) == pytest.approx([1 - 1 / 2, 1 - 2 / 8])
