"""Likelihood weighting: hidden nodes' noise where no exact inference is at hand.

Noise is drawn in rounds, each particle weighs as much as what was
observed is probable under it (Fung & Chang 1990; Shachter & Peot 1990), and particles
are picked by weight while rounds come in: what is picked so far is replaced by one of
the new round with that round's share of all weight. Rounds end when the *effective*
number of particles (Kish 1965),

    (sum w)^2 / sum w^2,

is large enough, or too many were drawn. It is returned: where it is small, the picks
say nothing.

Half of the particles are drawn from the prior. In each of the others one hidden node
with states is set to any of its possible ones, equally often, and what is below follows
(a defensive mixture, Hesterberg 1995): a state that the prior hardly ever draws may be
what was observed, and no weight would tell that it is missing. With m such nodes a
particle weighs as much as what was observed is probable under it, over

    1/2 + 1/2 mean_j (1 / k_j) / P(state of j | its parents),

k_j being the number of possible states. (Two rare causes at once are left to chance.)
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
        log_sum=jnp.asarray(-jnp.inf),
        log_squares=jnp.asarray(-jnp.inf),
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
    key_noise, key_pick, key_keep, key_set = jax.random.split(key, 4)
    keys = jax.random.split(key_set, size)
    weighed = partial(_weighed, scm, params, group, evidence)
    log_weights, noise = jax.vmap(weighed)(_noise(scm, key_noise, group, size), keys)
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


def _weighed(
    scm: Model, params: Params, group: Group, evidence: Values, noise: Noise, key: Key
) -> tuple[Array, Noise]:
    """ONE particle's log weight and its noise, of a node that is set another one."""
    values: Values = dict(evidence)
    noise, log_weight = dict(noise), jnp.zeros(())
    settable = [name for name in group.hidden if _is_settable(scm.mechanisms[name])]
    key_half, key_which, key_state, key_noise = jax.random.split(key, 4)
    which = jax.random.randint(key_which, (), 0, max(len(settable), 1))
    which = jnp.where(jax.random.bernoulli(key_half), which, -1)
    log_ratios = []
    for name in (n for n in scm.order if n in group.factors):
        mechanism: Any = scm.mechanisms[name]  # where observed, it has log_prob
        parents = tuple(values[parent] for parent in scm.parents[name])
        if name in group.below:
            log_weight += mechanism.log_prob(params[name], parents, values[name])
            continue
        if name not in settable:
            values[name] = mechanism.apply(params[name], parents, noise[name])
            continue
        log_law = mechanism.log_probs(params[name], parents)
        even = jnp.where(jnp.isneginf(log_law), -jnp.inf, 0.0)
        state = jax.random.categorical(key_state, even)
        other = mechanism.abduct(params[name], parents, state, key_noise)
        is_set = which == settable.index(name)
        noise[name] = jnp.where(is_set, other, noise[name])
        value = mechanism.apply(params[name], parents, noise[name])
        values[name] = value
        log_ratios.append(-jax.nn.logsumexp(even) - log_law[value])
    if log_ratios:
        log_mean = jax.nn.logsumexp(jnp.stack(log_ratios)) - jnp.log(len(log_ratios))
        log_weight -= jnp.logaddexp(0.0, log_mean) - jnp.log(2.0)
    return log_weight, noise


def _is_settable(mechanism: Any) -> bool:
    """Whether a node's noise can be drawn to fit any possible state."""
    return hasattr(mechanism, "log_probs") and hasattr(mechanism, "abduct")


def _picked_by_weight(key: Key, log_weights: Array, num: int) -> Array:
    """Indices of particles drawn by weight, int `[num]`."""
    top = log_weights.max()
    weights = jnp.exp(log_weights - jnp.where(jnp.isneginf(top), 0.0, top))
    edges = jnp.cumsum(weights)
    at = jax.random.uniform(key, (num,)) * edges[-1]
    return jnp.searchsorted(edges, at, side="right").clip(0, len(edges) - 1)
