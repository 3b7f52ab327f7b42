"""Sheets of sampled images: what is seen, done against seen, twins, diversity.

Labels are drawn first and images below them (`queries.draws`), so that a report with
many interventions compiles the image node once.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from causal_jax import graph as graphs
from causal_jax.queries.draws import (
    draw_images,
    draw_labels,
    label_model,
    require_image,
    with_labels,
)
from causal_jax.reporting.grids import compose, grid, to_uint8
from causal_jax.scm import SCM
from causal_jax.types import Key, Params

_MAX_SHOWN = 9  # labels written below one image; more would hide the images
_MAX_DRAWS = 200_000  # for a condition: rarer than 1 in 10,000 counts as never met


def samples_sheet(
    scm: SCM,
    params: Params,
    key: Key,
    num: int = 16,
    *,
    do: Mapping | None = None,
    node: str = "image",
    title: str | None = None,
) -> Image.Image:
    """Sampled images, each with the labels it was drawn from."""
    require_image(scm, node)
    labels = draw_labels(scm, params, key, num=num, do=do)
    images = with_labels(scm, params, key, labels, node=node)
    return labels_grid(images, labels, scm, title=title)


def diversity_sheet(
    scm: SCM,
    params: Params,
    key: Key,
    num: int = 256,
    *,
    image: str = "image",
    title: str | None = None,
) -> Image.Image:
    """A square of `num` samples side by side: whether few images come again and again.

    The key fixes the noises: sheets of two models, or of two checkpoints, show the
    same ones at the same place. (The original draws its 256 noises anew in every run.)
    """
    pictures = draw_images(scm, params, key, num=num, node=image)
    return grid(pictures, columns=math.ceil(math.sqrt(num)), title=title)


def labels_grid(
    images, values: Mapping[str, Any], scm: SCM, *, title: str | None = None
) -> Image.Image:
    """Images and, below each, its labels in short (see `short_labels`).

    Args:
      images: `[N, H, W, 3]`, uint8 or float in [-1, 1].
      values: {node: `[N]` state indices}; other nodes than labels are ignored.
      scm: tells the labels and their states.
      title: a line above everything.
    """
    return grid(images, captions=short_labels(scm, values), title=title)


def short_labels(scm: SCM, values: Mapping[str, Any]) -> list[str]:
    """A short text a unit: the names of the labels that are set.

    A label with states "0" and "1" is named where it is 1; of any other the state is
    given, `Node=state`. No label set is a dash.
    """
    columns = [
        (name, scm.states(name), np.asarray(values[name]))
        for name in scm.discrete
        if name in values
    ]
    num = len(columns[0][2]) if columns else 0
    texts = []
    for i in range(num):
        words = [_label_word(name, states, int(v[i])) for name, states, v in columns]
        texts.append(_joined_briefly([word for word in words if word]))
    return texts


def _label_word(name: str, states: tuple[str, ...], value: int) -> str:
    if states == graphs.BINARY:
        return name if value else ""
    return f"{name}={states[value]}"


def _joined_briefly(words: Sequence[str]) -> str:
    shown = list(words[:_MAX_SHOWN])
    if len(words) > len(shown):
        shown.append(f"(+{len(words) - len(shown)})")
    return ", ".join(shown) if shown else "-"


def do_versus_see_sheet(
    scm: SCM,
    params: Params,
    key: Key,
    node: str,
    num: int = 8,
    *,
    image: str = "image",
    title: str | None = None,
) -> Image.Image:
    """Rows do(node = state) for every state, then given node = state for every state.

    All do rows have one noise: below each other is one unit in several worlds. A
    condition that is never met has a row that says so.

    Args:
      scm: model with an image node.
      params: its parameters.
      key: random key.
      node: a label.
      num: images a row.
      image: name of the image node.
      title: a line above everything.
    """
    require_image(scm, image)
    graphs.require_node(scm.graph, node)
    states = scm.states(node)
    if states is None:
        raise ValueError(f"node {node!r} has no states to do and to see")
    rows, texts, captions, messages = [], [], [], {}
    for verb in ("do", "given"):
        for state in states:
            condition = {node: state}
            draw_fn = _labels_under_do if verb == "do" else _labels_given
            labels, filled, drawn = draw_fn(scm, params, key, condition, num)
            pictures = to_uint8(with_labels(scm, params, key, labels, node=image))
            text = f"{node}={state}"
            texts.append(f"do({text})" if verb == "do" else f"given {text}")
            rows.append([*pictures[:filled], *[None] * (num - filled)])
            captions.append([*short_labels(scm, labels)[:filled], *[""] * num][:num])
            if not filled:
                # Where it is exact, nothing is drawn in vain: it cannot be met.
                is_exact = drawn <= num
                never = "impossible" if is_exact else f"never met in {drawn:,} draws"
                messages[len(rows) - 1] = never
    return compose(
        rows, row_labels=texts, captions=captions, title=title, messages=messages
    )


def _labels_under_do(scm, params, key, do, num):
    return draw_labels(scm, params, key, num=num, do=do), num, num


def _labels_given(scm, params, key, given, num):
    """Labels that meet the condition, how many were found and how many drawn."""
    model, model_params = label_model(scm, params)
    conditioned = model.sample_given(
        model_params, key, num=num, given=given, max_draws=_MAX_DRAWS
    )
    return conditioned.values, int(conditioned.filled), int(conditioned.drawn)


def twins_sheet(
    scm: SCM,
    params: Params,
    key: Key,
    do: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    num: int = 8,
    *,
    image: str = "image",
    title: str | None = None,
) -> Image.Image:
    """Drawn units above what the same noise would be under each intervention.

    Equal to `SCM.twins` under the same key. Below a factual image stand its labels,
    below a counterfactual one the labels that changed.

    Args:
      scm: model with an image node.
      params: its parameters.
      key: random key.
      do: one intervention, or several: a row each.
      num: units, side by side.
      image: name of the image node.
      title: a line above everything.
    """
    require_image(scm, image)
    model, model_params = label_model(scm, params)
    rows, texts, captions = [], [], []
    for one in [do] if isinstance(do, Mapping) else do:
        factual, changed = model.twins(model_params, key, num=num, do=one)
        if not rows:
            rows.append(to_uint8(with_labels(scm, params, key, factual, node=image)))
            texts.append("as drawn")
            captions.append(short_labels(scm, factual))
        rows.append(to_uint8(with_labels(scm, params, key, changed, node=image)))
        texts.append(_intervention_text(scm, one))
        captions.append(label_changes(scm, factual, changed))
    return compose(
        [list(row) for row in rows], row_labels=texts, captions=captions, title=title
    )


def _intervention_text(scm: SCM, do: Mapping[str, Any]) -> str:
    words = []
    for name, value in do.items():
        if callable(value) or np.ndim(value):
            words.append(f"{name} changed")
        elif isinstance(value, str) or not scm.states(name):
            words.append(f"{name}={value}")
        elif isinstance(value, int | np.integer):
            words.append(f"{name}={scm.states(name)[int(value)]}")
        else:
            words.append(f"{type(value).__name__} {name}")
    return f"do({', '.join(words)})"


def label_changes(scm: SCM, before: Mapping, after: Mapping) -> list[str]:
    """`+Label`, `-Label` or `Node=state` for every label that changed, a unit."""
    texts = [[] for _ in next(iter(before.values()))]
    for name in scm.discrete:
        states = scm.states(name)
        pairs = zip(np.asarray(before[name]), np.asarray(after[name]), strict=True)
        for i, (old, new) in enumerate(pairs):
            if old != new and states == graphs.BINARY:
                texts[i].append(f"{'+' if new else '-'}{name}")
            elif old != new:
                texts[i].append(f"{name}={states[int(new)]}")
    return [_joined_briefly(words) if words else "unchanged" for words in texts]
