"""Of which classes the parts of a counterfactual generative network are best.

The reference code has such classes picked by hand (76 shapes, 75 textures and 38
backgrounds of ImageNet). Here they are ranked by what the saliency network says of
sampled parts, one number in [0, 1] for each picture, its class the mean of them:

  shape       1 where the mask is one: its mean within `MASK_RANGE`, the range that
              training asks for, and nearly binary, its mean of 2 min(m, 1 - m) at most
              `MAX_UNDECIDED`. Ties are decided by the latter
  background  1 - the mean saliency: nothing is left that stands out
  texture     1 - 2 times the saliency's deviation over the picture: the texture is the
              same all over, either all of it stands out or none. A flat picture is so
              too and no texture: 0 where the colours' deviation is below `MIN_CONTRAST`

An object that the texture's network still draws, or that the background's has not
painted over, stands out against the rest and costs its class.
"""

from typing import NamedTuple

import numpy as np

MASK_RANGE = (0.1, 0.9)  # the loss of mask sizes (`losses.cgn_imagenet`)
MAX_UNDECIDED = 0.1  # a mask of .95 and .05 everywhere
MIN_CONTRAST = 0.05  # of colours in [-1, 1], about six levels of 255


class PartScores(NamedTuple):
    """How good parts are, one number in [0, 1] for each of N pictures.

    Attributes:
      shape: of N masks.
      texture: of N textures.
      background: of N backgrounds.
    """

    shape: np.ndarray
    texture: np.ndarray
    background: np.ndarray


def shape_scores(masks: np.ndarray) -> np.ndarray:
    """Scores of masks, [N, H, W, 1] in [0, 1] -> [N]: 1 or a little less, or 0.

    >>> whole, none = np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4, 1))
    >>> whole[:, :2] = 1.0
    >>> shape_scores(np.concatenate([whole, none])).tolist()
    [1.0, 0.0]
    """
    masks = _rows(masks)
    mean, undecided = masks.mean(1), 2 * np.minimum(masks, 1 - masks).mean(1)
    is_mask = (mean >= MASK_RANGE[0]) & (mean <= MASK_RANGE[1])
    is_mask &= undecided <= MAX_UNDECIDED
    # Less than one picture among 1,000 of a class: it decides ties alone.
    return np.where(is_mask, 1.0 - 1e-3 * undecided, 0.0)


def background_scores(saliency: np.ndarray) -> np.ndarray:
    """Scores of backgrounds, of whose saliency [N, H, W, 1] in [0, 1] -> [N].

    >>> background_scores(np.full((1, 4, 4, 1), 0.25)).tolist()
    [0.75]
    """
    return 1.0 - _rows(saliency).mean(1)


def texture_scores(textures: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """Scores of textures [N, H, W, 3] in [-1, 1] and their saliency [N, H, W, 1].

    >>> chess = np.indices((4, 4)).sum(0)[None, :, :, None] % 2 * np.ones(3)
    >>> texture_scores(chess, np.full((1, 4, 4, 1), 0.9)).tolist()
    [1.0]
    """
    textures = np.asarray(textures, np.float64)
    contrast = textures.std(axis=(1, 2)).mean(-1)
    evenness = 1.0 - 2.0 * _rows(saliency).std(1)  # of [0, 1] at most 1/2
    return np.where(contrast >= MIN_CONTRAST, evenness, 0.0)


def ranking(scores: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """{class: its mean score}, the best first; equal ones by their number.

    Args:
      scores: [N].
      labels: int [N], the pictures' classes; a class without pictures is left out.

    >>> ranking(np.array([0.5, 1.0, 0.0, 0.5]), np.array([2, 7, 7, 1]))
    {1: 0.5, 2: 0.5, 7: 0.5}
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels)
    means = {int(one): float(scores[labels == one].mean()) for one in np.unique(labels)}
    return dict(sorted(means.items(), key=lambda item: (-item[1], item[0])))


def best_classes(
    scores: PartScores, labels: dict[str, np.ndarray], *, share: float = 0.1
) -> dict[str, list[int]]:
    """The classes of the best parts, as a run's metrics.json has them.

    Args:
      scores: of the parts of N pictures.
      labels: {part: int [N]}, the classes that the parts were drawn of.
      share: of all classes, how many are best; at least one is.

    Returns:
      {"shape": [class, ...], "texture": [...], "background": [...]}, the best first.

    Raises:
      ValueError: a share that is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is above 0 and at most 1, not {share}")
    found = {}
    for part, values in scores._asdict().items():
        ranked = list(ranking(values, labels[part]))
        found[part] = ranked[: max(1, round(share * len(ranked)))]
    return found


def _rows(values: np.ndarray) -> np.ndarray:
    """[N, ...] -> float64 [N, the rest]."""
    values = np.asarray(values, np.float64)
    return values.reshape(len(values), -1)
