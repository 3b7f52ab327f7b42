"""`causal_jax.plot`: pictures of a model and of what it draws, for notebooks.

Every function returns a `PIL.Image`, which a notebook shows and `save(path)` writes.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
from PIL import Image

from causal_jax import graph as graphs
from causal_jax.interventions import Modify, Replace, Scale, Shift
from causal_jax.queries.draws import require_image
from causal_jax.reporting import grids, plots, sheets
from causal_jax.scm import SCM

__all__ = ("bars", "graph", "images", "samples", "twins")


def graph(
    model: SCM | nx.DiGraph | str,
    *,
    do: Mapping[str, Any] | Collection[str] = (),
    title: str | None = None,
) -> Image.Image:
    """The causal graph; nodes that are done are coloured, edges into them cut.

    Args:
      model: a model, or what `graph.read` accepts.
      do: as in `SCM.sample`, or names of nodes. Where a node still listens to its
        parents (`Shift`, `Scale`, `Modify`, `Replace`, a function), its edges stay.
      title: a line above it.

    Raises:
      ValueError: a node that the graph does not have, or no graph.

    Example:
      >>> graph("Rain -> Sprinkler ; Rain, Sprinkler -> Wet", do=["Sprinkler"]).mode
      'RGB'
    """
    known = model.graph if isinstance(model, SCM) else graphs.read(model)
    done = [do] if isinstance(do, str) else list(do)
    for name in done:
        graphs.require_node(known, name, role="node in do")
    values = do if isinstance(do, Mapping) else {}
    cut = [name for name in done if not _listens(values.get(name))]
    return plots.graph_figure(known, title=title, done=done, cut=cut)


def _listens(value: Any) -> bool:
    """Whether a node whose intervention this is still listens to its parents."""
    return callable(value) or isinstance(value, Shift | Scale | Modify | Replace)


def images(
    values: Any,
    *,
    captions: Sequence[str] | None = None,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    columns: int | None = None,
    scale: int | None = None,
    title: str | None = None,
) -> Image.Image:
    """Images in a grid.

    Args:
      values: `[N, H, W, C]` or rows of them, `[R, N, H, W, C]`; uint8, or float in
        [-1, 1]; C is 3, or 1 for grey.
      captions: a text below each image (or rows of them).
      row_labels: a text at the left of each row.
      column_labels: a text above each column.
      columns: of `[N, ...]`, how many side by side; at most 8 by default.
      scale: whole factor by which they are enlarged.
      title: a line above everything.

    Raises:
      ValueError: another shape, kind or range of values, or another number of texts.

    Example:
      >>> images(np.zeros((2, 4, 4, 3)), row_labels=["black"], scale=8).height
      48
    """
    values = np.asarray(values)
    grids.require_pictures(values)
    if values.ndim in (4, 5) and values.shape[-1] == 1:
        values = np.repeat(values, 3, axis=-1)
    return grids.grid(
        values,
        captions=captions,
        row_labels=row_labels,
        column_labels=column_labels,
        columns=columns,
        scale=scale,
        title=title,
    )


def samples(
    scm: SCM,
    values: Mapping[str, Any],
    *,
    num: int = 16,
    image: str = "image",
    title: str | None = None,
) -> Image.Image:
    """The first units of a sample: their images, and below each its labels.

    Args:
      scm: the model.
      values: what `scm.sample` returns.
      num: units shown at most.
      image: name of the image node.
      title: a line above everything.

    Raises:
      ValueError: the model or the values have no such node.

    Example:
      >>> import jax
      >>> from causal_jax.data import faces
      >>> scm, params = faces.scm(size=32)
      >>> samples(scm, scm.sample(params, jax.random.key(0), num=2)).mode
      'RGB'
    """
    (first,) = _first_units(scm, [values], num, image)
    return sheets.labels_grid(first[image], first, scm, title=title)


def twins(
    scm: SCM,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    num: int = 8,
    image: str = "image",
    row_labels: tuple[str, str] = ("as it is", "as it would be"),
    title: str | None = None,
) -> Image.Image:
    """Units above what they would have been, and the labels that changed.

    Args:
      scm: the model.
      before: {node: `[N, ...]`}, a factual, or the first that `scm.twins` returns.
      after: the same units' counterfactual.
      num: units shown at most, side by side.
      image: name of the image node.
      row_labels: what stands at the left of both rows.
      title: a line above everything.

    Raises:
      ValueError: the model or the values have no such node.

    Example:
      >>> import jax
      >>> from causal_jax.data import faces
      >>> scm, params = faces.scm(size=32)
      >>> key, do = jax.random.key(0), {"Smiling": 1}
      >>> twins(scm, *scm.twins(params, key, num=2, do=do)).mode
      'RGB'
    """
    before, after = _first_units(scm, [before, after], num, image)
    rows = [list(grids.to_uint8(values[image])) for values in (before, after)]
    captions = [
        sheets.short_labels(scm, before),
        sheets.label_changes(scm, before, after),
    ]
    return grids.compose(
        rows, row_labels=list(row_labels), captions=captions, title=title
    )


def _first_units(
    scm: SCM, samples: Sequence[Mapping[str, Any]], num: int, image: str
) -> list[dict[str, np.ndarray]]:
    require_image(scm, image)
    for values in samples:
        missing = [name for name in (*scm.discrete, image) if name not in values]
        if missing:
            raise ValueError(
                f"the values have no {missing[0]!r}: give what scm.sample returns"
            )
    if any(np.ndim(values[image]) != 4 for values in samples):
        raise ValueError(
            f"{image!r} is of one unit: give several, arrays [N, ...], or show it with "
            "plot.images"
        )
    kept = (*scm.discrete, image)
    return [{n: np.asarray(values[n][:num]) for n in kept} for values in samples]


def bars(
    scm: SCM,
    samples: Mapping[str, Mapping[str, Any]],
    *,
    nodes: Sequence[str] | None = None,
    title: str | None = None,
) -> Image.Image:
    """How often labels have their states, in several samples: seen, done, ...

    Args:
      scm: tells the labels and their states.
      samples: {legend: {label: `[N]` state indices}}, e.g. what `scm.sample` returns
        without and with `do`.
      nodes: which labels; all by default. Of a label with two states the second is
        shown, of any other all.
      title: a line above everything.

    Raises:
      ValueError: a node that has no states, or that a sample lacks or gives others.

    Example:
      >>> import jax
      >>> from causal_jax import SCM, Tabular
      >>> scm = SCM("Rain -> Wet", {"Rain": Tabular(2), "Wet": Tabular(2, (2,))})
      >>> params, key = scm.init(jax.random.key(0)), jax.random.key(1)
      >>> bars(scm, {"seen": scm.sample(params, key, num=9)}).mode
      'RGB'
    """
    nodes = scm.discrete if nodes is None else nodes
    found = {
        legend: {
            text: prob
            for name in nodes
            for text, prob in _frequencies(scm, name, values, legend)
        }
        for legend, values in samples.items()
    }
    return plots.bars_figure(found, title=title)


def _frequencies(
    scm: SCM, name: str, values: Mapping[str, Any], legend: str
) -> list[tuple[str, float]]:
    """(text, frequency) of the states of one label that are shown."""
    graphs.require_node(scm.graph, name)
    states = scm.states(name)
    if states is None:
        raise ValueError(f"node {name!r} has no states: name labels")
    if name not in values:
        raise ValueError(f"the sample {legend!r} has no {name!r}")
    indices = np.asarray(values[name]).ravel()
    if not indices.size or not np.isin(indices, np.arange(len(states))).all():
        raise ValueError(
            f"the sample {legend!r} has no state indices of {name!r}: give integers of "
            f"0 to {len(states) - 1}, at least one"
        )
    counts = np.bincount(indices.astype(int), minlength=len(states))
    shown = [1] if len(states) == 2 else range(len(states))
    is_plain = states == graphs.BINARY
    return [
        (name if is_plain else f"{name}={states[i]}", counts[i] / counts.sum())
        for i in shown
    ]
