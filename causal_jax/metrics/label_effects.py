"""How much labels change images, and how much images vary without them.

A generator that is paid for labels that can be read off its images obeys them more than
pictures do: they differ by their labels more than real ones, and vary less otherwise
(what CausalGAN's Anti-Labeler is against, Kocaoglu et al. 2017, section 5). Measured in
a judge's features f of images with labels l, by the linear regression

    f = a + sum_j B_j [state of label j] + rest

of generated images and of real ones with the law of labels that real ones have.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

FEWEST = 30  # images with a state, and more than coefficients: fewer say nothing


class LabelEffects(NamedTuple):
    """Ratios of generated to real, of lengths: 1 is as real pictures.

    Attributes:
      by_label: {label: length of B_j over the real one's}, both without what chance
        adds; labels of which a state has fewer than `FEWEST` images are left out, and
        those that change nothing real.
      variety: standard deviation of the rest over that of the real rest.
    """

    by_label: dict[str, float]
    variety: float


def label_effects(
    features: np.ndarray,
    labels: Mapping[str, np.ndarray],
    real_features: np.ndarray,
    real_labels: Mapping[str, np.ndarray],
) -> LabelEffects | None:
    """Label effects and variety of generated images.

    Args:
      features: `[N, F]` of generated images.
      labels: {label: int `[N]` states} of these.
      real_features: `[M, F]` of real images.
      real_labels: {label: int `[M]`}.

    Returns:
      None where there are too few images, or real ones do not vary.

    Example:
      >>> rng = np.random.default_rng(0)
      >>> labels = {"a": rng.integers(0, 2, 1000)}
      >>> noise = rng.normal(size=(1000, 3))
      >>> changed = 9 * labels["a"][:, None] + noise
      >>> real = labels["a"][:, None] + noise
      >>> found = label_effects(changed, labels, real, labels)
      >>> round(found.by_label["a"]), round(found.variety)
      (9, 1)
    """
    ours = _regression(features, labels)
    real = _regression(real_features, real_labels)
    if ours is None or real is None or real.spread <= 0:
        return None
    by_label = {
        name: float(ours.lengths[name] / real.lengths[name])
        for name in labels
        if _is_frequent(labels[name], real_labels[name]) and real.lengths[name] > 0
    }
    return LabelEffects(by_label, float(ours.spread / real.spread))


def _is_frequent(*columns: np.ndarray) -> bool:
    """Whether two states or more are in all, each `FEWEST` times."""
    counts = np.array(
        [np.bincount(c, minlength=_num_states(*columns)) for c in columns]
    )
    return counts.shape[1] > 1 and bool((counts >= FEWEST).all())


def _num_states(*columns: np.ndarray) -> int:
    return 1 + max(int(column.max()) for column in columns)


class _Regression(NamedTuple):
    """Length of each label's coefficients, and the standard deviation of the rest."""

    lengths: dict[str, float]
    spread: float


def _regression(
    features: np.ndarray, labels: Mapping[str, np.ndarray]
) -> _Regression | None:
    codes = [np.eye(_num_states(c))[c][:, 1:] for c in labels.values()]
    places = np.cumsum([0, *(code.shape[1] for code in codes)])
    design = np.concatenate(codes, 1)
    design -= design.mean(0)
    centred = np.asarray(features, np.float64) - np.mean(features, 0, np.float64)
    effects, _, rank, _ = np.linalg.lstsq(design, centred, rcond=None)
    freedom = len(centred) - 1 - rank
    if freedom < FEWEST:
        return None
    variance = ((centred - design @ effects) ** 2).sum() / freedom
    # A coefficient is off by chance: by this variance times its place in the inverse.
    chance = np.diag(np.linalg.pinv(design.T @ design)) * variance
    squares = np.square(effects).sum(1) - chance
    lengths = {
        name: np.sqrt(max(squares[start:end].sum(), 0.0))
        for name, start, end in zip(labels, places, places[1:], strict=False)
    }
    return _Regression(lengths, np.sqrt(variance))
