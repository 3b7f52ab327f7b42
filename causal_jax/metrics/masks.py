"""Have the masks of a counterfactual generative network collapsed?

Four numbers, all but the first of masks cut at one half:

  mean         of the masks' pixels; near 0 or 1 nothing is drawn
  inverted     share of masks with much object in the border, where digits have none:
               shape and background have changed places
  readability  accuracy of a classifier of real digits, which reads the label off
  diversity    mean distance of two masks of a class over that of two real digits;
               0 where each class has one mask, 1 where they differ as digits do

The mean distance of all pairs of n binary masks needs no pairs: a pixel that is object
in a share p of them differs in 2 p (1 - p) n / (n - 1) of the pairs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_THRESHOLD = 0.5
# Pixels: MNIST keeps 4 of 28 free, its digits fill .01 of them and never above .08.
_BORDER = 4
_MAX_IN_BORDER = 0.25

# Beyond these a network is said to have collapsed. Real digits' mean is about .15; the
# others are where a failed run and a working one lie far apart.
MEAN_RANGE = (0.03, 0.5)
MAX_INVERTED = 0.05
MIN_READABILITY = 0.5
MIN_DIVERSITY = 0.3


class MaskReport(NamedTuple):
    """What masks are like; see the module.

    Attributes:
      mean: in [0, 1].
      inverted: share in [0, 1].
      readability: accuracy in [0, 1], None without a classifier.
      diversity: of masks over real digits, mean over classes.
    """

    mean: float
    inverted: float
    readability: float | None
    diversity: float

    def collapsed(self) -> list[str]:
        """Which of the numbers say so, in words; empty if none does."""
        found = []
        if not MEAN_RANGE[0] <= self.mean <= MEAN_RANGE[1]:
            found.append(f"the masks' mean is {self.mean:.3f}")
        if self.inverted > MAX_INVERTED:
            found.append(f"{self.inverted:.0%} of the masks are inverted")
        if self.readability is not None and self.readability < MIN_READABILITY:
            found.append(f"{self.readability:.0%} of the masks can be read")
        if self.diversity < MIN_DIVERSITY:
            found.append(f"the masks of a class differ {self.diversity:.2f} times")
        return found


def report(
    masks: np.ndarray,
    labels: np.ndarray,
    real_masks: np.ndarray,
    real_labels: np.ndarray,
    *,
    read_fn: Callable[[np.ndarray], np.ndarray] | None = None,
) -> MaskReport:
    """Compares generated masks with real digits.

    Args:
      masks: [N, H, W, 1] in [0, 1], generated.
      labels: int [N], what they were asked for.
      real_masks: [M, H, W, 1] in [0, 1], digits that were not trained on.
      real_labels: int [M].
      read_fn: binary masks, float32 [N, H, W, 1], to classes, int [N]: a classifier of
        real binary digits.

    Raises:
      ValueError: a class with fewer than two masks or real digits.
    """
    binary = cut(masks)
    readability = None
    if read_fn is not None:
        readability = float(np.mean(np.asarray(read_fn(binary)) == labels))
    return MaskReport(
        mean=float(np.mean(np.asarray(masks))),
        inverted=float(np.mean(is_inverted(masks))),
        readability=readability,
        diversity=diversity(binary, labels, cut(real_masks), real_labels),
    )


def cut(masks: np.ndarray) -> np.ndarray:
    """Masks as 0 and 1, float32."""
    return (np.asarray(masks) > _THRESHOLD).astype(np.float32)


def is_inverted(masks: np.ndarray) -> np.ndarray:
    """Whether more than a quarter of the border is object; [N, H, W, 1] -> bool [N]."""
    binary = cut(masks)
    border = np.ones(binary.shape[1:3], bool)
    border[_BORDER:-_BORDER, _BORDER:-_BORDER] = False
    return binary[:, border].mean((1, 2)) > _MAX_IN_BORDER


def diversity(
    values: np.ndarray,
    labels: np.ndarray,
    real_values: np.ndarray,
    real_labels: np.ndarray,
) -> float:
    """Mean over classes of the ratio of `mean_distances`; of masks or textures.

    Of those classes of which there are two real digits at least.

    Raises:
      ValueError: there is no such class.
    """
    classes, counts = np.unique(real_labels, return_counts=True)
    real_labels, labels = np.asarray(real_labels), np.asarray(labels)
    known = np.intersect1d(classes[counts > 1], labels)
    if not known.size:
        raise ValueError(
            "no class has two real digits: a distance needs two; give more digits"
        )
    is_real, is_known = np.isin(real_labels, known), np.isin(labels, known)
    found = mean_distances(np.asarray(values)[is_known], labels[is_known])
    real = mean_distances(np.asarray(real_values)[is_real], real_labels[is_real])
    return float(np.mean([found[label] / real[label] for label in found]))


def mean_distances(values: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """{class: mean squared distance of two of its rows}, over all pairs.

    Squared and summed over all axes but the first; for binary masks it is the number of
    pixels in which they differ.

    Raises:
      ValueError: a class with a single row.
    """
    values, labels = np.asarray(values, np.float64), np.asarray(labels)
    distances = {}
    for label in np.unique(labels):
        rows = values[labels == label]
        if len(rows) < 2:
            raise ValueError(
                f"class {label} has a single row: a distance needs two or more"
            )
        distances[int(label)] = float(2 * np.var(rows, axis=0, ddof=1).sum())
    return distances
