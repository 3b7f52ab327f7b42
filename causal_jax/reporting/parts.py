"""Sheets of models whose image has parts: masks, backgrounds, counterfactuals.

Of a counterfactual generative network (Sauer & Geiger, ICLR 2021) two things come out
that nobody labelled: masks of the objects, and backgrounds where the object has been
painted over. Each is a sheet here, beside one of all parts and one of units as they are
and with another class of one part, noise kept.

All sheets number their units from 0: the same key shows the same noise, on every sheet
and however many there are (`networks.cgn.pictures`).
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from causal_jax.networks.cgn import pictures
from causal_jax.networks.cgn.composition import LABELS, PARTS
from causal_jax.queries.draws import draw_labels
from causal_jax.reporting.grids import compose, to_uint8
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Params

LEAST_SIDE = 128  # pixels of one image on these sheets
_PREMASK = "drawn for the mask"


def parts_sheet(
    scm: SCM,
    params: Params,
    key: Key,
    num: int = 6,
    *,
    do: Mapping | None = None,
    title: str | None = None,
) -> Image.Image:
    """A unit a row: what the mask was made of, mask, texture, background and image.

    Args:
      scm: a model with parts; of digits there is nothing that a mask was made of.
      params: its parameters.
      key: the same key gives the same units.
      num: units.
      do: interventions on labels.
      title: a line above everything.
    """
    labels = draw_labels(scm, params, key, num=num, do=do)
    drawn = _draw(scm, params, key, labels)
    columns = {
        _PREMASK: drawn.premasks,
        "mask": as_picture(drawn.masks),
        "texture": drawn.textures,
        "background": drawn.backgrounds,
        "image": drawn.images,
    }
    columns = {name: found for name, found in columns.items() if found is not None}
    return _sheet(
        np.stack([to_uint8(found) for found in columns.values()], axis=1),
        row_labels=[unit_text(scm, labels, i) for i in range(num)],
        column_labels=list(columns),
        title=title,
    )


def masks_sheet(
    scm: SCM,
    params: Params,
    key: Key,
    classes: Sequence[int],
    num: int = 3,
    *,
    do: Mapping | None = None,
    title: str | None = None,
) -> Image.Image:
    """Object masks nobody labelled: a class a row, pictures and their masks beside.

    A row's three labels are its class, but those that `do` sets.

    Args:
      scm: a model with parts.
      params: its parameters.
      key: the same key gives the same units, the same in every row.
      classes: numbers of the rows' classes.
      num: units of each class.
      do: interventions on labels.
      title: a line above everything.
    """
    drawn = _by_class(scm, params, key, classes, num, do)
    masks = as_picture(drawn.masks)
    return _pairs(scm, classes, drawn.images, masks, ("image", "its mask"), title)


def backgrounds_sheet(
    scm: SCM,
    params: Params,
    key: Key,
    classes: Sequence[int],
    num: int = 3,
    *,
    do: Mapping | None = None,
    title: str | None = None,
) -> Image.Image:
    """Inpainted backgrounds: a class a row, pictures and their backgrounds beside.

    Arguments as `masks_sheet`.
    """
    drawn = _by_class(scm, params, key, classes, num, do)
    names = ("image", "its background")
    return _pairs(scm, classes, drawn.images, drawn.backgrounds, names, title)


def counterfactuals_sheet(
    scm: SCM,
    params: Params,
    key: Key,
    classes: Sequence[int],
    num: int = 4,
    *,
    part: str | None = None,
    do: Mapping | None = None,
    title: str | None = None,
) -> Image.Image:
    """A unit a row: as it is, then with another class of one part, its noise kept.

    Args:
      scm: a model with parts.
      params: its parameters.
      key: the same key gives the same units.
      classes: numbers of the classes that are put in, each a column per part.
      num: units.
      part: whose class is changed; None changes each of the three in turn.
      do: interventions on labels, in the factual world too.
      title: a line above everything.
    """
    labels = draw_labels(scm, params, key, num=num, do=do)
    noise = pictures.unit_noise(scm, key, 0, num=num)
    factual = pictures.draw(scm, params, noise, labels)
    columns, texts = [factual.images], ["as it is"]
    for name in (part,) if part else PARTS:
        for one in classes:
            label = LABELS[PARTS.index(name)]
            changed = {label: jnp.full(num, one, jnp.int32)}
            columns.append(_images_with(scm, params, noise, changed, name, factual))
            texts.append(f"{name}: {class_text(scm, one)}")
    return _sheet(
        np.stack([to_uint8(found) for found in columns], axis=1),
        row_labels=[unit_text(scm, labels, i) for i in range(num)],
        column_labels=texts,
        title=title,
    )


def _images_with(scm, params, noise, labels, part, factual) -> np.ndarray:
    """The images with one part drawn anew, of these labels."""
    drawn = pictures.draw(scm, params, noise, labels, parts=(part,))
    return pictures.composed(
        *(
            new if new is not None else old
            for new, old in (
                (drawn.masks, factual.masks),
                (drawn.textures, factual.textures),
                (drawn.backgrounds, factual.backgrounds),
            )
        )
    )


# --- what sheets share ----------------------------------------------------------------


def as_picture(masks: np.ndarray) -> np.ndarray:
    """Masks [N, H, W, 1] in [0, 1] as grey pictures [N, H, W, 3] in [-1, 1]."""
    return np.repeat(2 * np.asarray(masks) - 1, 3, axis=-1)


def class_text(scm: SCM, number: int) -> str:
    """A class in short: of a name of several words between commas the first one."""
    return scm.states(LABELS[0])[int(number)].partition(",")[0].replace("_", " ")


def unit_text(scm: SCM, labels: Mapping[str, Array], unit: int) -> str:
    """A unit's three classes: "shape lion, texture pizza, background koala"."""
    return ", ".join(
        f"{part} {class_text(scm, labels[label][unit])}"
        for part, label in zip(PARTS, LABELS, strict=True)
    )


