import itertools

import jax
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.additive_noise import Constant
from causal_jax.networks.controller import controller, reference_controller
from causal_jax.queries import exact, laws
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular

NODES = ("C", "A", "D", "B")  # of `tables`


def brute_force(tables, nodes, do=None, given=None):
    """Sums the joint law of `tables`, without the library."""
    law = tables.law(do)
    for name, state in (given or {}).items():
        keep = np.zeros(tables.cards[name])
        keep[state] = 1
        shape = [-1 if n == name else 1 for n in NODES]
        law = law * keep.reshape(shape)
    rest = tuple(i for i, name in enumerate(NODES) if name not in nodes)
    kept = [name for name in NODES if name in nodes]
    return np.transpose(law.sum(rest), [kept.index(n) for n in nodes]) / law.sum()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4])
def test_marginals_sum_the_joint_law(tables, size):
    for nodes in itertools.permutations(NODES, size):
        found = exact.marginal(tables.scm, tables.params, nodes)
        np.testing.assert_allclose(found, brute_force(tables, nodes), atol=1e-6)


def test_marginals_under_do_are_the_truncated_factorisation(tables):
    for name, state in laws.single_interventions(tables.scm):
        do = {name: state}
        for nodes in itertools.combinations(NODES, 2):
            found = exact.marginal(tables.scm, tables.params, nodes, do=do)
            expected = brute_force(tables, nodes, do)
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_conditions_hold_inside_the_intervened_world(tables):
    for do, given in [
        ({}, {"D": 1}),
        ({"B": 2}, {"D": 0}),
        ({"C": 1}, {"A": 0, "D": 1}),
        ({"A": 1}, {"A": 1, "C": 0}),
    ]:
        for nodes in itertools.permutations(NODES, 2):
            found = exact.marginal(tables.scm, tables.params, nodes, do=do, given=given)
            expected = brute_force(tables, nodes, do, given)
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_doing_is_not_seeing(tables):
    """A child tells about its parents when seen, and nothing when done."""
    prior = exact.marginal(tables.scm, tables.params, ("A",))
    done = exact.marginal(tables.scm, tables.params, ("A",), do={"C": 1})
    seen = exact.marginal(tables.scm, tables.params, ("A",), given={"C": 1})
    np.testing.assert_allclose(done, prior, atol=1e-12)
    assert abs(seen - prior).max() > 0.01


def test_states_are_named_or_counted():
    graph = graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")})
    scm = SCM(graph, {"A": Tabular(2), "B": Tabular(3, (2,))})
    params = scm.init(jax.random.key(0))
    by_name = exact.marginal(scm, params, ("A",), given={"B": "y"})
    np.testing.assert_array_equal(
        by_name, exact.marginal(scm, params, ("A",), given={"B": 1})
    )


def test_learned_models_have_tables_of_the_same_law(tables):
    model = controller(tables.scm.graph, hidden=(5,))
    params = model.init(jax.random.key(1))
    scm, found = exact.conditional_tables(model, params)
    assert all(isinstance(m, Tabular) for m in scm.mechanisms.values())
    np.testing.assert_allclose(
        laws.exact_law(scm, found), laws.exact_law(model, params), atol=1e-6
    )
    joint = exact.marginal(scm, found, NODES)
    np.testing.assert_allclose(joint.ravel(), laws.exact_law(model, params), atol=1e-6)


def test_tables_stay_as_they_are(tables):
    scm, params = exact.conditional_tables(tables.scm, tables.params)
    assert scm == tables.scm
    for name in NODES:
        np.testing.assert_array_equal(params[name]["probs"], tables.tables[name])


def test_long_chains_need_no_joint_law():
    """A two-state chain of 300 nodes: its law is the power of one matrix."""
    names = [f"X{i}" for i in range(300)]
    graph = graphs.build(itertools.pairwise(names), nodes=names)
    step = np.array([[0.99, 0.01], [0.03, 0.97]])
    mechanisms = {n: Tabular(2, (2,) if n != "X0" else ()) for n in names}
    params = {name: {"probs": step} for name in names}
    params["X0"] = {"probs": np.array([0.5, 0.5])}
    scm = SCM(graph, mechanisms)
    power = np.linalg.matrix_power(step, 200)
    found = exact.marginal(scm, params, ("X250",), do={"X50": 1})
    np.testing.assert_allclose(found, power[1], atol=1e-12)
    pair = exact.marginal(scm, params, ("X299", "X99"), do={"X50": 1})
    expected = np.linalg.matrix_power(step, 49)[1][:, None] * power
    np.testing.assert_allclose(pair, expected.T, atol=1e-12)


BAD = {
    "unknown node": ({"nodes": ("E",)}, "unknown node 'E'"),
    "a node twice": ({"nodes": ("A", "A")}, "repeat one"),
    "unknown intervened node": ({"nodes": ("A",), "do": {"E": 1}}, "unknown node 'E'"),
    "unknown state": ({"nodes": ("A",), "do": {"B": 3}}, "3 is no state of 'B'"),
    "unknown name": ({"nodes": ("A",), "given": {"B": "x"}}, "'x' is no state of 'B'"),
    "contradiction": (
        {"nodes": ("A",), "do": {"B": 1}, "given": {"B": 0}},
        r"contradicts do\('B'\)",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_questions_are_one_line(tables, arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        exact.marginal(tables.scm, tables.params, **arguments)
    assert "\n" not in str(error.value)


def test_impossible_conditions_are_named():
    graph = graphs.build([("A", "B")], states={"A": "01", "B": ("no", "yes")})
    scm = SCM(graph, {"A": Tabular(2), "B": Tabular(2, (2,))})
    params = {"A": {"probs": np.array([0.4, 0.6])}, "B": {"probs": np.eye(2)}}
    with pytest.raises(ValueError, match="A=0, B=yes has probability zero"):
        exact.marginal(scm, params, ("A",), given={"A": 0, "B": "yes"})
    done = exact.marginal(scm, params, ("B",), do={"A": 0})
    np.testing.assert_allclose(done, [1, 0])


def test_what_is_too_large_is_refused():
    names = [f"X{i}" for i in range(40)]
    scm = SCM(graphs.build(nodes=names), {name: Tabular(2) for name in names})
    params = {name: {"probs": np.array([0.5, 0.5])} for name in names}
    with pytest.raises(ValueError, match="the result would have 1.1e"):
        exact.marginal(scm, params, names)
    graph = graphs.build([(name, "Y") for name in names])
    model = controller(graphs.with_states(graph, dict.fromkeys(graph, "01")))
    with pytest.raises(ValueError, match="the table of node 'Y' would have 2.2e"):
        exact.conditional_tables(model, {})


def test_nodes_without_a_law_are_named():
    model = reference_controller(graphs.named("male_causes_mustache"))
    with pytest.raises(ValueError, match="'Male' has no explicit law"):
        exact.conditional_tables(model, {})
    with pytest.raises(ValueError, match="'A' has no explicit law"):
        exact.conditional_tables(SCM(graphs.build(nodes="A"), {"A": Constant()}), {})
