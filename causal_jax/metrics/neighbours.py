"""Is it memorised? The training picture nearest to every generated one.

Distances alone mean little; beside those of held-out real pictures they do. Generated
pictures much nearer to the training set than unseen real ones are copies.
"""

from typing import NamedTuple

import numpy as np

# A copy is nearer than this times what all but one real picture in a hundred are.
_COPY = 0.8
_CHUNK = 2048  # training pictures compared at once: 100 MB at 64 pixels


class Neighbours(NamedTuple):
    """Distances to the nearest training picture.

    Attributes:
      distances: float `[n]`, L2 over all values, in grey levels (0 to 255); of the
        generated pictures.
      indices: int `[n]`, which training picture it is.
      median: of `distances`.
      real_distances: the same of the held-out real pictures; None without them.
      real_indices: the same, as they were chosen.
      real_median: the same.
      copies: share of the generated pictures that are much nearer than nearly all real
        ones (.8 times the hundredth of `real_distances`); None without real ones.
    """

    distances: np.ndarray
    indices: np.ndarray
    median: float
    real_distances: np.ndarray | None = None
    real_indices: np.ndarray | None = None
    real_median: float | None = None
    copies: float | None = None


def nearest_neighbours(
    generated: np.ndarray,
    training: np.ndarray,
    real: np.ndarray | None = None,
    *,
    num: int = 256,
    mirror: bool = False,
) -> Neighbours:
    """Finds the nearest training pictures.

    Args:
      generated: uint8 `[N, H, W, 3]`.
      training: uint8 `[M, H, W, 3]`.
      real: uint8 `[K, H, W, 3]`, pictures of the same kind that were not trained on.
      num: how many are compared at most: the first generated, and as many of all real
        ones, which may lie in an order.
      mirror: compares the mirror image too, for models trained on mirrored pictures.

    Raises:
      ValueError: pictures that are not uint8, or of different sizes.
    """
    for name, images in (("generated", generated), ("real", real)):
        _require_like(name, images, training)
    distances, indices = _nearest_in_training(generated[:num], training, mirror)
    median = float(np.median(distances))
    found = Neighbours(distances=distances, indices=indices, median=median)
    if real is None:
        return found
    chosen = np.random.default_rng(0).permutation(len(real))[:num]
    theirs, indices = _nearest_in_training(real[chosen], training, mirror)
    return found._replace(
        real_distances=theirs,
        real_indices=indices,
        real_median=float(np.median(theirs)),
        copies=float(np.mean(distances < _COPY * np.quantile(theirs, 0.01))),
    )


def _require_like(name: str, images: np.ndarray | None, training: np.ndarray) -> None:
    if images is None:
        return
    for what, array in ((name, images), ("training", training)):
        if array.ndim != 4 or not len(array) or array.dtype != np.uint8:
            raise ValueError(
                f"{what} pictures have type {array.dtype} and shape {array.shape}: "
                "give uint8 [N, H, W, 3]"
            )
    if images.shape[1:] != training.shape[1:]:
        raise ValueError(
            f"{name} pictures of shape {images.shape[1:]} and training pictures of "
            f"shape {training.shape[1:]}: give one size"
        )


def _nearest_in_training(
    queries, training, mirror: bool
) -> tuple[np.ndarray, np.ndarray]:
    distances, indices = _nearest_as_is(queries, training)
    if mirror:
        mirrored, at = _nearest_as_is(queries[:, :, ::-1], training)
        indices = np.where(mirrored < distances, at, indices)
        distances = np.minimum(mirrored, distances)
    return distances, indices


def _nearest_as_is(queries, training) -> tuple[np.ndarray, np.ndarray]:
    flat = queries.reshape(len(queries), -1).astype(np.float32)
    nearest = np.full(len(queries), np.inf, np.float32)
    indices = np.zeros(len(queries), np.int64)
    for start in range(0, len(training), _CHUNK):
        part = np.asarray(training[start : start + _CHUNK])
        part = part.reshape(len(part), -1).astype(np.float32)
        # |a - b|^2 without |a|^2, which is the same for every candidate.
        squares = np.einsum("ij,ij->i", part, part) - 2.0 * (flat @ part.T)
        best = squares.argmin(1)
        value = squares[np.arange(len(flat)), best]
        indices = np.where(value < nearest, start + best, indices)
        nearest = np.minimum(value, nearest)
    # The expanded square cancels badly for copies: the winner's distance is taken anew.
    found = np.asarray(training[indices]).reshape(len(flat), -1).astype(np.float64)
    return np.sqrt(((flat - found) ** 2).sum(1)), indices
