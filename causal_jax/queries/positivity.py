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
    return left_open_by_laws(graph, truth[0], laws.exact_laws(*truth))


def left_open_by_laws(
    graph: nx.DiGraph, scm: SCM, known: laws.Laws
) -> dict[str, float]:
    """The same of laws that are written down, such as a table's.

    Args:
      graph: the model's graph.
      scm: a label model over the same nodes, which gives their order and states.
      known: what is seen, and what is done: of a table along its own graph
        (`laws.tabular_fit`), where what no row says counts from where it is met first.

    Example:
      >>> from causal_jax import SCM, Tabular
      >>> scm = SCM("A -> B; A, B -> C", {
      ...     "A": Tabular(2), "B": Tabular(2, (2,)), "C": Tabular(2, (2, 2))
      ... })
      >>> rows = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 1, 1]])  # no A=0, B=1
      >>> done = laws.exact_laws(*laws.tabular_fit(scm, rows))
      >>> known = done._replace(seen=laws.empirical_law(rows, (2, 2, 2)))
      >>> round(left_open_by_laws(scm.graph, scm, known)["B=1"], 6)
      0.5
    """
    rows = laws.all_rows(laws.cardinalities(scm))
    unseen = np.stack(
        [
            _rows_of_unseen_parents(graph, name, scm.nodes, rows, known.seen)
            for name in graph
        ],
        -1,
    )
    masses = {}
    for node, state in laws.single_interventions(scm):
        name = f"{node}={scm.states(node)[state]}"
        guessed = unseen[:, [other != node for other in graph]].any(-1)
        masses[name] = float(np.asarray(known.done[name])[guessed].sum())
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
