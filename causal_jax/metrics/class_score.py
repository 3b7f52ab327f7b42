"""Are generated pictures clear, and of many classes? The score of Salimans et al. 2016.

    exp(E_x KL(p(y | x) || p(y))),   p(y) = E_x p(y | x)

(arXiv 1606.03498, section 4; with Inception's probabilities it is the Inception score).
It is 1 where all pictures get the same probabilities, and the number of classes where
each is read with certainty and all classes occur equally often. The probabilities are
the caller's, so a score compares only with scores of the same network and number of
pictures. Barratt & Sharma 2018 (arXiv 1801.01973) say what it does not see: pictures
that repeat, one per class, score as high as any.
"""

from typing import NamedTuple

import numpy as np

_TOLERANCE = 1e-3  # of a row's sum: float16 networks


class ClassScore(NamedTuple):
    """A score and how exact it is.

    Attributes:
      value: mean over the parts, in [1, number of classes].
      standard_error: of that mean, NaN for a single part.
      parts: float [num_splits], each part's score.
    """

    value: float
    standard_error: float
    parts: np.ndarray


def class_score(
    probabilities: np.ndarray, *, num_splits: int = 10, seed: int = 0
) -> ClassScore:
    """The score of pictures whose class probabilities are given.

    Args:
      probabilities: [N, K], of a classifier that did not see the pictures; rows sum
        to 1.
      num_splits: parts, drawn at random, that are scored each on its own. Fewer
        pictures per part score lower: use 10 where numbers of papers are compared.
      seed: of the parts.

    Raises:
      ValueError: another shape, rows that are no probabilities, or fewer pictures than
        parts.

    >>> class_score(np.eye(4), num_splits=1).value
    4.0
    >>> class_score(np.full((8, 4), 0.25), num_splits=2).value
    1.0
    """
    rows = _checked(probabilities)
    if not 1 <= num_splits <= len(rows):
        raise ValueError(
            f"num_splits={num_splits} of {len(rows)} pictures: give 1 to {len(rows)}"
        )
    order = np.random.default_rng(seed).permutation(len(rows))
    parts = np.array([_score(rows[at]) for at in np.array_split(order, num_splits)])
    error = np.nan
    if num_splits > 1:
        error = parts.std(ddof=1) / np.sqrt(num_splits)
    return ClassScore(
        value=float(parts.mean()), standard_error=float(error), parts=parts
    )


def _score(rows: np.ndarray) -> float:
    marginal = rows.mean(0)
    ratios = np.divide(rows, marginal, out=np.ones_like(rows), where=rows > 0)
    return float(np.exp((rows * np.log(ratios)).sum(1).mean()))


def _checked(probabilities: np.ndarray) -> np.ndarray:
    rows = np.asarray(probabilities, np.float64)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f"probabilities of shape {rows.shape}: give [N, K]")
    sums = rows.sum(1)
    if not ((rows >= 0).all() and (abs(sums - 1) <= _TOLERANCE).all()):
        raise ValueError(
            "rows are no probabilities, at least 0 with a sum of 1: apply a softmax to "
            "the network's logits"
        )
    return rows / sums[:, None]
