"""Kinds of nodes: what is alike is traced and compiled once, however often it stands.

Two nodes are of one kind where their mechanisms are equal, their parameters and their
parents' values have the same shapes, and interventions of the same sort are made on
them. Tables of different shapes are one kind, too: their rows stand below each other in
one array, filled up with states of probability zero.

The functions of a kind are about ONE node and ONE unit; `chunked` maps them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import messages
from causal_jax.coupling import upper_edges
from causal_jax.interventions import Set
from causal_jax.mechanism import Intervention, Mechanism, Model
from causal_jax.tabular import Tabular
from causal_jax.types import Array, Key, Noise, Params, Shapes

Shape = jax.ShapeDtypeStruct
_STATE = Shape((), jnp.int32)
_SIZES = tuple(4**power for power in range(2, 16))  # rows of a table that stands alone


@dataclasses.dataclass(frozen=True)
class Alike:
    """Nodes with equal mechanisms and equal sorts of interventions.

    Attributes:
      mechanism: theirs; None where the value is set, whatever it would have been.
      structure: of one node's pair of parameters and intervention, or None.
      leaves: shapes of its leaves.
      axes: for each leaf 0 where it has a first axis of units, else None.
      parents: shapes of one unit's parents.
    """

    mechanism: Any
    structure: Any
    leaves: tuple[Shape, ...]
    axes: tuple[int | None, ...]
    parents: tuple[Shape, ...]

    def apply(self, shared: Any, own: list, parents: tuple, noise: Noise) -> Array:
        """The value of one unit of one node with the leaves `own`."""
        del shared
        params, item = jax.tree.unflatten(self.structure, own)
        if self.mechanism is None:
            return item.value
        mechanism = self.mechanism
        if item is not None:
            mechanism, params = item.substitute(mechanism, params)
        return mechanism.apply(params, parents, noise)

    @property
    def is_set(self) -> bool:
        """Whether neither parents nor noise count."""
        return self.mechanism is None

    @property
    def is_intervened(self) -> bool:
        return self._item is not None

    @property
    def has_fresh_noise(self) -> bool:
        return self._item is not None and self._item.fresh_noise

    @property
    def _item(self) -> Intervention | None:
        return jax.tree.unflatten(self.structure, self.leaves)[1]

    @cached_property
    def _noisy(self) -> Mechanism | None:
        """The mechanism that draws the noise: the one that stands there afterwards."""
        found = [self.mechanism]

        def substituted(leaves: list) -> None:
            params, item = jax.tree.unflatten(self.structure, leaves)
            found.append(item.substitute(self.mechanism, params)[0])

        if self.is_intervened and self.mechanism is not None:
            jax.eval_shape(substituted, list(self.leaves))
        return found[-1]

    def noise(self, key: Key, num: int) -> Noise:
        """The noise of `num` units of one node; None where it is not used."""
        return None if self._noisy is None else self._noisy.noise(key, num)

    def stacked(self, pairs: Sequence[tuple[Params, Any]]) -> tuple[None, list]:
        """What nodes share, nothing, and their own leaves, stacked."""
        leaves = [jax.tree.leaves(pair) for pair in pairs]
        return None, [stack(each) for each in zip(*leaves, strict=True)]


@dataclasses.dataclass(frozen=True)
class Tables:
    """Tables of inverse CDFs (`Tabular`), of any numbers of states and parents.

    Attributes:
      num_states: of all, the fewer ones filled up; a power of two, so that the state is
        found in log2 steps.
      num_parents: of all; those with fewer have parents that do not count.
    """

    num_states: int
    num_parents: int

    is_set = is_intervened = has_fresh_noise = False

    @property
    def parents(self) -> tuple[Shape, ...]:
        return (_STATE,) * self.num_parents

    @property
    def axes(self) -> tuple[None, None]:
        return None, None

    def apply(self, shared: Array, own: list, parents: tuple, noise: Array) -> Array:
        """The number of upper edges not above the noise, as in `Discrete.apply`."""
        row = self.row(own, parents)
        state, step = jnp.int32(0), self.num_states // 2
        while step:
            at = shared.at[row, state + step - 1]
            edge = at.get(mode="promise_in_bounds")
            state = state + jnp.where(noise >= edge, step, 0)
            step //= 2
        return state.astype(jnp.int32)

    def row(self, own: list, parents: tuple) -> Array:
        """The row of the shared table that holds the law given the parents."""
        row, strides = own
        for i, parent in enumerate(parents):
            row = row + strides[i] * parent
        return row

    def noise(self, key: Key, num: int) -> Array:
        return Tabular(2).noise(key, num)

    def stacked(self, pairs: Sequence[tuple[Params, None]]) -> tuple[Any, list]:
        """Edges of all tables' rows, `[rows, num_states - 1]`, and how to read them.

        By numpy where the tables are concrete, so that nothing is compiled.
        """
        tables = [params["probs"] for params, _ in pairs]
        xp = np if all(map(is_concrete, tables)) else jnp
        rows, first, strides = [], [0], []
        for table in tables:
            *parent_states, num_states = table.shape
            flat = xp.asarray(table).reshape(-1, num_states)
            rows.append(xp.pad(flat, ((0, 0), (0, self.num_states - num_states))))
            first.append(first[-1] + len(flat))
            above = np.cumprod([1, *parent_states[::-1]])[:-1][::-1]
            strides.append(np.pad(above, (0, self.num_parents - len(above))))
        laws = xp.concatenate(rows)
        if laws.dtype == np.float32:  # below its smallest number as XLA has it
            laws = xp.where(laws < np.finfo(np.float32).tiny, 0, laws)
        own = [np.array(first[:-1], np.int32), np.array(strides, np.int32)]
        return upper_edges(laws.T, xp).T, own

    def one_table(self, params: Params) -> tuple[Any, list]:
        """The same of one node, in one of few shapes."""
        edges, own = self.stacked([(params, None)])
        xp = np if is_concrete(edges) else jnp
        size = next(size for size in _SIZES if len(edges) <= size)
        padded = xp.pad(edges, ((0, size - len(edges)), (0, 0)))
        return padded, [leaf[0] for leaf in own]


Kind = Alike | Tables


def of_node(
    mechanism: Mechanism,
    params: Params,
    parents: tuple[Shape, ...],
    item: Intervention | None = None,
    axis: int | None = None,
) -> Kind:
    """The kind of one node.

    Args:
      mechanism: its own.
      params: its parameters, or their shapes.
      parents: shapes of one unit's parents.
      item: the intervention on it, or its shapes.
      axis: 0 where the intervention has a first axis of units.
    """
    if item is None and _is_table(mechanism, parents):
        return Tables(
            _power_at_least(mechanism.num_states, (2, 4, 16)),
            _power_at_least(len(parents), (4,)),
        )
    if isinstance(item, Set):
        mechanism, params, parents = None, {}, ()
    shapes, structure = jax.tree.flatten((params, item))
    num = len(jax.tree.leaves(params))
    return Alike(
        mechanism=mechanism,
        structure=structure,
        leaves=tuple(map(_shape, shapes)),
        axes=(None,) * num + (axis,) * (len(shapes) - num),
        parents=parents,
    )


def _is_table(mechanism: Mechanism, parents: tuple[Shape, ...]) -> bool:
    is_plain = type(mechanism) is Tabular and mechanism.coupling == "inverse_cdf"
    return is_plain and all(parent == _STATE for parent in parents)


def _power_at_least(num: int, sizes: Sequence[int]) -> int:
    """The first of `sizes` that is enough, or the next power of two."""
    fitting = [size for size in sizes if size >= num]
    return fitting[0] if fitting else 1 << (num - 1).bit_length()


@lru_cache(maxsize=4096)
def value_shape(kind: Kind) -> Shape:
    """Shape and dtype of one unit's value."""
    if isinstance(kind, Tables):
        return _STATE
    own = [
        Shape(leaf.shape[1:] if axis == 0 else leaf.shape, leaf.dtype)
        for leaf, axis in zip(kind.leaves, kind.axes, strict=True)
    ]

    def one_unit(own: list, parents: tuple) -> Array:
        noise = jax.tree.map(lambda x: x[0], kind.noise(jax.random.key(0), 1))
        return jnp.asarray(kind.apply(None, own, parents, noise))

    found = jax.eval_shape(one_unit, own, kind.parents)
    return Shape(found.shape, found.dtype)


