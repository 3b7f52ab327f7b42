"""Frechet distance of two sets of features, and the floor that chance sets under it.

    d^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^{1/2})

for the Gaussians with the means m and covariances S of two feature sets (Dowson and
Landau 1982, "The Frechet distance between multivariate normal distributions", eq. 4;
as a measure of generated images: Heusel et al. 2017, arXiv 1706.08500, eq. 6). The
features here are a judge's, not Inception's, so values compare only with values of the
same judge and of the same number of images: finite sets are a positive distance apart
even when they come from one law. `frechet_floor` measures that distance, over many
random halves: of one pair chance moves it by a tenth (1,472 photographs a half: .216,
standard deviation .025).

The trace of (S1 S2)^{1/2} is taken as the one of (S1^{1/2} S2 S1^{1/2})^{1/2}, which
has the same eigenvalues and is symmetric: two eigen-decompositions in float64, no
matrix square root of a non-symmetric, possibly singular product.
"""

import numpy as np

_NUM_HALVES = 16


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """d^2 between two feature sets, at least 0.

    Args:
      a: `[N, D]` features, N >= 2.
      b: `[M, D]` features, M >= 2.

    Raises:
      ValueError: shapes that do not fit, fewer than two rows, or a non-finite feature.
    """
    a, b = _checked_features(a), _checked_features(b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"features of {a.shape[1]} and {b.shape[1]} columns: give one judge's"
        )
    mean = a.mean(0) - b.mean(0)
    cov_a, cov_b = _covariance_matrix(a), _covariance_matrix(b)
    root = _square_root(cov_a)
    product = root @ cov_b @ root
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2)
    cross = np.sqrt(np.maximum(eigenvalues, 0.0)).sum()
    distance = mean @ mean + np.trace(cov_a) + np.trace(cov_b) - 2.0 * cross
    return float(max(distance, 0.0))  # rounding, about 1e-12, can fall below


def frechet_floor(
    features: np.ndarray, *, num: int | None = None, seed: int = 0
) -> float:
    """Mean d^2 between two `random_halves` of one set: what chance alone gives.

    Args:
      features: `[N, D]` features of real images.
      num: rows of each half; half of the set if None.
      seed: of the random halves.
    """
    features = _checked_features(features)
    halves = random_halves(len(features), num=num, seed=seed)
    return float(np.mean([frechet_distance(*features[pair]) for pair in halves]))


def random_halves(size: int, *, num: int | None = None, seed: int = 0) -> np.ndarray:
    """Pairs of disjoint random parts of a set, int `[pairs, 2, num]` rows.

    Args:
      size: rows of the set.
      num: rows of each part, at least 2; half of the set if None.
      seed: of the random parts.
    """
    half = size // 2
    num = half if num is None else num
    if not 2 <= num <= half:
        raise ValueError(
            f"two disjoint parts of {num} rows do not fit {size} features: "
            f"give num between 2 and {half}"
        )
    rows = np.tile(np.arange(size), (_NUM_HALVES, 1))
    orders = np.random.default_rng(seed).permuted(rows, axis=1)
    return orders[:, : 2 * num].reshape(_NUM_HALVES, 2, num)


def _checked_features(features: np.ndarray) -> np.ndarray:
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"features of shape {features.shape}: give [N, D] with N at least 2"
        )
    if not np.isfinite(features).all():
        raise ValueError("a feature is not finite: the images hold NaN or infinity")
    return features


def _covariance_matrix(features: np.ndarray) -> np.ndarray:
    """`[D, D]`, also for D = 1."""
    return np.atleast_2d(np.cov(features, rowvar=False))


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric root of a positive semi-definite matrix."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(eigenvalues, 0.0))) @ vectors.T
