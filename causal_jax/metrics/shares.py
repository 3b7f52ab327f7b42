"""Shares of pictures, and how far chance may have moved them.

    error = sqrt(q (1 - q) / N),   q = (hits + 1) / (N + 2)

The binomial standard error, with the rule of succession in the place of the share, so
that a share of 0 or 1 of a few pictures is not said to be certain. N is the number of
pictures that were read, whatever batches they came in. (The reference code of
Sauer & Geiger 2021 divides by whole batches.)
"""

import math
from typing import NamedTuple

import numpy as np


class Share(NamedTuple):
    """A share, or the difference of two.

    Attributes:
      value: in [0, 1], of a difference in [-1, 1]; None of nothing.
      error: its standard error; None of nothing.
    """

    value: float | None
    error: float | None


def share(hits: np.ndarray) -> Share:
    """The share of hits, bool [N].

    >>> share(np.array([True, True, False, True])).value
    0.75
    """
    hits = np.asarray(hits, bool)
    num = len(hits)
    if not num:
        return Share(value=None, error=None)
    smoothed = (int(hits.sum()) + 1) / (num + 2)
    return Share(
        value=float(hits.mean()), error=math.sqrt(smoothed * (1 - smoothed) / num)
    )


def difference(one: Share, other: Share) -> Share:
    """one - other, of pictures that have nothing to do with each other.

    Where they do (the same objects on other backgrounds), the error is, if anything,
    too large.
    """
    if one.value is None or other.value is None:
        return Share(value=None, error=None)
    return Share(
        value=one.value - other.value, error=math.hypot(one.error, other.error)
    )


def top_hits(logits: np.ndarray, labels: np.ndarray, num: int) -> np.ndarray:
    """Which labels are among the `num` largest logits, bool [N].

    Of equal logits the label's counts as the smallest: logits that are all alike are no
    hit, nor are those that are no numbers.

    Args:
      logits: [N, K].
      labels: int [N] in 0 .. K - 1.
      num: 1 for the usual accuracy.
    """
    own = np.take_along_axis(logits, np.asarray(labels)[:, None], axis=1)
    return np.sum(~(logits < own), axis=1) <= num