def of_nodes(
    scm: Model,
    params: Params,
    do: Mapping[str, Any],
    axes: Mapping[str, int | None],
) -> tuple[dict[str, Kind], Shapes]:
    """{node: its kind} under interventions, and the shapes of the values.

    Args:
      scm: the model.
      params: {node: parameters, or their shapes}.
      do: {node: intervention object, or its shapes}.
      axes: as `arguments.unit_axes` gives them.
    """
    own: dict[str, Kind] = {}
    shapes: Shapes = {}
    for name in scm.order:
        above = tuple(shapes[parent] for parent in scm.parents[name])
        own[name] = of_node(
            scm.mechanisms[name], params[name], above, do.get(name), axes.get(name)
        )
        with messages.of_node(name, scm.parents[name]):
            shapes[name] = value_shape(own[name])
    return own, shapes


def value_shapes(scm: Model, params: Params) -> Shapes:
    """{node: shape and dtype of one unit's value}; traced once for each kind.

    Args:
      scm: the model.
      params: its parameters, of which only structure and shapes are used.
    """
    leaves, structure = jax.tree.flatten({name: params[name] for name in scm.nodes})
    return dict(_value_shapes(scm, structure, tuple(map(_shape, leaves))))


@lru_cache(maxsize=64)
def _value_shapes(scm: Model, structure: Any, leaves: tuple) -> Shapes:
    return of_nodes(scm, jax.tree.unflatten(structure, leaves), {}, {})[1]


def _shape(leaf: Any) -> Shape:
    return Shape(jnp.shape(leaf), jnp.result_type(leaf))


def shapes_of_units(values: Sequence[Array]) -> tuple[Shape, ...]:
    """What one unit of each of some batches is."""
    return tuple(Shape(value.shape[1:], value.dtype) for value in values)


def is_concrete(leaf: Any) -> bool:
    """Whether numpy can work on it: neither traced nor of a dtype of JAX's own."""
    if isinstance(leaf, jax.core.Tracer):
        return False
    return not jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.extended)


def stack(leaves: Sequence[Any]) -> Any:
    """Arrays as one; by numpy where they are concrete, so that nothing is compiled."""
    if len(leaves) == 1 and isinstance(leaves[0], jax.Array):
        return leaves[0][None]
    if all(map(is_concrete, leaves)):
        return np.stack([np.asarray(leaf) for leaf in leaves])
    return jnp.stack(leaves)
