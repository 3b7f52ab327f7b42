"""Cases of imagined images: given faces and one changed label each."""

from collections.abc import Sequence
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
from causal_jax.runs import folder
from causal_jax.scm import SCM

KEY = 2311  # the cases are the same for every run
FEWEST = 10  # pictures of a label's state


class Cases(NamedTuple):
    """Faces and one changed label each, S strata (label and state) of B units.

    Attributes:
      names: of the strata, "Male=0 to 1", by the names of the states.
      columns: `[S]` which of the n labels is changed.
      images: `[S, B, H, H, 3]` in [-1, 1].
      labels: int `[S, B, n]`, theirs.
      others: int `[S, B, n]`, in the world of the intervention.
      true: `[S, B, H, H, 3]` the true counterfactuals, or None.
      left_out: names of the strata that have too few pictures.
      were_trained_on: whether the images were.
    """

    names: list[str]
    columns: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    others: np.ndarray
    true: np.ndarray | None
    left_out: tuple[str, ...] = ()
    were_trained_on: bool = False


def face_cases(names: Sequence[str], size: int, num: int) -> Cases:
    """Drawn faces of the law, `num` a label and state, and their true twins.

    Args:
      names: the model's labels, of `faces.LABELS`.
      size: height and width.
      num: cases a label and state.
    """
    scm, params = faces.scm(size)
    label_scm, label_params = faces.label_scm()
    strata = []
    for i, name in enumerate(names):
        for state in range(2):
            number = 2 * faces.LABELS.index(name) + state
            key = jax.random.fold_in(jax.random.key(KEY), number)
            pair = label_scm.twins(
                label_params, key, num=num, do={name: 1 - state}, given={name: state}
            )
            pictures = [_rounded(with_labels(scm, params, key, w)) for w in pair]
            rows = [np.stack([w[n] for n in names], -1) for w in pair]
            title = _stratum(name, state, label_scm)
            strata.append((title, i, *pictures, *rows))
    titles, columns, images, true, labels, others = zip(*strata, strict=True)
    return Cases(
        names=list(titles),
        columns=np.array(columns),
        images=np.stack(images),
        labels=np.stack(labels),
        others=np.stack(others),
        true=np.stack(true),
    )


def held_out_cases(
    model: Imagination, names: tuple[str, ...], pictures: ImageData, num: int
) -> Cases:
    """Held-out pictures, each once, `num` a label and state or as many as there are.

    A state of fewer than `FEWEST` pictures is left out, where more are asked for.

    Raises:
      ValueError: no state has as many.
    """
    table, random = np.asarray(pictures.labels), np.random.default_rng(KEY)
    scm, nodes = model.trained.label_scm, model.trained.label_scm.nodes
    rows = {
        (name, state): np.flatnonzero(table[:, nodes.index(name)] == state)
        for name in names
        for state in range(2)
    }
    fewest = min(num, FEWEST)
    few = [key for key, found in rows.items() if len(found) < fewest]
    left_out = [_stratum(*key, scm) for key in few]
    rows = {key: found for key, found in rows.items() if len(found) >= fewest}
    if not rows:
        raise ValueError(
            f"{len(table)} held-out pictures are too few: no state of a label is in "
            f"{fewest} of them"
        )
    if left_out:
        print(f"left out, of fewer than {fewest} pictures: {', '.join(left_out)}")
    rarest = min(rows, key=lambda key: len(rows[key]))
    if len(rows[rarest]) < num:
        num = len(rows[rarest])
        print(f"{num} cases a label and state: {_stratum(*rarest, scm)} has no more")
    strata = []
    for (name, state), found in rows.items():
        column = nodes.index(name)
        chosen = random.choice(found, num, replace=False)
        images = pictures.images[chosen].astype(np.float32) / 127.5 - 1
        others = label_counterfactual(
            model, table[chosen], {name: 1 - state}, jax.random.key(column)
        )
        title = _stratum(name, state, scm)
        strata.append((title, column, images, table[chosen], others))
    titles, columns, images, labels, others = zip(*strata, strict=True)
    return Cases(
        names=list(titles),
        columns=np.array(columns),
        images=np.stack(images),
        labels=np.stack(labels),
        others=np.stack(others),
        true=None,
        left_out=tuple(left_out),
    )


def _stratum(name: str, state: int, scm: SCM) -> str:
    states = scm.states(name)
    return f"{name}={states[state]} to {states[1 - state]}"


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
        names, size = model.trained.label_scm.nodes, model.trained.generator.resolution
        return reader.of(names), face_cases(names, size, num)
    # What was held out of another table was trained on.
    folder.require_sources(run.workdir, data.sources(run.config))
    pictures = open_images(run, data.labels(run.config), judge_path)
    names = judged_labels(model.trained.scm, pictures.judge)
    cases = held_out_cases(model, names, pictures.held_out, num)
    return pictures.judge, cases._replace(were_trained_on=pictures.were_trained_on)
