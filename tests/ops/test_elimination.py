"""Elimination: the sum over all states, written out."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_jax.ops import elimination
from causal_jax.ops.elimination import eliminate, eliminate_scaled, require_size

# Variables are any hashable names, here of several types.
VARIABLES = ("A", ("image", 3), 7, frozenset({"B"}), None)


def by_enumeration(tables, keep, fixed, sizes):
    """The sum of the product over every combination of states of all variables."""
    names = list(dict.fromkeys(name for _, names in tables for name in names))
    result = np.zeros([sizes[name] for name in keep])
    for states in itertools.product(*(range(sizes[name]) for name in names)):
        unit = dict(zip(names, states, strict=True))
        if any(unit[name] != state for name, state in fixed.items() if name in unit):
            continue
        factors = [table[tuple(unit[n] for n in over)] for table, over in tables]
        result[tuple(unit[name] for name in keep)] += np.prod(factors)
    return result


@st.composite
def problems(draw):
    """Random small tables, what is kept, what is fixed, and the variables' sizes."""
    sizes = {name: draw(st.integers(1, 3)) for name in VARIABLES}
    subsets = st.lists(st.sampled_from(VARIABLES), max_size=3, unique=True)
    scopes = draw(st.lists(subsets, min_size=1, max_size=5))
    random = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    tables = [(random.random([sizes[n] for n in scope]), scope) for scope in scopes]
    present = list(dict.fromkeys(name for scope in scopes for name in scope))
    roles = {name: draw(st.sampled_from(("keep", "fix", "sum"))) for name in present}
    keep = draw(st.permutations([n for n in present if roles[n] == "keep"]))
    fixed = {
        name: draw(st.integers(0, sizes[name] - 1))
        for name in present
        if roles[name] == "fix"
    }
    return tables, keep, fixed, sizes


@given(problems())
def test_it_is_the_sum_over_all_combinations_of_states(problem):
    tables, keep, fixed, sizes = problem
    found = eliminate(tables, keep, fixed)
    expected = by_enumeration(tables, keep, fixed, sizes)
    assert np.shape(found) == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_a_chain_is_a_product_of_matrices(seed):
    random = np.random.default_rng(seed)
    first, second, third = (random.random((3, 3)) for _ in range(3))
    chain = [(second, ("B", "C")), (first, ("A", "B")), (third, ("C", "D"))]
    np.testing.assert_allclose(
        eliminate(chain, ["D", "A"], {}), (first @ second @ third).T
    )
    np.testing.assert_allclose(
        eliminate(chain, ["D"], {"A": 2}), (first @ second @ third)[2]
    )
    total = eliminate(chain, [], {"A": 0, "B": 1, "C": 2, "D": 0})
    assert total == pytest.approx(first[0, 1] * second[1, 2] * third[2, 0])


def test_states_fixed_for_variables_of_no_table_change_nothing():
    table = np.array([0.25, 0.75])
    np.testing.assert_array_equal(eliminate([(table, ["A"])], ["A"], {"B": 1}), table)


def test_the_product_of_no_tables_is_one():
    result = eliminate([], [], {"A": 1})
    assert result.shape == () and result == 1


def test_a_long_chain_needs_no_joint_table():
    """2^60 combinations of states: what is formed has four numbers."""
    step = np.array([[0.9, 0.1], [0.2, 0.8]])
    chain = [(step, (i, i + 1)) for i in range(60)]
    found = eliminate([(np.array([1.0, 0.0]), [0]), *chain], [60], {})
    np.testing.assert_allclose(found, np.linalg.matrix_power(step, 60)[0])


def test_products_below_float64_keep_their_digits():
    """200 numbers of 2^-11 and 2^-10: 2^-2200 and 2^-2000, below 2^-1074."""
    tables = [(np.array([2.0**-11, 2.0**-10]), ["A"])] * 200
    scaled, exponent = eliminate_scaled(tables, ["A"], {})
    assert (scaled.tolist(), exponent) == ([2.0**-201, 0.5], -1999)
    assert eliminate(tables, ["A"], {}).tolist() == [0.0, 0.0]
    nothing, _ = eliminate_scaled([(np.zeros(2), ["A"])], ["A"], {})
    assert nothing.tolist() == [0.0, 0.0]


def test_what_is_too_large_in_between_is_refused(monkeypatch):
    """Four variables meet in the eliminated one: 2^4 numbers in between."""
    tables = [(np.ones((2, 2)), ("hub", i)) for i in range(4)]
    keep = list(range(4))
    monkeypatch.setattr(elimination, "MAX_SIZE", 16)
    np.testing.assert_array_equal(
        eliminate(tables, keep, {}), np.full((2, 2, 2, 2), 2.0)
    )
    monkeypatch.setattr(elimination, "MAX_SIZE", 15)
    with pytest.raises(ValueError, match="too entangled: 1.6e\\+01 numbers in between"):
        eliminate(tables, keep, {})


def test_tables_too_large_to_be_written_down_are_refused():
    require_size((1 << 13, 1 << 13), "the result")
    with pytest.raises(ValueError, match="the result would have 1.3e\\+08 numbers"):
        require_size((2, 1 << 13, 1 << 13), "the result")
    with pytest.raises(ValueError, match="ask for fewer nodes"):
        require_size([2] * 1000, "the result")
