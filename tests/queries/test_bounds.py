"""Bounds on counterfactual labels, held to enumerated couplings."""

import itertools

import jax
import numpy as np
import pytest

from causal_jax.additive_noise import AdditiveNoise
from causal_jax.data import faces
from causal_jax.queries.bounds import frechet_hoeffding, label_bounds
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular, categorical

P, Q = np.array([0.7, 0.3]), np.array([0.4, 0.6])


def couplings(p, q, num=200):
    """Joint tables [k, k] with these margins: random ones, and every extreme one."""
    random = np.random.default_rng(0)
    for order in itertools.product(
        itertools.permutations(range(len(p))), itertools.permutations(range(len(q)))
    ):
        yield north_west(p, q, *order)
    corners = [
        north_west(p, q, random.permutation(len(p)), random.permutation(len(q)))
        for _ in range(num)
    ]
    for _ in range(num):
        weights = random.dirichlet(np.full(num, 0.1))
        yield np.tensordot(weights, np.stack(corners), 1)


def north_west(p, q, rows, columns):
    """The coupling that fills cells in this order: monotone where both ascend."""
    joint, left, right = np.zeros((len(p), len(q))), p.copy(), q.copy()
    for i in rows:
        for j in columns:
            joint[i, j] = min(left[i], right[j])
            left[i] -= joint[i, j]
            right[j] -= joint[i, j]
    return joint


@pytest.mark.parametrize(
    ("p", "q"), [(P, Q), (np.array([0.2, 0.5, 0.3]), np.array([0.45, 0.15, 0.4]))]
)
def test_every_coupling_lies_within_and_the_extreme_ones_reach_both_ends(p, q):
    for seen in range(len(p)):
        bounds = frechet_hoeffding(p, q, seen)
        found = np.stack([c[seen] / p[seen] for c in couplings(p, q)])
        assert np.all(found >= bounds[:, 0] - 1e-9)
        assert np.all(found <= bounds[:, 1] + 1e-9)
        np.testing.assert_allclose(found.min(0), bounds[:, 0], atol=1e-9)
        np.testing.assert_allclose(found.max(0), bounds[:, 1], atol=1e-9)


def test_a_state_that_was_not_possible_is_refused():
    with pytest.raises(ValueError, match="probability is zero"):
        frechet_hoeffding(np.array([1.0, 0.0]), Q, 1)


def chain():
    """X -> S -> Y, X -> Y, tables with no special structure."""
    random = np.random.default_rng(3)
    tables = {
        "X": np.array([0.5, 0.5]),
        "S": random.dirichlet([1, 1], 2),
        "Y": random.dirichlet([1, 1], (2, 2)),
    }
    built = {name: categorical(t.astype(np.float32)) for name, t in tables.items()}
    scm = SCM("X -> S; X, S -> Y", {name: m for name, (m, _) in built.items()})
    return scm, {name: p for name, (_, p) in built.items()}, tables


def by_response_laws(tables, unit, x, num=9):
    """P(Y' = 1 | unit) over a grid of all laws that couplings allow, X set to x."""

    def laws(table, old, new, seen):
        if old == new:
            return [float(seen)]
        low, high = frechet_hoeffding(table[old], table[new], seen)[1]
        return np.linspace(low, high, num)

    found = []
    for s in laws(tables["S"], (unit["X"],), (x,), unit["S"]):
        at = [
            laws(tables["Y"], (unit["X"], unit["S"]), (x, new), unit["Y"])
            for new in (0, 1)
        ]
        found += [(1 - s) * a + s * b for a, b in itertools.product(*at)]
    return min(found), max(found)


@pytest.mark.parametrize("unit", list(itertools.product(range(2), repeat=3)))
def test_bounds_through_a_changed_parent_equal_the_enumeration(unit):
    scm, params, tables = chain()
    unit = dict(zip("XSY", unit, strict=True))
    do = {"X": 1 - unit["X"]}
    low, high = by_response_laws(tables, unit, do["X"])
    found = label_bounds(scm, params, unit, do)
    assert list(found) == ["S", "Y"]
    np.testing.assert_allclose(found["Y"][1], [low, high], atol=1e-5)
    np.testing.assert_allclose(found["Y"][0], [1 - high, 1 - low], atol=1e-5)


@pytest.mark.parametrize("coupling", ["inverse_cdf", "gumbel"])
def test_both_couplings_of_the_library_lie_within(coupling):
    num = 4000
    scm, params, _ = chain()
    mechanisms = {
        n: Tabular(m.num_states, m.parent_states, coupling)
        for n, m in scm.mechanisms.items()
    }
    scm = SCM(scm.graph, mechanisms)
    unit = {"X": 0, "S": 1, "Y": 0}
    factual = {name: np.full(num, state) for name, state in unit.items()}
    other = scm.counterfactual(params, jax.random.key(1), factual, do={"X": 1})
    for name, bounds in label_bounds(scm, params, unit, {"X": 1}).items():
        share = float(np.mean(np.asarray(other[name]) == 1))
        slack = 5 * np.sqrt(0.25 / num)
        assert bounds[1, 0] - slack <= share <= bounds[1, 1] + slack


def test_the_anti_monotone_coupling_is_an_end():
    """u -> 1 - u below the changed parent: the lower Frechet-Hoeffding bound."""
    bounds = frechet_hoeffding(P, Q, 1)
    u = (np.arange(100_000) + 0.5) / 100_000
    seen, flipped = u >= P[0], (1 - u) >= Q[0]
    share = flipped[seen].mean()
    assert share == pytest.approx(bounds[1, 0], abs=1e-4)


def test_what_does_not_lie_below_the_intervention_is_not_bounded():
    scm, params = faces.label_scm()
    unit = dict.fromkeys(scm.nodes, 0)
    assert label_bounds(scm, params, unit, {"Bald": 1}) == {}
    below = label_bounds(scm, params, unit, {"Smiling": 1})
    assert list(below) == ["Mouth_Slightly_Open", "Narrow_Eyes"]


def test_setting_a_label_to_what_it_was_changes_nothing():
    scm, params = faces.label_scm()
    unit = dict.fromkeys(scm.nodes, 0)
    for bounds in label_bounds(scm, params, unit, {"Male": 0}).values():
        np.testing.assert_allclose(bounds, [[1, 1], [0, 0]])


def test_labels_without_a_law_or_a_state_are_refused():
    scm, params, _ = chain()
    with pytest.raises(ValueError, match="does not say 'Y'"):
        label_bounds(scm, params, {"X": 0, "S": 0}, {"X": 1})
    number = AdditiveNoise(lambda params, x: x)
    scm = SCM("X -> Z", {"X": Tabular(2), "Z": number})
    with pytest.raises(ValueError, match="'Z' has no explicit law"):
        label_bounds(scm, scm.init(jax.random.key(0)), {"X": 0, "Z": 0}, {"X": 1})


def test_an_impossible_factual_is_refused():
    scm, params = faces.label_scm()
    unit = {**dict.fromkeys(scm.nodes, 0), "Mustache": 1}  # a woman's
    with pytest.raises(ValueError, match="'Mustache' has probability zero"):
        label_bounds(scm, params, unit, {"Male": 1})
