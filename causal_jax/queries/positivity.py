"""What a graph leaves open: interventional laws that rest on what is never seen.

Proposition 1 of CausalGAN (Kocaoglu et al. 2017) asks for a law that is positive
everywhere: do(X = v) can bring a node's parents into states that never occur together
in what is seen, and how the node then behaves no data say. A model guesses there.
"""

import networkx as nx
import numpy as np

from causal_jax import graph as graphs
from causal_jax.queries import laws
from causal_jax.scm import SCM
from causal_jax.types import Params


def left_open(graph: nx.DiGraph, truth: tuple[SCM, Params]) -> dict[str, float]:
    """How much of each single interventional law a model along `graph` must guess.

    Args:
      graph: the model's graph, of the truth's nodes in any order.
      truth: the true label model, enumerable, and its parameters.

    Returns:
      {"Node=state": mass in [0, 1] of P(all | do(Node = state)) on rows in which some
      other node's parents have states that never occur together}.
    """
    seen = laws.exact_law(*truth)
    rows = laws.all_rows(laws.cardinalities(truth[0]))
    unseen = np.stack(
        [
            _rows_of_unseen_parents(graph, name, truth[0].nodes, rows, seen)
            for name in graph
        ],
        -1,
    )
    masses = {}
    for node, state in laws.single_interventions(truth[0]):
        guessed = unseen[:, [name != node for name in graph]].any(-1)
        law = laws.exact_law(*truth, {node: np.array(state)})
        masses[f"{node}={truth[0].states(node)[state]}"] = float(law[guessed].sum())
    return masses


def _rows_of_unseen_parents(
    graph: nx.DiGraph, name: str, nodes: tuple[str, ...], rows: np.ndarray, seen
) -> np.ndarray:
    """In which rows the parents' states never occur together, bool [num_rows]."""
    columns = [nodes.index(parent) for parent in graphs.parents(graph, name)]
    if not columns:
        return np.zeros(len(rows), bool)
    _, states = np.unique(rows[:, columns], axis=0, return_inverse=True)
    return np.bincount(states.ravel(), weights=seen)[states.ravel()] == 0
