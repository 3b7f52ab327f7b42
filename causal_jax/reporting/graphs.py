"""A causal graph, drawn in layers.

Layers are the topological generations; edges that skip a layer are led through it by a
placeholder, and the order inside the layers is found by barycentre sweeps (Sugiyama,
Tagawa and Toda 1981). Large or dense graphs, where layers would be a tangle, are drawn
on a circle with thin edges.
"""

import textwrap
from collections.abc import Mapping

import matplotlib as mpl
import networkx as nx
import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from PIL import Image

from causal_jax.reporting.figures import new_figure, to_image

_SWEEPS = 12
_MAX_LAYERS, _MAX_EDGES, _MAX_WIDE = 10, 60, 12  # beyond: the circle
_BOX, _INK, _EDGE = "#eaf1fa", "#1e2228", "#6b7684"
_CELL, _LAYER = 1.35, 1.15  # inches a node and a layer

Positions = dict[object, tuple[float, float]]


def graph_figure(graph: nx.DiGraph, *, title: str | None = None) -> Image.Image:
    """Draws a DAG: causes above, effects below, names in boxes."""
    layers = [sorted(g, key=list(graph).index) for g in _generations(graph)]
    is_tangle = (
        len(layers) > _MAX_LAYERS
        or graph.number_of_edges() > _MAX_EDGES
        or max(map(len, layers)) > _MAX_WIDE
    )
    if is_tangle:
        return _draw_circle(graph, title)
    return _draw_layers(graph, layers, title)


def _generations(graph: nx.DiGraph) -> list[list[str]]:
    return [list(generation) for generation in nx.topological_generations(graph)]


# --- layers ------------------------------------------------------------------------


def _draw_layers(
    graph: nx.DiGraph, layers: list[list], title: str | None
) -> Image.Image:
    chains = _edge_chains(graph, layers)
    layers = _ordered_layers(layers, chains)
    positions = _node_positions(layers)
    xs = [x for x, _ in positions.values()]
    width = max(max(xs) - min(xs) + 1.0, 2.0) * _CELL
    height = (len(layers) - 0.3) * _LAYER + (0.3 if title else 0.0)
    figure = new_figure(width, height)
    axes = _empty_axes(figure, title)
    axes.set_xlim(min(xs) - 0.55, max(xs) + 0.55)
    axes.set_ylim(-len(layers) + 0.65, 0.35)
    texts = {n: textwrap.wrap(n.replace("_", " "), 13) or [n] for n in graph}
    for chain in chains:
        rim = 0.05 + 0.08 * len(texts[chain[-1]])  # half the child's box, in layers
        _draw_edge(axes, [positions[point] for point in chain], rim)
    for name in graph:
        text = "\n".join(texts[name])
        box = {"boxstyle": "round,pad=0.35", "fc": _BOX, "ec": _EDGE, "lw": 1.0}
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


def _edge_chains(graph: nx.DiGraph, layers: list[list]) -> list[tuple]:
    """Every edge as the points it passes; adds its placeholders to `layers`."""
    depth = {name: i for i, layer in enumerate(layers) for name in layer}
    chains = []
    for parent, child in graph.edges:
        between = [(parent, child, i) for i in range(depth[parent] + 1, depth[child])]
        for placeholder in between:
            layers[placeholder[2]].append(placeholder)
        chains.append((parent, *between, child))
    return chains


def _ordered_layers(layers: list[list], chains: list[tuple]) -> list[list]:
    """Sorts each layer by the mean place of its neighbours, down and up in turns."""
    above: dict = {}
    below: dict = {}
    for chain in chains:
        for upper, lower in zip(chain, chain[1:], strict=False):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    best, fewest = layers, _num_crossings(layers, chains)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        layers = _sorted_by_neighbours(
            layers if down else layers[::-1], above if down else below
        )
        layers = layers if down else layers[::-1]
        crossings = _num_crossings(layers, chains)
        if crossings < fewest:
            best, fewest = layers, crossings
    return best


def _sorted_by_neighbours(layers: list[list], neighbours: Mapping) -> list[list]:
    place: dict = {}
    result = []
    for layer in layers:
        own = {point: (i + 0.5) / len(layer) for i, point in enumerate(layer)}
        mean = {
            point: np.mean([place[n] for n in neighbours[point]])
            if point in neighbours and place
            else own[point]
            for point in layer
        }
        layer = sorted(layer, key=mean.get)
        place.update({point: (i + 0.5) / len(layer) for i, point in enumerate(layer)})
        result.append(layer)
    return result


def _num_crossings(layers: list[list], chains: list[tuple]) -> int:
    place = {point: i for layer in layers for i, point in enumerate(layer)}
    depth = {point: i for i, layer in enumerate(layers) for point in layer}
    segments: dict[int, list] = {}
    for chain in chains:
        for upper, lower in zip(chain, chain[1:], strict=False):
            segments.setdefault(depth[upper], []).append((place[upper], place[lower]))
    return sum(
        (a[0] - b[0]) * (a[1] - b[1]) < 0
        for layer in segments.values()
        for i, a in enumerate(layer)
        for b in layer[:i]
    )


def _node_positions(layers: list[list]) -> Positions:
    """Places, centred by layer; a placeholder is narrower than a node."""
    positions = {}
    for i, layer in enumerate(layers):
        widths = [1.0 if isinstance(point, str) else 0.35 for point in layer]
        x = -sum(widths) / 2
        for point, width in zip(layer, widths, strict=True):
            positions[point] = (x + width / 2, -float(i))
            x += width
    return positions


def _draw_edge(axes, points: list[tuple[float, float]], rim: float) -> None:
    """A smooth line through the points, its arrow head `rim` above the last one."""
    vertices, codes = [points[0]], [Path.MOVETO]
    end = (points[-1][0], points[-1][1] + rim)
    points = [*points[:-1], end]
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        bend = 0.45 * (y0 - y1)
        vertices += [(x0, y0 - bend), (x1, y1 + bend), (x1, y1)]
        codes += [Path.CURVE4] * 3
    path = Path(vertices, codes)
    axes.add_patch(PathPatch(path, fc="none", ec=_EDGE, lw=1.1, zorder=1))
    axes.plot(*end, marker=mpl.markers.CARETDOWN, color=_EDGE, ms=6, zorder=2)


# --- the circle ----------------------------------------------------------------------


def _draw_circle(graph: nx.DiGraph, title: str | None) -> Image.Image:
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
    for parent, child in graph.edges:
        axes.annotate(
            "", at[child] * 0.985, at[parent] * 0.985,
            arrowprops={"arrowstyle": arrow, "lw": 0.7, "color": "#2563a8",
                        "alpha": faint, "connectionstyle": "arc3,rad=0.12",
                        "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip
    size = float(np.clip(9 * side / (0.062 * len(names)), 4, 9))
    for name, angle in zip(names, np.degrees(angles), strict=True):
        flipped = np.cos(np.radians(angle)) < -1e-9
        axes.plot(*at[name], "o", ms=4, color=_INK)
        axes.text(
            *(at[name] * 1.04), name, size=size, color=_INK, rotation_mode="anchor",
            rotation=angle + 180 if flipped else angle,
            ha="right" if flipped else "left", va="center", parse_math=False,
        )  # fmt: skip
    note = "clockwise from the top:\ncauses before effects"
    axes.text(-1.44, -1.44, note, size=9, color=_EDGE)
    return to_image(figure)
