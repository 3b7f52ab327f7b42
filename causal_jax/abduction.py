"""Abduction: the units' noise, drawn from its posterior given what was observed.

A node whose parents and value are known is abducted by its own mechanism. Unobserved
nodes that have an observed descendant are inferred first, see `posterior`: as states
that are then abducted like observed ones, or as noise. All others keep their prior.
(Filling the former from the prior is wrong: .055 against .624 in a three-node example.)
"""

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import chunked, factors, kinds, posterior
from causal_jax.coupling import uniform_between, uniform_of_state
from causal_jax.mechanism import Discrete, Mechanism, Model, node_key
from causal_jax.particles import EFFECTIVE
from causal_jax.tabular import Tabular
from causal_jax.types import Array, Key, Noise, Params, Values


class Abducted(NamedTuple):
    """What `SCM.posterior` returns; also inside `jit`, where nothing can be raised.

    Attributes:
      noise: {node: `[num, ...]`}, a draw from the posterior for each unit.
      effective: effective number of the particles behind each unit's draw, `[num]`;
        infinite where the draw is exact. A draw from a few says little.
      possible: whether each unit has a probability above zero, bool `[num]`; the noise
        of an impossible unit is undefined.
    """

    noise: Noise
    effective: Array
    possible: Array


class Findings(NamedTuple):
    """A draw of noise and what was found on the way.

    Attributes:
      noise: {node: `[num, ...]`}.
      fits: pairs of observed nodes and bool `[num]`: whether together they have a
        probability above zero given what else was observed.
      effective: pairs of hidden nodes and their effective particles, `[num]`.
    """

    noise: Noise
    fits: tuple[tuple[tuple[str, ...], Any], ...]
    effective: tuple[tuple[tuple[str, ...], Any], ...]


def abduct(
    scm: Model, params: Params, key: Key, observed: Values, num_particles: int
) -> Findings:
    """Draws noise for a batch of units.

    Args:
      scm: the model.
      params: its parameters.
      key: PRNG key.
      observed: {node: `[num, ...]`}, a subset of the nodes.
      num_particles: particles drawn at most for 256 units observed alike, where no
        exact engine applies.

    Raises:
      ValueError: names an observed node that cannot be abducted, or weighed.
    """
    require_laws(scm, observed)
    num = next(iter(observed.values())).shape[0]
    inferred = posterior.infer(scm, params, key, observed, num, num_particles)
    noise, consistent = noise_of_values(
        scm, params, key, observed, inferred.states, inferred.noise, {}, num=num
    )
    fits = [(group.below, possible) for group, possible in inferred.possible.items()]
    by_particles = {
        name: count
        for group, count in inferred.effective.items()
        for name in group.below
    }
    for name, fit in consistent.items():
        # Where every particle missed, a contradiction says nothing of the model.
        missed = by_particles[name] == 0 if name in by_particles else False
        fits.append(((name,), fit | missed))
    counts = [(group.hidden, count) for group, count in inferred.effective.items()]
    return Findings(noise=noise, fits=tuple(fits), effective=tuple(counts))


def require_laws(scm: Model, observed: Values) -> None:
    """Raises ValueError, by name: a node that cannot be abducted, or weighed."""
    for name in observed:
        if not hasattr(scm.mechanisms[name], "abduct"):
            raise ValueError(
                f"node {name!r} cannot be abducted "
                f"({type(scm.mechanisms[name]).__name__} has no abduct): leave it out "
                "of the factual"
            )
    for group in factors.groups(scm, observed):
        for name in group.below:
            if not hasattr(scm.mechanisms[name], "log_prob"):
                raise ValueError(
                    f"node {name!r} has no log_prob "
                    f"({type(scm.mechanisms[name]).__name__}), so the unobserved "
                    f"{sorted(group.hidden)} cannot be inferred: observe them"
                )


