"""The worst cell of the conditional tables, held to enumeration."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import SCM, Tabular
from causal_jax import graph as graphs
from causal_jax.metrics import conditionals
from causal_jax.queries import laws


def enumerated(tables, other, min_mass):
    """(difference, relative difference) of all cells, without the library."""
    law = tables.law()
    for name in tables.nodes:
        parents = tables.parents[name]
        for states in itertools.product(*(range(tables.cards[p]) for p in parents)):
            for state in range(tables.cards[name]):
                here = dict(zip((*parents, name), (*states, state), strict=True))
                index = tuple(here.get(n, slice(None)) for n in tables.nodes)
                if law[index].sum() >= min_mass:
                    cell = (*states, state)
                    true = tables.tables[name][cell]
                    difference = abs(true - other[name][cell])
                    yield difference, difference / true


@pytest.fixture
def other(tables):
    """Tables that are a little wrong everywhere."""
    random = np.random.default_rng(11)
    return {
        name: 0.9 * table
        + 0.1 * random.dirichlet(np.ones(table.shape[-1]), table.shape[:-1])
        for name, table in tables.tables.items()
    }


@pytest.mark.parametrize("min_mass", [0.0, 0.002, 0.05, 0.2])
def test_the_worst_cell_is_that_of_an_enumeration(tables, other, min_mass):
    params = {
        name: {"probs": jnp.asarray(table, "float32")} for name, table in other.items()
    }
    found, relative = conditionals.worst_cells_of_law(
        tables.scm, tables.law().ravel(), params=params, min_mass=min_mass
    )
    differences, relatives = zip(*enumerated(tables, other, min_mass), strict=True)
    assert found.difference == pytest.approx(max(differences), abs=1e-6)
    assert relative.relative == pytest.approx(max(relatives), rel=1e-4)
    index = (*map(int, found.parents.values()), int(found.state))
    assert found.reference == pytest.approx(tables.tables[found.node][index], abs=1e-6)
    assert found.model == pytest.approx(other[found.node][index], abs=1e-6)
    assert found.mass >= min_mass


def test_a_table_of_rows_and_drawn_rows_give_what_their_laws_give(tables, other):
    params = {
        name: {"probs": jnp.asarray(table, "float32")} for name, table in other.items()
    }
    rows = laws.sampled_rows(tables.scm, tables.params, jax.random.key(0), 5000)
    cards = laws.cardinalities(tables.scm)
    of_rows = conditionals.worst_cells(tables.scm, rows, params=params)
    of_law = conditionals.worst_cells_of_law(
        tables.scm, laws.empirical_law(rows, cards), params=params
    )
    for one, same in zip(of_rows, of_law, strict=True):
        assert str(one) == str(same)
        assert one.difference == pytest.approx(same.difference)
    drawn = conditionals.worst_cells(tables.scm, rows, drawn=rows)
    assert drawn.absolute.difference == pytest.approx(0, abs=1e-12)


def test_a_small_tvd_does_not_hide_a_wrong_row(tables):
    """One row of D's table is turned over where C is rare."""
    wrong = tables.tables["D"].copy()
    wrong[1] = wrong[1, ::-1]
    params = tables.params | {"D": {"probs": jnp.asarray(wrong)}}
    found = conditionals.worst_cells_of_law(
        tables.scm, tables.law().ravel(), params=params
    ).absolute
    assert (found.node, found.parents) == ("D", {"C": "1"})
    assert str(found) == f"P(D={found.state} | C=1)"
    expected = abs(tables.tables["D"][1, 0] - tables.tables["D"][1, 1])
    assert found.difference == pytest.approx(expected, abs=1e-6)


def test_no_cell_has_so_much_mass(tables):
    law = tables.law().ravel()
    found = conditionals.worst_cells_of_law(
        tables.scm, law, params=tables.params, min_mass=2.0
    )
    assert found is None
    with pytest.raises(ValueError, match="one of the two"):
        conditionals.worst_cells_of_law(tables.scm, law)


def test_what_never_occurs_is_found_where_its_parents_do():
    """P(B = 2 | A = 1) is 0 in truth and .3 by the model; A = 2 never occurs."""
    graph = graphs.build([("A", "B")], states={"A": "xyz", "B": "xyz"})
    scm = SCM(graph, {"A": Tabular(3), "B": Tabular(3, (3,))})
    tables = [[0.5, 0.5, 0], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]
    params = {
        "A": {"probs": jnp.array([0.45, 0.54, 0.01])},
        "B": {"probs": jnp.array(tables)},
    }
    truth = np.array([[0.3, 0.2, 0], [0.2, 0.3, 0], [0, 0, 0]]).ravel()
    found = conditionals.largest_never(scm, truth, params)
    assert found == pytest.approx(0.3, abs=1e-6)
    everywhere = np.full(9, 1 / 9)
    assert conditionals.largest_never(scm, everywhere, params) is None
