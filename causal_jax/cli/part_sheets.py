"""The kinds of `causal-jax sheet` for models whose image has parts."""

from collections.abc import Mapping
from functools import partial

from PIL import Image

from causal_jax import graph as graphs
from causal_jax.cli import assignments, classes
from causal_jax.networks.cgn import pictures
from causal_jax.networks.cgn.composition import LABELS, PARTS
from causal_jax.reporting import between_classes, parts
from causal_jax.scm import SCM
from causal_jax.types import Key, Params

# Units, or pictures between two classes, where --num says nothing.
KINDS = {"parts": 6, "masks": 3, "backgrounds": 3, "counterfactuals": 4, "classes": 6}
_TAKE_NODE = ("counterfactuals", "classes")
_TAKE_CLASSES = ("masks", "backgrounds", "counterfactuals", "classes")
_NUM_ROWS, _NUM_COLUMNS = 8, 2  # classes of a sheet that names none
_NUM_UNITS = 3  # of an interpolation


def require_question(kind: str, node: str | None, chosen: str | None) -> None:
    """Raises ValueError where a kind is asked what it does not take."""
    if node and kind not in _TAKE_NODE:
        raise ValueError(f"--kind={kind} takes no --node: leave it out")
    if node and node != between_classes.ALL:
        classes.label_of(node, "node")
    if chosen and kind not in _TAKE_CLASSES:
        raise ValueError(f"--kind={kind} takes no --classes: leave it out")


def picture(
    scm: SCM,
    params: Params,
    key: Key,
    kind: str,
    *,
    num: int | None = None,
    node: str | None = None,
    chosen: str | None = None,
    do: str = "",
) -> Image.Image:
    """Draws a sheet of one of `KINDS`.

    Args:
      scm: the model.
      params: its parameters.
      key: the same key gives the same units.
      kind: of `KINDS`.
      num: see `KINDS`.
      node: a part, or "all".
      chosen: what --classes says.
      do: what --do says.

    Raises:
      ValueError: a model without parts, or what it does not have.
    """
    pictures.require_parts(scm, "the model")
    num, done = num or KINDS[kind], interventions(do, scm)
    draw_fn = partial(_DRAWN[kind], scm, params, key, do=done)
    title = _TITLES[kind] + (f", do({do})" if do else "")
    part = _part(node)
    if part:
        title += f": the {part}"
    if kind == "parts":
        return draw_fn(num, title=title)
    states = scm.states(LABELS[0])
    if kind == "classes":
        ends = classes.read_ends(chosen, states)
        moving = LABELS if part is None else (LABELS[PARTS.index(part)],)
        for label in moving:
            if label in done:
                raise ValueError(
                    f"--do sets {label}, which moves from one class to another here: "
                    "leave it out, or move another part (--node)"
                )
        return draw_fn(
            ends,
            _NUM_UNITS,
            part=part or between_classes.ALL,
            midpoints=num,
            title=title,
        )
    most = _NUM_COLUMNS if kind == "counterfactuals" and not part else _NUM_ROWS
    found = parts.spread_classes(scm, most)
    if chosen:
        found = classes.read_list(chosen, states)
    if kind == "counterfactuals":
        return draw_fn(found, num, part=part, title=title)
    return draw_fn(found, num, title=title)


def interventions(text: str, scm: SCM) -> Mapping[str, str]:
    """Reads --do: {label: state}; classes as --classes has them.

    Raises:
      ValueError: another node than a label, or an unknown class.
    """
    found = {}
    for name, state in assignments.read(text, "do").items():
        graphs.require_node(scm.graph, name, role="node in --do")
        if name not in LABELS:
            raise ValueError(
                f"--do sets labels here: {', '.join(LABELS)}, not {name!r}"
            )
        states = scm.states(name)
        found[name] = states[classes.index_of(state, states, "do")]
    return found


def _part(node: str | None) -> str | None:
    """The part that --node names; None for all."""
    if not node or node == between_classes.ALL:
        return None
    return PARTS[LABELS.index(classes.label_of(node, "node"))]


_TITLES = {
    "parts": "What images are composed of",
    "masks": "Masks of objects, which nobody labelled",
    "backgrounds": "Backgrounds, the object painted over",
    "counterfactuals": "One part of another class, its noise kept",
    "classes": "From one class to another, noise kept",
}
_DRAWN = {
    "parts": parts.parts_sheet,
    "masks": parts.masks_sheet,
    "backgrounds": parts.backgrounds_sheet,
    "counterfactuals": parts.counterfactuals_sheet,
    "classes": between_classes.classes_sheet,
}
