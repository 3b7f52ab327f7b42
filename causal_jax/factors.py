"""Which unobserved nodes an observation speaks of, and its factors over their states.

Only the unobserved nodes that have an observed descendant are touched by what was
observed; all others keep their prior. Given what was observed their law is

    P(h | o)  ~  prod_{i hidden} P(h_i | pa_i)  prod_{j observed below} p(o_j | pa_j)

with one factor for every hidden node and for every observed node that has a hidden
parent. Factors that share no hidden node are independent of each other, so the hidden
nodes fall into groups that are inferred one by one.
"""

import math
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from causal_jax.mechanism import Model, safe_log
from causal_jax.ops import buckets
from causal_jax.tabular import Tabular
from causal_jax.types import Array, Params, Values

MAX_TABLE = 1 << 16  # entries up to which a network is evaluated as a whole table


class Group(NamedTuple):
    """Hidden nodes that must be inferred together; hashable.

    Attributes:
      hidden: unobserved nodes, in topological order.
      below: the observed nodes with a parent among them, in topological order.
      evidence: the observed nodes that their factors depend on.
    """

    hidden: tuple[str, ...]
    below: tuple[str, ...]
    evidence: tuple[str, ...]

    @property
    def factors(self) -> tuple[str, ...]:
        """The nodes that have a factor."""
        return (*self.hidden, *self.below)


def groups(
    scm: Model, observed: Iterable[str], *, is_complete: bool = False
) -> tuple[Group, ...]:
    """The groups of hidden nodes that have observed descendants; all others are free.

    Args:
      scm: the model.
      observed: the names of the observed nodes.
      is_complete: groups of all unobserved nodes instead, the free ones too.
    """
    return _cached_groups(scm, frozenset(observed), is_complete)


@lru_cache(maxsize=512)
def _cached_groups(
    scm: Model, observed: frozenset[str], is_complete: bool
) -> tuple[Group, ...]:
    above = (
        set(scm.nodes)
        if is_complete
        else set().union(*(nx.ancestors(scm.graph, name) for name in observed))
    )
    hidden = above - observed
    joined = nx.Graph()
    joined.add_nodes_from(name for name in scm.order if name in hidden)
    for name in hidden | observed:
        members = [parent for parent in scm.parents[name] if parent in hidden]
        members += [name] if name in hidden else []
        nx.add_path(joined, members)
    return tuple(
        _group(scm, members, observed) for members in nx.connected_components(joined)
    )


def _group(scm: Model, members: set[str], observed: frozenset[str]) -> Group:
    hidden = tuple(name for name in scm.order if name in members)
    below = tuple(
        name
        for name in scm.order
        if name in observed and members & set(scm.parents[name])
    )
    families = {p for name in hidden + below for p in (*scm.parents[name], name)}
    evidence = tuple(name for name in scm.order if name in families - members)
    return Group(hidden=hidden, below=below, evidence=evidence)


def joined(scm: Model, parts: list[Group]) -> Group:
    """Several groups as one."""
    members = {
        field: {name for part in parts for name in getattr(part, field)}
        for field in Group._fields
    }
    ordered = {f: tuple(n for n in scm.order if n in m) for f, m in members.items()}
    return Group(**ordered)


def is_discrete(scm: Model, group: Group) -> bool:
    """Whether every factor is a table over the hidden nodes' states."""
    explicit = all(
        scm.states(name) is not None
        and hasattr(scm.mechanisms[name], "log_probs")
        and hasattr(scm.mechanisms[name], "abduct")
        for name in group.hidden
    )
    return explicit and all(hasattr(scm.mechanisms[n], "log_prob") for n in group.below)


@lru_cache(maxsize=512)
def plan(scm: Model, group: Group) -> buckets.Plan:
    """The order in which a discrete group's nodes are eliminated."""
    index = {name: i for i, name in enumerate(group.hidden)}
    scopes = tuple(
        tuple(index[member] for member in _members(scm, name, index))
        for name in group.factors
    )
    return buckets.plan(scopes, tuple(_num_states(scm, name) for name in group.hidden))


def _members(scm: Model, name: str, hidden: Iterable[str]) -> list[str]:
    """The hidden nodes of a node's factor, in the order of its table's axes."""
    return [member for member in (*scm.parents[name], name) if member in hidden]


def _num_states(scm: Model, name: str) -> int:
    return len(scm.states(name) or ())


