"""Counts that users of other libraries reported as wrong: of rows, states and parents.

See `test_public_reports`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from causal_jax import Tabular
from causal_jax import graph as graphs
from causal_jax.data import tables
from causal_jax.networks.controller import controller
from causal_jax.queries import exact, laws

KEY = jax.random.key(0)


def test_hundreds_of_rare_findings_do_not_vanish(network):
    """Kind: products of small probabilities that underflow to NaN or to zero.

    Source: pgmpy, issue 1519, "Nan error in conditional probability calculation using
    VariableElimination's interface.", https://github.com/pgmpy/pgmpy/issues/1519
    Right: 300 findings with P = 1e-4 if ill and 1.05e-4 if not: P(evidence) is about
    1e-1194; the odds are .2 / .8 * (1 / 1.05)^300.
    """
    probs = {"Ill": [0.8, 0.2]}
    rare = [[1 - 1.05e-4, 1.05e-4], [1 - 1e-4, 1e-4]]
    probs |= {f"Finding {i}": rare for i in range(300)}
    edges = [("Ill", name) for name in probs if name != "Ill"]
    scm, params = network(probs, edges=edges)
    given = {name: 1 for name in probs if name != "Ill"}
    law = exact.marginal(scm, params, ["Ill"], given=given)
    small, large = np.asarray(params["Finding 0"]["probs"], np.float64)[::-1, 1]
    odds = 0.2 / 0.8 * (small / large) ** 300
    np.testing.assert_allclose(law[1], odds / (1 + odds), rtol=1e-6)


def test_a_state_above_the_255th_is_itself(network):
    """Kind: states are kept in eight bits, so the 300th becomes the 44th.

    Source: thrml, issue 62, "CategoricalNode default uint8 dtype silently truncates
    category indices above 255 (SoftmaxConditional)",
    https://github.com/extropic-ai/thrml/issues/62
    Right: Copy has the state of Code, whichever of 400 it is, asked for by its name.
    """
    scm, params = network(
        {"Code": np.full(400, 1 / 400), "Copy": np.eye(400)},
        edges=[("Code", "Copy")],
        states={name: [f"c{i}" for i in range(400)] for name in ("Code", "Copy")},
    )
    codes = [f"c{i}" for i in (44, 255, 256, 300, 399)]
    drawn = scm.sample(params, KEY, num=5, do={"Code": codes})
    assert drawn["Copy"].tolist() == [44, 255, 256, 300, 399]
    law = exact.marginal(scm, params, ["Code"], given={"Copy": "c300"})
    assert law.argmax() == 300 and law.max() == 1


def test_seventy_effects_of_one_cause_are_eliminated(network):
    """Kind: an array with an axis for every neighbour, of which numpy has few.

    Source: pgmpy, issue 1265, "IndexError: number of dimensions must be within [0, 32],
    indexing result would have 33", https://github.com/pgmpy/pgmpy/issues/1265
    Right: P(cause = 1 | first effect) = .75 * .8 / (.75 * .8 + .25 * .1) = .96, so the
    last effect has probability .96 * .8 + .04 * .1 = .772.
    """
    probs = {"Cause": [0.25, 0.75]}
    probs |= {f"E{i}": [[0.9, 0.1], [0.2, 0.8]] for i in range(70)}
    scm, params = network(probs, edges=[("Cause", f"E{i}") for i in range(70)])
    law = exact.marginal(scm, params, ["E69"], given={"E0": 1})
    np.testing.assert_allclose(law[1], 0.772, rtol=1e-6)
    with pytest.raises(ValueError, match="the result would have 1.2e"):
        exact.marginal(scm, params, list(probs)[1:])


def test_a_table_with_too_many_parents_is_refused_by_its_node():
    """Kind: fitting a node of many parents ends in an error about numpy's dimensions.

    Source: pgmpy, issue 1276, "[ValueError: sequence too large; cannot be greater than
    32] when a Bayesian model fits to the data",
    https://github.com/pgmpy/pgmpy/issues/1276
    Right: 2^71 = 2.4e21 numbers for 70 binary parents, 2^31 = 2.1e9 for 30.
    """
    for num, size in ((70, r"2.4e\+21"), (30, r"2.1e\+09")):
        parents = [f"Cause {i}" for i in range(num)]
        names = [*parents, "Effect"]
        graph = graphs.build(
            [(parent, "Effect") for parent in parents],
            states=dict.fromkeys(names, graphs.BINARY),
        )
        scm, rows = controller(graph), np.eye(num + 1, dtype=int)
        with pytest.raises(ValueError, match=f"of node 'Effect' would have {size}"):
            laws.tabular_fit(scm, rows)
        with pytest.raises(ValueError, match=f"the joint law would have {size}"):
            laws.empirical_law(rows, laws.cardinalities(scm))


def test_a_state_of_probability_zero_is_never_drawn():
    """Kind: float32 sums of many probabilities leave room for states that have none.

    Source: jax, issue 25498, "jax.random.choice(replace=True) samples 0 probability
    index", https://github.com/jax-ml/jax/issues/25498
    Right: every other of 4,000 states has probability zero: whatever the noise is, the
    state is one of the others. All noise near an edge is tried.
    """
    weights = np.random.default_rng(0).dirichlet(np.ones(4000))
    weights[::2] = 0
    probs = (weights / weights.sum()).astype(np.float32)
    edges = np.cumsum(probs, dtype=np.float64)[:-1].astype(np.float32)
    near = [edges + k * 2.0**-24 for k in range(-6, 7)]
    noise = jnp.asarray(np.clip(np.concatenate(near), 0, 1 - 2.0**-24), jnp.float32)
    mechanism, params = Tabular(4000), {"probs": jnp.asarray(probs)}
    apply = jax.jit(lambda u: jax.lax.map(lambda x: mechanism.apply(params, (), x), u))
    assert np.all(probs[np.asarray(apply(noise))] > 0)


def test_frequencies_below_one_parent_whose_states_are_1_2_3():
    """Kind: a node with one parent got the flat distribution from integer states.

    Source: causalnex, issue 35, "Incorrect probabilities learnt for Nodes with one
    parent only", https://github.com/mckinsey/causalnex/issues/35
    Right: counted: of the rows with A = 1, 2, 3 the shares of B = 1, 2, 3.
    """
    counts = np.array([[6, 3, 1], [0, 5, 5], [8, 0, 2]])
    pairs = np.argwhere(counts >= 0).repeat(counts.ravel(), axis=0) + 1
    frame = pa.table({"B": pairs[:, 1], "A": pairs[:, 0]})  # not the graph's order
    table = tables.from_frame(frame, columns=["A", "B"], quiet=True)
    assert table.states["A"] == ("1", "2", "3")
    graph = graphs.build([("A", "B")], nodes=table.names, states=table.states)
    scm, params = laws.tabular_fit(controller(graph), table.values)
    np.testing.assert_allclose(params["B"]["probs"], counts / 10, rtol=1e-6)
    law = exact.marginal(scm, params, ["B"], do={"A": "3"})
    np.testing.assert_allclose(law, [0.8, 0, 0.2], rtol=1e-6, atol=1e-9)


def test_declared_states_that_no_row_has_are_counted():
    """Kind: pseudo-counts have no place for states that the data do not have.

    Source: pgmpy, issue 1042, "BayesianEstimator pseudo_counts inconsistency using
    dirichlet prior", https://github.com/pgmpy/pgmpy/issues/1042
    Right: with 2 added to every count P(B | A = 0) = 2 / 4, and three rows with A = 1,
    two of them with B = 1, give P(B = 1 | A = 1) = (2 + 2) / (3 + 4).
    """
    frame = pa.table({"A": [1, 1, 1], "B": [1, 1, 0]})
    states = {"A": ("0", "1"), "B": ("0", "1")}
    table = tables.from_frame(frame, states=states, quiet=True)
    graph = graphs.build([("A", "B")], nodes=table.names, states=table.states)
    _, params = laws.tabular_fit(controller(graph), table.values, prior=2.0)
    right = [[1 / 2, 1 / 2], [3 / 7, 4 / 7]]
    np.testing.assert_allclose(params["B"]["probs"], right, rtol=1e-6)
    np.testing.assert_allclose(params["A"]["probs"], [2 / 7, 5 / 7], rtol=1e-6)
