"""Where the nodes of a causal graph stand when it is drawn: in layers.

Layers are the topological generations; edges that skip a layer are led through it by a
placeholder, and the order inside the layers is found by barycentre sweeps (Sugiyama,
Tagawa and Toda 1981).
"""

from collections.abc import Mapping
from typing import NamedTuple

import networkx as nx
import numpy as np

_SWEEPS = 12
_MAX_LAYERS, _MAX_EDGES, _MAX_WIDE = 10, 60, 12  # beyond: a tangle

Positions = dict[object, tuple[float, float]]


class Layout(NamedTuple):
    """A graph in layers.

    Attributes:
      positions: {node or placeholder: (x, y)}; a node is one wide, and the layers stand
        at y = 0, -1, -2, ...
      chains: the edges in the graph's order, each the points that it passes: the
        parent, placeholders, the child.
      num_layers: how many layers there are.
    """

    positions: Positions
    chains: list[tuple]
    num_layers: int


def layout(graph: nx.DiGraph) -> Layout | None:
    """Places a DAG, causes above effects; None where layers would be a tangle.

    >>> from causal_jax import graph
    >>> layout(graph.read("Rain -> Wet")).num_layers
    2
    """
    if graph.number_of_edges() > _MAX_EDGES:
        return None
    layers = [sorted(g, key=list(graph).index) for g in generations(graph)]
    if len(layers) > _MAX_LAYERS or max(map(len, layers)) > _MAX_WIDE:
        return None
    chains = edge_chains(graph, layers)
    layers = ordered_layers(layers, chains)
    return Layout(
        positions=node_positions(layers), chains=chains, num_layers=len(layers)
    )


def generations(graph: nx.DiGraph) -> list[list[str]]:
    """The layers: every node one below the lowest of its parents."""
    return [list(generation) for generation in nx.topological_generations(graph)]


def edge_chains(graph: nx.DiGraph, layers: list[list]) -> list[tuple]:
    """Every edge as the points it passes; adds its placeholders to `layers`."""
    depth = {name: i for i, layer in enumerate(layers) for name in layer}
    chains = []
    for parent, child in graph.edges:
        between = [(parent, child, i) for i in range(depth[parent] + 1, depth[child])]
        for placeholder in between:
            layers[placeholder[2]].append(placeholder)
        chains.append((parent, *between, child))
    return chains


def ordered_layers(layers: list[list], chains: list[tuple]) -> list[list]:
    """Sorts each layer by the mean place of its neighbours, down and up in turns."""
    above: dict = {}
    below: dict = {}
    for chain in chains:
        for upper, lower in zip(chain, chain[1:], strict=False):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    best, fewest = layers, num_crossings(layers, chains)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        layers = _sorted_by_neighbours(
            layers if down else layers[::-1], above if down else below
        )
        layers = layers if down else layers[::-1]
        crossings = num_crossings(layers, chains)
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


def num_crossings(layers: list[list], chains: list[tuple]) -> int:
    """How many pairs of edges cross between two layers."""
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


def node_positions(layers: list[list]) -> Positions:
    """Places, centred by layer; a placeholder is narrower than a node."""
    positions = {}
    for i, layer in enumerate(layers):
        widths = [1.0 if isinstance(point, str) else 0.35 for point in layer]
        x = -sum(widths) / 2
        for point, width in zip(layer, widths, strict=True):
            positions[point] = (x + width / 2, -float(i))
            x += width
    return positions
