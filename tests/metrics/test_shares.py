"""Shares of pictures: counted by hand, and never of more pictures than there are."""

import math

import numpy as np
import pytest

from causal_jax.metrics import shares


def test_a_share_is_of_the_pictures_that_were_read():
    # Three batches of 4, 4 and 1: the reference code would divide 8 hits by 12.
    hits = np.concatenate([np.ones(4), np.array([1, 1, 1, 0]), np.ones(1)])
    assert shares.share(hits).value == pytest.approx(8 / 9)


def test_its_error_is_binomial_and_never_zero():
    found = shares.share(np.array([1, 0, 0, 0]))
    assert found.error == pytest.approx(math.sqrt(2 / 6 * 4 / 6 / 4))
    assert shares.share(np.ones(98)).error == pytest.approx(math.sqrt(0.99 * 0.01 / 98))
    assert shares.share(np.array([])) == shares.Share(value=None, error=None)


def test_errors_of_a_difference_add_in_squares():
    one, other = shares.Share(0.9, 0.03), shares.Share(0.7, 0.04)
    found = shares.difference(one, other)
    assert found.value == pytest.approx(0.2) and found.error == pytest.approx(0.05)
    nothing = shares.Share(None, None)
    assert shares.difference(one, nothing) == nothing


def test_the_largest_logits_are_hits_and_ties_are_not():
    logits = np.array([[3.0, 2, 1], [3, 2, 1], [3, 2, 1], [0, 0, 0]])
    labels = np.array([0, 1, 2, 0])
    assert shares.top_hits(logits, labels, 1).tolist() == [True, False, False, False]
    assert shares.top_hits(logits, labels, 2).tolist() == [True, True, False, False]
    assert shares.top_hits(logits, labels, 3).all()
    assert not shares.top_hits(np.full((2, 9), np.nan), np.array([0, 1]), 5).any()
