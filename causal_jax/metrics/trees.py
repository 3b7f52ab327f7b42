"""The Chow-Liu tree: the yardstick for label models over many attributes.

Chow & Liu (1968): of all tree-shaped laws, the one that maximises the likelihood is the
maximum spanning tree under the pairwise mutual information.
"""

import networkx as nx
import numpy as np

from causal_jax import graph as graphs
from causal_jax.metrics import discrete
from causal_jax.queries import laws
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular
from causal_jax.types import Params


def chow_liu(
    graph: nx.DiGraph, rows: np.ndarray, *, prior: float = 0.5
) -> tuple[SCM, Params]:
    """Fits the tree to rows; its root is the graph's first node.

    Args:
      graph: names and states of the columns, in their order.
      rows: int [N, n].
      prior: added to every count of the conditional tables.
    """
    names = tuple(graph)
    cards = tuple(len(graphs.states(graph, name)) for name in names)
    skeleton = nx.Graph()
    skeleton.add_nodes_from(range(len(names)))
    for (i, j), table in discrete.pairwise_tables(rows, cards).items():
        skeleton.add_edge(i, j, weight=mutual_information(table))
    tree = nx.bfs_tree(nx.maximum_spanning_tree(skeleton), 0)
    edges = [(names[i], names[j]) for i, j in tree.edges]
    states = {name: graphs.states(graph, name) for name in names}
    tree_graph = graphs.build(edges, nodes=names, states=states)
    mechanisms = {
        name: Tabular(
            len(states[name]),
            tuple(len(states[p]) for p in graphs.parents(tree_graph, name)),
        )
        for name in names
    }
    return laws.tabular_fit(SCM(tree_graph, mechanisms), rows, prior=prior)


def mutual_information(table: np.ndarray) -> float:
    """Of a joint table [k, l] of two variables, in nats."""
    product = table.sum(1, keepdims=True) * table.sum(0, keepdims=True)
    positive = table > 0
    return float((table[positive] * np.log(table[positive] / product[positive])).sum())
