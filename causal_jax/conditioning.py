"""`given=`: rejection in the (intervened) world, in bounded rounds of static shape.

Only noise is kept: a round draws noise, evaluates the model (XLA drops every node that
no condition needs, so images are not rendered) and keeps the noise of the units that
meet the conditions.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import arguments
from causal_jax import graph as graphs
from causal_jax import interventions as iv
from causal_jax.mechanism import Intervention, Model
from causal_jax.types import Array, Key, Noise, Params, Shapes, Values

CHUNK = 4096  # units drawn per round at least: small enough for a laptop's cache
LANE_CHUNK = 64  # the same where every unit has an intervention of its own

Predicate = Callable[[Array], Array]  # whether a value meets a condition


class Conditioned(NamedTuple):
    """What `SCM.sample_given` returns; also inside `jit`, where nothing can be raised.

    Attributes:
      values: {node: [num, ...]}; rows from `filled` on are undefined.
      filled: how many rows met the condition, int32 [].
      drawn: how many units were drawn for them, int32 [].
    """

    values: Values
    filled: Array
    drawn: Array


class Accepted(NamedTuple):
    """Noise that met the conditions.

    Attributes:
      noise: {node: `[num, ...]`}; rows from `filled` on are zero.
      filled: number of rows that are filled, int32 [].
      drawn: number of units drawn, int32 [].
    """

    noise: Noise
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
    """Draws noise until `num` units meet the conditions or `max_draws` were drawn.

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
      ValueError: unknown node or state; equality with a node that has no states; `do`
        and `given` contradict each other.
    """
    states, predicates = _states_and_predicates(scm, given)
    _require_agreement(scm, do, states)

    def fill(key: Key, do: Mapping[str, Intervention], num: int, chunk: int):
        return _fill_in_rounds(
            scm, params, key, do, states, predicates, num, chunk, max_draws
        )

    axes = arguments.unit_axes(do, shapes)
    if not any(axis == 0 for axis in axes.values()):
        return fill(key, do, num, max(num, CHUNK))
    one_lane = partial(fill, num=1, chunk=LANE_CHUNK)
    lanes = jax.vmap(one_lane, in_axes=(0, axes))(jax.random.split(key, num), do)
    noise = jax.tree.map(lambda leaf: leaf[:, 0], lanes.noise)
    return Accepted(noise=noise, filled=lanes.filled.sum(), drawn=lanes.drawn.sum())


def require_filled(accepted: Accepted, num: int, given: Mapping[str, Any]) -> None:
    """Raises ValueError, with the acceptance rate, if too few units met `given`."""
    if isinstance(accepted.filled, jax.core.Tracer):
        raise ValueError("inside jit use sample_given, which returns the counts")
    filled, drawn = int(accepted.filled), int(accepted.drawn)
    if filled < num:
        shown = ", ".join(
            f"{n}={'predicate' if callable(v) else v}" for n, v in given.items()
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
    for name, value in given.items():
        graphs.require_node(scm.graph, name, role="node in given")
        if callable(value):
            predicates.append((name, value))
        elif scm.states(name) is None:
            raise ValueError(
                f"given on {name!r}: it has no states, so equality is never met; give "
                "a predicate such as lambda value: value > 0"
            )
        else:
            states[name] = arguments.encode(scm, name, value)
            if states[name].ndim:
                raise ValueError(f"given on {name!r} takes one state, not an array")
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


@partial(jax.jit, static_argnames=("scm", "predicates", "num", "chunk", "max_draws"))
def _fill_in_rounds(
    scm: Model,
    params: Params,
    key: Key,
    do: Mapping[str, Intervention],
    states: dict[str, Array],
    predicates: tuple[tuple[str, Predicate], ...],
    num: int,
    chunk: int,
    max_draws: int,
) -> Accepted:
    model, model_params = scm._substitute_parsed(params, do)

    def meets_conditions(noise: Noise) -> Array:
        values = model.evaluate(model_params, noise)
        tests = [values[name] == state for name, state in states.items()]
        tests += [jnp.all(fn(values[name])) for name, fn in predicates]
        return jnp.all(jnp.stack(tests))

    def one_round(before: Accepted) -> Accepted:
        noise = model.sample_noise(jax.random.fold_in(key, before.drawn), chunk)
        keep = jax.vmap(meets_conditions)(noise)
        row = before.filled + jnp.cumsum(keep) - 1
        row = jnp.where(keep, row, num)  # out of range: dropped
        kept = jax.tree.map(
            lambda buffer, drawn: buffer.at[row].set(drawn, mode="drop"),
            before.noise,
            noise,
        )
        filled = jnp.minimum(before.filled + keep.sum(dtype=jnp.int32), num)
        return Accepted(noise=kept, filled=filled, drawn=before.drawn + chunk)

    def is_unfinished(accepted: Accepted) -> Array:
        return (accepted.filled < num) & (accepted.drawn < max_draws)

    shapes = jax.eval_shape(lambda: model.sample_noise(key, num))
    empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    start = Accepted(noise=empty, filled=jnp.int32(0), drawn=jnp.int32(0))
    return jax.lax.while_loop(is_unfinished, one_round, start)
