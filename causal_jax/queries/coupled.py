"""The law of a unit's counterfactual labels in the model's own coupling, exactly.

A node with one uniform noise ("inverse_cdf") that was seen in state y under pa has its
noise uniform between the edges F(y - 1 | pa) and F(y | pa). Under pa' its state is y'
where the noise lies between F(y' - 1 | pa') and F(y' | pa'): with the overlap of the
two intervals over the length of the first. The noises are independent, so the law of
all changed labels is the product over them (abduction, action, prediction: Pearl 2009,
section 7.1). `queries.bounds` says what holds in every other coupling.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any

import networkx as nx
import numpy as np

from causal_jax.queries import laws
from causal_jax.queries.bounds import MAX_PATHS, probability_table
from causal_jax.scm import SCM
from causal_jax.types import Params


def overlaps(p: np.ndarray, q: np.ndarray, seen: int) -> np.ndarray:
    """P(Y' = y' | Y = seen) where one uniform draws from both laws, [k].

    Args:
      p: `[k]` law of Y, p[seen] > 0.
      q: `[k]` law of Y'.
      seen: index of the state of Y.

    Example:
      >>> overlaps(np.array([0.5, 0.5]), np.array([0.25, 0.75]), 0).tolist()
      [0.5, 0.5]
    """
    edges = np.concatenate([[0.0], np.cumsum(q)])
    low = float(np.sum(p[:seen]))
    high = low + float(p[seen])
    inside = np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)
    inside = np.maximum(inside, 0.0)
    return inside / inside.sum()


def coupled_laws(
    scm: SCM, params: Params, factual: Mapping[str, Any], do: Mapping[str, Any]
) -> dict[str, np.ndarray] | None:
    """P(label = state in the world of `do` | factual), ONE unit.

    Args:
      scm: a label model, every node with an explicit law (`log_probs`).
      params: its parameters.
      factual: the state of every label, as `SCM.counterfactual` takes it.
      do: {label: state}.

    Returns:
      {label: `[k]` probabilities}, for the descendants of `do` that are not intervened
      on. None where there is no closed form: a label with another coupling, or too many
      labels that change.

    Raises:
      ValueError: a factual of probability zero, or a table that is too large.
    """
    factual, do = laws.state_indices(scm, factual), laws.state_indices(scm, do)
    below = set().union(*(nx.descendants(scm.graph, name) for name in do)) - set(do)
    changed = [name for name in scm.order if name in below]
    cards = [len(scm.states(name)) for name in changed]
    uniform = [_has_one_uniform(scm.mechanisms[name]) for name in changed]
    if not all(uniform) or np.prod(cards, dtype=float) > MAX_PATHS:
        return None
    tables = {name: probability_table(scm, params, name) for name in changed}
    joint = np.zeros(cards)
    for states in product(*map(range, cards)):
        world = {**factual, **do, **dict(zip(changed, states, strict=True))}
        joint[states] = np.prod(
            [_response(scm, tables[n], n, factual, world)[world[n]] for n in changed]
        )
    axes = range(len(changed))
    return {
        name: joint.sum(axis=tuple(a for a in axes if a != i))
        for i, name in enumerate(changed)
    }


def _has_one_uniform(mechanism) -> bool:
    return getattr(mechanism, "coupling", "") == "inverse_cdf"


def _response(scm: SCM, table: np.ndarray, name: str, factual, world) -> np.ndarray:
    """The law of one label of the unit, its parents in this world known, [k]."""
    seen = int(factual[name])
    before, after = (
        tuple(int(states[parent]) for parent in scm.parents[name])
        for states in (factual, world)
    )
    if not table[before][seen] > 0:
        raise ValueError(
            f"the factual is impossible under the model: the state of {name!r} has "
            "probability zero given its parents"
        )
    return overlaps(table[before], table[after], seen)
