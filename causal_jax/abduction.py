"""Abduction: the units' noise, drawn from its posterior given what was observed.

A node whose parents and value are known is abducted by its own mechanism. Nodes that
were not observed are drawn first: from the prior where nothing observed lies below
them, by likelihood weighting (Fung & Chang 1990; Shachter & Peot 1990) elsewhere, with
one particle resampled by its weight. (Filling them from the prior there is wrong:
.055 against .624 in a three-node example.)
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx

from causal_jax.mechanism import Model
from causal_jax.types import Array, Key, Noise, Params, Values


@partial(jax.jit, static_argnames=("scm", "num_particles"))
def _abduct_batch(
    scm: Model, params: Params, key: Key, observed: Values, num_particles: int
) -> tuple[Noise, dict[str, Array]]:
    """`abduct`, for observed nodes that can be abducted."""
    num = jax.tree.leaves(observed)[0].shape[0]
    keys = jax.random.split(key, num)
    prior = scm.sample_noise(jax.random.fold_in(key, 0), num)

    def one_unit(key: Key, observed: Values, prior: Noise):
        if _hidden_above(scm, observed):
            prior = _weighted_noise(scm, params, key, observed, prior, num_particles)
        return _abduct_unit(scm, params, key, observed, prior)

    return jax.vmap(one_unit)(keys, observed, prior)


def abduct(
    scm: Model, params: Params, key: Key, observed: Values, num_particles: int
) -> tuple[Noise, dict[str, Array]]:
    """Draws noise for a batch of units.

    Args:
      scm: the model.
      params: its parameters.
      key: PRNG key.
      observed: {node: `[num, ...]`}, a subset of the nodes.
      num_particles: particles of likelihood weighting for each unit.

    Returns:
      noise: {node: `[num, ...]`}.
      consistent: {discrete observed node: bool [num]}: whether the noise gives the
        observed state back; where it does not, the model says it is impossible.

    Raises:
      ValueError: names an observed node that cannot be abducted, or weighted.
    """
    weighted = _hidden_above(scm, observed)
    for name in observed:
        mechanism = scm.mechanisms[name]
        if not hasattr(mechanism, "abduct"):
            raise ValueError(
                f"node {name!r} cannot be abducted ({type(mechanism).__name__} has no "
                "abduct): leave it out of the factual"
            )
        if weighted and not hasattr(mechanism, "log_prob"):
            raise ValueError(
                f"node {name!r} has no log_prob ({type(mechanism).__name__}), so the "
                f"unobserved {sorted(weighted)} cannot be inferred: observe them"
            )
    return _abduct_batch(scm, params, key, observed, num_particles)


def require_possible(consistent: dict[str, Array]) -> None:
    """Raises ValueError where a factual has probability zero; traced: does nothing."""
    for name, fits in consistent.items():
        if isinstance(fits, jax.core.Tracer):
            return
        if not bool(fits.all()):
            row = int(jnp.argmin(fits))
            raise ValueError(
                f"the factual is impossible under the model: the observed state of "
                f"{name!r} has probability zero given its parents (unit {row}, "
                f"{int((~fits).sum())} in all)"
            )


def _hidden_above(scm: Model, observed: Values) -> set[str]:
    """Unobserved nodes that have an observed descendant."""
    return {
        name
        for name in scm.nodes
        if name not in observed
        and any(below in observed for below in nx.descendants(scm.graph, name))
    }


def _abduct_unit(
    scm: Model, params: Params, key: Key, observed: Values, prior: Noise
) -> tuple[Noise, dict[str, Array]]:
    """Noise of ONE unit; unobserved nodes keep their prior noise."""
    values: Values = {}
    noise, consistent = dict(prior), {}
    for i, name in enumerate(scm.order):
        mechanism: Any = scm.mechanisms[name]  # where observed, it can abduct
        parents = tuple(values[parent] for parent in scm.parents[name])
        if name in observed:
            value = observed[name]
            noise[name] = mechanism.abduct(
                params[name], parents, value, jax.random.fold_in(key, i)
            )
            if scm.states(name):
                again = mechanism.apply(params[name], parents, noise[name])
                consistent[name] = again == value
            values[name] = value
        else:
            values[name] = mechanism.apply(params[name], parents, noise[name])
    return noise, consistent


def _weighted_noise(
    scm: Model,
    params: Params,
    key: Key,
    observed: Values,
    prior: Noise,
    num_particles: int,
) -> Noise:
    """`prior` with the hidden nodes' noise drawn by likelihood weighting; ONE unit."""
    key_noise, key_pick = jax.random.split(jax.random.fold_in(key, 1 << 16))
    noise = scm.sample_noise(key_noise, num_particles)

    def log_weight_of(noise: Noise) -> Array:
        values: Values = {}
        log_weight: Any = 0.0
        for name in scm.order:
            mechanism: Any = scm.mechanisms[name]  # where observed, it has log_prob
            parents = tuple(values[parent] for parent in scm.parents[name])
            if name in observed:
                values[name] = observed[name]
                log_weight += mechanism.log_prob(params[name], parents, values[name])
            else:
                values[name] = mechanism.apply(params[name], parents, noise[name])
        return log_weight

    log_weights = jax.vmap(log_weight_of)(noise)
    # All weights zero: any particle; its observed states are then inconsistent.
    floor = jnp.where(jnp.isneginf(log_weights.max()), 0.0, -jnp.inf)
    picked = jax.random.categorical(key_pick, jnp.maximum(log_weights, floor))
    chosen = jax.tree.map(lambda leaf: leaf[picked], noise)
    hidden = {name: chosen[name] for name in prior if name not in observed}
    return {**prior, **hidden}
