"""Laws over labels: enumerated, counted, fitted, and the same as samples."""

import itertools

import jax
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.networks.controller import controller
from causal_jax.queries import laws

KEY = jax.random.key(0)


def test_rows_are_enumerated_with_the_last_column_fastest():
    rows = laws.all_rows((2, 3, 2))
    expected = list(itertools.product(range(2), range(3), range(2)))
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(laws.empirical_law(rows, (2, 3, 2)), np.full(12, 1 / 12))


def test_the_empirical_law_counts_rows():
    rows = np.array([[0, 2], [0, 2], [1, 0], [0, 1]])
    law = laws.empirical_law(rows, (2, 3))
    np.testing.assert_allclose(law, [0, 0.25, 0.5, 0.25, 0, 0])


def test_the_exact_law_is_the_product_formula(tables):
    law = laws.exact_law(tables.scm, tables.params)
    np.testing.assert_allclose(law, tables.law().ravel(), atol=1e-6)
    assert laws.cardinalities(tables.scm) == (2, 2, 2, 3)


def test_exact_do_laws_are_the_truncated_factorisation(tables):
    for name, state in laws.single_interventions(tables.scm):
        law = laws.exact_law(tables.scm, tables.params, {name: state})
        expected = tables.law({name: state}).ravel()
        np.testing.assert_allclose(law, expected, atol=1e-6)
    both = laws.exact_law(tables.scm, tables.params, {"A": 1, "C": 0})
    np.testing.assert_allclose(both, tables.law({"A": 1, "C": 0}).ravel(), atol=1e-6)


@pytest.mark.parametrize("do", [None, {"B": 2}])
def test_exact_laws_equal_samples(tables, assert_frequencies, do):
    num = 20_000
    rows = laws.sampled_rows(tables.scm, tables.params, KEY, num, do)
    law = laws.exact_law(tables.scm, tables.params, do)
    found = laws.empirical_law(rows, (2, 2, 2, 3))
    assert_frequencies(found, law / law.sum(), num)


def test_a_table_fit_recovers_the_tables(tables):
    num = 200_000
    rows = laws.sampled_rows(tables.scm, tables.params, KEY, num)
    scm, params = laws.tabular_fit(tables.scm, rows)
    assert scm.graph.edges == tables.scm.graph.edges
    for i, name in enumerate(tables.nodes):
        found, truth = np.asarray(params[name]["probs"]), tables.tables[name]
        columns = [tables.nodes.index(p) for p in tables.parents[name]]
        seen = np.zeros(truth.shape[:-1])
        np.add.at(seen, tuple(rows[:, columns].T), 1) if columns else seen.fill(num)
        limit = 5 * np.sqrt(truth * (1 - truth) / seen[..., None])
        assert np.all(np.abs(found - truth) < limit), (i, name)


def test_a_table_fit_is_uniform_where_the_data_has_no_row():
    graph = graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")})
    scm, params = laws.tabular_fit(controller(graph), np.array([[0, 1], [0, 2]]))
    np.testing.assert_allclose(params["B"]["probs"], [[0, 0.5, 0.5], [1 / 3] * 3])
    law = laws.exact_law(scm, params, {"A": 1})
    np.testing.assert_allclose(law, [0, 0, 0, 1 / 3, 1 / 3, 1 / 3], atol=1e-6)