def spread_classes(scm: SCM, num: int) -> tuple[int, ...]:
    """So many classes, evenly from all, or all if they are fewer."""
    every = pictures.num_classes(scm)
    places = np.linspace(0, every - 1, min(num, every))
    return tuple(int(place) for place in places.round())


def scale_of(height: int) -> int:
    """How many times pictures of that height are enlarged."""
    return max(1, -(-LEAST_SIDE // height))


def _draw(scm, params, key, labels) -> pictures.Pictures:
    num = len(next(iter(labels.values())))
    noise = pictures.unit_noise(scm, key, 0, num=num)
    return pictures.draw(scm, params, noise, labels)


def _by_class(scm, params, key, classes, num, do) -> pictures.Pictures:
    """Pictures row by row, [len(classes) * num, ...]."""
    own = jnp.repeat(jnp.asarray(classes, jnp.int32), num)
    done = draw_labels(scm, params, key, num=num, do=do) if do else {}
    labels = {
        label: jnp.tile(done[label], len(classes)) if label in (do or {}) else own
        for label in LABELS
    }
    noise = pictures.unit_noise(scm, key, 0, num=num)
    noise = jax.tree.map(
        lambda leaf: jnp.tile(leaf, (len(classes),) + (1,) * (leaf.ndim - 1)), noise
    )
    return pictures.draw(scm, params, noise, labels)


def _pairs(scm, classes, first, second, names, title) -> Image.Image:
    """Rows of classes; two columns for each of their units."""
    both = np.stack([to_uint8(first), to_uint8(second)], axis=1)
    cells = both.reshape(len(classes), -1, *both.shape[2:])
    return _sheet(
        cells,
        row_labels=[class_text(scm, one) for one in classes],
        column_labels=list(names) * (cells.shape[1] // 2),
        title=title,
    )


def _sheet(cells: np.ndarray, **texts) -> Image.Image:
    rows = [list(row) for row in cells]
    return compose(rows, scale=scale_of(cells.shape[2]), **texts)
