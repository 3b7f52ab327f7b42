import numpy as np
import pytest

from causal_jax.metrics.intervals import bootstrap

REPLICATES = 400
LEVEL = 0.95


def coverage(draw, mean, **settings):
    """Share of replicates whose interval holds the known mean."""
    random = np.random.default_rng(11)
    hits = 0
    for i in range(REPLICATES):
        found = bootstrap(draw(random), seed=i, num_resamples=500, **settings)
        hits += found.low <= mean <= found.high
    return hits / REPLICATES


LAWS = {
    "normal": (lambda r: r.normal(2, 3, 200), 2.0, {}),
    "skewed": (lambda r: r.exponential(1, 200), 1.0, {}),
    "strata": (
        lambda r: r.normal([[0.0], [5.0], [20.0]], [[1.0], [2.0], [0.1]], (3, 80)),
        25 / 3,
        {},
    ),
    "few_units": (lambda r: r.normal(0, 1, (18, 3)), 0.0, {}),
    "share": (lambda r: r.random(200) < 0.8, 0.8, {"share": True}),
    "many_strata": (lambda r: r.random((18, 60)) < 0.985, 0.985, {"share": True}),
    "high_share": (lambda r: r.random((2, 150)) < 0.97, 0.97, {"share": True}),
}


@pytest.mark.parametrize("law", LAWS)
def test_an_interval_covers_the_known_mean_as_often_as_it_says(law):
    draw, mean, settings = LAWS[law]
    standard_error = np.sqrt(LEVEL * (1 - LEVEL) / REPLICATES)
    found = coverage(draw, mean, level=LEVEL, **settings)
    assert abs(found - LEVEL) <= 5 * standard_error


def test_a_share_of_one_has_an_interval_that_three_over_n_reaches():
    found = bootstrap(np.ones(100), share=True)
    assert found.value == found.high == 1.0
    assert 1 - 5 / 100 <= found.low <= 1 - 2 / 100
    assert bootstrap(np.ones(100)).low == 1.0
    nearly = bootstrap([[1, 1], [1, 1], [0, 1]], share=True)
    assert 0 <= nearly.low <= nearly.high <= 1, "widened, and a share all the same"


def test_strata_weigh_alike_and_the_seed_fixes_everything():
    values = np.stack([np.zeros(50), np.arange(50)])
    found = bootstrap(values, seed=4)
    assert found.value == pytest.approx(values.mean())
    assert found == bootstrap(values, seed=4) != bootstrap(values, seed=5)


@pytest.mark.parametrize("values", [np.zeros(0), np.zeros(1), np.zeros((3, 1))])
def test_too_few_values_are_refused(values):
    with pytest.raises(ValueError, match="give at least two"):
        bootstrap(values)
