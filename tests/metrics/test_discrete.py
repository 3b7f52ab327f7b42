import jax
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.metrics import discrete
from causal_jax.networks.controller import reference_controller
from causal_jax.queries import laws

KEY = jax.random.key(0)


def naive_tvd(p, q):
    return sum(abs(float(a) - float(b)) for a, b in zip(p, q, strict=True)) / 2


def test_tvd_equals_the_sum_written_out():
    random = np.random.default_rng(0)
    for _ in range(20):
        p, q = random.dirichlet(np.ones(30), size=2)
        assert discrete.tvd(p, q) == pytest.approx(naive_tvd(p, q), abs=1e-12)
        assert discrete.tvd(p, p) == 0
    assert discrete.tvd(np.array([1, 0]), np.array([0, 1])) == 1


def test_a_model_compared_with_itself_is_at_distance_zero(tables):
    truth = (tables.scm, tables.params)
    found = discrete.compare(laws.model_laws(*truth, KEY), laws.exact_laws(*truth))
    assert found.exact and found.tvd == 0 and found.do_tvd_max == 0
    assert len(found.by_intervention) == 9 and "B=2" in found.by_intervention


def test_compare_measures_each_intervention_apart(tables):
    """A wrong table of D alone: do(D) is right, everything else is off by as much."""
    other = tables.params | {"D": {"probs": np.array([[0.5, 0.5], [0.5, 0.5]], "f")}}
    truth = (tables.scm, tables.params)
    model = laws.model_laws(tables.scm, other, KEY)
    found = discrete.compare(model, laws.exact_laws(*truth))
    for name, state in laws.single_interventions(tables.scm):
        law = tables.law({name: state})
        half = np.repeat(law.sum(2, keepdims=True) / 2, 2, axis=2)  # axis of D
        expected = 0.0 if name == "D" else naive_tvd(law.ravel(), half.ravel())
        assert found.by_intervention[f"{name}={state}"] == pytest.approx(
            expected, abs=1e-5
        )
    distances = list(found.by_intervention.values())
    assert found.do_tvd_mean == pytest.approx(np.mean(distances))
    assert found.do_tvd_max == max(distances) > 0.05


def test_a_model_without_a_law_is_compared_by_samples():
    scm = reference_controller(graphs.named("male_causes_mustache"))
    params = scm.init(KEY)
    rows = laws.sampled_rows(scm, params, KEY, 20_000)
    truth = laws.tabular_fit(scm, rows)
    assert not laws.is_enumerable(scm) and laws.is_enumerable(truth[0])
    model = laws.model_laws(scm, params, jax.random.key(1), num_samples=20_000)
    found = discrete.compare(model, laws.exact_laws(*truth))
    assert not found.exact and found.tvd < 0.03


def test_the_floor_is_what_chance_does():
    """E TVD = 1/2 sum E|p - f|, nearly sum sqrt(p (1 - p) / (2 pi n))."""
    law, num = np.full(50, 0.02), 10_000
    expected = np.sum(np.sqrt(law * (1 - law) / (2 * np.pi * num)))
    floors = [discrete.resampling_floor(law, num, seed) for seed in range(40)]
    standard_error = np.std(floors) / np.sqrt(len(floors))
    assert abs(np.mean(floors) - expected) < 5 * standard_error
    assert discrete.resampling_floor(law, num, 3) == floors[3]


def test_chance_under_interventions_is_that_of_a_table_fit_to_drawn_rows(network):
    """do(R = 1) rests on one row of a hundred: its chance is that of so few rows."""
    tables = {"R": [0.99, 0.01], "A": [[0.3, 0.7], [0.6, 0.4]]}
    scm, params = network(tables, edges=[("R", "A")])
    found, num = laws.exact_laws(scm, params), 4000
    floors = [discrete.chance(scm, found, num, seed) for seed in range(40)]
    assert floors[3] == discrete.chance(scm, found, num, 3)
    for state, share, prob in ((0, 0.99, 0.7), (1, 0.01, 0.4)):
        done = [f.floor_by_intervention[f"R={state}"] for f in floors]
        # E |p - f| of a share of a table's rows, nearly normal: sqrt(2 / pi) sigma.
        expected = np.sqrt(2 / np.pi * prob * (1 - prob) / (share * num))
        assert abs(np.mean(done) - expected) < 5 * np.std(done) / np.sqrt(len(done))
    assert all(f.floor < f.floor_by_intervention["R=1"] for f in floors[:3])


def test_pairs_and_marginals_are_those_of_the_rows():
    random = np.random.default_rng(0)
    cards = (2, 3, 2)
    a, b = (random.integers(0, cards, (500, 3)) for _ in range(2))
    pair = discrete.pairwise_tables(a, cards)[(1, 2)]
    assert pair.shape == (3, 2)
    assert pair[2, 1] == pytest.approx(np.mean((a[:, 1] == 2) & (a[:, 2] == 1)))
    np.testing.assert_allclose(discrete.marginals(a, cards)[1], pair.sum(1))
    distances = discrete.pairwise_tvd(a, b, cards)
    assert distances.shape == (3,)
    expected = naive_tvd(
        pair.ravel(), discrete.pairwise_tables(b, cards)[(1, 2)].ravel()
    )
    assert distances[2] == pytest.approx(expected)