def noise_of_values(
    scm: Model,
    params: Params,
    key: Key,
    observed: Values,
    states: Values,
    noise: Noise,
    fixed: Values,
    *,
    num: int,
    free: frozenset[str] | None = None,
) -> tuple[Noise, dict[str, Array]]:
    """Noise that gives nodes their known values; every other node's is the prior's.

    Args:
      scm: the model.
      params: its parameters.
      key: PRNG key.
      observed: {node: `[num, ...]`}.
      states: {node: `[num]`}, inferred, so that they are possible.
      noise: {node: noise `[num, ...]`}, inferred; their values follow from it.
      fixed: {node: `[num, ...]`}: values that do not depend on the node's noise.
      num: number of units.
      free: as `undetermined` finds them; None where that is to be found.

    Returns:
      The noise of all nodes, and for observed nodes whether the value is possible given
      its parents, {node: bool `[num]`}.
    """
    key_prior, key_known = (jax.random.fold_in(key, i) for i in (0, 2))
    known = observed.keys() | states.keys()
    prior = {
        name: _prior(
            Tabular(2) if _is_uniform(mechanism) else mechanism,
            node_key(key_prior, name),
            num,
        )
        for name, mechanism in scm.mechanisms.items()
        if name not in noise and (name not in known or _is_uniform(mechanism))
    }
    uniforms = {name: prior[name] for name in known if name in prior}
    is_large = chunked.is_large(scm)
    of_known = _noise_node_by_node if is_large else _noise_of_known
    if free is None:
        free = undetermined(scm, params, known - uniforms.keys() - noise.keys())
    drawn, consistent = of_known(
        scm, params, key_known, observed, states, noise, fixed, uniforms, free, num=num
    )
    return prior | drawn, consistent


def _is_uniform(mechanism: Mechanism) -> bool:
    """Whether a node's noise is one uniform, and a state an interval of it."""
    is_plain = getattr(type(mechanism), "abduct", None) is Discrete.abduct
    return is_plain and mechanism.coupling == "inverse_cdf"


def undetermined(scm: Model, params: Params, known: Iterable[str]) -> frozenset[str]:
    """Nodes whose noise their values may say nothing of; where parameters are traced,
    all that could be such."""

    def is_free(name: str) -> bool:
        mechanism: Any = scm.mechanisms[name]
        if not _is_keyless(mechanism):
            return False
        found = mechanism.undetermined(params[name])
        return isinstance(found, jax.core.Tracer) or bool(np.any(found))

    return frozenset(filter(is_free, known))


def _is_keyless(mechanism: Mechanism) -> bool:
    """Whether `abduct` needs no key: `undetermined` says where the prior is drawn.

    A subclass with an `abduct` of its own gets its key unless it has that, too.
    """
    for kind in type(mechanism).__mro__:
        if "undetermined" in vars(kind) or "abduct" in vars(kind):
            return "undetermined" in vars(kind)
    return False


@partial(jax.jit, static_argnames=("mechanism", "num"))
def _prior(mechanism: Mechanism, key: Key, num: int) -> Noise:
    """A program of its own, compiled once for all nodes and patterns that are alike."""
    return mechanism.noise(key, num)


@partial(jax.jit, static_argnames=("scm", "free", "num"))
def _noise_of_known(
    scm: Model,
    params: Params,
    key: Key,
    observed: Values,
    states: Values,
    noise: Noise,
    fixed: Values,
    uniforms: Values,
    free: frozenset[str],
    *,
    num: int,
) -> tuple[Noise, dict[str, Array]]:
    """`noise_of_values`, of the nodes whose value or noise is known.

    `uniforms` are the prior's noise of the nodes that have states of intervals, `free`
    as `undetermined` has them.
    """
    values = _with_values_of(scm, params, noise, {**fixed, **states, **observed})
    drawn, consistent = dict(noise), {}
    for alike in _alike(scm, uniforms):
        of_unit = partial(_abduct_alike, scm, params, alike)
        found, fits = jax.vmap(of_unit)(values, uniforms)
        drawn |= found
        consistent |= fits
    for name in scm.order:
        if name not in drawn and (name in states or name in observed):
            drawn[name], consistent[name] = _abduct_units(
                scm.mechanisms[name],
                bool(scm.states(name)),
                params[name],
                _parents(scm, name, values),
                values[name],
                node_key(key, name),
                is_free=name in free,
                num=num,
            )
    return drawn, {n: fit for n, fit in consistent.items() if n in observed}


