"""The class score: known values, its bounds, and probabilities that are none."""

import numpy as np
import pytest

from causal_jax.metrics.class_score import class_score


def test_a_score_worked_out_by_hand():
    # p(y) = (1/2, 1/2); KL of (3/4, 1/4) is 3/4 log 3/2 + 1/4 log 1/2.
    rows = np.array([[0.75, 0.25], [0.25, 0.75]])
    expected = (3 / 2) ** (3 / 4) * (1 / 2) ** (1 / 4)
    assert class_score(rows, num_splits=1).value == pytest.approx(expected, rel=1e-12)


def test_the_score_is_the_exponential_of_the_mutual_information():
    rows = np.random.default_rng(0).dirichlet(np.ones(5), 40)
    joint = rows / len(rows)
    independent = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    expected = np.exp((joint * np.log(joint / independent)).sum())
    found = class_score(rows, num_splits=1)
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert np.isnan(found.standard_error)


def test_a_generator_of_one_class_scores_one_however_sure():
    assert class_score(np.eye(4)[[2] * 20]).value == pytest.approx(1)


def test_parts_are_scored_each_on_its_own_and_drawn_at_random():
    rows = np.repeat(np.eye(2), 50, axis=0)  # class by class: halves would score 1
    found = class_score(rows, num_splits=2)
    assert len(found.parts) == 2 and found.parts.min() > 1.9
    assert found.value == pytest.approx(found.parts.mean())
    expected = abs(found.parts[0] - found.parts[1]) / 2
    assert found.standard_error == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rows", "num_splits", "message"),
    [
        (np.ones(3) / 3, 1, r"shape \(3,\): give \[N, K\]"),
        (np.array([[2.0, -1.0]]), 1, "apply a softmax"),
        (np.array([[0.5, 0.4]]), 1, "apply a softmax"),
        (np.array([[np.nan, 1.0]]), 1, "apply a softmax"),
        (np.eye(3), 4, "num_splits=4 of 3 pictures: give 1 to 3"),
    ],
)
def test_what_are_no_probabilities_is_one_line(rows, num_splits, message):
    with pytest.raises(ValueError, match=message) as error:
        class_score(rows, num_splits=num_splits)
    assert "\n" not in str(error.value)
