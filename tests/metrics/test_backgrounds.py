"""The background gap, counted by hand."""

import numpy as np
import pytest

from causal_jax.metrics import backgrounds
from causal_jax.metrics.backgrounds import ORIGINAL, RAND, SAME


def test_the_gap_is_what_other_backgrounds_cost():
    decisions = {
        ORIGINAL: np.array([0, 1]),
        SAME: np.array([0, 1, 1, 1]),
        RAND: np.array([0, -1, 0, 0, 0]),
    }
    labels = {
        ORIGINAL: np.array([0, 1]),
        SAME: np.array([0, 1, 1, 0]),
        RAND: np.array([0, 1, 1, 0, 1]),
    }
    found = backgrounds.backgrounds(decisions, labels)
    assert found[ORIGINAL].value == 1
    assert found[SAME].value == pytest.approx(3 / 4)
    assert found[RAND].value == pytest.approx(2 / 5)
    assert found["gap"].value == pytest.approx(3 / 4 - 2 / 5)
    errors = found[SAME].error, found[RAND].error
    assert found["gap"].error == pytest.approx(np.hypot(*errors))


def test_a_fine_class_without_a_coarse_one_is_wrong():
    logits = np.array([[5.0, 1, 0], [0, 1, 5], [1, 5, 0]])
    found = backgrounds.coarse_decisions(logits, np.array([2, -1, 0]))
    assert found.tolist() == [2, 0, -1]
