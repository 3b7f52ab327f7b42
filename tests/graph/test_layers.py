"""Where nodes stand when a graph is drawn."""

import numpy as np

from causal_jax import graph
from causal_jax.graph import layers


def test_every_edge_runs_downwards_through_all_layers_between():
    dag = graph.named("big_causal_graph")
    rows = [list(g) for g in layers.generations(dag)]
    chains = layers.edge_chains(dag, rows)
    assert [(c[0], c[-1]) for c in chains] == list(dag.edges)
    at = layers.node_positions(layers.ordered_layers(rows, chains))
    assert set(dag) <= set(at)
    assert len(set(at.values())) == len(at)
    for chain in chains:
        assert np.diff([at[point][1] for point in chain]).tolist() == [-1.0] * (
            len(chain) - 1
        )


def test_sweeps_never_add_crossings_and_undo_a_needless_one():
    dag = graph.read("a; b; c; d; a -> d; b -> c")
    rows = [["a", "b"], ["c", "d"]]
    chains = layers.edge_chains(dag, rows)
    assert layers.num_crossings(rows, chains) == 1
    assert layers.num_crossings(layers.ordered_layers(rows, chains), chains) == 0


def test_a_tangle_has_no_layers():
    names = [f"n{i}" for i in range(14)]
    line = graph.build([(a, b) for a, b in zip(names, names[1:], strict=False)])
    assert layers.layout(line) is None, "too long"
    assert layers.layout(graph.build([], nodes=names)) is None, "too wide"
    assert layers.layout(graph.complete(names)) is None, "too many edges"
    assert layers.layout(graph.build([("a", "b")])).num_layers == 2
