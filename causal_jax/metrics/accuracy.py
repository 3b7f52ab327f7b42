"""How good a reader of labels and nuisances is: balanced accuracy and R2."""

from typing import NamedTuple

import numpy as np

from causal_jax.types import Array


def balanced_accuracy(probs: Array, labels: Array) -> np.ndarray:
    """`[L]` mean of the accuracies on ones and on zeros.

    nan for a label with only one state in `labels`: a reader that always says it would
    be right.

    Args:
      probs: `[B, L]` probabilities that the label is 1.
      labels: `[B, L]` in {0, 1}.
    """
    labels = np.asarray(labels) > 0.5
    right = (np.asarray(probs) > 0.5) == labels
    by_state = []
    for state in (labels, ~labels):
        count = state.sum(0)
        hits = (right & state).sum(0)
        by_state.append(np.where(count > 0, hits / np.maximum(count, 1), np.nan))
    return np.mean(by_state, axis=0)


FEWEST = 30  # pictures of a label's state with given causes


class UnderDo(NamedTuple):
    """A reader's balanced accuracy on one label, as it would be if the label were set.

    Attributes:
      accuracy: mean over both states; None where no causes leave both open.
      standard_error: of it, each cell's with one more right and one more wrong.
      covered: share of the pictures with causes under which either state has `FEWEST`
        pictures; the accuracy is that of these. (Of fewer many have a wrong label.)
    """

    accuracy: float | None
    standard_error: float | None
    covered: float


def accuracy_under_do(probs: Array, states: Array, causes: Array) -> UnderDo:
    """How well a label is read off real pictures, as do(label) would have them.

    A reader of lipstick is right on most men, who wear none, whatever it sees. Setting
    the label breaks this: half of the men wear it. So the accuracies given the label's
    causes are averaged over the law of the causes (back-door adjustment, Pearl 2009,
    section 3.3.1): for each state v the sum over w of P(w) P(read as v | v, w).

    Args:
      probs: `[N]` probabilities that the label is 1.
      states: `[N]` in {0, 1}.
      causes: int `[N, C]`, the label's parents in the graph; C may be 0.

    Example:
      >>> probs, states = np.tile([[0, 1, 0, 1], [0, 1, 0, 0]], 30)
      >>> accuracy_under_do(probs, states, np.zeros((120, 0), int)).accuracy
      0.8333333333333333
    """
    states = np.asarray(states) > 0.5
    right = (np.asarray(probs) > 0.5) == states
    causes = np.asarray(causes).reshape(len(states), -1)
    _, strata = np.unique(causes, axis=0, return_inverse=True)
    strata = strata.ravel()
    total, variance, covered = 0.0, 0.0, 0.0
    for stratum in np.unique(strata):
        here = strata == stratum
        cells = [right[here & (states == state)] for state in (False, True)]
        if min(map(len, cells)) < FEWEST:
            continue
        share = here.mean()
        covered += share
        total += share * sum(cell.mean() for cell in cells) / 2
        for cell in cells:
            rate = (cell.sum() + 1) / (len(cell) + 2)
            variance += (share / 2) ** 2 * rate * (1 - rate) / len(cell)
    if not covered:
        return UnderDo(None, None, 0.0)
    return UnderDo(
        float(total / covered), float(np.sqrt(variance) / covered), float(covered)
    )


def r_squared(predicted: Array, true: Array) -> np.ndarray:
    """`[K]` share of each column's variance that is explained."""
    predicted, true = np.asarray(predicted), np.asarray(true)
    residual = ((predicted - true) ** 2).sum(0)
    return 1.0 - residual / ((true - true.mean(0)) ** 2).sum(0)
