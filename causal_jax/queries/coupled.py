"""The law of a unit's counterfactual labels in the model's own coupling.

A node with one uniform noise ("inverse_cdf") that was seen in state y under pa has its
noise uniform between the edges F(y - 1 | pa) and F(y | pa). Under pa' its state is y'
where the noise lies between F(y' - 1 | pa') and F(y' | pa'): with the overlap of the
two intervals over the length of the first. The noises are independent, so the law of
all changed labels is the product over them (abduction, action, prediction: Pearl 2009,
section 7.1). Where there is no such closed form, or the unit was not seen whole, draws
stand for it. `queries.bounds` says what holds in every other coupling.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any, NamedTuple

import networkx as nx
import numpy as np

from causal_jax import particles as particles_of
from causal_jax.parameters import require_params
from causal_jax.queries import laws
from causal_jax.queries.bounds import MAX_PATHS, probability_table, require_possible
from causal_jax.scm import SCM
from causal_jax.types import Key, Params

NUM_DRAWS = 10_000  # of a unit, for a law without a closed form


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
    if not inside.sum() > 0:  # too narrow for float64: where its lower edge lies
        inside = np.eye(len(q))[
            min(np.searchsorted(edges[1:], low, "right"), len(q) - 1)
        ]
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
    require_params(scm, params)
    laws.cardinalities(scm)  # raises where a node has no states
    if missing := [name for name in scm.nodes if name not in factual]:
        raise ValueError(f"the factual does not say {missing[0]!r}: give every label")
    factual, do = laws.state_indices(scm, factual), laws.state_indices(scm, do)
    require_possible(scm, params, factual)
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


class LawOfUnit(NamedTuple):
    """What is known of one label of a unit in another world.

    Attributes:
      probs: `[k]` P(label = state in that world | what was seen of the unit).
      error: `[k]` their standard errors; 0 where they are exact.
    """

    probs: np.ndarray
    error: np.ndarray


def laws_of_unit(
    scm: SCM,
    params: Params,
    factual: Mapping[str, Any],
    do: Mapping[str, Any],
    key: Key,
    *,
    num_draws: int = NUM_DRAWS,
) -> dict[str, LawOfUnit]:
    """`coupled_laws` where they are closed, and of draws elsewhere; ONE unit.

    Args:
      scm: a model whose nodes all have states.
      params: its parameters.
      factual: the states that were seen; a label that is left out is inferred.
      do: {label: state}.
      key: random key of the draws.
      num_draws: how many.

    Returns:
      {label: its law}, for the labels that are not intervened on and lie below one that
      is, or were not seen. Every other label keeps its state.

    Raises:
      ValueError: an unknown label or state, or a factual of probability zero.

    Example:
      >>> import jax
      >>> from causal_jax import categorical
      >>> rain, wet = categorical([0.7, 0.3]), categorical([[1, 0], [0.1, 0.9]])
      >>> scm = SCM("Rain -> Wet", {"Rain": rain[0], "Wet": wet[0]})
      >>> params = {"Rain": rain[1], "Wet": wet[1]}
      >>> unit = {"Rain": 1, "Wet": 1}
      >>> laws_of_unit(scm, params, unit, {"Rain": 0}, jax.random.key(0))["Wet"].probs
      array([1., 0.])
    """
    laws.cardinalities(scm)  # raises where a node has no states
    seen, setting = laws.state_indices(scm, factual), laws.state_indices(scm, do)
    hidden = set(scm.nodes) - set(seen)
    below = set().union(*(nx.descendants(scm.graph, name) for name in setting))
    wanted = [n for n in scm.nodes if n in below | hidden and n not in setting]
    exact = None if hidden else coupled_laws(scm, params, factual, do)
    if exact is not None:
        return {
            n: LawOfUnit(probs=exact[n], error=np.zeros(len(exact[n]))) for n in wanted
        }
    if not wanted:
        return {}
    units = {name: np.full(num_draws, state) for name, state in seen.items()}
    fixed = {name: np.array(state) for name, state in setting.items()}  # indices
    counts = scm.posterior(params, key, units)
    if not counts.possible[0]:
        raise ValueError("the factual is impossible under the model")
    drawn = scm.counterfactual(params, key, units, do=fixed)
    # Draws that were picked from particles vary as these do, too.
    particles = float(np.sum(counts.effective[:: particles_of.EFFECTIVE]))
    variance = 1 / num_draws + (1 / particles if particles > 0 else 0.0)
    return {
        n: _frequencies(np.asarray(drawn[n]), len(scm.states(n)), variance)
        for n in wanted
    }


def _frequencies(states: np.ndarray, num_states: int, variance: float) -> LawOfUnit:
    """`variance` of a mean of independent draws of variance one."""
    num = len(states)
    probs = np.bincount(states, minlength=num_states) / num
    spread = np.maximum(probs * (1 - probs), 1 / num)  # never 0: not exact
    return LawOfUnit(probs=probs, error=np.sqrt(spread * variance))


def _has_one_uniform(mechanism) -> bool:
    return getattr(mechanism, "coupling", "") == "inverse_cdf"


def _response(scm: SCM, table: np.ndarray, name: str, factual, world) -> np.ndarray:
    """The law of one label of the unit, its parents in this world known, [k]."""
    seen = int(factual[name])
    before, after = (
        tuple(int(states[parent]) for parent in scm.parents[name])
        for states in (factual, world)
    )
    if before == after:
        return np.eye(table.shape[-1])[seen]
    return overlaps(table[before], table[after], seen)
