"""Counterfactual laws in the model's own coupling, held to draws and to bounds."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.queries.bounds import label_bounds
from causal_jax.queries.coupled import coupled_laws, laws_of_unit, overlaps
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular

NUM = 100_000


def test_overlaps_are_a_law_and_the_same_law_keeps_its_state():
    random = np.random.default_rng(0)
    for _ in range(20):
        p, q = random.dirichlet(np.ones(4), size=2)
        for seen in range(4):
            assert overlaps(p, q, seen).sum() == pytest.approx(1)
            np.testing.assert_allclose(overlaps(p, p, seen), np.eye(4)[seen], atol=1e-9)
        mixed = sum(p[seen] * overlaps(p, q, seen) for seen in range(4))
        np.testing.assert_allclose(mixed, q, atol=1e-9)  # what is done is kept


@pytest.mark.parametrize(
    ("unit", "do"),
    [
        ({"A": 0, "B": 2, "C": 1, "D": 0}, {"A": 1}),
        ({"A": 1, "B": 0, "C": 0, "D": 1}, {"B": 1}),
        ({"A": 1, "B": 1, "C": 1, "D": 1}, {"A": 0, "C": 0}),
    ],
)
def test_laws_are_those_of_many_draws_and_lie_within_all_bounds(tables, unit, do):
    found = coupled_laws(tables.scm, tables.params, unit, do)
    bounds = label_bounds(tables.scm, tables.params, unit, do)
    assert found.keys() == bounds.keys()
    units = {name: np.full(NUM, state) for name, state in unit.items()}
    drawn = tables.scm.counterfactual(tables.params, jax.random.key(1), units, do=do)
    for name, law in found.items():
        assert law.sum() == pytest.approx(1)
        shares = np.bincount(np.asarray(drawn[name]), minlength=len(law)) / NUM
        error = 5 * np.sqrt(law * (1 - law) / NUM) + 1e-4  # a hair off the edges
        assert (np.abs(shares - law) <= error).all()
        assert (law >= bounds[name][:, 0] - 1e-6).all()
        assert (law <= bounds[name][:, 1] + 1e-6).all()


def test_the_null_intervention_changes_nothing(tables):
    for states in itertools.product(range(2), range(2), range(2), range(3)):
        unit = dict(zip(tables.nodes, states, strict=True))
        for name, law in coupled_laws(
            tables.scm, tables.params, unit, {"A": unit["A"]}
        ).items():
            assert law[unit[name]] == pytest.approx(1)


def test_another_coupling_has_no_closed_form_here(tables):
    mechanisms = {
        name: Tabular(m.num_states, m.parent_states, "gumbel")
        for name, m in tables.scm.mechanisms.items()
    }
    scm = SCM(graphs.read(tables.scm.graph), mechanisms)
    unit = dict.fromkeys(tables.nodes, 0)
    assert coupled_laws(scm, tables.params, unit, {"A": 1}) is None


def test_an_impossible_factual_is_one_line(tables):
    wrong = np.array(tables.params["D"]["probs"])
    wrong[:] = [0.0, 1.0]
    params = tables.params | {"D": {"probs": jnp.asarray(wrong)}}
    unit = dict.fromkeys(tables.nodes, 0)
    with pytest.raises(ValueError, match="'D' has probability zero") as raised:
        coupled_laws(tables.scm, params, unit, {"C": 1})
    assert "\n" not in str(raised.value)


def test_laws_of_units_are_closed_where_they_can_be(tables):
    unit, do, key = {"A": 0, "B": 2, "C": 1, "D": 0}, {"A": 1}, jax.random.key(0)
    found = laws_of_unit(tables.scm, tables.params, unit, do, key)
    for name, law in coupled_laws(tables.scm, tables.params, unit, do).items():
        np.testing.assert_array_equal(found[name].probs, law)
        assert not found[name].error.any()
    assert laws_of_unit(tables.scm, tables.params, unit, {"D": 1}, key) == {}


def test_laws_of_units_of_another_coupling_are_draws_with_their_errors():
    """Gumbels: two states of one half each, seen 0; p' = (.2, .8) of the other parent.

    The state stays 0 with P(G0 + log .2 > G1 + log .8 | G0 > G1) = .2 / .5.
    """
    scm = SCM(
        graphs.build([("A", "B")]),
        {"A": Tabular(2), "B": Tabular(2, (2,), coupling="gumbel")},
    )
    tables = {"A": [0.5, 0.5], "B": [[0.5, 0.5], [0.2, 0.8]]}
    params = {name: {"probs": jnp.array(table)} for name, table in tables.items()}
    unit, key = {"A": 0, "B": 0}, jax.random.key(0)
    found = laws_of_unit(scm, params, unit, {"A": 1}, key)["B"]
    expected = 0.2 / 0.5
    error = np.sqrt(expected * (1 - expected) / 10_000)
    assert abs(found.probs[0] - expected) < 5 * error
    assert found.error[0] == pytest.approx(error, rel=0.1)


def test_a_state_too_narrow_for_its_interval_has_a_law():
    narrow = np.array([0.5, 1e-20, 0.5])
    np.testing.assert_array_equal(overlaps(narrow, narrow, 1).sum(), 1)
    np.testing.assert_array_equal(overlaps(narrow, np.array([1.0, 0, 0]), 1), [1, 0, 0])
    np.testing.assert_array_equal(
        overlaps(np.array([1 - 1e-20, 1e-20]), np.array([0.5, 0.5]), 1), [0, 1]
    )
