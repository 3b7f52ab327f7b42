"""How good a reader of labels and nuisances is: balanced accuracy and R2."""

import numpy as np

from causal_jax.types import Array


def balanced_accuracy(probs: Array, labels: Array) -> np.ndarray:
    """`[L]` mean of the accuracies on ones and on zeros.

    A label with only one state in `labels` gets the accuracy on that state.

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
    return np.nanmean(by_state, axis=0)


def r_squared(predicted: Array, true: Array) -> np.ndarray:
    """`[K]` share of each column's variance that is explained."""
    predicted, true = np.asarray(predicted), np.asarray(true)
    residual = ((predicted - true) ** 2).sum(0)
    return 1.0 - residual / ((true - true.mean(0)) ** 2).sum(0)
