"""How the noise of a discrete node and its state are coupled, in float32.

"inverse_cdf": one uniform in [0, 1), whose interval is the state (`upper_edges`,
`uniform_of_state`); "gumbel": one Gumbel variable a state, of which the state's wins
(`truncated_gumbel`). See `mechanism.Discrete`.
"""

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp

from causal_jax.types import Array, Key

_SPACING = 2.0**-24  # of float32 below one; a uniform is a multiple of twice that
HAIR = 1e-6  # about eight float32 spacings below one
_SPACINGS = 2.0**24  # in [0, 1]
_UNROLLED = 16  # states
_SUM_ERROR = 1e-6  # of a row, by rounding in float32
_Edge = tuple[Any, Any, Any]  # cumulated probability, edge, possible states


def uniform_of_state(
    probs: Array, value: Array, uniform: Array, hair: Array | float = HAIR
) -> Array:
    """`uniform` moved into the interval of a state of the inverse CDF.

    Args:
      probs: `[num_states]`; more states of probability zero at the end change nothing.
      value: the state, [].
      uniform: in [0, 1), [].
      hair: see `uniform_between`.
    """
    value = value.astype(jnp.int32)
    edges = jnp.concatenate([jnp.zeros(1), upper_edges(probs), jnp.ones(1)])
    return uniform_between(edges[value], edges[value + 1], uniform, hair)


def uniform_between(
    low: Array, high: Array, uniform: Array, hair: Array | float
) -> Array:
    """`uniform` moved between the edges of a state, of which `low` still is the state.

    Where they are equal, which no possible state's are, it is not between them.

    Args:
      low: lower edge, [].
      high: upper edge, [].
      uniform: in [0, 1), [].
      hair: how far off both edges it stays: the rounding of a network that is evaluated
        again in another program must not move the unit into the next state. It takes
        a little of the posterior with it, of a narrow state a thirtieth at most; a
        table's edges are the same in every program and need none.
    """
    hair = jnp.minimum(hair, (high - low) / 64)
    noise = low + hair + (high - low - 2 * hair) * uniform
    # Neither may the sum's own rounding, where the state is as narrow as a spacing.
    noise = jnp.maximum(jnp.minimum(noise, high - _SPACING), low)
    # One is no uniform: there a last state of probability zero would fit.
    return jnp.minimum(noise, 1 - _SPACING)


def upper_edges(probs: Any, xp: Any = jnp) -> Any:
    """Upper edges of all states but the last one, inside [0, 1].

    Edges are whole numbers of spacings, and every possible state is at least one
    spacing wide, however improbable: in float32 a state of 1e-8 beside one half would
    have no number of its own, and could not be imagined. A uniform that is drawn is an
    even number of spacings and falls where it fell before, as edges are rounded up.

    Args:
      probs: `[num_states, ...]`; further axes are of further laws.
      xp: numpy gives the same edges of concrete laws and compiles nothing.

    Returns:
      `[num_states - 1, ...]`.
    """
    probs = _float32(probs, xp)
    # Rows may miss one by the rounding of few digits: each state has its share of that.
    # One after the other: sums in another order would move edges between programs.
    if xp is jnp and probs.shape[0] > _UNROLLED:
        total = jax.lax.scan(lambda t, p: (t + p, None), probs[0], probs[1:])[0]
    else:
        total = functools.reduce(operator.add, probs)
    misses = (xp.abs(total - 1) > _SUM_ERROR) & (total > 0)
    divisor = xp.where(misses, total, xp.float32(1))
    start = (xp.zeros(probs.shape[1:], xp.float32),) * 3
    if xp is jnp and probs.shape[0] > _UNROLLED:
        (_, _, possible), (edges, below) = jax.lax.scan(
            lambda carry, prob: _next_edge(carry, prob / divisor), start, probs
        )
    else:  # element-wise programs compile and run fastest
        carry, found = start, []
        for prob in probs:
            carry, one = _next_edge(carry, prob / divisor, xp)
            found.append(one)
        edges, below = (xp.stack(each) for each in zip(*found, strict=True))
        possible = carry[2]
    above = possible - below  # possible states above the edge
    # Room for each of them; where there are none, no noise is left.
    edges = xp.where(above > 0, xp.minimum(edges, _SPACINGS - above), _SPACINGS)
    return edges[:-1] / _SPACINGS


def _float32(probs: Any, xp: Any) -> Any:
    """In float32, where of a wider type no possible state becomes an impossible one."""
    if probs.dtype == xp.float32:
        return probs
    smallest = xp.finfo(xp.float32).tiny
    possible = xp.maximum(probs, smallest).astype(xp.float32)
    return xp.where(probs > 0, possible, xp.float32(0))


def _next_edge(
    before: _Edge, prob: Any, xp: Any = jnp
) -> tuple[_Edge, tuple[Any, Any]]:
    """The edge above one more state, in spacings: float32 holds them exactly."""
    total, edge, possible = before
    total = total + prob
    next_edge = xp.maximum(xp.ceil(xp.minimum(total, 1) * _SPACINGS), edge + 1)
    edge = xp.where(prob > 0, next_edge, edge)
    possible = possible + (prob > 0).astype(xp.float32)
    return (total, edge, possible), (edge, possible)


def truncated_gumbel(key: Key, log_probs: Array, value: Array) -> Array:
    """Gumbels given that `value` won (Maddison et al. 2014; Oberst & Sontag 2019)."""
    value = value.astype(jnp.int32)
    key_top, key_rest = jax.random.split(key)
    top = jax.random.gumbel(key_top)  # the maximum; log_probs are normalised
    gumbels = jax.random.gumbel(key_rest, log_probs.shape)
    rest = -jnp.logaddexp(-(log_probs + gumbels), -top)
    winner = jnp.arange(log_probs.shape[0]) == value
    finite = jnp.isfinite(log_probs)
    # A hair below the winner, wide enough for the rounding of log p + (x - log p).
    size = 1 + jnp.abs(top) + jnp.max(jnp.where(finite, jnp.abs(log_probs), 0))
    perturbed = jnp.where(winner, top, jnp.minimum(rest, top - HAIR * size))
    # A state of probability zero never wins here: its Gumbel keeps its prior, and may
    # win in a counterfactual world.
    return jnp.where(finite, perturbed - log_probs, jnp.where(winner, top, gumbels))
