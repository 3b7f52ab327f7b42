"""Pictures of two: shape of one and texture of another, object and background.

With masks m in [0, 1] of where an object is, sharpened to a, both kinds are

    a x + (1 - a) b.

  cue conflict       x is another object's texture, lit as this object is:
                     texture + shading (Y - mean of Y inside), Y the luminance
  mixed background   x is the picture itself, b another one without its object

The first asks a classifier what Geirhos et al. 2019 asked (arXiv 1811.12231), with a
texture that is cut from an object in place of style transfer, so that the picture has
one outline and no background of either class. The second is Xiao et al. 2020 (arXiv
2006.09994), who cut out objects with hand-made boxes and GrabCut.

Pictures are uint8 [S, S, 3], masks float [S, S].
"""

import dataclasses

import numpy as np

from causal_jax.data import filling

VERDICTS = ("usable", "empty", "full", "unsure")
USABLE = 0  # index into VERDICTS

# Half of the gray levels: neither class's, and the same in all pictures.
GREY = 128
SHADING = 0.7  # by eye: below .4 faces are lost, at 1 dark objects turn black

_LUMINANCE = np.array([0.299, 0.587, 0.114])  # of ITU-R BT.601
_EDGE = (0.3, 0.7)  # masks beyond these are cut to 0 and 1
_UNDECIDED = (0.2, 0.8)
_FAINT = 0.1  # of a mask, where something of an object may still be seen


@dataclasses.dataclass(frozen=True)
class Limits:
    """Which masks are used.

    Attributes:
      min_area: share of pixels above 1/2; below it a mask is empty.
      max_area: share above which it is full, and a silhouette tells no shape.
      max_unsure: of the pixels above 1/5, the share below 4/5; beyond it the network
        does not know where the object ends.
      max_hole: share of a picture that may be filled where it gives a background.

    Raises:
      ValueError: a limit out of range.
    """

    min_area: float = 0.05
    max_area: float = 0.75
    max_unsure: float = 0.4
    max_hole: float = 0.75

    def __post_init__(self):
        if not 0 < self.min_area < self.max_area <= 1:
            raise ValueError(
                f"min_area={self.min_area} and max_area={self.max_area}: they are "
                "shares of a picture, 0 < min_area < max_area <= 1"
            )
        for name in ("max_unsure", "max_hole"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(
                    f"{name}={getattr(self, name)} is no share: 0 < it <= 1"
                )


def judged(masks: np.ndarray, limits: Limits | None = None) -> np.ndarray:
    """Whether masks show where an object is.

    Args:
      masks: [N, H, W] in [0, 1].
      limits: None for `Limits()`.

    Returns:
      int [N], indices into `VERDICTS`.

    >>> masks = np.zeros((4, 4, 4)); masks[1] = 1; masks[2, :2] = 0.6; masks[3, :2] = 1
    >>> [VERDICTS[i] for i in judged(masks)]
    ['empty', 'full', 'unsure', 'usable']
    """
    limits = limits or Limits()
    low, high = _UNDECIDED
    area = (masks > 0.5).mean((1, 2))
    seen = np.maximum((masks > low).sum((1, 2)), 1)
    unsure = ((masks > low) & (masks < high)).sum((1, 2)) / seen
    conditions = [
        area < limits.min_area,
        area > limits.max_area,
        unsure > limits.max_unsure,
    ]
    return np.select(conditions, [1, 2, 3], USABLE)


def sharpened(mask: np.ndarray) -> np.ndarray:
    """A mask with a narrow edge: 0 below .3, 1 above .7, linear in between.

    >>> sharpened(np.array([0.1, 0.4, 0.5, 0.8])).round(2).tolist()
    [0.0, 0.25, 0.5, 1.0]
    """
    low, high = _EDGE
    return np.clip((np.asarray(mask, np.float64) - low) / (high - low), 0, 1)


def composed(image: np.ndarray, mask: np.ndarray, background: np.ndarray) -> np.ndarray:
    """An object on another background.

    Args:
      image: uint8 [S, S, 3].
      mask: float [S, S] in [0, 1], its object's; it is sharpened.
      background: uint8 [S, S, 3].

    Returns:
      uint8 [S, S, 3].
    """
    alpha = sharpened(mask)[..., None]
    return _rounded(alpha * image + (1 - alpha) * background)


def cue_conflict(
    image: np.ndarray,
    mask: np.ndarray,
    texture: np.ndarray,
    background: np.ndarray,
    *,
    shading: float = SHADING,
) -> np.ndarray:
    """The shape of a picture's object, in another one's colours and texture.

    Args:
      image: uint8 [S, S, 3], of which only the luminance is used.
      mask: float [S, S] in [0, 1], its object's.
      texture: uint8 [S, S, 3], see `quilting.texture`.
      background: uint8 [S, S, 3], what lies around.
      shading: how much of the object's own light and dark is kept; 0 for a silhouette.

    Returns:
      uint8 [S, S, 3].

    Raises:
      ValueError: `shading` is not in [0, 1], or the mask is empty.
    """
    require_shading(shading)
    alpha = sharpened(mask)
    if not alpha.any():
        raise ValueError("the mask is empty: there is no shape")
    light = image @ _LUMINANCE
    light -= (alpha * light).sum() / alpha.sum()
    filled = np.clip(texture + shading * light[..., None], 0, 255)
    return composed(filled, mask, background)


def require_shading(shading: float) -> None:
    """Raises ValueError unless a shading is in [0, 1]."""
    if not 0 <= shading <= 1:
        raise ValueError(f"shading={shading}: it is 0 (a silhouette) to 1")


def hole(mask: np.ndarray) -> np.ndarray:
    """What has to go so that nothing of an object is left, bool [S, S].

    Every pixel in which the mask is above .1, and a rim around it.
    """
    return filling.widened(np.asarray(mask) > _FAINT)


def background_of(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A picture without its object, uint8 [S, S, 3]; see `filling`.

    Raises:
      ValueError: the object leaves nothing to fill it with.
    """
    return filling.without_object(image, hole(mask))


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.rint(values).astype(np.uint8)
