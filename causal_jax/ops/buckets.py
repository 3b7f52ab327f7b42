"""Bucket elimination in log space, then draws backward: tables in, states out.

A set of non-negative tables over discrete variables defines a law up to a constant,

    P(x) = 1/Z  prod_i table_i(x_scope_i).

Variables are eliminated one after the other (Dechter 1999, *Bucket elimination*). The
bucket of a variable is the product of all tables and messages that still speak of it;
summed over the variable it is a message to a later bucket, the last ones give Z. In the
reverse order each variable is then drawn from its bucket, given those drawn before it:
an exact draw from P. The order is static, a function of scopes and sizes alone.

Every table carries a last axis of *rows*: one law for each row, or an axis of one where
all rows share the table. What no row changes is computed once. Products are sums of
logs, and every table and message is divided by its largest entry: factors of 1e-30
neither vanish nor cost digits, and Z is zero only where every configuration has an
exact zero.

Each step is a program of its own where nobody compiles them as one: steps of the same
shapes then share it, and a chain of a thousand variables compiles two or three.
"""

from collections.abc import Sequence
from functools import lru_cache, partial, reduce
from itertools import combinations
from typing import NamedTuple

import jax
import jax.numpy as jnp

from causal_jax.types import Array


class Step(NamedTuple):
    """One variable's elimination.

    Attributes:
      variable: index of the variable.
      separator: the other variables of its bucket, ascending.
      tables: indices of the given tables that are in the bucket.
      messages: indices of the earlier steps whose messages are in it.
    """

    variable: int
    separator: tuple[int, ...]
    tables: tuple[int, ...]
    messages: tuple[int, ...]


class Plan(NamedTuple):
    """A static order of elimination; hashable.

    Attributes:
      sizes: number of states of each variable.
      scopes: variables of each table, in the order of its axes.
      steps: one for each variable.
      largest: entries of the largest bucket.
      total: entries of all buckets together.
    """

    sizes: tuple[int, ...]
    scopes: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]
    largest: float
    total: float


class Buckets(NamedTuple):
    """What elimination leaves for the draws.

    Attributes:
      weights: for each step `[states of its variable, *separator, rows or 1]`, the
        conditional law of the variable, its largest entry one.
      log_total: log Z, `[rows]`; minus infinity where no configuration is possible.
    """

    weights: tuple[Array, ...]
    log_total: Array


@lru_cache(maxsize=512)
def plan(scopes: tuple[tuple[int, ...], ...], sizes: tuple[int, ...]) -> Plan:
    """The order of elimination, by weighted min-fill (Koller & Friedman 2009, 9.4).

    Args:
      scopes: variables of each table, each named at most once.
      sizes: number of states of each variable; every variable is in some scope.

    >>> plan(((0,), (0, 1)), (2, 3)).largest
    6.0
    """
    neighbours = _neighbours(scopes, len(sizes))
    free_tables = dict(enumerate(scopes))
    free_messages: dict[int, tuple[int, ...]] = {}
    steps: list[Step] = []
    for variable in _min_fill_order(neighbours, sizes):
        tables = [i for i, scope in free_tables.items() if variable in scope]
        messages = [i for i, scope in free_messages.items() if variable in scope]
        inside = [v for i in tables for v in free_tables.pop(i)]
        inside += [v for i in messages for v in free_messages.pop(i)]
        separator = tuple(sorted(set(inside) - {variable}))
        free_messages[len(steps)] = separator
        steps.append(Step(variable, separator, tuple(tables), tuple(messages)))
    entries = [_entries(sizes, (s.variable, *s.separator)) for s in steps]
    return Plan(sizes, scopes, tuple(steps), max(entries), sum(entries))


def _neighbours(scopes: Sequence[Sequence[int]], num: int) -> dict[int, set[int]]:
    neighbours: dict[int, set[int]] = {variable: set() for variable in range(num)}
    for scope in scopes:
        for variable in scope:
            neighbours[variable] |= set(scope) - {variable}
    return neighbours


def _min_fill_order(neighbours: dict[int, set[int]], sizes: Sequence[int]) -> list[int]:
    """Variables, each time the one that joins the least; `neighbours` is consumed."""

    def cost(variable: int) -> tuple[float, float]:
        near = sorted(neighbours[variable])
        fill = sum(
            sizes[a] * sizes[b]
            for a, b in combinations(near, 2)
            if b not in neighbours[a]
        )
        return fill, _entries(sizes, (variable, *near))

    costs = {variable: cost(variable) for variable in neighbours}
    order = []
    while costs:
        variable = min(costs, key=lambda v: (*costs[v], v))
        near = neighbours.pop(variable)
        del costs[variable]
        for other in near:
            neighbours[other] |= near - {other}
            neighbours[other].discard(variable)
        for other in near.union(*(neighbours[other] for other in near)):
            costs[other] = cost(other)
        order.append(variable)
    return order


def _entries(sizes: Sequence[int], variables: Sequence[int]) -> float:
    result = 1.0  # a float: too many of them overflow no integer
    for variable in variables:
        result *= sizes[variable]
    return result


