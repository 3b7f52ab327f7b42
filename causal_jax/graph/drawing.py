"""A causal graph as SVG text: what a page or a notebook shows without a plotting room.

The picture has the colours of the text around it, on light and on dark grounds alike.
"""

from html import escape

import networkx as nx

from causal_jax.graph import layers

_CELL, _LAYER = 132, 62  # pixels a node and a layer
_BOX = (120, 26)  # width and height
_LETTERS = 19  # of a name, in a box
_BEND = 0.45  # of the way between two layers
_TIP = 7  # pixels of an arrow's head


def svg(graph: nx.DiGraph) -> str:
    """The graph drawn, causes above; "" where layers would be a tangle.

    >>> from causal_jax import graph
    >>> svg(graph.read("Rain -> Wet")).count("<path")
    1
    """
    found = layers.layout(graph)
    if found is None:
        return ""
    left = min(x for x, _ in found.positions.values()) - 0.5
    right = max(x for x, _ in found.positions.values()) + 0.5
    at = {
        point: ((x - left) * _CELL, (0.5 - y) * _LAYER)
        for point, (x, y) in found.positions.items()
    }
    width, height = round((right - left) * _CELL), found.num_layers * _LAYER
    edges = (_edge([at[point] for point in chain]) for chain in found.chains)
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" aria-label="the causal graph" fill="none" stroke="currentColor" '
        'font-family="sans-serif" font-size="11">'
        f"{''.join(edges)}{''.join(_box(name, at[name]) for name in graph)}</svg>"
    )


def _edge(points: list[tuple[float, float]]) -> str:
    """A smooth line that ends in an arrow's head above the last point's box."""
    x, y = points[-1]
    top = y - _BOX[1] / 2
    points = [*points[:-1], (x, top - _TIP)]
    path = f"M{points[0][0]:.0f} {points[0][1] + _BOX[1] / 2:.0f}"
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        bend = _BEND * (y1 - y0)
        path += f"C{x0:.0f} {y0 + bend:.0f} {x1:.0f} {y1 - bend:.0f} {x1:.0f} {y1:.0f}"
    head = (
        f"{x:.0f},{top:.0f} {x - 4:.0f},{top - _TIP:.0f} {x + 4:.0f},{top - _TIP:.0f}"
    )
    return (
        f'<path d="{path}" stroke-opacity="0.6"/>'
        f'<polygon points="{head}" fill="currentColor" stroke="none"/>'
    )


def _box(name: str, at: tuple[float, float]) -> str:
    (x, y), (width, height) = at, _BOX
    shown = name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"
    return (
        f'<rect x="{x - width / 2:.0f}" y="{y - height / 2:.0f}" width="{width}" '
        f'height="{height}" rx="6" fill="#8ab4e8" fill-opacity="0.2"/>'
        f'<text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle" fill="currentColor" '
        f'stroke="none">{escape(shown)}<title>{escape(name)}</title></text>'
    )
