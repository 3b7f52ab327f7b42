"""What masks of natural pictures are like: how large, how often nothing, how decided.

The mean mask value is what Sauer & Geiger 2021 report beside the Inception score (their
mu_mask, arXiv 2101.06046, table 3): near 0 there is no object, near 1 no background.
Masks of digits have a report of their own, `masks`.
"""

from typing import NamedTuple

import numpy as np

EMPTY, FULL = 0.02, 0.9  # mean mask values below and above which nothing is told apart


class Estimate(NamedTuple):
    """A mean over masks.

    Attributes:
      value: the mean.
      standard_error: of it, from the spread over masks; 0 where all are alike.
    """

    value: float
    standard_error: float

    def __str__(self) -> str:
        return f"{self.value:.4f} +- {self.standard_error:.4f}"


class MaskStatistics(NamedTuple):
    """Means over masks; see the module.

    Attributes:
      mean: mask value, in [0, 1].
      empty: share of masks whose mean is below `EMPTY`.
      full: share of masks whose mean is above `FULL`.
      entropy: of a pixel, bits; 0 where all pixels are 0 or 1, 1 where all are 1/2.
      binaryness: mean of |2 m - 1|; 1 where all pixels are 0 or 1, 0 where all are 1/2.
    """

    mean: Estimate
    empty: Estimate
    full: Estimate
    entropy: Estimate
    binaryness: Estimate


def mask_statistics(
    masks: np.ndarray, *, empty: float = EMPTY, full: float = FULL
) -> MaskStatistics:
    """What N masks are like.

    Args:
      masks: [N, H, W] or [N, H, W, 1] in [0, 1], N at least 2.
      empty: mean below which a mask is empty.
      full: mean above which it is full.

    Raises:
      ValueError: another shape, values out of range, or bounds that cross.

    >>> found = mask_statistics(np.stack([np.zeros((4, 4)), np.eye(4)]))
    >>> print(found.mean, "|", found.empty, "|", found.entropy)
    0.1250 +- 0.1250 | 0.5000 +- 0.5000 | 0.0000 +- 0.0000
    """
    masks = _checked(masks)
    if not 0 <= empty < full <= 1:
        raise ValueError(f"empty={empty} and full={full}: 0 <= empty < full <= 1")
    means = masks.mean(1)
    return MaskStatistics(
        mean=_estimate(means),
        empty=_estimate(means < empty),
        full=_estimate(means > full),
        entropy=_estimate(_entropy(masks).mean(1)),
        binaryness=_estimate(np.abs(2 * masks - 1).mean(1)),
    )


def _checked(masks: np.ndarray) -> np.ndarray:
    """Float64 [N, pixels]."""
    found = np.asarray(masks, np.float64)
    is_shaped = found.ndim == 3 or (found.ndim == 4 and found.shape[-1] == 1)
    if not is_shaped or len(found) < 2 or not found.size:
        raise ValueError(
            f"masks of shape {found.shape}: give [N, H, W, 1] with N at least 2"
        )
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError("mask values are 0 to 1: apply a sigmoid to logits")
    return found.reshape(len(found), -1)


def _entropy(masks: np.ndarray) -> np.ndarray:
    """-m log2 m - (1 - m) log2 (1 - m), 0 at 0 and 1."""
    both = np.stack([masks, 1 - masks])
    return -(both * np.log2(both, out=np.zeros_like(both), where=both > 0)).sum(0)


def _estimate(values: np.ndarray) -> Estimate:
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return Estimate(value=float(np.mean(values)), standard_error=float(error))
