"""A causal graph, drawn in layers (`graph.layers` says where its nodes stand).

Large or dense graphs, where layers would be a tangle, are drawn on a circle with thin
edges. Edges that an intervention cuts are dotted and have no head; on the circle they
are left out.
"""

import textwrap
from collections.abc import Collection

import matplotlib as mpl
import networkx as nx
import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from PIL import Image

from causal_jax.graph import layers
from causal_jax.graph.layers import Layout
from causal_jax.reporting.figures import new_figure, to_image

_BOX, _INK, _EDGE = "#eaf1fa", "#1e2228", "#6b7684"
_DONE, _DONE_INK = "#fde3d0", "#c2410c"  # a node that is intervened on
_CELL, _LAYER = 1.35, 1.15  # inches a node and a layer


def graph_figure(
    graph: nx.DiGraph,
    *,
    title: str | None = None,
    done: Collection[str] = (),
    cut: Collection[str] = (),
) -> Image.Image:
    """Draws a DAG: causes above, effects below, names in boxes.

    Args:
      graph: the DAG.
      title: a line above it.
      done: nodes that are intervened on; they have a box of another colour.
      cut: those of them that no longer listen to their parents.
    """
    found = layers.layout(graph)
    if found is None:
        return _draw_circle(graph, title, done, cut)
    return _draw_layers(graph, found, title, done, cut)


# --- layers ------------------------------------------------------------------------


def _draw_layers(
    graph: nx.DiGraph,
    layout: Layout,
    title: str | None,
    done: Collection[str],
    cut: Collection[str],
) -> Image.Image:
    positions, num_layers = layout.positions, layout.num_layers
    xs = [x for x, _ in positions.values()]
    width = max(max(xs) - min(xs) + 1.0, 2.0) * _CELL
    height = (num_layers - 0.3) * _LAYER + (0.3 if title else 0.0)
    figure = new_figure(width, height)
    axes = _empty_axes(figure, title)
    axes.set_xlim(min(xs) - 0.55, max(xs) + 0.55)
    axes.set_ylim(-num_layers + 0.65, 0.35)
    texts = {n: textwrap.wrap(n.replace("_", " "), 13) or [n] for n in graph}
    for chain in layout.chains:
        rim = 0.05 + 0.08 * len(texts[chain[-1]])  # half the child's box, in layers
        points = [positions[point] for point in chain]
        _draw_edge(axes, points, rim, is_cut=chain[-1] in cut)
    for name in graph:
        text, colour = "\n".join(texts[name]), _DONE if name in done else _BOX
        box = {"boxstyle": "round,pad=0.35", "fc": colour, "ec": _EDGE, "lw": 1.0}
        axes.text(
            *positions[name], text, ha="center", va="center", size=9, color=_INK,
            bbox=box, zorder=3, parse_math=False,
        )  # fmt: skip
    return to_image(figure)


def _empty_axes(figure, title: str | None):
    axes = figure.subplots()
    axes.set_axis_off()
    if title:
        axes.set_title(title, parse_math=False)
    return axes


def _draw_edge(
    axes, points: list[tuple[float, float]], rim: float, *, is_cut: bool
) -> None:
    """A smooth line through the points, its arrow head `rim` above the last one."""
    vertices, codes = [points[0]], [Path.MOVETO]
    end = (points[-1][0], points[-1][1] + rim)
    points = [*points[:-1], end]
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        bend = 0.45 * (y0 - y1)
        vertices += [(x0, y0 - bend), (x1, y1 + bend), (x1, y1)]
        codes += [Path.CURVE4] * 3
    path = Path(vertices, codes)
    style = {"ls": ":", "alpha": 0.6} if is_cut else {}
    axes.add_patch(PathPatch(path, fc="none", ec=_EDGE, lw=1.1, zorder=1, **style))
    if not is_cut:
        axes.plot(*end, marker=mpl.markers.CARETDOWN, color=_EDGE, ms=6, zorder=2)


# --- the circle ----------------------------------------------------------------------


def _draw_circle(
    graph: nx.DiGraph, title: str | None, done: Collection[str], cut: Collection[str]
) -> Image.Image:
    """Nodes clockwise in topological order; names outside, thin edges inside."""
    names = list(nx.lexicographical_topological_sort(graph, key=list(graph).index))
    angles = np.pi / 2 - 2 * np.pi * np.arange(len(names)) / len(names)
    at = {n: np.array([np.cos(a), np.sin(a)]) for n, a in zip(names, angles)}  # noqa: B905
    # A name needs 16 pixels of the circle's rim; the names themselves stand outside.
    side = float(np.clip(0.062 * len(names), 8.0, 16.0))
    figure = new_figure(side, side)
    axes = _empty_axes(figure, title)
    axes.set(xlim=(-1.45, 1.45), ylim=(-1.45, 1.45), aspect="equal")
    faint = float(np.clip(60 / max(graph.number_of_edges(), 1), 0.12, 0.7))
    # Hundreds of arrow heads are a blot; the order of the circle gives the direction.
    arrow = "-|>" if graph.number_of_edges() <= 200 else "-"
    for parent, child in ((a, b) for a, b in graph.edges if b not in cut):
        axes.annotate(
            "", at[child] * 0.985, at[parent] * 0.985,
            arrowprops={"arrowstyle": arrow, "lw": 0.7, "color": "#2563a8",
                        "alpha": faint, "connectionstyle": "arc3,rad=0.12",
                        "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip
    size = float(np.clip(9 * side / (0.062 * len(names)), 4, 9))
    for name, angle in zip(names, np.degrees(angles), strict=True):
        flipped = np.cos(np.radians(angle)) < -1e-9
        ink = _DONE_INK if name in done else _INK
        axes.plot(*at[name], "o", ms=4, color=ink)
        axes.text(
            *(at[name] * 1.04), name, size=size, color=ink, rotation_mode="anchor",
            rotation=angle + 180 if flipped else angle,
            ha="right" if flipped else "left", va="center", parse_math=False,
        )  # fmt: skip
    note = "clockwise from the top:\ncauses before effects"
    axes.text(-1.44, -1.44, note, size=9, color=_EDGE)
    return to_image(figure)
