"""Cases of imagined images: given faces and one changed label each."""

from typing import NamedTuple

import jax
import numpy as np

from causal_jax.data import faces
from causal_jax.data.images import ImageData
from causal_jax.metrics import judge as judges
from causal_jax.metrics.draws import judged_labels, with_labels
from causal_jax.reporting import grids
from experiments import evaluation, imagination

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
    arrays = map(np.stack, (images, labels, others, true))
    return Cases(list(names), np.array(columns), *arrays)


def held_out_cases(
    model: imagination.Model, names: tuple[str, ...], pictures: ImageData, num: int
) -> Cases:
    """Held-out pictures, `num` a label and state (some twice where there are fewer)."""
    table, random = np.asarray(pictures.labels), np.random.default_rng(KEY)
    strata = []
    for name in names:
        column = model.label_scm.nodes.index(name)
        for state in range(2):
            rows = np.flatnonzero(table[:, column] == state)
            if not len(rows):
                continue
            rows = random.choice(rows, num, replace=len(rows) < num)
            images = pictures.images[rows].astype(np.float32) / 127.5 - 1
            others = imagination.label_counterfactual(
                model, table[rows], {name: 1 - state}, jax.random.key(column)
            )
            strata.append((_stratum(name, state), column, images, table[rows], others))
    titles, columns, images, labels, others = zip(*strata, strict=True)
    arrays = map(np.stack, (images, labels, others))
    return Cases(list(titles), np.array(columns), *arrays, None)


def _stratum(name: str, state: int) -> str:
    return f"{name}={state} to {1 - state}"


def _rounded(images) -> np.ndarray:
    """As a picture file would have it: 256 levels, float in [-1, 1]."""
    return grids.to_uint8(images).astype(np.float32) / 127.5 - 1


def flat(leaf: np.ndarray) -> np.ndarray:
    """All strata below each other: `[S, B, ...]` -> `[S * B, ...]`."""
    return leaf.reshape(-1, *leaf.shape[2:])


def open_cases(
    model: imagination.Model, num: int, judge: str | None
) -> tuple[judges.Judge, Cases]:
    """The judge of a run and its cases, `num` in each stratum.

    Faces are read by the library's judge, or by the one in the file `judge`; see
    `evaluation.open_images` for other data.
    """
    if model.config.dataset == "faces" and not model.config.images:
        reader = judges.load_judge(judge) if judge else judges.load_faces_judge()
        return reader, face_cases(model.generator.resolution, num)
    pictures = evaluation.open_images(evaluation.open_run(model.workdir), judge)
    names = judged_labels(model.scm, pictures.judge)
    return pictures.judge, held_out_cases(model, names, pictures.held_out, num)
