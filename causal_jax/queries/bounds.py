"""Bounds on counterfactual labels: what every coupling of the noise must agree on.

What is seen and done fixes P(Y = y | pa) for all parents, not how a unit's response to
pa goes with its response to pa'. For a unit seen with Y = y under pa, its state under
pa' is bounded (Frechet 1935, Hoeffding 1940) by p = P(. | pa) and q = P(. | pa'),

    max(0, p_y + q_y' - 1) / p_y  <=  P(Y' = y' | Y = y)  <=  min(p_y, q_y') / p_y,

and is y itself where pa' = pa. All laws r with 0 <= r <= q / p_y and sum 1 are
possible, for each pa' on its own. Below an intervened label the parents' own
counterfactual states are uncertain; the bounds go through the tree of these states,
choosing the extreme law at every node. The nodes' noises are independent (no hidden
common causes), as in the model.

The bounds are sharp for a label where each changed label on the way to it has those
before it as parents: in Causal Graph 1 for every single intervention, in a complete
graph always. Elsewhere they are valid but may be wide: the extreme law may then look at
more than its parents.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from causal_jax.parameters import require_params
from causal_jax.queries import laws
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular
from causal_jax.types import Params

MAX_PATHS = 1 << 14  # combinations of states of the labels on the way to one label
_PARENT_ROWS = 1 << 16


def frechet_hoeffding(p: np.ndarray, q: np.ndarray, seen: int) -> np.ndarray:
    """Bounds of P(Y' = y' | Y = seen) over all couplings of two laws, [k, 2].

    Args:
      p: `[k]` law of Y.
      q: `[k]` law of Y'.
      seen: index of the state of Y; p[seen] > 0.

    Raises:
      ValueError: the seen state has probability zero.
    """
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    if not p[seen] > 0:
        raise ValueError(f"state {seen} was seen, but its probability is zero")
    low = np.maximum(0.0, p[seen] + q - 1.0) / p[seen]
    return np.stack([low, np.minimum(1.0, q / p[seen])], axis=-1)


def label_bounds(
    scm: SCM, params: Params, factual: Mapping[str, Any], do: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Bounds of P(label = state in the world of `do` | factual), ONE unit.

    Args:
      scm: a label model, every node with an explicit law (`log_probs`).
      params: its parameters.
      factual: the state of every label, as `SCM.counterfactual` takes it.
      do: {label: state}.

    Returns:
      {label: `[k, 2]` lower and upper bound of each state}, for the descendants of
      `do` that are not intervened on; every other label keeps its state.

    Raises:
      ValueError: a label without explicit law or factual state, a factual of
        probability zero, or too many labels on the way to one.
    """
    missing = [name for name in scm.nodes if name not in factual]
    if missing:
        raise ValueError(f"the factual does not say {missing[0]!r}: give every label")
    require_params(scm, params)
    factual, do = laws.state_indices(scm, factual), laws.state_indices(scm, do)
    require_possible(scm, params, factual)
    below = set().union(*(nx.descendants(scm.graph, name) for name in do)) - set(do)
    changed = [name for name in scm.order if name in below]
    known = {name: _PossibleLaws(scm, params, name, factual) for name in changed}
    return {
        name: _bounds_of(scm, known, {**factual, **do}, name)
        for name in scm.nodes
        if name in below
    }


def require_possible(scm: SCM, params: Params, factual: Mapping[str, int]) -> None:
    """Raises ValueError where a unit's labels cannot be seen together.

    Args:
      scm: the model; of a node without explicit law nothing is known.
      params: its parameters.
      factual: the index of every node's state.
    """
    for name, mechanism in scm.mechanisms.items():
        if not hasattr(mechanism, "log_probs"):
            continue
        states = tuple(factual[parent] for parent in scm.parents[name])
        if type(mechanism) is Tabular:
            probs = np.asarray(params[name]["probs"])[states]
        else:
            logs = mechanism.log_probs(params[name], tuple(map(jnp.int32, states)))
            probs = np.exp(np.asarray(logs, np.float64))
        if not probs[factual[name]] > 0:
            raise ValueError(
                f"the factual is impossible under the model: the state of {name!r} has "
                "probability zero given its parents"
            )


