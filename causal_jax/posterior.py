"""What was not observed, drawn from its posterior given what was.

Each group of hidden nodes (see `factors`) is inferred by the best engine that applies:

    discrete, explicit laws   elimination and backward draws (`ops.buckets`)    exact
    linear-Gaussian           Matheron's rule (`linear.draw_noise`)             exact
    anything else             weighted particles (`particles.pick`)  until enough count

Units that share their evidence share its messages, and 256 of them its particles (more
have others: their means are to be as precise as their number says). Concrete
observations are worked off in blocks of rows and blocks of units, always of the same
shapes: one compilation serves every set of units of a pattern of observed nodes, and
memory is bounded. Inside `jit` every unit is a row of its own.
"""

import warnings
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import factors, linear, particles
from causal_jax.factors import Group
from causal_jax.mechanism import Model, node_key
from causal_jax.ops import buckets
from causal_jax.ops import rows as rows_of
from causal_jax.types import Array, Key, Noise, Params, Values

MAX_BUCKET = 1 << 20  # entries of the largest table that elimination may form
NUM_PARTICLES = 1 << 24  # drawn at most for 256 units observed alike
_BLOCK_ENTRIES = 1 << 19  # numbers in all buckets of a block of rows: 2 MB
_MANY_NODES = 50  # below, a group's elimination is one program
_BLOCK_UNITS = 1024  # units drawn at once
_FEWER = 16  # times as many at once where each step is dispatched by itself
_BLOCK_ROWS = 64  # rows of evidence whose particles are drawn in one call
_ALIKE = particles.EFFECTIVE  # units that share what was drawn for them


class Inferred(NamedTuple):
    """A draw of the hidden nodes that have observed descendants.

    Attributes:
      states: {node: int32 `[num]`}, of those inferred as states.
      noise: {node: noise `[num, ...]`}, of the others.
      possible: for each exact discrete group and each unit, whether what was observed
        has a probability above zero, {group: bool `[num]`}.
      effective: {group of particles: effective particles of each unit, `[num]`}.
    """

    states: Values
    noise: Noise
    possible: dict[Group, Any]
    effective: dict[Group, Any]


def engine(scm: Model, group: Group) -> Literal["tables", "linear", "particles"]:
    """Which engine infers a group; warns where tables would be too large."""
    if linear.is_linear(scm, group):
        return "linear"
    if not factors.is_discrete(scm, group):
        return "particles"
    largest = factors.plan(scm, group).largest
    if largest > MAX_BUCKET:
        warnings.warn(
            f"exact inference of {len(group.hidden)} unobserved nodes would need a "
            f"table of {largest:.1e} numbers, at most {MAX_BUCKET:.1e} are tried: "
            "units are drawn from the prior and weighed or rejected instead; observe "
            "more nodes",
            stacklevel=2,
        )
        return "particles"
    return "tables"


def infer(
    scm: Model,
    params: Params,
    key: Key,
    observed: Values,
    num: int,
    num_particles: int = NUM_PARTICLES,
) -> Inferred:
    """Draws every hidden node that has an observed descendant.

    Args:
      scm: the model.
      params: its parameters.
      key: PRNG key.
      observed: {node: `[num, ...]`, or `[1, ...]` where all units share it}.
      num: number of units.
      num_particles: drawn at most for 256 units observed alike, where no engine is
        exact.
    """
    states, noise, possible, effective = {}, {}, {}, {}
    key = jax.random.fold_in(key, 1 << 16)  # not the key of any node's noise
    if num == 0:
        hidden = [n for g in factors.groups(scm, observed) for n in g.hidden]
        noise = {name: scm.mechanisms[name].noise(key, 0) for name in hidden}
        return Inferred(states={}, noise=noise, possible={}, effective={})
    for kind, group in _work(scm, observed):
        evidence = {name: observed[name] for name in group.evidence}
        if kind == "tables":
            drawn, fits = _draw_states(scm, params, key, group, evidence, num)
            states |= drawn
            possible[group] = fits
        elif kind == "linear":
            spread = {n: jnp.broadcast_to(v, (num,)) for n, v in evidence.items()}
            noise |= linear.draw_noise(scm, params, key, group, spread, num)
        else:
            key_group = node_key(key, group.hidden[0])
            picked, count = _pick_noise(
                scm, params, key_group, group, evidence, num, num_particles
            )
            noise |= picked
            effective[group] = count
    return Inferred(states=states, noise=noise, possible=possible, effective=effective)


def _work(scm: Model, observed: Values) -> list[tuple[str, Group]]:
    """Engines and their groups; those of tables joined, to be compiled only once."""
    work = [(engine(scm, group), group) for group in factors.groups(scm, observed)]
    tables = [group for kind, group in work if kind == "tables"]
    rest = [(kind, group) for kind, group in work if kind != "tables"]
    return [("tables", factors.joined(scm, tables)), *rest] if tables else rest


