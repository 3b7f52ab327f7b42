"""Pictures without their object: the hole that it leaves is filled with what is around.

Two steps. The background is continued into the hole by a shifted, perhaps mirrored copy
of the picture, of all shifts the one whose surroundings fit best (He & Sun 2012,
"Statistics of patch offsets for image completion", found such shifts to be few). Then
the copy is made to meet the picture at the hole's rim: what it lacks there, a
difference, is continued harmonically into the hole and added (Perez, Gangnet & Blake
2003, "Poisson image editing", eq. 5 with the copy as the guide). A smooth fill alone
would show the object's outline, as a smooth patch in a rough background.
"""

import numpy as np
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg

_SHIFTS = 8  # steps per side of a picture, each way
_RIM = 1 / 16  # of the side: what is compared around a hole
_OBJECT_COST = 4.0  # of copying a pixel of the hole itself, over a difference of 1


def harmonic(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Continues values into a hole so that each is the mean of its neighbours.

    The picture's edge is a mirror: a pixel has only the neighbours that it has.

    Args:
      values: float [H, W, C]; what stands in the hole does not matter.
      hole: bool [H, W].

    Returns:
      float64 [H, W, C], equal to `values` outside of the hole.

    Raises:
      ValueError: there is nothing outside of the hole.

    >>> values = np.array([0.0, 9.0, 9.0, 3.0]).reshape(1, 4, 1)
    >>> harmonic(values, values[..., 0] == 9)[0, :, 0].round(6).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    hole = np.asarray(hole, bool)
    if hole.all():
        raise ValueError("the hole is the whole picture: nothing is left to fill it")
    found = np.array(values, np.float64)
    if not hole.any():
        return found
    matrix, edges = _laplace(hole)
    known = edges @ np.where(hole[..., None], 0, found).reshape(hole.size, -1)
    found[hole] = scipy.sparse.linalg.splu(matrix).solve(known)
    return found


def _laplace(hole: np.ndarray) -> tuple[scipy.sparse.csc_array, scipy.sparse.csr_array]:
    """Of the pixels in the hole: their equations, and which known pixels they touch."""
    places = np.arange(hole.size).reshape(hole.shape)
    number = np.cumsum(hole.ravel()) - 1
    pairs = [(places[1:], places[:-1]), (places[:, 1:], places[:, :-1])]
    pairs = [np.concatenate([a.ravel(), b.ravel()]) for a, b in (*pairs, *_swap(pairs))]
    one, other = np.concatenate(pairs[:2]), np.concatenate(pairs[2:])
    inside = hole.ravel()[one]
    one, other = number[one[inside]], other[inside]
    num, is_hole = int(hole.sum()), hole.ravel()[other]
    degrees = scipy.sparse.diags_array(np.bincount(one, minlength=num).astype(float))
    within = _ones(one[is_hole], number[other[is_hole]], (num, num))
    return (degrees - within).tocsc(), _ones(
        one[~is_hole], other[~is_hole], (num, hole.size)
    )


def _swap(pairs: list) -> list:
    return [(b, a) for a, b in pairs]


def _ones(rows, columns, shape) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


def without_object(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The picture with a hole filled as its surroundings go on.

    Args:
      image: uint8 [H, W, C].
      hole: bool [H, W], the object and a rim around it.

    Returns:
      uint8 [H, W, C], equal to `image` outside of the hole.

    Raises:
      ValueError: there is nothing outside of the hole.
    """
    values = np.asarray(image, np.float64) / 255
    smooth = harmonic(values, hole)
    if not hole.any():
        return np.array(image)
    guide = _best_copy(smooth, hole)
    found = guide + harmonic(values - guide, hole)
    return np.where(hole[..., None], np.rint(255 * found.clip(0, 1)), image).astype(
        np.uint8
    )


def _best_copy(smooth: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The shifted copy that fits best around the hole and shows least of it."""
    height, width = hole.shape
    pad = ((height, height), (width, width))
    ring = widened(hole) & ~hole
    best, best_cost = smooth, np.inf
    for mirrored in (1, -1):
        wide = np.pad(smooth[:, ::mirrored], (*pad, (0, 0)), "symmetric")
        wide_hole = np.pad(hole[:, ::mirrored], pad, "symmetric")
        for top, left in _corners(height, width):
            part = slice(top, top + height), slice(left, left + width)
            taken = wide_hole[part]
            cost = _OBJECT_COST * taken[hole].mean()
            if cost < best_cost and ring.any():
                copy = wide[part]
                cost += np.abs(copy[ring] - smooth[ring]).mean() + taken[ring].mean()
            if cost < best_cost:
                best, best_cost = wide[part], cost
    return best


def _corners(height: int, width: int):
    """Upper left corners of the shifted copies in a picture padded by its size."""
    for top in np.unique(np.linspace(0, 2 * height, 2 * _SHIFTS + 1).astype(int)):
        for left in np.unique(np.linspace(0, 2 * width, 2 * _SHIFTS + 1).astype(int)):
            yield top, left


def widened(hole: np.ndarray) -> np.ndarray:
    """The hole and a rim of a sixteenth of the picture's side around it, bool [H, W].

    >>> widened(np.eye(1, 9, 4, dtype=bool)).astype(int).tolist()
    [[0, 0, 0, 1, 1, 1, 0, 0, 0]]
    """
    distances = scipy.ndimage.distance_transform_edt(~hole)
    return hole | (hole.any() & (distances <= max(round(_RIM * max(hole.shape)), 1)))
