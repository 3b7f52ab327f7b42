"""Sheets of images between the states of labels: one label, or two at once.

A label has states, and the label model knows nothing between them. The network that
draws the image reads a *code* of each label (0 or 1, or one-hot), and codes can stand
between two states: with the noise kept, how the image changes on the way shows what the
network has understood of a label. For states 0..k-1 a position t in [0, 1] has the code
that is mixed of its two neighbours' at t (k - 1); for a binary label that is t.

The original's interpolation is a step: it rounds the labels before the network sees
them, and draws their noise anew in every image.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import jax
import networkx as nx
import numpy as np
from PIL import Image

from causal_jax import graph as graphs
from causal_jax.mechanism import node_key
from causal_jax.networks.controller import encoded_size
from causal_jax.queries.draws import draw_labels, require_image
from causal_jax.reporting.grids import compose, to_uint8
from causal_jax.reporting.sheets import label_changes, short_labels
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Params, Values

_LEAST_SIDE = 64  # pixels of one image within a cell of the grid


def interpolation_sheet(
    scm: SCM,
    params: Params,
    key: Key,
    node: str,
    num: int = 8,
    *,
    steps: int = 8,
    image: str = "image",
    title: str | None = None,
) -> Image.Image:
    """A unit a row, one label from its first state to its last one along the row.

    Two blocks of the same units. In the first one all other labels stay as they were
    drawn: only the code that the image network reads of this label moves. In the second
    one, where the label has descendants, they are those of do(node = nearest state), so
    that a row begins and ends with the images of two interventions; below an image
    stand the labels that changed since the one left of it, or since they were drawn.

    Args:
      scm: model whose image reads codes (`networks.image.ImageGenerator`).
      params: its parameters.
      key: the same key gives the same units.
      node: a label that the image depends on.
      num: units.
      steps: images of a row.
      image: name of the image node.
      title: a line above everything.

    Raises:
      ValueError: unknown nodes, or an image that has no codes of this label.
    """
    _require_code(scm, image, node)
    positions = np.linspace(0, 1, steps)
    draw_fn = _images_between_states_fn(scm, params, key, image)
    drawn = draw_labels(scm, params, key, num=num)
    others = {name: value for name, value in drawn.items() if name != node}
    units = [f"{i + 1}: {text}" for i, text in enumerate(short_labels(scm, others))]
    rows = _image_rows(draw_fn, [drawn] * steps, node, positions)
    captions = [[""] * steps for _ in rows]
    if nx.descendants(scm.graph, node) & set(scm.parents[image]):
        done_fn = _labels_under_do_fn(scm, params, key, num)
        done = [done_fn({node: position}) for position in positions]
        units += [f"{i + 1}, descendants follow" for i in range(num)]
        rows += _image_rows(draw_fn, done, node, positions)
        captions += _changes_along(scm, node, [drawn, *done])
    columns = [position_text(scm, node, position) for position in positions]
    return compose(
        rows, row_labels=units, column_labels=columns, captions=captions, title=title
    )


def _image_rows(draw_fn, labels: Sequence[Values], node: str, positions) -> list[list]:
    """Images `[unit][position]`; `labels` are those of each position."""
    pairs = zip(labels, positions, strict=True)
    columns = [draw_fn(values, {node: position}) for values, position in pairs]
    return [list(row) for row in zip(*columns, strict=True)]


def two_labels_sheet(
    scm: SCM,
    params: Params,
    key: Key,
    nodes: tuple[str, str],
    num: int = 4,
    *,
    steps: int = 5,
    image: str = "image",
    title: str | None = None,
) -> Image.Image:
    """Every cell the same units under do(row label, column label), and between states.

    All other labels are those of the intervention with the nearest states: descendants
    follow. The four corners are what `SCM.sample(do=...)` draws under the same key.

    Args:
      scm: model whose image reads codes (`networks.image.ImageGenerator`).
      params: its parameters.
      key: the same key gives the same units.
      nodes: the label that changes from row to row, and the one along a row.
      num: units, in every cell at the same places.
      steps: rows, and columns.
      image: name of the image node.
      title: a line above everything.

    Raises:
      ValueError: not two different labels, or an image that has no codes of them.
    """
    _require_two(nodes)
    for node in nodes:
        _require_code(scm, image, node)
    positions = np.linspace(0, 1, steps)
    done_fn = _labels_under_do_fn(scm, params, key, num)
    draw_fn = _images_between_states_fn(scm, params, key, image)

    def cell(*at: float) -> np.ndarray:
        where = dict(zip(nodes, at, strict=True))
        return _mosaic(draw_fn(done_fn(where), where))

    cells = [[cell(row, column) for column in positions] for row in positions]
    side = scm.mechanisms[image].resolution
    texts = [[position_text(scm, node, t) for t in positions] for node in nodes]
    return compose(
        cells,
        scale=max(1, -(-_LEAST_SIDE // side)),
        row_labels=texts[0],
        column_labels=texts[1],
        title=title,
    )


def code_between(num_states: int, position: float) -> np.ndarray:
    """The code at a position in [0, 1], `[encoded_size]`, values in [0, 1].

    A binary label's code is the position itself.
    """
    weights = _state_weights(num_states, position)
    return weights[1:] if num_states == 2 else weights


def _state_weights(num_states: int, position: float) -> np.ndarray:
    """How much of each state there is at a position: at most two are not zero."""
    at = position * (num_states - 1)
    return np.maximum(0.0, 1.0 - np.abs(at - np.arange(num_states)))


def position_text(scm: SCM, node: str, position: float) -> str:
    """`Male=0.25`; with named states `Hair=red`, `Hair=0.25 grey + 0.75 red`."""
    states = scm.states(node)
    if states == graphs.BINARY:
        return f"{node}={round(position, 2):g}"
    pairs = zip(_state_weights(len(states), position), states, strict=True)
    parts = [(weight, state) for weight, state in pairs if weight > 1e-9]
    if len(parts) == 1:
        return f"{node}={parts[0][1]}"
    return f"{node}=" + " + ".join(f"{weight:.2f} {state}" for weight, state in parts)


def _nearest_state(scm: SCM, node: str, position: float) -> str:
    """The state nearest to a position; half-way the later one."""
    states = scm.states(node)
    return states[int(position * (len(states) - 1) + 0.5)]


def _labels_under_do_fn(
    scm: SCM, params: Params, key: Key, num: int
) -> Callable[[Mapping[str, float]], Values]:
    """{node: position} -> labels of do(nearest states); drawn once for each of them."""

    @functools.cache
    def labels(states: tuple[tuple[str, str], ...]) -> Values:
        return draw_labels(scm, params, key, num=num, do=dict(states))

    return lambda at: labels(
        tuple((n, _nearest_state(scm, n, t)) for n, t in at.items())
    )


def _images_between_states_fn(
    scm: SCM, params: Params, key: Key, image: str
) -> Callable[[Values, Mapping[str, float]], np.ndarray]:
    """(labels, {node: position}) -> uint8 images; noise as `SCM.sample` draws it."""
    mechanism, parents = scm.mechanisms[image], scm.parents[image]
    ends = np.cumsum([encoded_size(len(scm.states(name))) for name in parents])

    def draw(labels: Values, at: Mapping[str, float]) -> np.ndarray:
        num = len(next(iter(labels.values())))
        noise = mechanism.noise(node_key(key, image), num)
        codes = np.array(jax.vmap(mechanism.encode)(tuple(labels[p] for p in parents)))
        for node, position in at.items():
            code = code_between(len(scm.states(node)), position)
            end = ends[parents.index(node)]
            codes[:, end - len(code) : end] = code
        return to_uint8(_images_of_codes(mechanism, params[image], codes, noise))

    return draw


@functools.partial(jax.jit, static_argnames="mechanism")
def _images_of_codes(mechanism, params: Params, codes: Array, noise) -> Array:
    return mechanism.images(params, codes, noise)


def _changes_along(scm: SCM, node: str, along: Sequence[Values]) -> list[list[str]]:
    """What changed from each to the next, but the label itself: `[unit][change]`."""
    columns = []
    for before, after in zip(along, along[1:], strict=False):
        same = {**after, node: before[node]}
        texts = label_changes(scm, before, same)
        columns.append(["" if text == "unchanged" else text for text in texts])
    return [list(row) for row in zip(*columns, strict=True)]


def _mosaic(images: np.ndarray) -> np.ndarray:
    """N images as one, nearly square, a white line of one pixel between them."""
    num, height, width, _ = images.shape
    columns = math.ceil(math.sqrt(num))
    rows = math.ceil(num / columns)
    page = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, 3), 255)
    for i, picture in enumerate(images):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        page[top : top + height, left : left + width] = picture
    return page.astype(np.uint8)


def two_states_sheet(
    scm: SCM,
    params: Params,
    key: Key,
    nodes: tuple[str, str],
    num: int = 1,
    *,
    image: str = "image",
    title: str | None = None,
) -> Image.Image:
    """Every cell the same units under do(row label, column label), state by state.

    Nothing lies between states here: any model with an image node will do, and the
    labels may be those of other causes of the image. Arguments as `two_labels_sheet`.

    Raises:
      ValueError: not two different labels of the model.
    """
    _require_two(nodes)
    require_image(scm, image)
    for node in nodes:
        graphs.require_node(scm.graph, node)
        if scm.states(node) is None:
            raise ValueError(f"node {node!r} has no states: name one that has")

    def cell(*states: str) -> np.ndarray:
        do = dict(zip(nodes, states, strict=True))
        return _mosaic(to_uint8(scm.sample(params, key, num=num, do=do)[image]))

    cells = [[cell(a, b) for b in scm.states(nodes[1])] for a in scm.states(nodes[0])]
    return compose(
        cells,
        row_labels=[f"{nodes[0]}={state}" for state in scm.states(nodes[0])],
        column_labels=list(scm.states(nodes[1])),
        title=title,
    )


def _require_two(nodes: Sequence[str]) -> None:
    if len(set(nodes)) != 2 or len(nodes) != 2:
        raise ValueError(f"a grid has two different labels, not {', '.join(nodes)!r}")


def _require_code(scm: SCM, image: str, node: str) -> None:
    require_image(scm, image)
    graphs.require_node(scm.graph, node)
    if not hasattr(scm.mechanisms[image], "encode"):
        raise ValueError(
            f"the mechanism of {image!r} reads states, and nothing lies between them: "
            "an ImageGenerator reads codes"
        )
    if node not in scm.parents[image]:
        raise ValueError(
            f"{image!r} does not read {node!r}: "
            + graphs.suggestion(node, scm.parents[image])
        )