def _with_values_of(scm: Model, params: Params, noise: Noise, values: Values) -> Values:
    """The values, and those of the nodes whose noise is known."""
    values = dict(values)
    for name in (n for n in scm.order if n in noise):
        above = _parents(scm, name, values)
        values[name] = _values(scm.mechanisms[name], params[name], above, noise[name])
    return values


def _alike(scm: Model, uniforms: Values) -> list[list[str]]:
    """Nodes of similar numbers of states: they are compiled together."""
    by_size: dict[int, list[str]] = {}
    for name in (n for n in scm.order if n in uniforms):
        by_size.setdefault(_padded_size(scm.mechanisms[name]), []).append(name)
    return list(by_size.values())


def _padded_size(mechanism: Any) -> int:
    """The number of states, filled up with some of probability zero."""
    num = mechanism.num_states
    return num if num > 16 else next(size for size in (2, 4, 16) if num <= size)


def _abduct_alike(
    scm: Model, params: Params, names: list[str], values: Values, uniforms: Values
) -> tuple[Noise, dict[str, Array]]:
    """ONE unit's noise of nodes that are alike, and whether their states fit."""
    size = _padded_size(scm.mechanisms[names[0]])

    def padded_law(name: str) -> Array:
        mechanism: Any = scm.mechanisms[name]
        law = mechanism.probs(params[name], _parents(scm, name, values))
        return jnp.pad(law, (0, size - mechanism.num_states))

    laws = jnp.stack([padded_law(name) for name in names])
    states = jnp.stack([values[name].astype(jnp.int32) for name in names])
    stacked = jnp.stack([uniforms[name] for name in names])
    hairs = jnp.array([scm.mechanisms[name].hair for name in names])
    noise = jax.vmap(uniform_of_state)(laws, states, stacked, hairs)
    known = jnp.clip(states, 0, size - 1)
    fits = jnp.take_along_axis(laws, known[:, None], axis=1)[:, 0] > 0
    fits = fits & (states == known)
    return dict(zip(names, noise, strict=True)), dict(zip(names, fits, strict=True))


@partial(jax.jit, static_argnames=("mechanism", "has_states", "is_free", "num"))
def _abduct_units(
    mechanism: Any,
    has_states: bool,
    params: Params,
    parents: tuple,
    values: Array,
    key: Key,
    *,
    is_free: bool,
    num: int,
) -> tuple[Noise, Array]:
    """Noise of one node, and whether the values fit, as far as is known, `[num]`."""
    if not _is_keyless(mechanism):
        keys = jax.random.split(key, num)
        noise = jax.vmap(mechanism.abduct, (None, 0, 0, 0))(
            params, parents, values, keys
        )
    else:
        noise = jax.vmap(mechanism.abduct, (None, 0, 0, None))(
            params, parents, values, None
        )
        if is_free:  # a draw is dear, and hardly ever needed
            prior = mechanism.noise(key, num).astype(noise.dtype)
            noise = jnp.where(mechanism.undetermined(params), prior, noise)
    if hasattr(mechanism, "log_prob"):
        log_probs = jax.vmap(mechanism.log_prob, (None, 0, 0))(params, parents, values)
        return noise, log_probs > -jnp.inf  # no number is impossible, too
    if has_states:
        return noise, _values(mechanism, params, parents, noise) == values
    return noise, jnp.ones(num, bool)


# --- large models: programs of single nodes, compiled once for those that are alike ---


def _noise_node_by_node(
    scm: Model,
    params: Params,
    key: Key,
    observed: Values,
    states: Values,
    noise: Noise,
    fixed: Values,
    uniforms: Values,
    free: frozenset[str],
    *,
    num: int,
) -> tuple[Noise, dict[str, Array]]:
    """The same as `_noise_of_known`, to the last bit."""
    values = _with_values_of(scm, params, noise, {**fixed, **states, **observed})
    drawn, consistent = dict(noise), {}
    for name in scm.order:
        if name in drawn or not (name in states or name in observed):
            continue
        mechanism, above = scm.mechanisms[name], _parents(scm, name, values)
        kind = kinds.of_node(mechanism, params[name], kinds.shapes_of_units(above))
        if name in uniforms and isinstance(kind, kinds.Tables):
            edges, own = kind.one_table(params[name])
            found = _uniforms_of_table(
                kind, edges, own, above, values[name], uniforms[name]
            )
        elif name in uniforms:
            found = _uniforms_of_law(
                mechanism, params[name], above, values[name], uniforms[name]
            )
        else:
            found = _abduct_units(
                mechanism,
                bool(scm.states(name)),
                params[name],
                above,
                values[name],
                node_key(key, name),
                is_free=name in free,
                num=num,
            )
        drawn[name], fits = found
        if name in observed:
            consistent[name] = fits
    return drawn, consistent


