"""Large models, evaluated chunk by chunk: what grows is a loop, not the program.

`SCM.evaluate` is the definition, a plain loop over the nodes; for a thousand of them it
takes XLA minutes to compile. Here the nodes of one kind (see `kinds`) have their
parameters stacked, and a `lax.scan` takes a chunk of ready nodes after the other (see
`graph.chunks`): gather their parents' values, evaluate them all, write their values.
The program depends on the kinds alone; which nodes, in which order and under which
interventions is read from arrays, so that an intervention on other nodes is the same
program. Tests hold both forms equal.

Nodes with large values (images), and those below them, are evaluated after the scan,
one by one.
"""

import dataclasses
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import arguments, kinds
from causal_jax.graph.chunks import chunks
from causal_jax.kinds import Kind, Shape
from causal_jax.mechanism import Intervention, Model
from causal_jax.types import Array, Key, Noise, Params, Shapes, Values

MIN_NODES = 50  # below, the plain form compiles fast enough and is simplest
_MAX_SIZE = 64  # numbers of one unit's value that a buffer of all nodes holds
_WIDTHS = (1, 2, 4, 8, 16, 32)  # nodes in a chunk
_CHUNK_COST, _UNIT_COST = 30e-6, 4e-9  # seconds, of a chunk and of a node and unit


def is_large(scm: Model) -> bool:
    """Whether a model has so many nodes that it is evaluated chunk by chunk."""
    return len(scm.nodes) >= MIN_NODES


# --- what is evaluated with what, and when --------------------------------------------


class _Placed(NamedTuple):
    """A kind in a program: hashable.

    Attributes:
      kind: the kind.
      width: nodes in its chunks.
      value: the buffer of its values.
      parents: the buffer of each of its parents.
    """

    kind: Kind
    width: int
    value: int
    parents: tuple[int, ...]


class _Rest(NamedTuple):
    """A node that is evaluated after the scan.

    Attributes:
      kind: its kind.
      parents: for each the pair of a buffer and a row, or of -1 and an index of those
        that are evaluated after the scan.
    """

    kind: Kind
    parents: tuple[tuple[int, int], ...]


@dataclasses.dataclass(frozen=True)
class _Program:
    """All that a compiled program depends on, but for the number of units."""

    placed: tuple[_Placed, ...]
    buffers: tuple[tuple[Shape, int], ...]  # shape of a value, number of nodes
    rest: tuple[_Rest, ...]


class _Plan(NamedTuple):
    """A program and what it reads.

    Attributes:
      program: what is compiled.
      members: for each kind the nodes that are stacked.
      steps: arrays with a row for each chunk.
      places: {node: (buffer, row)}.
      rest: the nodes evaluated after the scan.
    """

    program: _Program
    members: tuple[tuple[str, ...], ...]
    steps: dict[str, np.ndarray]
    places: dict[str, tuple[int, int]]
    rest: tuple[str, ...]


def _planned(
    scm: Model, params: Params, do: Mapping[str, Intervention], num: int
) -> _Plan:
    """The plan of a call, made once for all calls that are alike."""
    shapes = kinds.value_shapes(scm, params) if do else {}
    axes = arguments.unit_axes(do, shapes)
    leaves, structure = jax.tree.flatten(({n: params[n] for n in scm.nodes}, dict(do)))
    of_leaves = tuple(Shape(jnp.shape(x), jnp.result_type(x)) for x in leaves)
    return _plan(scm, structure, of_leaves, tuple(sorted(axes.items())), num)