def log_tables(
    scm: Model, params: Params, group: Group, evidence: Values
) -> list[Array]:
    """The factors of a discrete group, as `ops.buckets` takes them.

    Args:
      scm: the model.
      params: its parameters.
      group: see `is_discrete`.
      evidence: {node: `[rows, ...]`}, at least the group's evidence.

    Returns:
      For each node of `group.factors` the log of its mass or density at the evidence,
      `[*states of its hidden parents, its own if it is hidden, rows or 1]`.
    """
    return [_log_table(scm, params, name, group, evidence) for name in group.factors]


def _log_table(
    scm: Model, params: Params, name: str, group: Group, evidence: Values
) -> Array:
    family = (*scm.parents[name], name)
    sizes = tuple(_num_states(scm, member) for member in family)
    mechanism = scm.mechanisms[name]
    known = tuple(member not in group.hidden for member in family)
    values = tuple(
        evidence[n] for n, is_known in zip(family, known, strict=True) if is_known
    )
    if all(sizes) and hasattr(mechanism, "log_probs"):
        if type(mechanism) is Tabular:  # a subclass may have another law
            return _sliced(params[name]["probs"], values, known)
        if math.prod(sizes) <= MAX_TABLE:
            return _on_grid(mechanism, params[name], values, known, sizes[:-1])
    return _evaluated(mechanism, params[name], values, known, sizes[:-1])


# Programs of single factors, shared by those that are alike; see `ops.buckets`.


@partial(jax.jit, static_argnames=("known",))
def _sliced(probs: Array, values: tuple[Array, ...], known: tuple[bool, ...]) -> Array:
    """Logs of a table over the whole family, at the states of those who were observed.

    Args:
      probs: `[*states of the parents, own states]`.
      values: states of the observed members, `[rows]` each.
      known: whether each member is observed.
    """
    return _at_states(safe_log(probs), values, known)


def _at_states(
    table: Array, values: tuple[Array, ...], known: tuple[bool, ...]
) -> Array:
    places = [i for i, is_known in enumerate(known) if is_known]
    if not places:
        return table[..., None]
    table = jnp.moveaxis(table, places, range(len(places)))
    return jnp.moveaxis(table[tuple(v.astype(jnp.int32) for v in values)], 0, -1)


@partial(jax.jit, static_argnames=("mechanism", "known", "sizes"))
def _on_grid(
    mechanism: Any,
    params: Params,
    values: tuple[Array, ...],
    known: tuple[bool, ...],
    sizes: tuple[int, ...],
) -> Array:
    """log P(state | parents) of all parents' states, then as `_sliced`.

    `sizes` are the parents' numbers of states.
    """
    laws = jax.vmap(lambda row: mechanism.log_probs(params, tuple(row)))
    table = laws(configurations(sizes)).reshape(*sizes, -1)
    return _at_states(table, values, known)


@partial(jax.jit, static_argnames=("mechanism", "known", "sizes"))
def _evaluated(
    mechanism: Any,
    params: Params,
    values: tuple[Array, ...],
    known: tuple[bool, ...],
    sizes: tuple[int, ...],
) -> Array:
    """A factor that is no table: at every row and all states of the hidden parents."""
    hidden_sizes = [
        size for size, is_known in zip(sizes, known, strict=False) if not is_known
    ]

    def one(values: tuple[Array, ...], states: Array) -> Array:
        left, drawn = iter(values), iter(states)
        family = [next(left if is_known else drawn) for is_known in known[:-1]]
        if not known[-1]:
            return mechanism.log_probs(params, tuple(family))
        return mechanism.log_prob(params, tuple(family), next(left))

    of_all_states = jax.vmap(one, in_axes=(None, 0))
    grid = configurations(hidden_sizes)
    if not values:
        table = of_all_states(values, grid)[None]
    else:
        table = jax.vmap(of_all_states, in_axes=(0, None))(values, grid)
    table = table.reshape(table.shape[0], *hidden_sizes, *table.shape[2:])
    return jnp.moveaxis(table, 0, -1)


def configurations(sizes: Iterable[int]) -> Array:
    """All configurations of variables of these sizes, int32 `[C, variables]`."""
    sizes = tuple(sizes)
    grid = np.indices(sizes).reshape(len(sizes), math.prod(sizes))
    return jnp.asarray(grid.T, jnp.int32)
