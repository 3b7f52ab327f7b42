import jax
import numpy as np
import pytest

from causal_jax.metrics import pairs
from causal_jax.queries import laws


def test_tables_of_a_law_are_those_of_its_rows(tables):
    rows = laws.sampled_rows(tables.scm, tables.params, jax.random.key(0), 5000)
    law = laws.empirical_law(rows, laws.cardinalities(tables.scm))
    of_law, of_rows = (
        pairs.tables_of_law(tables.scm, law),
        pairs.tables_of_rows(tables.scm, rows),
    )
    assert of_law.pairs.keys() == of_rows.pairs.keys()
    for found, expected in zip(of_law, of_rows, strict=True):
        for name, table in found.items():
            np.testing.assert_allclose(table, expected[name], atol=1e-12)


def test_pairs_are_named_in_the_order_of_the_nodes(tables):
    a, b, *_ = tables.scm.nodes
    found = pairs.tables_of_law(tables.scm, tables.law().ravel())
    assert list(found.pairs)[0] == (a, b)
    np.testing.assert_allclose(
        found.pairs[a, b], tables.law().sum(axis=(2, 3)), atol=1e-12
    )


def test_the_pairs_that_differ_most_come_first():
    tvds = {("A", "B"): 0.1, ("A", "C"): 0.3, ("B", "C"): 0.2}
    assert pairs.largest(tvds, 2) == [("A", "C"), ("B", "C")]
    assert len(pairs.largest(tvds, 36)) == 3


def test_distances_of_pairs_are_the_tvds_of_their_tables(tables):
    rows = np.stack([np.zeros(4, int), np.ones(4, int)])
    one, other = (pairs.tables_of_rows(tables.scm, rows[i : i + 1]) for i in range(2))
    assert set(pairs.pair_tvds(one, other).values()) == {1.0}
    assert set(pairs.pair_tvds(one, one).values()) == {0.0}
    for marginal in one.marginals.values():
        assert marginal.sum() == pytest.approx(1)
