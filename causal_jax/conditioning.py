"""`given=`: rejection in the (intervened) world, in bounded rounds of static shape.

Only noise is kept: a round draws noise, evaluates the model (XLA drops every node that
no condition needs, so images are not rendered) and keeps the noise of the units that
meet the conditions.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import arguments
from causal_jax import graph as graphs
from causal_jax import interventions as iv
from causal_jax.types import Array, Key, Noise, Params

CHUNK = 4096  # units drawn a round at least: small enough for a laptop's cache
LANE_CHUNK = 64  # the same where every unit has an intervention of its own


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


def accept(scm, params, key, num, do, given, max_draws) -> Accepted:
    """Draws noise until `num` units meet the conditions or `max_draws` were drawn.

    Args:
      scm: the model.
      params: its parameters.
      key: PRNG key.
      num: number of units wanted.
      do: {node: intervention object}, fitted to shapes.
      given: {node: state or predicate}.
      max_draws: bound on the number of units drawn (for each unit, where every unit
        has an intervention of its own).

    Raises:
      ValueError: unknown node or state; equality with a node that has no states; `do`
        and `given` contradict each other.
    """
    states, predicates = _conditions(scm, given)
    _require_agreement(scm, do, states)
    shapes = scm.value_shapes(params)
    axes = {name: arguments.unit_axis(item, shapes[name]) for name, item in do.items()}
    if not any(axis == 0 for axis in axes.values()):
        chunk = max(num, CHUNK)
        return _fill(scm, params, key, do, states, predicates, num, chunk, max_draws)

    def one(key, do):
        return _fill(scm, params, key, do, states, predicates, 1, LANE_CHUNK, max_draws)

    lanes = jax.vmap(one, in_axes=(0, axes))(jax.random.split(key, num), do)
    noise = jax.tree.map(lambda leaf: leaf[:, 0], lanes.noise)
    return Accepted(noise, lanes.filled.sum(), lanes.drawn.sum())


def accept_or_raise(scm, params, key, num, do, given, max_draws) -> Noise:
    """`accept`, or a ValueError with the acceptance rate if too few units met it."""
    accepted = accept(scm, params, key, num, do, given, max_draws)
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
    return accepted.noise


def _conditions(scm, given: Mapping) -> tuple[dict[str, Array], tuple]:
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


def _require_agreement(scm, do: Mapping, states: Mapping) -> None:
    """Raises when `do` sets a node to another state than `given` asks for."""
    for name in do.keys() & states.keys():
        value = do[name].value if isinstance(do[name], iv.Set) else None
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


class _Rounds(NamedTuple):
    noise: Noise
    filled: Array
    drawn: Array


@partial(jax.jit, static_argnames=("scm", "predicates", "num", "chunk", "max_draws"))
def _fill(
    scm,
    params: Params,
    key: Key,
    do: dict[str, Any],
    states: dict[str, Array],
    predicates: tuple,
    num: int,
    chunk: int,
    max_draws: int,
) -> Accepted:
    model, model_params = scm.substitute(params, do)

    def met(noise):
        values = model.evaluate(model_params, noise)
        tests = [values[name] == state for name, state in states.items()]
        tests += [jnp.all(fn(values[name])) for name, fn in predicates]
        return jnp.all(jnp.stack(tests))

    def one_round(rounds: _Rounds) -> _Rounds:
        noise = model.sample_noise(jax.random.fold_in(key, rounds.drawn), chunk)
        keep = jax.vmap(met)(noise)
        row = rounds.filled + jnp.cumsum(keep) - 1
        row = jnp.where(keep, row, num)  # out of range: dropped
        kept = jax.tree.map(
            lambda buffer, drawn: buffer.at[row].set(drawn, mode="drop"),
            rounds.noise,
            noise,
        )
        filled = jnp.minimum(rounds.filled + keep.sum(dtype=jnp.int32), num)
        return _Rounds(kept, filled, rounds.drawn + chunk)

    def unfinished(rounds: _Rounds):
        return (rounds.filled < num) & (rounds.drawn < max_draws)

    shapes = jax.eval_shape(lambda: model.sample_noise(key, num))
    empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    start = _Rounds(empty, jnp.int32(0), jnp.int32(0))
    return Accepted(*jax.lax.while_loop(unfinished, one_round, start))
