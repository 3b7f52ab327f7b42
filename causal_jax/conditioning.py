"""`given=`: units of the (intervened) world that meet conditions.

Where all conditions are states, and every hidden node above them is discrete with an
explicit law, the units are drawn from the exact posterior, however improbable the
conditions are (see `posterior`). Elsewhere by rejection, in bounded rounds of static
shape: a round draws noise, evaluates the model (XLA drops every node that no condition
needs, so images are not rendered) and keeps the noise of the units that meet them.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import abduction, arguments, encoding, factors, posterior
from causal_jax import graph as graphs
from causal_jax import interventions as iv
from causal_jax.mechanism import Intervention, Model
from causal_jax.rejection import Accepted, Predicate, by_rejection
from causal_jax.types import Array, Key, Params, Shapes, Values


class Conditioned(NamedTuple):
    """What `SCM.sample_given` returns; also inside `jit`, where nothing can be raised.

    Attributes:
      values: {node: [num, ...]}; rows that are not met are undefined.
      met: which rows met the condition, bool [num]: the first `filled`, but where every
        unit has an intervention of its own any of them.
      filled: how many rows met the condition, int32 [].
      drawn: how many units were drawn for them, int32 []: at most 2**31 - 1 is said.
        As many as were asked for where the draw is exact; then `filled` is smaller only
        where the conditions have probability zero.
    """

    values: Values
    met: Array
    filled: Array
    drawn: Array


def accept(
    scm: Model,
    params: Params,
    key: Key,
    do: Mapping[str, Intervention],
    shapes: Shapes,
    given: Mapping[str, Any],
    *,
    num: int,
    max_draws: int,
) -> Accepted:
    """Draws noise of `num` units that meet the conditions.

    Exactly where that is possible, else until `num` units meet them or `max_draws` were
    drawn.

    Args:
      scm: the model.
      params: its parameters.
      key: PRNG key.
      do: {node: intervention object}, as `arguments.interventions` parsed it.
      shapes: {node: shape and dtype of one unit's value}, at least for the nodes in do.
      given: {node: state or predicate}.
      num: number of units wanted.
      max_draws: bound on the number of units drawn (for each unit, where every unit
        has an intervention of its own).

    Raises:
      ValueError: `max_draws` below 1; unknown node or state; equality with a node that
        has no states; `do` and `given` contradict each other.
    """
    if not max_draws >= 1:
        raise ValueError(f"max_draws is at least 1, not {max_draws}")
    states, predicates = _states_and_predicates(scm, given)
    _require_agreement(scm, do, states)
    if not predicates:
        exact = _exactly(scm, params, key, do, shapes, states, num)
        if exact:
            return exact
    return by_rejection(
        scm, params, key, do, shapes, states, predicates, num=num, max_draws=max_draws
    )


def _exactly(
    scm: Model,
    params: Params,
    key: Key,
    do: Mapping[str, Intervention],
    shapes: Shapes,
    states: Mapping[str, Array],
    num: int,
) -> Accepted | None:
    """Units from the exact posterior; None where no exact engine applies."""
    model, model_params = _intervened(scm, params, do)
    fixed, conditions, met = _evidence(do, shapes, states, num)
    if not _is_explicit(model, conditions, fixed):
        return None
    found = posterior.infer(model, model_params, key, fixed | conditions, num)
    spread = {
        name: jnp.broadcast_to(value, (num, *value.shape[1:]))
        for name, value in (fixed | conditions).items()
    }
    noise, consistent = abduction.noise_of_values(
        model,
        {name: model_params[name] for name in model.nodes if name not in fixed},
        jax.random.fold_in(key, 1),
        {name: spread[name] for name in conditions},
        found.states,
        {},
        {name: spread[name] for name in fixed},
        num=num,
    )
    for fits in (*found.possible.values(), *consistent.values()):
        met = met & fits
    met = jnp.broadcast_to(met, (num,))
    return Accepted(
        noise=noise,
        met=met,
        filled=jnp.sum(met, dtype=jnp.int32),
        drawn=jnp.int32(num),
        is_exact=True,
    )


def _intervened(
    scm: Model, params: Params, do: Mapping[str, Intervention]
) -> tuple[Model, Params]:
    """The intervened model, without the edges that the interventions cut."""
    model, model_params = scm._substitute_parsed(params, do)
    cut = [n for n, item in do.items() if isinstance(item, iv.Set | iv.Randomize)]
    if cut:
        graph = graphs.mutilate(model.graph, cut)
        model = dataclasses.replace(model, graph=graph)  # an SCM is a dataclass
    return model, model_params


def _evidence(
    do: Mapping[str, Intervention],
    shapes: Shapes,
    states: Mapping[str, Array],
    num: int,
) -> tuple[Values, Values, Any]:
    """What is known of the intervened world.

    Returns:
      fixed: {node: value that `do` sets, `[num or 1, ...]`}.
      conditions: {other node: state `[1]`}.
      met: whether `do` sets the nodes of the conditions to their states, bool `[num]`.
    """
    fixed, met = {}, np.ones(num, bool)
    for name, item in do.items():
        if isinstance(item, iv.Set):
            ndim = len(shapes[name].shape)
            fixed[name] = item.value.reshape(-1, *item.value.shape[-ndim:][:ndim])
            if name in states:
                met = met & (fixed[name] == states[name])
    conditions = {n: value[None] for n, value in states.items() if n not in fixed}
    return fixed, conditions, met


def _is_explicit(model: Model, conditions: Values, fixed: Values) -> bool:
    """Whether exact engines infer all that the conditions speak of."""
    needed = ("log_probs", "abduct")
    for mechanism in (model.mechanisms[name] for name in conditions):
        if not all(hasattr(mechanism, method) for method in needed):
            return False
    groups = factors.groups(model, conditions.keys() | fixed.keys())
    return all(posterior.engine(model, group) == "tables" for group in groups)


def require_filled(accepted: Accepted, num: int, given: Mapping[str, Any]) -> None:
    """Raises ValueError, with the acceptance rate, if too few units met `given`."""
    if isinstance(accepted.filled, jax.core.Tracer):
        raise ValueError("inside jit use sample_given, which returns the counts")
    filled, drawn = int(accepted.filled), int(accepted.drawn)
    if filled < num:
        shown = ", ".join(
            f"{n}={'predicate' if callable(v) else v}" for n, v in given.items()
        )
        if accepted.is_exact:
            raise ValueError(
                f"the condition {shown} has probability zero in the model"
                + (f" for {num - filled} of {num} units" if filled else "")
                + ": no unit can meet it; use do, or loosen it"
            )
        raise ValueError(
            f"the condition {shown} was met by {filled} of {drawn:,} drawn units (rate "
            f"{filled / drawn:.2g}), {num} were asked for: loosen it, raise max_draws, "
            "or use do"
        )


def _states_and_predicates(
    scm: Model, given: Mapping[str, Any]
) -> tuple[dict[str, Array], tuple[tuple[str, Predicate], ...]]:
    """`given` as traced {node: state} and static predicates ((node, fn), ...)."""
    states, predicates = {}, []
    for name, value in arguments.as_mapping(given, "given").items():
        graphs.require_node(scm.graph, name, role="node in given")
        if callable(value):
            arguments.require_arguments(value, ("value",), f"given on {name!r}")
            predicates.append((name, iv.ByIdentity.of(value)))
        elif scm.states(name) is None:
            raise ValueError(
                f"given on {name!r}: it has no states, so equality is never met; give "
                "a predicate such as lambda value: value > 0"
            )
        else:
            states[name] = encoding.encode(scm, name, value)
            if states[name].ndim:
                raise ValueError(
                    f"given on {name!r} takes one state, not an array; of several, in "
                    "Python, a predicate: lambda state: (state == 0) | (state == 2)"
                )
    return states, tuple(predicates)


def _require_agreement(
    scm: Model, do: Mapping[str, Intervention], states: Mapping[str, Array]
) -> None:
    """Raises when `do` sets a node to another state than `given` asks for."""
    for name in do.keys() & states.keys():
        intervention = do[name]
        value = intervention.value if isinstance(intervention, iv.Set) else None
        if value is None or isinstance(value, jax.core.Tracer):
            continue
        if isinstance(states[name], jax.core.Tracer):
            continue
        if np.any(np.asarray(value) != np.asarray(states[name])):
            wanted = scm.states(name)[int(states[name])]
            raise ValueError(
                f"do and given contradict each other on {name!r}: do sets it, so it is "
                f"never {wanted} otherwise; drop one of the two"
            )
