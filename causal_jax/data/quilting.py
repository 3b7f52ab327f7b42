"""An object's texture without its shape: patches of the object, quilted.

Efros & Freeman 2001, "Image quilting for texture synthesis and transfer": patches are
laid out in rows, each chosen so that it fits the patches above and to the left where it
overlaps them, and cut along the seam where both differ least. The patches are those in
which the mask is largest, as in the collage of counterfactual generative networks
(Sauer & Geiger 2021, `losses.cgn_imagenet.collage`), which lays them side by side.

Difference: the object is first enlarged to the picture's size, so that a small one
gives as much texture as a large one.
"""

import numpy as np
from PIL import Image

PATCH = 1 / 3  # of the side
_OVERLAP = 1 / 3  # of a patch
_MAX_CANDIDATES = 400
_MIN_CANDIDATES = 20
_INSIDE = 0.95  # mean mask of a patch that is the object's alone
_NEAR_BEST = 0.15  # a patch is drawn among those that cost at most so much more


def texture(
    image: np.ndarray,
    mask: np.ndarray,
    random: np.random.Generator,
    *,
    patch: float = PATCH,
) -> np.ndarray:
    """A picture full of an object's colours and texture.

    Args:
      image: uint8 [S, S, 3].
      mask: float [S, S] in [0, 1], where the object is; somewhere above 1/2.
      random: draws the patches.
      patch: side of a patch over the picture's, in (0, 1].

    Returns:
      uint8 [S, S, 3].

    Raises:
      ValueError: the mask is nowhere above 1/2.

    >>> image = np.full((32, 32, 3), 7, np.uint8)
    >>> found = texture(image, np.ones((32, 32)), np.random.default_rng(0))
    >>> found.shape, found.min(), found.max()
    ((32, 32, 3), np.uint8(7), np.uint8(7))
    """
    image, mask = enlarged_object(image, mask)
    side = patch_side(len(image), patch)
    return quilted(_best_patches(image, mask, side, random), len(image), random)


def patch_side(size: int, patch: float = PATCH) -> int:
    """Side of a patch in a picture of `size` pixels.

    Raises:
      ValueError: a part that is not in (0, 1].
    """
    if not 0 < patch <= 1:
        raise ValueError(f"patch={patch} is no part of a picture: 0 < it <= 1")
    return min(max(round(patch * size), 2), size)


def least_masked(image: np.ndarray, mask: np.ndarray, side: int) -> np.ndarray:
    """The patch that shows least of the object, uint8 [side, side, 3].

    Args:
      image: uint8 [S, S, 3].
      mask: float [S, S] in [0, 1].
      side: of the patch, at most S.
    """
    means = _patch_means(mask, side)
    top, left = np.unravel_index(means.argmin(), means.shape)
    return image[top : top + side, left : left + side]


def enlarged_object(
    image: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The smallest square around an object, scaled to the picture's size.

    Args:
      image: uint8 [S, S, 3].
      mask: float [S, S] in [0, 1].

    Returns:
      uint8 [S, S, 3] and float32 [S, S].

    Raises:
      ValueError: the mask is nowhere above 1/2.
    """
    rows, columns = (np.flatnonzero((mask > 0.5).any(axis)) for axis in (1, 0))
    if not len(rows):
        raise ValueError("the mask is nowhere above 1/2: there is no object")
    num = len(mask)
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    top, left = (
        int(np.clip((x[0] + x[-1] + 1 - side) // 2, 0, num - side))
        for x in (rows, columns)
    )
    box, size = (left, top, left + side, top + side), (num, num)
    picture = Image.fromarray(image).resize(size, Image.BICUBIC, box=box)
    scaled = Image.fromarray(mask.astype(np.float32))
    scaled = scaled.resize(size, Image.BILINEAR, box=box)
    return np.asarray(picture), np.asarray(scaled)


def _best_patches(
    image: np.ndarray, mask: np.ndarray, side: int, random: np.random.Generator
) -> np.ndarray:
    """[N, side, side, 3]: patches that show the object alone, or as near as it has."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side), (0, 1))
    means = _patch_means(mask, side).ravel()
    order = np.argsort(-means, kind="stable")
    best = order[: max((means >= _INSIDE).sum(), _MIN_CANDIDATES)]
    best = random.permutation(best)[:_MAX_CANDIDATES]
    rows, columns = np.unravel_index(best, windows.shape[:2])
    return np.moveaxis(windows[rows, columns], 1, -1)


def _patch_means(mask: np.ndarray, side: int) -> np.ndarray:
    """[S, S] -> [S - side + 1, S - side + 1], the mean under each patch."""
    sums = np.pad(mask.astype(np.float64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    rows = sums[side:] - sums[:-side]
    return (rows[:, side:] - rows[:, :-side]) / side**2


def quilted(patches: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    """Lays out patches so that they fit where they overlap.

    Args:
      patches: uint8 [N, side, side, 3], of which each is used any number of times.
      size: S, side of the picture.
      random: draws among those that fit best.

    Returns:
      uint8 [S, S, 3].
    """
    patches = patches.astype(np.float64)
    side = patches.shape[1]
    overlap = max(round(_OVERLAP * side), 1)
    step = side - overlap
    num = max(-(-(size - overlap) // step), 1)
    canvas = np.zeros((num * step + overlap, num * step + overlap, 3))
    for row in range(num):
        for column in range(num):
            top, left = row * step, column * step
            under = canvas[top : top + side, left : left + side]
            above, beside = overlap * (row > 0), overlap * (column > 0)
            chosen = patches[_fitting(patches, under, above, beside, random)]
            shown = _beyond_seams(((chosen - under) ** 2).sum(-1), above, beside)
            under[shown] = chosen[shown]
    return np.rint(canvas[:size, :size].clip(0, 255)).astype(np.uint8)


def _fitting(patches, under, above: int, beside: int, random) -> int:
    """One of the patches that differ least from what they overlap."""
    costs = np.zeros(len(patches))
    costs += ((patches[:, :above] - under[:above]) ** 2).sum((1, 2, 3))
    left = patches[:, above:, :beside] - under[above:, :beside]
    costs += (left**2).sum((1, 2, 3))
    return int(random.choice(np.flatnonzero(costs <= (1 + _NEAR_BEST) * costs.min())))


def _beyond_seams(differences: np.ndarray, above: int, beside: int) -> np.ndarray:
    """Where the new patch is seen: below and to the right of the cheapest seams."""
    shown = np.ones(differences.shape, bool)
    if above:
        shown[:above] &= _beyond_seam(differences[:above].T).T
    if beside:
        shown[:, :beside] &= _beyond_seam(differences[:, :beside])
    return shown


def _beyond_seam(costs: np.ndarray) -> np.ndarray:
    """Right of the cheapest path from the first row to the last, bool like `costs`."""
    total = costs.copy()
    for i in range(1, len(total)):
        padded = np.pad(total[i - 1], 1, constant_values=np.inf)
        total[i] += np.minimum(padded[:-2], np.minimum(padded[1:-1], padded[2:]))
    column = int(total[-1].argmin())
    shown = np.zeros(costs.shape, bool)
    for i in reversed(range(len(total))):
        shown[i, column:] = True
        if i:
            low = max(column - 1, 0)
            column = low + int(total[i - 1, low : column + 2].argmin())
    return shown
