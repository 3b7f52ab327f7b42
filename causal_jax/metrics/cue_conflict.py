"""Shape or texture: what a classifier goes by where the two conflict.

Geirhos et al. (ICLR 2019, arXiv 1811.12231), section 2: pictures with the shape of one
class and the texture of another.

    shape bias = shape hits / (shape hits + texture hits)

Pictures whose shape and texture are of one class are left out. Where a network's
classes are finer than the pictures' (1,000 against 16), its decision is the coarse
class with the largest mean softmax probability over its fine ones, as in the code of
Sauer & Geiger (2021); fine classes that belong to none have no say.
"""

from typing import NamedTuple

import numpy as np

from causal_jax.metrics.shares import Share, share


class CueConflict(NamedTuple):
    """What one head goes by.

    Attributes:
      shape_bias: share of shapes among its hits; `None` without a hit.
      shape_accuracy: share of pictures of which it tells the shape.
      texture_accuracy: share of which it tells the texture.
    """

    shape_bias: Share
    shape_accuracy: Share
    texture_accuracy: Share


def cue_conflict(
    decisions: np.ndarray, shapes: np.ndarray, textures: np.ndarray
) -> CueConflict:
    """Measures decisions on pictures of which some are in conflict.

    Args:
      decisions: int [N], a class or -1 for none.
      shapes: int [N].
      textures: int [N].

    >>> found = cue_conflict([0, 1, 1, 2], shapes=[0, 0, 1, 0], textures=[1, 1, 1, 1])
    >>> found.shape_bias.value, round(found.shape_accuracy.value, 3)
    (0.5, 0.333)
    """
    decisions, shapes, textures = map(np.asarray, (decisions, shapes, textures))
    in_conflict = shapes != textures
    is_shape = (decisions == shapes)[in_conflict]
    is_texture = (decisions == textures)[in_conflict]
    return CueConflict(
        shape_bias=share(is_shape[is_shape | is_texture]),
        shape_accuracy=share(is_shape),
        texture_accuracy=share(is_texture),
    )


def coarse_decisions(logits: np.ndarray, class_map: np.ndarray) -> np.ndarray:
    """The coarse class whose fine classes have the largest mean probability, int [N].

    Args:
      logits: [N, K].
      class_map: int [K], each fine class's coarse one, -1 for none.

    >>> logits = np.log([[0.4, 0.1, 0.3, 0.2]])
    >>> coarse_decisions(logits, np.array([0, 0, 1, -1])).tolist()
    [1]
    """
    logits, class_map = np.asarray(logits, np.float64), np.asarray(class_map)
    probs = np.exp(logits - logits.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)
    coarse = [label for label in np.unique(class_map) if label >= 0]
    means = np.stack([probs[:, class_map == label].mean(1) for label in coarse], 1)
    return np.asarray(coarse)[np.argmax(means, axis=1)]
