"""Frechet distance: the closed form, singular covariances, and the floor of chance."""

import numpy as np
import pytest

from causal_jax.metrics.frechet import (
    frechet_distance,
    frechet_floor,
    random_halves,
)


def whitened(rng, num, dim):
    """Features whose sample mean is 0 and whose sample covariance is exactly I."""
    x = rng.normal(size=(num, dim))
    x -= x.mean(0)
    return x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T


def test_gaussians_with_known_moments_have_the_closed_form():
    rng = np.random.default_rng(0)
    x, scale = whitened(rng, 300, 5), np.array([1.0, 2.0, 0.5, 3.0, 1.0])
    # diagonal covariances commute: |m|^2 + sum (s1 - s2)^2
    expected = 5 * 0.3**2 + ((scale - 1.0) ** 2).sum()
    assert frechet_distance(x, scale * x + 0.3) == pytest.approx(expected, rel=1e-9)


def test_covariances_that_do_not_commute_agree_with_the_matrix_square_root():
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(1)
    x, y = (whitened(rng, 300, 4) @ rng.normal(size=(4, 4)) for _ in range(2))
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    expected = np.trace(a + b - 2.0 * linalg.sqrtm(a @ b).real)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(y, x) == pytest.approx(expected, rel=1e-6)


def test_a_set_is_at_distance_zero_from_itself_even_if_singular():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(10, 64))  # rank 9
    x[:, 0] = 0.0
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-6)
    assert frechet_distance(x[:, :1], x[:, 1:2]) > 0.0


def test_floor_is_what_two_sets_of_one_law_are_apart():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 1000, 8))
    floor = frechet_floor(x)
    assert 0.0 < floor < 0.5
    assert frechet_floor(x, num=100) > floor  # fewer rows, more chance
    assert frechet_distance(x[:500], y[:500]) < 3 * floor
    assert frechet_distance(x, y + 1.0) > 10 * floor


def test_halves_are_disjoint_and_differ():
    halves = random_halves(21, num=10)
    assert halves.shape == (16, 2, 10)
    for pair in halves:
        assert len(set(pair.ravel().tolist())) == 20
    assert len({tuple(sorted(first.tolist())) for first, _ in halves}) == 16
    assert set(random_halves(21)[:, 0].ravel()) == set(range(21))


def test_unusable_features_are_refused():
    x = np.zeros((4, 3))
    for a, b, match in (
        (x, np.zeros((4, 2)), "columns"),
        (x[:1], x, "at least 2"),
        (x, np.full((4, 3), np.nan), "not finite"),
    ):
        with pytest.raises(ValueError, match=match):
            frechet_distance(a, b)
    with pytest.raises(ValueError, match="disjoint"):
        frechet_floor(x, num=3)
