"""Likelihood weighting: hidden nodes' noise where no exact inference is at hand.

Noise is drawn from the prior in rounds, each particle weighs as much as what was
observed is probable under it (Fung & Chang 1990; Shachter & Peot 1990), and particles
are picked by weight while rounds come in: what is picked so far is replaced by one of
the new round with that round's share of all weight. Rounds end when the *effective*
number of particles (Kish 1965),

    (sum w)^2 / sum w^2,

is large enough, or too many were drawn. It is returned: where it is small, the picks
say nothing.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from causal_jax.factors import Group
from causal_jax.mechanism import Model, node_key
from causal_jax.types import Array, Key, Noise, Params, Values

EFFECTIVE = 256  # effective particles for as many units observed alike
ROUND = 4096  # particles drawn at once: small enough for a laptop's cache


class Picked(NamedTuple):
    """Picks for each row of evidence.

    Attributes:
      noise: {hidden node: `[rows, picks, ...]`}.
      effective: effective number of particles, `[rows]`.
    """

    noise: Noise
    effective: Array


class _Stream(NamedTuple):
    """What is known of one row's particles so far.

    Attributes:
      noise: {hidden node: `[picks, ...]`}.
      log_sum: log of the sum of the weights.
      log_squares: log of the sum of their squares.
      rounds: number of rounds.
    """

    noise: Noise
    log_sum: Array
    log_squares: Array
    rounds: Array

    @property
    def effective(self) -> Array:
        known = 2 * self.log_sum - self.log_squares
        return jnp.where(jnp.isneginf(self.log_sum), 0.0, jnp.exp(known))


@partial(
    jax.jit, static_argnames=("scm", "group", "num_picks", "num_particles", "effective")
)
def pick(
    scm: Model,
    params: Params,
    key: Key,
    group: Group,
    evidence: Values,
    is_used: Array,
    *,
    num_picks: int,
    num_particles: int,
    effective: int = EFFECTIVE,
) -> Picked:
    """Picks noise for every row of evidence.

    Args:
      scm: the model; every node of `group.below` has a `log_prob`.
      params: its parameters.
      key: PRNG key.
      group: hidden nodes and the observed ones below them.
      evidence: {node: `[rows, ...]`}, at least the group's evidence.
      is_used: bool `[rows]`; for the others nothing is drawn.
      num_picks: number of picks for each row.
      num_particles: number of particles drawn at most for each row.
      effective: the effective number of particles that is wanted.
    """
    max_rounds = min(-(-num_particles // ROUND), 2**31 - 1)
    size = min(num_particles, ROUND)

    def of_row(row: tuple[Key, Values, Array]) -> Picked:
        key, values, is_used = row

        def is_unfinished(stream: _Stream) -> Array:
            wanting = (stream.effective < effective) & (stream.rounds < max_rounds)
            return wanting & is_used

        def one_round(stream: _Stream) -> _Stream:
            key_round = jax.random.fold_in(key, stream.rounds)
            return _with_round(scm, params, key_round, group, values, stream, size)

        start = _empty(scm, group, num_picks)
        end = jax.lax.while_loop(is_unfinished, one_round, start)
        return Picked(noise=end.noise, effective=end.effective)

    keys = jax.random.split(key, is_used.shape[0])
    # The number of rounds is no constant, so nothing is differentiated through them.
    params = jax.lax.stop_gradient(params)
    known = {n: jax.lax.stop_gradient(evidence[n]) for n in group.evidence}
    return jax.lax.map(of_row, (keys, known, is_used))


def _empty(scm: Model, group: Group, num_picks: int) -> _Stream:
    shapes = jax.eval_shape(lambda: _noise(scm, jax.random.key(0), group, num_picks))
    return _Stream(
        noise=jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes),
        log_sum=jnp.float32(-jnp.inf),
        log_squares=jnp.float32(-jnp.inf),
        rounds=jnp.int32(0),
    )


def _noise(scm: Model, key: Key, group: Group, num: int) -> Noise:
    return {n: scm.mechanisms[n].noise(node_key(key, n), num) for n in group.hidden}


def _with_round(
    scm: Model,
    params: Params,
    key: Key,
    group: Group,
    evidence: Values,
    stream: _Stream,
    size: int,
) -> _Stream:
    """The stream with one more round of `size` particles."""
    key_noise, key_pick, key_keep = jax.random.split(key, 3)
    noise = _noise(scm, key_noise, group, size)
    log_weights = jax.vmap(partial(_log_weight, scm, params, group, evidence))(noise)
    log_weights = jnp.where(jnp.isnan(log_weights), -jnp.inf, log_weights)
    log_new = jax.nn.logsumexp(log_weights)
    log_sum = jnp.logaddexp(stream.log_sum, log_new)
    num_picks = jax.tree.leaves(stream.noise)[0].shape[0]
    picked = _picked_by_weight(key_pick, log_weights, num_picks)
    share = jnp.where(jnp.isneginf(log_new), 0.0, jnp.exp(log_new - log_sum))
    is_new = jax.random.uniform(key_keep, (num_picks,)) < share

    def merged(old: Array, new: Array) -> Array:
        mask = is_new.reshape(-1, *([1] * (old.ndim - 1)))
        return jnp.where(mask, new[picked], old)

    return _Stream(
        noise=jax.tree.map(merged, stream.noise, noise),
        log_sum=log_sum,
        log_squares=jnp.logaddexp(
            stream.log_squares, jax.nn.logsumexp(2 * log_weights)
        ),
        rounds=stream.rounds + 1,
    )


def _log_weight(
    scm: Model, params: Params, group: Group, evidence: Values, noise: Noise
) -> Array:
    """Log probability of what was observed below ONE particle's hidden values."""
    values: Values = dict(evidence)
    log_weight = jnp.zeros(())
    for name in (n for n in scm.order if n in group.factors):
        mechanism: Any = scm.mechanisms[name]  # where observed, it has log_prob
        parents = tuple(values[parent] for parent in scm.parents[name])
        if name in group.below:
            log_weight += mechanism.log_prob(params[name], parents, values[name])
        else:
            values[name] = mechanism.apply(params[name], parents, noise[name])
    return log_weight


def _picked_by_weight(key: Key, log_weights: Array, num: int) -> Array:
    """Indices of particles drawn by weight, int `[num]`."""
    top = log_weights.max()
    weights = jnp.exp(log_weights - jnp.where(jnp.isneginf(top), 0.0, top))
    edges = jnp.cumsum(weights)
    at = jax.random.uniform(key, (num,)) * edges[-1]
    return jnp.searchsorted(edges, at, side="right").clip(0, len(edges) - 1)
