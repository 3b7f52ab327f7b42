"""How much a classifier goes by the background.

Xiao et al. (ICLR 2021, arXiv 2006.09994): objects on backgrounds of their own class
(`mixed_same`) and of any class (`mixed_rand`).

    gap = accuracy on mixed_same - accuracy on mixed_rand

Pictures are read whole, as there, not as the centre that other pictures are cropped to.
(There they have a mean and a deviation of their own; here those of ImageNet.)

Where a network's classes are finer than the pictures' (1,000 against 9), its decision
is the coarse class of its largest logit; one that belongs to none is wrong.
"""

from collections.abc import Mapping

import numpy as np

from causal_jax.metrics.shares import Share, difference, share

ORIGINAL, SAME, RAND = "original", "mixed_same", "mixed_rand"


def coarse_decisions(logits: np.ndarray, class_map: np.ndarray) -> np.ndarray:
    """The coarse class of the largest logit, int [N], -1 for none.

    Args:
      logits: [N, K].
      class_map: int [K], each fine class's coarse one, -1 for none.

    >>> coarse_decisions(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([3, -1])).tolist()
    [-1, 3]
    """
    return np.asarray(class_map)[np.argmax(logits, axis=1)]


def backgrounds(
    decisions: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]
) -> dict[str, Share]:
    """Accuracy on each set, and the gap.

    Args:
      decisions: {set: int [N]}, -1 for none; `mixed_same` and `mixed_rand` are there.
      labels: {set: int [N]}.

    >>> same, rand = np.array([0, 1, 1, 1]), np.array([0, 1, 0, 0])
    >>> truth = dict.fromkeys((SAME, RAND), np.array([0, 1, 1, 0]))
    >>> backgrounds({SAME: same, RAND: rand}, truth)["gap"].value
    0.0
    """
    found = {
        name: share(np.asarray(decisions[name]) == np.asarray(labels[name]))
        for name in decisions
    }
    return {**found, "gap": difference(found[SAME], found[RAND])}
