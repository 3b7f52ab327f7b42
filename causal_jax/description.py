"""A model in words: what `repr(scm)` says, and what a notebook shows of it.

Both are short for every graph: of long ones the first nodes are described and the
others counted. Names and states of nodes may hold any signs; in HTML they are escaped.
"""

from collections.abc import Sequence
from functools import lru_cache
from html import escape

import jax
import jax.numpy as jnp

from causal_jax.batches import first_unit
from causal_jax.graph import drawing
from causal_jax.linear import LinearGaussian
from causal_jax.mechanism import Model, node_key

_MAX_NODES, _MAX_ROWS = 20, 50  # described in text and in HTML
_MAX_LISTED, _MAX_LETTERS = 10, 40  # of a node's states or parents; of a name
_MAX_TRACED = 100  # mechanisms that are traced to see what they return


def text(scm: Model) -> str:
    """One line a node: its name, its kind, its states and its parents.

    >>> from causal_jax import SCM, Tabular
    >>> print(text(SCM("Rain -> Wet", {"Rain": Tabular(2), "Wet": Tabular(2, (2,))})))
    SCM of 2 nodes
      Rain  binary (0, 1)
      Wet   binary (0, 1)  <- Rain
    """
    rows = _rows(scm, _MAX_NODES)
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    lines = [f"SCM of {_counted(len(scm.nodes), 'node')}"]
    for name, kind, parents in rows:
        arrow = f"<- {parents}" if parents else ""
        line = f"  {name:<{widths[0]}}  {kind:<{widths[1]}}  {arrow}"
        lines.append(line.rstrip())
    return "\n".join(lines + _rest(scm, _MAX_NODES))


def html(scm: Model) -> str:
    """A table of the nodes, and the graph beside it where it can be drawn in layers."""
    cells = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
        for row in _rows(scm, _MAX_ROWS)
    )
    head = "".join(f"<th>{word}</th>" for word in ("node", "kind", "parents"))
    rest = "".join(f"<div>{line.strip()}</div>" for line in _rest(scm, _MAX_ROWS))
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:2em;align-items:center">'
        f"<div><b>SCM of {_counted(len(scm.nodes), 'node')}</b>"
        f'<table style="text-align:left"><thead><tr>{head}</tr></thead>'
        f"<tbody>{cells}</tbody></table>"
        f"{rest}</div>{drawing.svg(scm.graph)}</div>"
    )


def kind(scm: Model, name: str) -> str:
    """What a node's value is: "binary", "categorical", "continuous", "vector [5]", ...

    "image [H, W, C]" with one, three or four channels, "array [...]" for any other
    shape, and "value" where the mechanism does not tell without parameters.

    >>> from causal_jax import SCM, Constant, Tabular
    >>> nodes = {"A": Tabular(2), "B": Constant((4,)), "C": Constant((8, 8, 3))}
    >>> scm = SCM("A ; B ; C", nodes)
    >>> [kind(scm, name) for name in scm.nodes]
    ['binary', 'vector [4]', 'image [8, 8, 3]']
    """
    if states := scm.states(name):
        return "binary" if len(states) == 2 else "categorical"
    shape = _shape(scm, name)
    if shape is None:
        return "value"
    if not shape:
        return "continuous"
    is_image = len(shape) == 3 and shape[-1] in (1, 3, 4)
    word = "vector" if len(shape) == 1 else "image" if is_image else "array"
    return f"{word} {list(shape)}"


def _rows(scm: Model, most: int) -> list[tuple[str, str, str]]:
    """(name, kind with states, parents) of the first nodes."""
    rows = []
    for name in scm.nodes[:most]:
        what, states = kind(scm, name), scm.states(name)
        if states:
            what = f"{what} ({_listed(states)})"
        rows.append((_cut(name), what, _listed(scm.parents[name])))
    return rows


def _rest(scm: Model, most: int) -> list[str]:
    left = len(scm.nodes) - most
    return [f"  ... and {_counted(left, 'more node')}"] if left > 0 else []


def _counted(num: int, what: str) -> str:
    return f"{num:,} {what}{'' if num == 1 else 's'}"


def _listed(words: Sequence[str]) -> str:
    shown = [_cut(word) for word in words[:_MAX_LISTED]]
    if len(words) > len(shown):
        shown.append(f"... {len(words)} in all")
    return ", ".join(shown)


def _cut(word: str) -> str:
    return word if len(word) <= _MAX_LETTERS else word[: _MAX_LETTERS - 3] + "..."


# --- shapes ------------------------------------------------------------------------


def _shape(scm: Model, name: str) -> tuple[int, ...] | None:
    """The shape of one unit's value; None where it is not known without parameters."""
    known = _declared(scm, name)
    return _traced(scm, name) if known is None else known.shape


def _declared(scm: Model, name: str) -> jax.ShapeDtypeStruct | None:
    """The shape and type of a value where nothing must be traced to know them."""
    if scm.states(name):
        return jax.ShapeDtypeStruct((), jnp.int32)
    mechanism = scm.mechanisms[name]
    shape = () if isinstance(mechanism, LinearGaussian) else None
    shape = getattr(mechanism, "shape", shape)
    if isinstance(shape, tuple) and all(isinstance(side, int) for side in shape):
        return jax.ShapeDtypeStruct(shape, jnp.float32)
    return None


@lru_cache(maxsize=256)
def _traced(scm: Model, name: str) -> tuple[int, ...] | None:
    """The shape that a mechanism returns, with abstract parameters."""
    wanted = _untold_above(scm, name)
    if len(wanted) > _MAX_TRACED:
        return None
    shapes: dict[str, jax.ShapeDtypeStruct] = {}
    try:
        for node in wanted:
            above = tuple(shapes.get(p) or _declared(scm, p) for p in scm.parents[node])
            shapes[node] = jax.eval_shape(_value_fn(scm, node), above)
        return shapes[name].shape
    except Exception:  # a repr is no place to fail, whatever a mechanism does
        return None


def _untold_above(scm: Model, name: str) -> list[str]:
    """The node and those above it that have to be traced for it, causes first."""
    found, left = {name}, [name]
    while left:
        for parent in scm.parents[left.pop()]:
            if parent not in found and _declared(scm, parent) is None:
                found.add(parent)
                left.append(parent)
    return sorted(found, key=scm.order.index)


def _value_fn(scm: Model, name: str):
    mechanism, key = scm.mechanisms[name], jax.random.key(0)

    def value(parents: tuple):
        params = mechanism.init(node_key(key, name), parents)
        return mechanism.apply(params, parents, first_unit(mechanism.noise(key, 1)))

    return value
