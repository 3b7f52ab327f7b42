"""How much labels change images, and how much images vary without them.

A generator that is paid for labels that can be read off its images obeys them more than
pictures do: they differ by their labels more than real ones, and vary less otherwise
(what CausalGAN's Anti-Labeler is against, Kocaoglu et al. 2017, section 5). Measured in
a judge's features f of images with labels l, by the linear regression

    f = a + B l + rest

of generated images and of real ones with the law of labels that real ones have.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class LabelEffects(NamedTuple):
    """Ratios of generated to real: 1 is as real pictures.

    Attributes:
      by_label: {label: length of its column of B over the real one's}; labels that do
        not vary are left out.
      variety: variance of the rest over that of the real rest.
    """

    by_label: dict[str, float]
    variety: float


def label_effects(
    features: np.ndarray,
    labels: np.ndarray,
    real_features: np.ndarray,
    real_labels: np.ndarray,
    names: Sequence[str],
) -> LabelEffects:
    """Label effects and variety of generated images.

    Args:
      features: `[N, F]` of generated images.
      labels: `[N, L]` numbers, the images' labels.
      real_features: `[M, F]` of real images.
      real_labels: `[M, L]`.
      names: of the L labels.

    Example:
      >>> rng = np.random.default_rng(0)
      >>> labels = rng.integers(0, 2, (1000, 1))
      >>> noise = rng.normal(size=(1000, 3))
      >>> found = label_effects(9 * labels + noise, labels, labels + noise, labels, "a")
      >>> round(found.by_label["a"]), round(found.variety)
      (9, 1)
    """
    effects, rest = _regression(features, labels)
    real_effects, real_rest = _regression(real_features, real_labels)
    by_label = {
        name: float(np.linalg.norm(effects[i]) / np.linalg.norm(real_effects[i]))
        for i, name in enumerate(names)
        if np.ptp(labels[:, i]) and np.ptp(real_labels[:, i])
    }
    return LabelEffects(by_label, float(rest / real_rest))


def _regression(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Coefficients `[L, F]` and the variance that is left, summed over features."""
    features = np.asarray(features, np.float64)
    design = labels - labels.mean(0)
    centred = features - features.mean(0)
    effects = np.linalg.lstsq(design, centred, rcond=None)[0]
    rest = centred - design @ effects
    return effects, rest.var(0).sum()
