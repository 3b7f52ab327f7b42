"""P(label | do(cause = state)) beside P(label | cause = state), of all pairs of labels.

What is done and what is seen differ where the two labels have a common cause, or where
the cause is in truth the effect (Pearl 2009, section 3.2). Both are exact: read off
laws that are written down, or found by elimination where the joint law is too large.
"""

from typing import NamedTuple

import numpy as np

from causal_jax.queries import exact
from causal_jax.queries.laws import Laws, cardinalities, single_interventions
from causal_jax.scm import SCM
from causal_jax.types import Params

MAX_QUESTIONS = 1500  # that are answered one by one; more would take minutes

Marginals = dict[tuple[str, str], dict[str, np.ndarray]]


class Effects(NamedTuple):
    """Laws of every label under every single intervention, and given every state.

    Attributes:
      done: {(cause, state): {label: [k] P(label | do(cause = state))}}.
      seen: {(cause, state): {label: [k] P(label | cause = state)}}; a state of
        probability zero is left out.
    """

    done: Marginals
    seen: Marginals


def effects_of_laws(scm: SCM, known: Laws) -> Effects:
    """The effects that are in a model's laws.

    Args:
      scm: a label model; gives nodes and states.
      known: its laws, or those of the truth or the data over the same nodes.

    Example:
      >>> from causal_jax import SCM, categorical
      >>> from causal_jax.queries.laws import exact_laws
      >>> a, params_a = categorical([0.5, 0.5])
      >>> b, params_b = categorical([[0.75, 0.25], [0.25, 0.75]])
      >>> scm = SCM("A -> B", {"A": a, "B": b})
      >>> found = effects_of_laws(scm, exact_laws(scm, {"A": params_a, "B": params_b}))
      >>> found.done["A", "1"]["B"].round(2).tolist()
      [0.25, 0.75]
      >>> found.done["B", "1"]["A"].round(2).tolist()
      [0.5, 0.5]
      >>> found.seen["B", "1"]["A"].round(2).tolist()
      [0.25, 0.75]
    """
    cards = cardinalities(scm)
    seen = np.reshape(known.seen, cards)
    effects = Effects(done={}, seen={})
    for name, value in single_interventions(scm):
        key = (name, scm.states(name)[value])
        law = np.reshape(known.done[f"{name}={key[1]}"], cards)
        effects.done[key] = _marginals(scm, law, name)
        here = np.take(seen, [value], axis=scm.nodes.index(name))
        if here.sum() > 0:
            effects.seen[key] = _marginals(scm, here / here.sum(), name)
    return effects


def _marginals(scm: SCM, joint: np.ndarray, cause: str) -> dict[str, np.ndarray]:
    axes = range(len(scm.nodes))
    return {
        name: joint.sum(axis=tuple(a for a in axes if a != i))
        for i, name in enumerate(scm.nodes)
        if name != cause
    }


def effects_by_elimination(scm: SCM, params: Params) -> Effects | None:
    """The effects of an explicit model whose joint law is too large to write down.

    Returns:
      The effects; None where there are more than `MAX_QUESTIONS`, or the model is too
      entangled for elimination.
    """
    num = 2 * len(single_interventions(scm)) * (len(scm.nodes) - 1)
    if num > MAX_QUESTIONS:
        return None
    try:
        tables = exact.conditional_tables(scm, params)
        marginals = {name: exact.marginal(*tables, (name,)) for name in tables[0].nodes}
        effects = Effects(done={}, seen={})
        for cause, value in single_interventions(scm):
            key = (cause, scm.states(cause)[value])
            others = [name for name in scm.nodes if name != cause]
            effects.done[key] = _asked(tables, others, do={cause: value})
            if marginals[cause][value] > 0:
                effects.seen[key] = _asked(tables, others, given={cause: value})
    except ValueError:  # a table or the elimination is too large
        return None
    return effects


def _asked(tables: tuple[SCM, Params], names: list[str], **condition) -> dict:
    return {name: exact.marginal(*tables, (name,), **condition) for name in names}
