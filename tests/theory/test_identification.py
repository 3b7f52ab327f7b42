"""Proposition 1: with the right graph, what is seen says what is done.

Kocaoglu et al. (2017), section 4: two causal generative models with one graph and one
strictly positive law of what is seen have the same interventional laws. Wrong graphs
may fit what is seen and miss what is done. Here nothing is learned: a law is written
down and cut into the conditional tables of a graph, exactly.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.metrics import discrete
from causal_jax.queries import laws
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular, categorical

pytestmark = pytest.mark.usefixtures("double_precision")

NAMES = tuple(graphs.named("big_causal_graph"))


@pytest.fixture
def truth():
    """Causal Graph 1 with random tables, all entries positive."""
    graph = graphs.named("big_causal_graph")
    mechanisms = {n: Tabular(2, (2,) * len(graphs.parents(graph, n))) for n in graph}
    scm = SCM(graph, mechanisms)
    random = np.random.default_rng(0)
    params = {
        name: {"probs": jnp.asarray(random.dirichlet((2, 2), size=m.parent_states))}
        for name, m in mechanisms.items()
    }
    return scm, params


def fitted(law, edges):
    """The product of a law's conditional tables along a graph over `NAMES`."""
    graph = graphs.build(edges, nodes=NAMES)
    law = law.reshape((2,) * len(NAMES))
    mechanisms, params = {}, {}
    for name in NAMES:
        family = [NAMES.index(n) for n in (*graphs.parents(graph, name), name)]
        table = law.sum(tuple(i for i in range(len(NAMES)) if i not in family))
        # Axes are left in declared order: the node's own goes last.
        table = np.moveaxis(table, sorted(family).index(family[-1]), -1)
        table = table / table.sum(-1, keepdims=True)
        mechanisms[name], params[name] = categorical(table)
    return SCM(graph, mechanisms), params


def compared(truth, edges):
    reference = laws.exact_laws(*truth)
    scm, params = fitted(reference.seen, edges)
    model = laws.model_laws(scm, params, jax.random.key(0))
    return discrete.compare(model, reference)


def complete(order):
    return [(a, b) for i, a in enumerate(order) for b in order[i + 1 :]]


def test_every_right_graph_has_the_true_law_of_everything_done(truth):
    """The true graph, and the complete one in one of its topological orders."""
    for edges in (truth[0].graph.edges, complete(graphs.order(truth[0].graph))):
        found = compared(truth, edges)
        assert found.exact and len(found.by_intervention) == 18
        assert found.tvd < 1e-6 and found.do_tvd_max < 1e-6


def test_the_reverse_complete_graph_sees_everything_and_does_it_wrong(truth):
    edges = graphs.named("reverse_complete_big_causal_graph").edges
    assert set(edges) == set(complete(graphs.order(truth[0].graph)[::-1]))
    found = compared(truth, edges)
    assert found.tvd < 1e-6
    assert found.do_tvd_mean > 0.1 and found.do_tvd_max > 0.2


@pytest.mark.parametrize("kind", ["reversed", "empty"])
def test_graphs_without_the_edges_miss_both(truth, kind):
    reverse = [(b, a) for a, b in truth[0].graph.edges]
    found = compared(truth, reverse if kind == "reversed" else [])
    assert found.tvd > 0.05 and found.do_tvd_mean > 0.1


def test_where_a_cause_never_occurs_the_same_graph_may_do_otherwise():
    """The proposition needs positivity: here A = 0 is never seen with B = 1."""
    tables = {"A": [0.5, 0.5], "B": [[1.0, 0.0], [0.5, 0.5]]}
    found = []
    for free in (0.1, 0.9):  # P(C = 1 | A = 0, B = 1)
        c = [[[0.3, 0.7], [1 - free, free]], [[0.6, 0.4], [0.2, 0.8]]]
        built = {n: categorical(t) for n, t in (tables | {"C": c}).items()}
        scm = SCM("A -> B ; A, B -> C", {n: pair[0] for n, pair in built.items()})
        params = {n: pair[1] for n, pair in built.items()}
        dos = (None, {"B": 0}, {"B": 1})
        found.append([laws.exact_law(scm, params, do) for do in dos])
    seen, elsewhere, there = (discrete.tvd(*pair) for pair in zip(*found, strict=True))
    assert seen < 1e-9 and elsewhere < 1e-9
    assert there == pytest.approx(0.5 * 0.8)