@partial(jax.jit, static_argnames=("mechanism",))
def _values(mechanism: Mechanism, params: Params, parents: tuple, noise: Noise):
    return jax.vmap(mechanism.apply, (None, 0, 0))(params, parents, noise)


@partial(jax.jit, static_argnames=("kind",))
def _uniforms_of_table(
    kind: kinds.Tables,
    edges: Array,
    own: list,
    parents: tuple,
    states: Array,
    uniforms: Array,
) -> tuple[Array, Array]:
    """Uniforms in the intervals of states, and whether the states are possible."""

    def of_unit(parents: tuple, state: Array, uniform: Array) -> tuple[Array, Array]:
        inner = edges[kind.row(own, parents)]
        all_edges = jnp.concatenate([jnp.zeros(1), inner, jnp.ones(1)])
        known = jnp.clip(state, 0, len(all_edges) - 2)
        low, high = all_edges[known], all_edges[known + 1]
        return uniform_between(low, high, uniform, 0.0), (high > low) & (state == known)

    return jax.vmap(of_unit)(parents, states.astype(jnp.int32), uniforms)


@partial(jax.jit, static_argnames=("mechanism",))
def _uniforms_of_law(
    mechanism: Any, params: Params, parents: tuple, states: Array, uniforms: Array
) -> tuple[Array, Array]:
    """The same of a node with a law of its own."""

    def of_unit(parents: tuple, state: Array, uniform: Array) -> tuple[Array, Array]:
        probs = mechanism.probs(params, parents)
        known = jnp.clip(state, 0, len(probs) - 1)
        fits = (probs[known] > 0) & (state == known)
        return uniform_of_state(probs, known, uniform, mechanism.hair), fits

    return jax.vmap(of_unit)(parents, states.astype(jnp.int32), uniforms)


def _parents(scm: Model, name: str, values: Values) -> tuple:
    return tuple(values[parent] for parent in scm.parents[name])


def counted(findings: Findings, num: int) -> Abducted:
    """What was found, unit by unit."""
    possible: Any = np.ones(num, bool)
    effective: Any = np.full(num, np.inf, np.float32)
    for _, fits in findings.fits:
        possible = possible & fits
    for _, count in findings.effective:
        effective = jnp.minimum(effective, count)
    return Abducted(
        noise=findings.noise,
        effective=jnp.asarray(effective),
        possible=jnp.asarray(possible),
    )


def require_fitting(fits: dict[str, Array]) -> None:
    """Raises ValueError where an observed value is impossible, see `require_found`.

    Args:
      fits: for observed nodes whether their values are possible, {node: bool `[num]`}.
    """
    pairs = tuple(((name,), fit) for name, fit in fits.items())
    require_found(Findings(noise={}, fits=pairs, effective=()))


def require_found(findings: Findings) -> None:
    """Raises ValueError where a unit is impossible, or was seen too rarely.

    Traced values raise nothing: `SCM.posterior` returns the counts there.
    """
    if posterior.is_traced(findings.fits, findings.effective):
        return
    for names, fits in findings.fits:
        fits = np.asarray(fits)
        if not fits.all():
            shown = ", ".join(map(repr, names[:9]))
            raise ValueError(
                f"the factual is impossible under the model: what was observed of "
                f"{shown} has probability zero given what else was observed (unit "
                f"{int(np.argmin(fits))}, {int((~fits).sum())} in all)"
            )
    for hidden, count in findings.effective:
        count = np.asarray(count)
        if (count < EFFECTIVE).any():
            raise ValueError(
                f"unit {int(np.argmin(count))} is seen too rarely to be resampled: "
                f"{count.min():.0f} effective particles, {EFFECTIVE} are needed; "
                f"observe {', '.join(hidden[:9])}, or raise num_particles"
            )
