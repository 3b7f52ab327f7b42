"""Rejection: noise drawn in bounded rounds of static shape until conditions are met.

Only noise is kept: a round draws noise, evaluates the model (XLA drops every node that
no condition needs, so images are not rendered) and keeps the noise of the units that
meet the conditions.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from causal_jax import arguments, messages
from causal_jax.mechanism import Intervention, Model
from causal_jax.types import Array, Key, Noise, Params, Shapes

CHUNK = 4096  # units drawn per round at least: small enough for a laptop's cache
LANE_CHUNK = 64  # the same where every unit has an intervention of its own

Predicate = Callable[[Array], Array]  # whether a value meets a condition


class Accepted(NamedTuple):
    """Noise that met the conditions.

    Attributes:
      noise: {node: `[num, ...]`}; of rows that are not met undefined.
      met: which rows meet the conditions, bool `[num]`.
      filled: how many do, int32 [].
      drawn: number of units drawn, int32 [].
      is_exact: whether they come from the exact posterior, not from rejection.
    """

    noise: Noise
    met: Array
    filled: Array
    drawn: Array
    is_exact: bool


def by_rejection(
    scm: Model,
    params: Params,
    key: Key,
    do: Mapping[str, Intervention],
    shapes: Shapes,
    states: dict[str, Array],
    predicates: tuple[tuple[str, Predicate], ...],
    *,
    num: int,
    max_draws: int,
) -> Accepted:
    """Draws until `num` units meet the conditions or `max_draws` were drawn.

    Args:
      scm: the model.
      params: its parameters.
      key: PRNG key.
      do: {node: intervention object}.
      shapes: {node: shape and dtype of one unit's value}, at least for the nodes in do.
      states: {node: state [] that it must have}.
      predicates: pairs of a node and what must be true of its value.
      num: number of units wanted.
      max_draws: bound on the number of units drawn (for each unit, where every unit has
        an intervention of its own).
    """

    def fill(key: Key, do: Mapping[str, Intervention], num: int, chunk: int):
        return _fill_in_rounds(
            scm, params, key, do, states, predicates, num, chunk, max_draws
        )

    axes = arguments.unit_axes(do, shapes)
    if not any(axis == 0 for axis in axes.values()):
        chunk = max(num, CHUNK)
        noise, filled, rounds = fill(key, do, num, chunk)
        met = jnp.arange(num) < filled
    else:
        chunk = LANE_CHUNK
        one_lane = partial(fill, num=1, chunk=chunk)
        noise, filled, rounds = jax.vmap(one_lane, in_axes=(0, axes))(
            jax.random.split(key, num), do
        )
        noise = jax.tree.map(lambda leaf: leaf[:, 0], noise)
        met = filled > 0
        filled = filled.sum()
    drawn = _saturated_product(rounds, chunk)
    return Accepted(noise=noise, met=met, filled=filled, drawn=drawn, is_exact=False)


def _saturated_product(rounds: Array, chunk: int) -> Array:
    """`sum(rounds) * chunk`, at most what an int32 holds, int32 []."""
    most = 2**31 - 1
    about = jnp.sum(rounds.astype(jnp.float32)) * chunk
    return jnp.where(about < 0.99 * most, jnp.sum(rounds) * chunk, most)


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
) -> tuple[Noise, Array, Array]:
    """Noise of up to `num` units, how many they are, and the number of rounds."""
    model, model_params = scm._substitute_parsed(params, do)
    max_rounds = min(-(-max_draws // chunk), 2**31 - 1)

    def meets_conditions(noise: Noise) -> Array:
        values = model.evaluate(model_params, noise)
        tests = [values[name] == state for name, state in states.items()]
        for name, fn in predicates:
            with messages.of_predicate(name):
                tests.append(jnp.all(fn(values[name])))
        return jnp.all(jnp.stack(tests))

    def one_round(before: tuple[Noise, Array, Array]) -> tuple[Noise, Array, Array]:
        noise_before, filled, rounds = before
        noise = model.sample_noise(jax.random.fold_in(key, rounds), chunk)
        keep = jax.vmap(meets_conditions)(noise)
        row = filled + jnp.cumsum(keep) - 1
        row = jnp.where(keep, row, num)  # out of range: dropped
        kept = jax.tree.map(
            lambda buffer, drawn: buffer.at[row].set(drawn, mode="drop"),
            noise_before,
            noise,
        )
        filled = jnp.minimum(filled + keep.sum(dtype=jnp.int32), num)
        return kept, filled, rounds + 1

    def is_unfinished(state: tuple[Noise, Array, Array]) -> Array:
        _, filled, rounds = state
        return (filled < num) & (rounds < max_rounds)

    shapes = jax.eval_shape(lambda: model.sample_noise(key, num))
    empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    start = (empty, jnp.int32(0), jnp.int32(0))
    return jax.lax.while_loop(is_unfinished, one_round, start)
