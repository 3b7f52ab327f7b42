"""From one class to another with the noise kept: sheets and animations.

A class vector has a one where its class is. Between two of them the label embedding is
mixed, and the parts that are drawn of it change step by step (the reference code's
interpolation). A part is drawn once for every step and put together with the others:
an animation of four legs draws each part for one leg.
"""

from collections.abc import Iterator, Mapping

import jax
import numpy as np
from PIL import Image

from causal_jax.networks.cgn import pictures
from causal_jax.networks.cgn.composition import LABELS, PARTS
from causal_jax.queries.draws import draw_labels
from causal_jax.reporting.grids import compose, to_uint8
from causal_jax.reporting.parts import class_text, scale_of
from causal_jax.scm import SCM
from causal_jax.types import Key, Params

ALL = "all"
LEGS = (("texture",), ("background",), ("shape",), PARTS)  # the teaser's; back at last


def classes_sheet(
    scm: SCM,
    params: Params,
    key: Key,
    ends: tuple[int, int],
    num: int = 3,
    *,
    part: str = ALL,
    midpoints: int = 6,
    do: Mapping | None = None,
    title: str | None = None,
) -> Image.Image:
    """A unit a row, its classes from one to the other along the row.

    Args:
      scm: a model with parts.
      params: its parameters.
      key: the same key gives the same units.
      ends: numbers of the first and the last class; what does not move has the first.
      num: units.
      part: which part moves, or "all".
      midpoints: pictures between the two ends.
      do: interventions on labels of parts that do not move.
      title: a line above everything.
    """
    moving = PARTS if part == ALL else (part,)
    drawn = _parts_between(scm, params, key, ends, midpoints, num, moving, do)
    steps = range(midpoints + 2)
    columns = [
        _image(drawn, {name: step if name in moving else 0 for name in PARTS})
        for step in steps
    ]
    cells = [list(row) for row in np.stack(columns, axis=1)]
    return compose(
        cells,
        scale=scale_of(cells[0][0].shape[0]),
        row_labels=[f"unit {i}" for i in range(num)],
        column_labels=[_step_text(scm, ends, i / (midpoints + 1)) for i in steps],
        title=title,
    )


def animation_frames(
    scm: SCM,
    params: Params,
    key: Key,
    ends: tuple[int, int],
    num: int = 1,
    *,
    midpoints: int = 49,
) -> Iterator[np.ndarray]:
    """Frames of four legs: the texture moves, the background, the shape, all back.

    The last frame is followed by the first one: a loop.

    Args:
      scm: a model with parts.
      params: its parameters.
      key: the same key gives the same units.
      ends: numbers of the first and the last class.
      num: units, side by side.
      midpoints: frames of a leg between its two ends, at least 0.

    Yields:
      4 (midpoints + 1) pictures, uint8 [H, W, 3].
    """
    drawn = _parts_between(scm, params, key, ends, midpoints, num, PARTS, None)
    last = midpoints + 1
    at = dict.fromkeys(PARTS, 0)
    for moving in LEGS:
        begins = at[moving[0]]
        for step in range(last):
            here = abs(begins - step)  # up from 0, or down from the last
            yield _tiled(_image(drawn, {**at, **dict.fromkeys(moving, here)}))
        at |= dict.fromkeys(moving, last - begins)


def weights_between(num_classes: int, ends: tuple[int, int], steps: int) -> np.ndarray:
    """Class vectors from one class to another, float32 [steps, num_classes].

    >>> weights_between(3, (0, 2), 3).tolist()
    [[1.0, 0.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0, 1.0]]
    """
    first, last = np.eye(num_classes, dtype=np.float32)[list(ends)]
    positions = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return (1 - positions) * first + positions * last


def _parts_between(
    scm, params, key, ends, midpoints, num, moving, do
) -> dict[str, np.ndarray]:
    """Values of the parts, {part: [steps, num, H, W, C]}; one step if it stays."""
    num_classes = pictures.num_classes(scm)
    noise = pictures.unit_noise(scm, key, 0, num=num)
    done = draw_labels(scm, params, key, num=num, do=do) if do else {}
    found = {}
    for part, label in zip(PARTS, LABELS, strict=True):
        steps = midpoints + 2 if part in moving else 1
        weights = weights_between(num_classes, ends, midpoints + 2)[:steps]
        weights = np.repeat(weights, num, axis=0)
        if part not in moving and label in (do or {}):
            weights = np.eye(num_classes, dtype=np.float32)[np.asarray(done[label])]
        tiled = jax.tree.map(lambda leaf, n=steps: _repeated(leaf, n), noise[part])
        drawn = pictures.draw(
            scm, params, {part: tiled}, {label: weights}, parts=(part,)
        )
        values = next(value for value in drawn[1:] if value is not None)
        found[part] = values.reshape(steps, num, *values.shape[1:])
    return found


def _repeated(leaf, times: int) -> np.ndarray:
    return np.tile(np.asarray(leaf), (times,) + (1,) * (leaf.ndim - 1))


def _image(drawn: Mapping[str, np.ndarray], steps: Mapping[str, int]) -> np.ndarray:
    """The images of parts at these steps, uint8 [num, H, W, 3]."""
    return to_uint8(pictures.composed(*(drawn[part][steps[part]] for part in PARTS)))


def _tiled(images: np.ndarray) -> np.ndarray:
    """Images side by side, small ones enlarged."""
    scale = scale_of(images.shape[1])
    return np.concatenate(images, axis=1).repeat(scale, 0).repeat(scale, 1)


def _step_text(scm: SCM, ends: tuple[int, int], position: float) -> str:
    names = [class_text(scm, end) for end in ends]
    if position in (0, 1):
        return names[int(position)]
    return f"{1 - position:.2f} {names[0]} + {position:.2f} {names[1]}"