def is_traced(*trees: Any) -> bool:
    """Whether values are only known inside `jit` or another transformation."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(trees))


# --- tables -------------------------------------------------------------------------


def marginals(scm: Model, params: Params, observed: Values) -> dict[str, Array]:
    """Exact posterior marginals of all unobserved nodes.

    Args:
      scm: the model.
      params: its parameters.
      observed: {node: `[num, ...]`}.

    Returns:
      {unobserved node: `[num, states]`}, each summing to one, all zero where what was
      observed is impossible.

    Raises:
      ValueError: unobserved nodes have no exact discrete posterior.
    """
    result = {}
    num = next(iter(observed.values())).shape[0]
    groups = factors.groups(scm, observed, is_complete=True)
    below = {name for group in groups for name in group.below}
    others = tuple(name for name in scm.order if name in observed.keys() - below)
    # Of many nodes one program would take minutes to compile: those alike share theirs.
    fit = _fit if len(others) < _MANY_NODES else _fit.__wrapped__
    possible = fit(scm, params, observed, others)
    for group in groups:
        if engine(scm, group) != "tables":
            raise ValueError(
                f"the unobserved {', '.join(group.hidden[:9])} have no exact discrete "
                "posterior: observe them"
            )
        evidence = {name: observed[name] for name in group.evidence}
        found = _marginals(scm, params, group, evidence)
        result |= {n: jnp.broadcast_to(x, (num, x.shape[1])) for n, x in found.items()}
        possible = possible & (result[group.hidden[0]].sum(1) > 0)
    return {name: jnp.where(possible[:, None], x, 0) for name, x in result.items()}


@partial(jax.jit, static_argnames=("scm", "names"))
def _fit(scm: Model, params: Params, observed: Values, names: tuple[str, ...]) -> Array:
    """Whether nodes are possible that are observed as all their parents are."""
    result = jnp.ones(len(next(iter(observed.values()))), bool)
    for name in names:
        mechanism = scm.mechanisms[name]
        if hasattr(mechanism, "log_prob"):
            parents = tuple(observed[parent] for parent in scm.parents[name])
            result &= _fits(mechanism, params[name], parents, observed[name])
    return result


@partial(jax.jit, static_argnames="mechanism")
def _fits(mechanism: Any, params: Params, parents: tuple, value: Array) -> Array:
    log_probs = jax.vmap(mechanism.log_prob, (None, 0, 0))(params, parents, value)
    return log_probs > -jnp.inf


@partial(jax.jit, static_argnames=("scm", "group"))
def _marginals(
    scm: Model, params: Params, group: Group, evidence: Values
) -> dict[str, Array]:
    plan = factors.plan(scm, group)

    def of_rows(evidence: Values) -> dict[str, Array]:
        tables = factors.log_tables(scm, params, group, evidence)
        found = buckets.marginals(plan, tables)
        return {name: law.T for name, law in zip(group.hidden, found, strict=True)}

    if not evidence:
        return of_rows({})
    num = next(iter(evidence.values())).shape[0]
    return rows_of.map_blocks(of_rows, num, _rows_in_block(plan), evidence)


def _eliminate(
    scm: Model, params: Params, group: Group, evidence: Values
) -> buckets.Buckets:
    tables = factors.log_tables(scm, params, group, evidence)
    return buckets.eliminate_into_buckets(factors.plan(scm, group), tables)


_eliminated = partial(jax.jit, static_argnames=("scm", "group"))(_eliminate)


@partial(jax.jit, static_argnames=("plan",))
def _drawn(
    plan: buckets.Plan, weights: tuple[Array, ...], uniforms: Array, rows: Array
) -> Array:
    return jnp.stack(buckets.draw(plan, weights, uniforms, rows))


def _draw_states(
    scm: Model, params: Params, key: Key, group: Group, evidence: Values, num: int
) -> tuple[Values, Any]:
    """States of a discrete group, and whether its evidence is possible, `[num]`."""
    uniforms = [_uniform(node_key(key, name), num) for name in group.hidden]
    draw = _draw_traced if is_traced(params, key, evidence) else _draw_in_blocks
    states, possible = draw(scm, params, group, evidence, uniforms)
    return dict(zip(group.hidden, states, strict=True)), possible


@partial(jax.jit, static_argnames=("num",))
def _uniform(key: Key, num: int) -> Array:
    return jax.random.uniform(key, (num,))


def _rows_in_block(plan: buckets.Plan) -> int:
    return int(min(max(_BLOCK_ENTRIES // plan.total, 1), _BLOCK_UNITS))


def _draw_in_blocks(
    scm: Model, params: Params, group: Group, evidence: Values, uniforms: list[Array]
) -> tuple[Any, Any]:
    plan = factors.plan(scm, group)
    # Of many nodes one program would take minutes to compile: each step has its own.
    is_large = len(group.hidden) >= _MANY_NODES
    eliminate = _eliminate if is_large else _eliminated
    draw = buckets.draw if is_large else _drawn
    uniforms = np.stack(uniforms)
    num_hidden, num = uniforms.shape
    size = _BLOCK_UNITS * (_FEWER if is_large and num > _FEWER * _BLOCK_UNITS else 1)
    rows = rows_of.distinct(evidence, num)
    drawn = []
    possible = np.empty(num, bool)
    for start, values, units in rows_of.blocks(rows, _rows_in_block(plan)):
        weights, log_total = eliminate(scm, params, group, values)
        possible[units] = (np.asarray(log_total) > -np.inf)[rows.row[units] - start]
        for part in rows_of.parts(units, size):
            full = rows_of.padded(part, size)
            row = rows.row[full] - start
            drawn.append((part, draw(plan, weights, uniforms[:, full], row)))
    states = np.empty((num_hidden, num), np.int32)
    for part, values in drawn:
        states[:, part] = np.asarray(values)[:, : len(part)]
    return states, possible


def _draw_traced(
    scm: Model, params: Params, group: Group, evidence: Values, uniforms: list[Array]
) -> tuple[Array, Array]:
    uniforms = jnp.stack(uniforms)
    plan, num = factors.plan(scm, group), uniforms.shape[1]
    if all(value.shape[0] == 1 for value in evidence.values()):
        weights, log_total = _eliminated(scm, params, group, evidence)
        states = _drawn(plan, weights, uniforms, jnp.zeros(num, jnp.int32))
        return states, jnp.broadcast_to(log_total > -jnp.inf, (num,))
    rows = {n: jnp.broadcast_to(v, (num, *v.shape[1:])) for n, v in evidence.items()}

    def block(rows: Values, uniforms: Array) -> tuple[Array, Array]:
        weights, log_total = _eliminated(scm, params, group, rows)
        count = jnp.arange(uniforms.shape[0])
        states = _drawn(plan, weights, uniforms.T, count)
        return states.T, jnp.broadcast_to(log_total > -jnp.inf, count.shape)

    states, possible = rows_of.map_blocks(
        block, num, _rows_in_block(plan), rows, uniforms.T
    )
    return states.T, possible


# --- particles ------------------------------------------------------------------------


def _pick_noise(
    scm: Model,
    params: Params,
    key: Key,
    group: Group,
    evidence: Values,
    num: int,
    num_particles: int,
) -> tuple[Noise, Any]:
    """Noise of a group by particles, and the effective number of each unit, `[num]`."""
    if is_traced(params, key, evidence):
        rows = {
            n: jnp.broadcast_to(v, (num, *v.shape[1:])) for n, v in evidence.items()
        }
        picked = particles.pick(
            scm,
            params,
            key,
            group,
            rows,
            jnp.ones(num, bool),
            num_picks=1,
            num_particles=num_particles,
        )
        return jax.tree.map(lambda leaf: leaf[:, 0], picked.noise), picked.effective
    return _pick_in_blocks(scm, params, key, group, evidence, num, num_particles)


def _pick_in_blocks(
    scm: Model,
    params: Params,
    key: Key,
    group: Group,
    evidence: Values,
    num: int,
    num_particles: int,
) -> tuple[Noise, Any]:
    rows = rows_of.split(rows_of.distinct(evidence, num), _ALIKE)
    counts = np.bincount(rows.row)
    num_picks = 1 if counts.max() == 1 else _ALIKE
    rank = np.empty(num, int)  # of each unit among those of its row
    rank[rows.order] = np.arange(num) - np.repeat(np.cumsum(counts) - counts, counts)
    effective, found = np.empty(num, np.float32), []
    for start, values, units in rows_of.blocks(rows, _BLOCK_ROWS):
        is_used = np.arange(start, start + _BLOCK_ROWS) < len(counts)
        picked = particles.pick(
            scm,
            params,
            jax.random.fold_in(key, start),
            group,
            values,
            is_used,
            num_picks=num_picks,
            num_particles=num_particles,
        )
        row = rows.row[units] - start
        effective[units] = np.asarray(picked.effective)[row]
        at = (row, rank[units])
        found.append(
            jax.tree.map(lambda leaf, at=at: np.asarray(leaf)[at], picked.noise)
        )
    joined = jax.tree.map(lambda *parts: np.concatenate(parts), *found)
    back = np.argsort(rows.order)
    return jax.tree.map(lambda leaf: leaf[back], joined), effective