def eliminate_into_buckets(
    plan: Plan, log_tables: Sequence[Array], log_unary: Sequence[Array] = ()
) -> Buckets:
    """Eliminates every variable, keeping what `draw` needs.

    Args:
      plan: the order.
      log_tables: logs of the tables, `[*states of its scope, rows or 1]` each; minus
        infinity is allowed, plus infinity is not.
      log_unary: for each variable one more table `[states, rows or 1]`, or nothing.
    """
    messages: dict[int, Array] = {}
    weights = []
    scaled = [_scaled(table) for table in log_tables]
    log_total = reduce(jnp.add, (peak for _, peak in scaled), jnp.zeros(1))
    for i, step in enumerate(plan.steps):
        axes = (step.variable, *step.separator)
        terms = [(scaled[j][0], plan.scopes[j]) for j in step.tables]
        terms += [(messages.pop(j), plan.steps[j].separator) for j in step.messages]
        if log_unary:
            terms.append((log_unary[step.variable], (step.variable,)))
        places = tuple(tuple(axes.index(v) for v in scope) for _, scope in terms)
        weight, messages[i], peak = _eliminated(
            tuple(table for table, _ in terms), places, len(axes)
        )
        weights.append(weight)
        log_total = log_total + peak
    return Buckets(weights=tuple(weights), log_total=log_total)


@jax.jit
def _scaled(table: Array) -> tuple[Array, Array]:
    """The table divided by the largest entry of each row, and its log, `[rows]`."""
    peak = table.max(tuple(range(table.ndim - 1)))
    return table - jnp.where(jnp.isneginf(peak), 0.0, peak), peak


@partial(jax.jit, static_argnames=("places", "num_axes"))
def _eliminated(
    tables: tuple[Array, ...], places: tuple[tuple[int, ...], ...], num_axes: int
) -> tuple[Array, Array, Array]:
    """A step: its bucket's weights, the scaled message and what it was divided by.

    Args:
      tables: that are in the bucket.
      places: for each of them which axis of the bucket each of its axes is.
      num_axes: of the bucket, without the rows.
    """
    aligned = (_aligned(*each, num_axes) for each in zip(tables, places, strict=True))
    weight, message = _summed_out(reduce(jnp.add, aligned))
    return weight, *_scaled(message)


def _aligned(table: Array, places: Sequence[int], num_axes: int) -> Array:
    """The table with its axes in the bucket's order, of size one where absent."""
    order = sorted(range(len(places)), key=places.__getitem__)
    table = table.transpose(*order, len(places))
    return jnp.expand_dims(table, [i for i in range(num_axes) if i not in places])


def _summed_out(bucket: Array) -> tuple[Array, Array]:
    """The first axis' weights, their largest one, and the log of the sum over it."""
    top = bucket.max(0)  # no NaN where everything is minus infinity, no gradient
    top = jax.lax.stop_gradient(jnp.where(jnp.isneginf(top), 0.0, top))
    weight = jnp.exp(bucket - top)
    total = weight.sum(0)
    # Twice where, so that no gradient passes through the log of zero.
    log_sum = jnp.log(jnp.where(total > 0, total, 1.0))
    return weight, jnp.where(total > 0, top + log_sum, -jnp.inf)


def draw(
    plan: Plan, weights: Sequence[Array], uniforms: Array, rows: Array
) -> list[Array]:
    """An exact draw of all variables, for each unit from the law of its row.

    Args:
      plan: the order.
      weights: as in `Buckets`.
      uniforms: `[variables, units]` in [0, 1).
      rows: which row each unit belongs to, int `[units]`.

    Returns:
      For each variable its states, int32 `[units]`. A state of weight zero is never
      drawn, except where the row has no possible configuration.
    """
    states: list[Array] = [rows] * len(plan.sizes)
    for step, weight in zip(plan.steps[::-1], weights[::-1], strict=True):
        states[step.variable] = _drawn(
            weight,
            uniforms[step.variable],
            tuple(states[variable] for variable in step.separator),
            rows,
        )
    return states


@jax.jit
def _drawn(
    weight: Array, uniform: Array, others: tuple[Array, ...], rows: Array
) -> Array:
    """One variable's states given those of its separator, `[units]`."""
    # One index into all axes but the first: it compiles faster than one for each.
    index = jnp.zeros_like(rows)
    for size, state in zip(weight.shape[1:-1], others, strict=True):
        index = index * size + state
    if weight.shape[-1] > 1:
        index = index * weight.shape[-1] + rows
    flat = weight.reshape(weight.shape[0], -1)
    conditional = flat.at[:, index].get(mode="promise_in_bounds")
    return _picked(conditional, uniform)


def _picked(weights: Array, uniform: Array) -> Array:
    """The state by its inverse CDF; `weights` `[states, units]`."""
    edges = list(weights[:1])
    for weight in weights[1:]:  # unrolled: a scan takes longer to compile
        edges.append(edges[-1] + weight)
    total = edges.pop()
    # Where nothing is left above an edge, the last possible state is not passed.
    passed = [(uniform * total >= edge) & (edge < total) for edge in edges]
    none = jnp.zeros(jnp.shape(uniform), jnp.int32)
    return reduce(jnp.add, (p.astype(jnp.int32) for p in passed), none)


def marginals(plan: Plan, log_tables: Sequence[Array]) -> list[Array]:
    """P(variable) of each row: the derivative of log Z by the log of a unary table.

    Args:
      plan: the order.
      log_tables: as in `eliminate_into_buckets`.

    Returns:
      For each variable `[states, rows]`, summing to one over the states (all zero where
      the row has no possible configuration).
    """
    num_rows = max(table.shape[-1] for table in log_tables)
    unary = [jnp.zeros((size, num_rows)) for size in plan.sizes]

    def log_total(unary: list[Array]) -> tuple[Array, Array]:
        total = eliminate_into_buckets(plan, log_tables, unary).log_total
        return total.sum(), total

    laws, total = jax.grad(log_total, has_aux=True)(unary)
    return [jnp.where(jnp.isneginf(total), 0.0, law) for law in laws]