@lru_cache(maxsize=64)
def _plan(
    scm: Model, structure: Any, leaves: tuple, axes: tuple[tuple, ...], num: int
) -> _Plan:
    params, do = jax.tree.unflatten(structure, leaves)
    own, shapes = kinds.of_nodes(scm, params, do, dict(axes))
    rest = _large_and_below(scm, shapes)
    scanned = [name for name in scm.order if name not in rest]

    # A node on which an intervention is made stays among its like as well, and kinds
    # have one order: the program does not tell on which node.
    used = {own[name] for name in scanned}
    before = {n: _before(scm, params, n, own[n], shapes) for n in scanned}
    stacked: dict[Kind, list[str]] = {}
    for of_nodes in (before, own):
        for name, kind in of_nodes.items():
            if kind in used and (of_nodes is before or kind.is_intervened):
                stacked.setdefault(kind, []).append(name)
    for kind, names in stacked.items():
        if kind.is_intervened:  # few programs, however many interventions there are
            size = 1 << (len(names) - 1).bit_length()
            names.extend(names[:1] * (size - len(names)))

    buffers: dict[Shape, list[str]] = {}
    for name in scanned:
        buffers.setdefault(shapes[name], []).append(name)
    order = list(buffers)
    places = {
        name: (order.index(shape), row)
        for shape, names in buffers.items()
        for row, name in enumerate(names)
    }
    index = {name: i for i, name in enumerate(scanned)}
    above = {n: [index[parent] for parent in scm.parents[n]] for n in scanned}
    # As wide as is best where nothing is done, and as many, whatever is done.
    most, usual = _best_width(list(above.values()), list(before.values()), num)
    widths = [_width(names, most) for names in stacked.values()]
    number = {kind: i for i, kind in enumerate(stacked)}
    found = chunks(
        [[] if own[name].is_set else above[name] for name in scanned],
        [number[own[name]] for name in scanned],
        widths,
    )
    placed = tuple(
        _Placed(
            kind=kind,
            width=width,
            value=order.index(kinds.value_shape(kind)),
            parents=tuple(order.index(shape) for shape in kind.parents),
        )
        for kind, width in zip(stacked, widths, strict=True)
    )
    at = {name: i for i, name in enumerate(rest)}
    program = _Program(
        placed=placed,
        buffers=tuple((shape, len(names)) for shape, names in buffers.items()),
        rest=tuple(
            _Rest(own[n], tuple(places.get(p) or (-1, at[p]) for p in scm.parents[n]))
            for n in rest
        ),
    )
    members = tuple(map(tuple, stacked.values()))
    named = [(kind, [scanned[i] for i in nodes]) for kind, nodes in found]
    length = max(len(named), usual + usual // 8 + 4)
    steps = _steps(scm, program, members, places, named, _rounded_up(length))
    return _Plan(program, members, steps, places, tuple(rest))


def _before(scm: Model, params: Params, name: str, own: Kind, shapes: Shapes) -> Kind:
    """The kind of a node without the intervention on it."""
    if not own.is_intervened:
        return own
    parents = tuple(shapes[parent] for parent in scm.parents[name])
    return kinds.of_node(scm.mechanisms[name], params[name], parents)


def _large_and_below(scm: Model, shapes: Shapes) -> list[str]:
    found: list[str] = []
    for name in scm.order:
        is_large = np.prod(shapes[name].shape, dtype=int) > _MAX_SIZE
        if is_large or set(scm.parents[name]) & set(found):
            found.append(name)
    return found


def _best_width(parents: list[list[int]], own: list[Kind], num: int) -> tuple[int, int]:
    """How wide chunks are that cost least, and how many they are.

    Wide chunks are few, but where not so many nodes are ready they are filled up.
    """
    count = Counter(own)
    number = {kind: i for i, kind in enumerate(count)}
    of_kind = [number[kind] for kind in own]

    def cost(most: int) -> tuple[float, int, int]:
        widths = [_width(range(size), most) for size in count.values()]
        found = chunks(parents, of_kind, widths)
        evaluated = sum(widths[kind] for kind, _ in found)
        seconds = len(found) * _CHUNK_COST + evaluated * num * _UNIT_COST
        return seconds, most, len(found)

    return min(map(cost, _WIDTHS))[1:]


def _width(nodes: Sequence, most: int) -> int:
    """Nodes in a chunk of a kind: a power of two."""
    return min(most, 1 << (len(nodes) - 1).bit_length())


def _steps(
    scm: Model,
    program: _Program,
    members: tuple[tuple[str, ...], ...],
    places: Mapping[str, tuple[int, int]],
    found: list[tuple[int, list[str]]],
    length: int,
) -> dict[str, np.ndarray]:
    """Chunks as arrays `[steps, ...]`; unused places write a spare row.

    They are filled up to `length` with steps that do nothing.
    """
    widest = max((placed.width for placed in program.placed), default=1)
    most = max((len(placed.parents) for placed in program.placed), default=0)
    spare = [size for _, size in program.buffers]
    steps = {
        "kind": np.full(length, len(program.placed), np.int32),
        "buffer": np.full(length, -1, np.int32),
        "row": np.zeros((length, widest), np.int32),
        "name": np.zeros((length, widest), np.uint32),
        "value": np.zeros((length, widest), np.int32),
        "parents": np.zeros((length, widest, most), np.int32),
    }
    rows = [{name: names.index(name) for name in names} for names in members]
    for i, (number, names) in enumerate(found):
        placed = program.placed[number]
        steps["kind"][i] = number
        steps["buffer"][i] = placed.value
        steps["value"][i] = spare[placed.value]
        for j, buffer in enumerate(placed.parents):
            steps["parents"][i, :, j] = spare[buffer]
        for at in range(placed.width):
            # Unused places do what the last node does: what is finite stays so, also
            # in gradients.
            name = names[min(at, len(names) - 1)]
            steps["row"][i, at] = rows[number][name]
            steps["name"][i, at] = zlib.crc32(name.encode())
            if at < len(names):
                steps["value"][i, at] = places[name][1]
            if placed.kind.parents:
                above = [places[parent][1] for parent in scm.parents[name]]
                steps["parents"][i, at, : len(above)] = above
    return steps


def _rounded_up(num: int) -> int:
    """The next of the numbers with three binary digits: few programs for all."""
    unit = 1 << max(num.bit_length() - 3, 3)
    return -(-num // unit) * unit


# --- the program ----------------------------------------------------------------------


class _Drawn(NamedTuple):
    """Noise that is drawn: of `num` units those from `first` on, `size` of them."""

    num: int
    size: int


def sample(
    scm: Model,
    params: Params,
    key: Key,
    do: Mapping[str, Intervention],
    num: int,
    *,
    key_fresh: Key | None = None,
    first: Any = 0,
    size: int | None = None,
) -> Values:
    """Values of units whose noise is drawn as `SCM.sample_noise` does.

    Args:
      scm: the model.
      params: its parameters.
      key: PRNG key.
      do: {node: intervention object}.
      num: number of units.
      key_fresh: of the noise that interventions bring; `key` if not given.
      first: the first unit that is wanted.
      size: how many are wanted; all if not given.
    """
    drawn = _Drawn(num, num if size is None else size)
    plan = _planned(scm, params, do, drawn.size)
    noise = (key, key if key_fresh is None else key_fresh, first)
    return _run_plan(plan, params, do, drawn, noise, scm)


def evaluate(
    scm: Model, params: Params, noise: Noise, do: Mapping[str, Intervention]
) -> Values:
    """Values of units whose noise is given, {node: `[num, ...]`}."""
    num = jax.tree.leaves(noise)[0].shape[0]
    plan = _planned(scm, params, do, num)
    scanned = []
    for placed, names in zip(plan.program.placed, plan.members, strict=True):
        # Where an intervention brings noise of its own, the node's place among its
        # like is not evaluated: it may hold anything.
        if placed.kind.is_set:
            scanned.append(None)
            continue
        fits = [name for name in names if placed.kind.is_intervened == (name in do)]
        used = [noise[name if name in fits else fits[0]] for name in names]
        leaves = [jax.tree.leaves(each) for each in used]
        structure = jax.tree.structure(used[0])
        together = [kinds.stack(each) for each in zip(*leaves, strict=True)]
        scanned.append(jax.tree.unflatten(structure, together))
    rest = [
        None if each.kind.is_set else noise[name]
        for each, name in zip(plan.program.rest, plan.rest, strict=True)
    ]
    return _run_plan(plan, params, do, num, (tuple(scanned), rest), scm)


def _run_plan(
    plan: _Plan,
    params: Params,
    do: Mapping[str, Intervention],
    units: _Drawn | int,
    noise: Any,
    scm: Model,
) -> Values:
    def stacked(kind: Kind, names: tuple[str, ...]) -> tuple[Any, list]:
        return kind.stacked([_pair(kind, params, do, name) for name in names])

    program = plan.program
    stacks = [
        stacked(placed.kind, names)
        for placed, names in zip(program.placed, plan.members, strict=True)
    ]
    of_rest = [
        (*stacked(each.kind, (name,)), np.uint32([zlib.crc32(name.encode())]))
        for each, name in zip(program.rest, plan.rest, strict=True)
    ]
    buffers, rest = _run(program, units, stacks, plan.steps, of_rest, noise)
    values = {name: _row(buffers[i], row) for name, (i, row) in plan.places.items()}
    values |= dict(zip(plan.rest, rest, strict=True))
    return {name: values[name] for name in scm.nodes}


def _pair(
    kind: Kind, params: Params, do: Mapping[str, Intervention], name: str
) -> tuple[Params, Any]:
    """A node's parameters and intervention, as far as its kind has them."""
    return (
        {} if kind.is_set else params[name],
        do[name] if kind.is_intervened else None,
    )


@jax.jit
def _row(buffer: Array, row: Any) -> Array:
    return jax.lax.dynamic_index_in_dim(buffer, row, keepdims=False)


@partial(jax.jit, static_argnames=("program", "units"))
def _run(
    program: _Program,
    units: _Drawn | int,
    stacks: list,
    steps: Mapping[str, Array],
    of_rest: list,
    noise: Any,
) -> tuple[tuple[Array, ...], list]:
    """Buffers `[nodes + 1, units, ...]` of all values, and those of the rest."""
    num = units.size if isinstance(units, _Drawn) else units

    def noise_of(kind: Kind, number: int, row: Array, name: Array) -> Noise:
        if not isinstance(units, _Drawn):
            return jax.tree.map(lambda x: x[row], noise[0][number])
        return _each_noise(kind, name, noise, units)

    def branch(number: int):
        kind, width, value, parents = program.placed[number]
        shared, own = stacks[number]
        apply = jax.vmap(kind.apply, (None, list(kind.axes), 0, 0), axis_size=num)
        apply = jax.vmap(apply, (None, 0, 0, 0), axis_size=width)

        def of_chunk(buffers: tuple, step: Mapping[str, Array]) -> tuple:
            row, name = step["row"][:width], step["name"][:width]
            above = tuple(
                buffers[buffer][step["parents"][:width, i]]
                for i, buffer in enumerate(parents)
            )
            found = apply(
                shared,
                [jnp.asarray(leaf)[row] for leaf in own],
                above,
                noise_of(kind, number, row, name),
            )
            # Nothing is written in a branch: XLA would copy the buffers.
            return tuple(
                _filled_up(found, widest) if i == value else empty
                for i, empty in enumerate(nothing)
            )

        return of_chunk

    widest = steps["value"].shape[1]
    nothing = tuple(
        jnp.zeros((widest, num, *shape.shape), shape.dtype)
        for shape, _ in program.buffers
    )
    branches = [branch(number) for number in range(len(program.placed))]
    branches.append(lambda buffers, step: nothing)

    def one_step(buffers: tuple, step: Mapping[str, Array]) -> tuple[tuple, None]:
        found = jax.lax.switch(step["kind"], branches, buffers, step)
        written = (
            buffer.at[jnp.where(step["buffer"] == i, step["value"], size)].set(values)
            for i, (buffer, values, (_, size)) in enumerate(
                zip(buffers, found, program.buffers, strict=True)
            )
        )
        return tuple(written), None

    buffers = tuple(
        jnp.zeros((size + 1, num, *shape.shape), shape.dtype)
        for shape, size in program.buffers
    )
    if program.placed:
        buffers, _ = jax.lax.scan(one_step, buffers, steps)
    rest: list[Array] = []
    for i, (each, stack) in enumerate(zip(program.rest, of_rest, strict=True)):
        shared, own, name = stack
        above = tuple(
            rest[row] if buffer < 0 else buffers[buffer][row]
            for buffer, row in each.parents
        )
        if isinstance(units, _Drawn):
            drawn = _each_noise(each.kind, name, noise, units)
            drawn = jax.tree.map(lambda x: x[0], drawn)
        else:
            drawn = noise[1][i]
        axes = (None, list(each.kind.axes), 0, 0)
        apply = jax.vmap(each.kind.apply, axes, axis_size=num)
        own = [leaf[0] for leaf in own]
        rest.append(apply(shared, own, above, drawn))
    return buffers, rest


def _filled_up(values: Array, num: int) -> Array:
    """Rows of zeros behind the rows of a chunk."""
    return jnp.pad(values, [(0, num - len(values)), *[(0, 0)] * (values.ndim - 1)])


def _each_noise(
    kind: Kind, names: Array, source: tuple[Key, Key, Any], drawn: _Drawn
) -> Noise:
    """The noise of the wanted units of some nodes, `[nodes, units, ...]`."""
    key, key_fresh, first = source
    key = key_fresh if kind.has_fresh_noise else key

    def of_node(name: Array) -> Noise:
        noise = kind.noise(jax.random.fold_in(key, name), drawn.num)
        if drawn.size == drawn.num:
            return noise
        return jax.tree.map(
            lambda x: jax.lax.dynamic_slice_in_dim(x, first, drawn.size), noise
        )

    return jax.lax.map(of_node, names)