class _PossibleLaws:
    """The possible laws of one label of a unit, for any states of its parents."""

    def __init__(self, scm: SCM, params: Params, name: str, factual: Mapping):
        if not hasattr(scm.mechanisms[name], "log_probs"):
            raise ValueError(f"label {name!r} has no explicit law: no bounds are known")
        self.parents = scm.parents[name]
        self.seen = int(factual[name])
        self.factual = tuple(int(factual[parent]) for parent in self.parents)
        self.table = probability_table(scm, params, name)
        self.prob = float(self.table[self.factual][self.seen])

    def best(self, parents: tuple[int, ...], values: np.ndarray) -> float:
        """The largest mean of `values` [k] over the possible laws, parents known."""
        if parents == self.factual:
            return float(values[self.seen])
        # A linear programme: fill up the best states first, each to its upper bound.
        room, left, total = self.table[parents] / self.prob, 1.0, 0.0
        for state in np.argsort(-values):
            mass = min(left, room[state])
            total, left = total + mass * values[state], left - mass
        return float(total)


def probability_table(scm: SCM, params: Params, name: str) -> np.ndarray:
    """P(label | parents), [*parents' states, k]."""
    mechanism = scm.mechanisms[name]
    if type(mechanism) is Tabular:
        table = np.asarray(params[name]["probs"], np.float64)
        return table / table.sum(-1, keepdims=True)
    cards = tuple(len(scm.states(parent)) for parent in scm.parents[name])
    if np.prod(cards, dtype=float) > _PARENT_ROWS:
        raise ValueError(f"{name!r} has too many combinations of parents for bounds")
    rows = np.indices(cards).reshape(len(cards), -1).T.astype(np.int32)

    def law(row):
        return mechanism.log_probs(params[name], tuple(row))

    logs = jax.vmap(law)(jnp.asarray(rows)) if cards else law(jnp.zeros(0))[None]
    probs = np.exp(np.asarray(logs, np.float64)).reshape(*cards, -1)
    return probs / probs.sum(-1, keepdims=True)


def _bounds_of(scm: SCM, laws: Mapping, world: dict, target: str) -> np.ndarray:
    above = nx.ancestors(scm.graph, target)
    path = [name for name in laws if name in above or name == target]
    cards = {name: len(scm.states(name)) for name in path}
    if np.prod(list(cards.values()), dtype=float) > MAX_PATHS:
        raise ValueError(
            f"{len(path)} labels change on the way to {target!r}: too many for bounds"
        )
    bounds = []
    for state in range(cards[target]):
        wanted = np.eye(cards[target])[state]
        ends = [
            sign * _largest_mean(laws, path, cards, world, sign * wanted)
            for sign in (-1.0, 1.0)
        ]
        bounds.append(np.clip(ends, 0.0, 1.0) + 0.0)  # no negative zero
    return np.stack(bounds)


def _largest_mean(laws, path, cards, world: dict, values: np.ndarray) -> float:
    """The largest mean of `values` over the last label of the path, backwards.

    `best` holds, for every combination of states of the first labels of the path, what
    can be reached from there.
    """
    shape = [cards[name] for name in path]
    best = np.broadcast_to(values, shape)
    for depth in range(len(path) - 1, -1, -1):
        law, known = laws[path[depth]], path[:depth]
        shorter = np.empty(shape[:depth])
        for states in product(*map(range, shape[:depth])):
            here = {**world, **dict(zip(known, states, strict=True))}
            parents = tuple(int(here[parent]) for parent in law.parents)
            shorter[states] = law.best(parents, best[states])
        best = shorter
    return float(best)
