"""Cases of imagined images: given faces and one changed label each."""

from typing import NamedTuple

import jax
import numpy as np

from causal_jax.data import faces
from causal_jax.data.records import ImageData
from causal_jax.networks.judge import Judge, load_judge
from causal_jax.queries.draws import judged_labels, with_labels
from causal_jax.recipes.labels_images import data
from causal_jax.recipes.labels_images.faces_judge import load_faces_judge
from causal_jax.recipes.labels_images.imagination import (
    Imagination,
    label_counterfactual,
)
from causal_jax.recipes.labels_images.measures import open_images
from causal_jax.reporting import grids

KEY = 2311  # the cases are the same for every run


class Cases(NamedTuple):
    """Faces and one changed label each, S strata (label and state) of B units.

    Attributes:
      names: of the strata, "Male=0 to 1".
      columns: `[S]` which label is changed.
      images: `[S, B, H, H, 3]` in [-1, 1].
      labels: int `[S, B, n]`, theirs.
      others: int `[S, B, n]`, in the world of the intervention.
      true: `[S, B, H, H, 3]` the true counterfactuals, or None.
    """

    names: list[str]
    columns: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    others: np.ndarray
    true: np.ndarray | None


def face_cases(size: int, num: int) -> Cases:
    """Drawn faces of the law, `num` a label and state, and their true twins."""
    scm, params = faces.scm(size)
    label_scm, label_params = faces.label_scm()
    strata = []
    for i, name in enumerate(faces.LABELS):
        for state in range(2):
            key = jax.random.fold_in(jax.random.key(KEY), 2 * i + state)
            pair = label_scm.twins(
                label_params, key, num=num, do={name: 1 - state}, given={name: state}
            )
            pictures = [_rounded(with_labels(scm, params, key, w)) for w in pair]
            rows = [np.stack([w[n] for n in faces.LABELS], -1) for w in pair]
            strata.append((_stratum(name, state), i, *pictures, *rows))
    names, columns, images, true, labels, others = zip(*strata, strict=True)
    return Cases(
        names=list(names),
        columns=np.array(columns),
        images=np.stack(images),
        labels=np.stack(labels),
        others=np.stack(others),
        true=np.stack(true),
    )


def held_out_cases(
    model: Imagination, names: tuple[str, ...], pictures: ImageData, num: int
) -> Cases:
    """Held-out pictures, `num` a label and state (some twice where there are fewer)."""
    table, random = np.asarray(pictures.labels), np.random.default_rng(KEY)
    strata = []
    for name in names:
        column = model.trained.label_scm.nodes.index(name)
        for state in range(2):
            rows = np.flatnonzero(table[:, column] == state)
            if not len(rows):
                continue
            rows = random.choice(rows, num, replace=len(rows) < num)
            images = pictures.images[rows].astype(np.float32) / 127.5 - 1
            others = label_counterfactual(
                model, table[rows], {name: 1 - state}, jax.random.key(column)
            )
            strata.append((_stratum(name, state), column, images, table[rows], others))
    titles, columns, images, labels, others = zip(*strata, strict=True)
    return Cases(
        names=list(titles),
        columns=np.array(columns),
        images=np.stack(images),
        labels=np.stack(labels),
        others=np.stack(others),
        true=None,
    )


def _stratum(name: str, state: int) -> str:
    return f"{name}={state} to {1 - state}"


def _rounded(images) -> np.ndarray:
    """As a picture file would have it: 256 levels, float in [-1, 1]."""
    return grids.to_uint8(images).astype(np.float32) / 127.5 - 1


def flat(leaf: np.ndarray) -> np.ndarray:
    """All strata below each other: `[S, B, ...]` -> `[S * B, ...]`."""
    return leaf.reshape(-1, *leaf.shape[2:])


def open_cases(
    model: Imagination, num: int, judge_path: str | None
) -> tuple[Judge, Cases]:
    """The judge of a run and its cases, `num` in each stratum.

    Faces are read by the library's judge, or by the one in the file `judge_path`; see
    `measures.open_images` for other data.
    """
    run = model.trained.run
    if data.are_faces(run.config):
        reader = load_judge(judge_path) if judge_path else load_faces_judge()
        return reader, face_cases(model.trained.generator.resolution, num)
    pictures = open_images(run, data.labels(run.config), judge_path)
    names = judged_labels(model.trained.scm, pictures.judge)
    return pictures.judge, held_out_cases(model, names, pictures.held_out, num)
