"""What a run of this family reached: the numbers of its `metrics.json`."""

from pathlib import Path
from typing import NamedTuple

import jax
import networkx as nx
import numpy as np

from causal_jax import graph as graphs
from causal_jax.data import faces
from causal_jax.data.composites import find_regions
from causal_jax.data.records import ImageData
from causal_jax.metrics import images
from causal_jax.metrics.accuracy import UnderDo, accuracy_under_do, balanced_accuracy
from causal_jax.metrics.judge_composites import read_in_composites
from causal_jax.networks.judge import Judge, load_judge
from causal_jax.progress import tqdm
from causal_jax.queries import draws
from causal_jax.recipes.labels_images import data
from causal_jax.recipes.labels_images.faces_judge import load_faces_judge
from causal_jax.recipes.labels_images.label_measures import (
    KEY,
    LabelShown,
    label_metrics,
)
from causal_jax.recipes.labels_images.model import Trained, open_trained
from causal_jax.recipes.labels_images.own_judge import trained_judge
from causal_jax.recipes.recipe import Measured, Run
from causal_jax.reporting import grids
from causal_jax.runs import folder
from causal_jax.runs.load import IMAGE, IMAGES
from causal_jax.scm import SCM
from causal_jax.training.unseen_combinations import unseen_pairs
from causal_jax.types import Key, Params

NUM_PER_STATE = 500  # pictures of do(label=0) and as many of do(label=1), a label
NUM_NEIGHBOURS = 200
NUM_FRECHET = 2000
NUM_OF_CURVE = 200  # `NUM_PER_STATE` of a point of the curve over the steps

# Left out of the training data of the faces: only an intervention shows them.
UNSEEN = ({"Male": 0, "Mustache": 1}, {"Male": 0, "Bald": 1})
# A mustache does not make a man, though who has one is a man (CausalGAN, section 1).
CAUSE, EFFECT = "Mustache", "Male"


# Of those: labels read as they were set, mean, its standard error, and by label; images
# where all are, the judge's own share of real pictures of combinations that occur, and
# the mean ratio; and what it reads in composites of two real pictures.
UNSEEN_FIGURES = (
    *("unseen_accuracy", "unseen_accuracy_error", "unseen", "unseen_together"),
    *("unseen_together_judge", "unseen_together_relative"),
    "unseen_together_composites",
)


class Shown(NamedTuple):
    """What the report shows beside the metrics.

    Attributes:
      trained: the run and its model.
      labels: what is shown of the labels.
      pictures: what the image metrics were measured on; None without images, or
        without a label that a judge can read.
    """

    trained: Trained
    labels: LabelShown
    pictures: "Images | None"


def measure(run: Run, judge: str | Path | None = None) -> Measured:
    """Everything that metrics.json holds of a run, and what its page shows.

    Args:
      run: a trained run of this family.
      judge: a judge's .npz that another run has trained; None takes the faces' own, or
        trains one on the run's training pictures.

    Raises:
      ValueError: the run has no checkpoint yet, or its data is gone.
    """
    trained = open_trained(run)
    labels = data.labels(run.config)
    label_part, label_shown = label_metrics(trained, labels)
    image_part, pictures = None, None
    if judge is not None and not trained.can_be_judged:
        raise ValueError(
            f"a judge has nothing to read in {run.workdir}, where no label has two "
            "states: leave --judge out"
        )
    if IMAGE in trained.scm.nodes and trained.can_be_judged:
        pictures = open_images(run, labels, judge)
        image_part = image_metrics(trained, labels, pictures)
    return Measured(
        metrics={"labels": label_part, "images": image_part},
        shown=Shown(
            trained=trained,
            labels=label_shown,
            pictures=pictures,
        ),
    )


# --- images ---------------------------------------------------------------------------


class Images(NamedTuple):
    """What the image metrics are measured against.

    Attributes:
      judge: reads labels (and nuisances) off pictures.
      judge_accuracy: {label: its balanced accuracy on held-out real pictures}; None
        where they lack a state.
      judge_under_do: the same if the labels were set, see `accuracy_under_do`.
      training: what was trained on, without composites.
      held_out: real pictures that were not.
      were_trained_on: whether the held-out ones were trained on all the same.
      truth: the model that draws true pictures, None where there is none.
    """

    judge: Judge
    judge_accuracy: dict[str, float | None]
    judge_under_do: dict[str, UnderDo]
    training: ImageData
    held_out: ImageData
    were_trained_on: bool
    truth: tuple[SCM, Params] | None


def open_images(
    run: Run, labels: data.Labels, judge_path: str | Path | None = None
) -> Images:
    """Reads the pictures again and loads or trains their judge.

    The judge of the faces comes with the library, unless another is named. Any other is
    trained on the run's training pictures alone and kept in the run's folder.
    """
    config, graph = run.config, labels.graph
    training, held_out = data.for_judging(config, graph)
    if data.are_faces(config):
        reader = load_judge(judge_path) if judge_path else load_faces_judge()
        reader, truth = reader.of(graph), faces.scm(config.image_size)
    else:
        reader, truth = trained_judge(run, labels, training, judge_path), None
    probs, rows = reader.labels(held_out.images), judged_rows(reader, held_out)
    accuracy = balanced_accuracy(probs, rows)
    known = (None if np.isnan(share) else float(share) for share in accuracy)
    names = dict(zip(reader.label_names, known, strict=True))
    under_do = {
        name: accuracy_under_do(probs[:, i], rows[:, i], _causes(graph, held_out, name))
        for i, name in enumerate(reader.label_names)
    }
    return Images(
        judge=reader,
        judge_accuracy=names,
        judge_under_do=under_do,
        training=training,
        held_out=held_out,
        were_trained_on=not data.are_held_out(
            config, len(training.images) + len(held_out.images)
        ),
        truth=truth,
    )


def _causes(graph: nx.DiGraph, pictures: ImageData, name: str) -> np.ndarray:
    """int `[N, C]`: the label's causes in the pictures."""
    columns = [pictures.table.names.index(cause) for cause in graph.pred[name]]
    return pictures.table.values[:, columns]


def judged_rows(judge: Judge, pictures: ImageData) -> np.ndarray:
    """The labels that a judge reads, `[N, L]` in {0, 1}, in its order.

    Raises:
      ValueError: the pictures do not have one of them.
    """
    names = pictures.table.names
    missing = [name for name in judge.label_names if name not in names]
    if missing:
        raise ValueError(
            f"the judge reads {missing[0]!r}, but the pictures' labels are "
            f"{', '.join(names)}: give a judge of these labels, or none"
        )
    return pictures.labels[:, [names.index(name) for name in judge.label_names]]


def image_metrics(trained: Trained, labels: data.Labels, pictures: Images) -> dict:
    """The `images` part of metrics.json and the details that the report shows.

    Every run has every key; None where the labels or the data leave nothing to measure.
    """
    key = jax.random.key(KEY + 1)
    model = (trained.scm, trained.params, pictures.judge)
    names = set(draws.judged_labels(trained.label_scm, pictures.judge))
    accuracy = images.label_accuracy(*model, key, num_per_state=NUM_PER_STATE)
    result = {
        "label_accuracy_mean": accuracy.mean,
        "label_accuracy_min": accuracy.min,
        "label_accuracy": accuracy.by_label,
        "label_accuracy_standard_errors": accuracy.standard_errors,
        "judge_accuracy": pictures.judge_accuracy,
        "judge_under_do": {
            name: found._asdict() for name, found in pictures.judge_under_do.items()
        },
        **_relative(accuracy.by_label, pictures.judge_accuracy),
        **_over_do(accuracy.by_label, pictures),
        **dict.fromkeys(UNSEEN_FIGURES),
        "male_by_mustache": None,
    }
    combinations = _unseen_combinations(trained.scm, names, pictures.training)
    if combinations:
        result |= _unseen(model, key, combinations, pictures)
    if {CAUSE, EFFECT} <= names and all(
        trained.scm.states(name) == graphs.BINARY for name in (CAUSE, EFFECT)
    ):
        effects = images.do_versus_see(
            *model,
            key,
            cause=CAUSE,
            effect=EFFECT,
            num=2 * NUM_PER_STATE,
            truth=labels.truth,
        )
        result["male_by_mustache"] = {
            "do": effects.do.value,
            "given": effects.given.value if effects.given else None,
            "do_error": effects.do.standard_error,
            "given_error": effects.given.standard_error if effects.given else None,
            "true_do": effects.true_do,
            "true_given": effects.true_given,
        }
    spread = images.diversity(
        *model, key, truth=pictures.truth, num_per_state=NUM_PER_STATE
    )
    result["diversity"] = spread.diversity if spread else None
    result["diversity_by_nuisance"] = spread.by_nuisance if spread else {}
    result |= _frechet_figures(_frechet(model, key, pictures))
    result |= neighbours(trained, pictures, key)
    return result | {"curve": curve(trained, pictures, combinations, key)}


def _unseen_combinations(
    scm: SCM, names: set[str], training: ImageData
) -> list[dict[str, int]]:
    """Those of `UNSEEN` that the model has and its training pictures hardly do."""
    table = training.table
    num_states = [len(table.states[name]) for name in table.names]
    unseen = {
        frozenset({(table.names[i], a), (table.names[j], b)})
        for i, a, j, b in unseen_pairs(table.values, num_states).tolist()
    }
    return [
        combination
        for combination in UNSEEN
        if set(combination) <= names
        # With other names, another state may be the one with index 1.
        and all(scm.states(name) == graphs.BINARY for name in combination)
        and frozenset(combination.items()) in unseen
    ]


def _relative(
    ours: dict[str, float], judges: dict[str, float | None]
) -> dict[str, float | None]:
    """Label accuracies over the judge's own: what it cannot read is not asked for."""
    return _mean_and_min("relative", ours, judges)


def _over_do(ours: dict[str, float], pictures: Images) -> dict[str, float]:
    """Accuracies over what the judge reads in real pictures if the label were set.

    A judge that tells lipstick by sex is right on photographs, and not where it is set.
    The judge's is of those whose causes leave both states open (`UnderDo.covered`),
    and labels without such are left out; ours is of all.
    """
    judges = {name: pictures.judge_under_do[name].accuracy for name in ours}
    return _mean_and_min("over_do", ours, judges)


def _mean_and_min(
    kind: str, ours: dict[str, float], judges: dict[str, float | None]
) -> dict[str, float | None]:
    """Of the ratios; labels that the judge is not known to read are left out."""
    ratios = [ours[name] / judges[name] for name in ours if judges[name]]
    return {
        f"label_accuracy_{kind}_mean": float(np.mean(ratios)) if ratios else None,
        f"label_accuracy_{kind}_min": min(ratios, default=None),
    }


def _unseen(model, key: Key, combinations: list, pictures: Images) -> dict:
    """Values of `UNSEEN_FIGURES`."""
    found = images.combination_accuracy(
        *model, key, combinations=combinations, num=NUM_PER_STATE
    )
    held_out, judge = pictures.held_out, pictures.judge
    rows = judged_rows(judge, held_out)
    own = [
        images.read_together(judge, held_out.images, rows, tuple(names))
        for names in combinations
    ]
    training = pictures.training
    regions = find_regions(training.images, judged_rows(judge, training))
    in_composites = [
        read_in_composites(judge, held_out.images, rows, regions, names)
        for names in combinations
    ]
    together = found.together.values()
    ratios = [a / b for a, b in zip(together, own, strict=True) if b]
    values = (
        found.mean,
        found.standard_error,
        found.table,
        found.together,
        dict(zip(found.together, own, strict=True)),
        float(np.mean(ratios)) if len(ratios) == len(own) else None,
        dict(zip(found.together, in_composites, strict=True)),
    )
    return dict(zip(UNSEEN_FIGURES, values, strict=True))


def _frechet(model, key: Key, pictures: Images) -> images.Frechet | None:
    real, table = pictures.held_out, pictures.held_out.table
    labels = dict(zip(table.names, table.values.T, strict=True))
    return images.frechet(*model, key, real=real.images, labels=labels, num=NUM_FRECHET)


def _frechet_figures(found: images.Frechet | None) -> dict:
    """As metrics.json has them; None of too few held-out pictures."""
    if found is None:
        names = ("frechet", "frechet_same_labels", "label_effects", "variety")
        return dict.fromkeys((*names, "frechet_floor", "frechet_num"))
    return {
        "frechet": found.frechet,
        "frechet_same_labels": found.same_labels,
        "label_effects": found.effects and found.effects.by_label,
        "variety": found.effects and found.effects.variety,
        "frechet_floor": found.floor,
        "frechet_num": found.num,
    }


def curve(
    trained: Trained, pictures: Images, combinations: list, key: Key
) -> list[dict[str, float]]:
    """Some figures over the training steps, accuracies of fewer pictures.

    Measured at the intact checkpoints that were kept for it (`config.keep_every`) and
    the last; empty where none was.
    """
    every = getattr(trained.run.config, "keep_every", 0)
    saved = folder.checkpoints(trained.run.workdir, IMAGES)
    if not every:
        return []
    *steps, last = saved.intact_steps()
    steps = [*(step for step in steps if step % every == 0), last]
    points = []
    for step in tqdm(steps, desc="curve", unit="point"):
        image = saved.restore_params(step, trained.params[IMAGE])
        model = (trained.scm, {**trained.params, IMAGE: image}, pictures.judge)
        accuracy = images.label_accuracy(*model, key, num_per_state=NUM_OF_CURVE)
        point = {
            "step": step,
            **_relative(accuracy.by_label, pictures.judge_accuracy),
        }
        if combinations:
            found = images.combination_accuracy(
                *model, key, combinations=combinations, num=NUM_OF_CURVE
            )
            point["unseen_together"] = float(np.mean(list(found.together.values())))
        if (distance := _frechet(model, key, pictures)) is not None:
            floor = max(distance.floor, 1e-12)
            point["frechet_over_floor"] = distance.frechet / floor
            point["frechet_same_labels_over_floor"] = distance.same_labels / floor
            point["variety"] = distance.effects and distance.effects.variety
        points.append({name: x for name, x in point.items() if x is not None})
    return points


def neighbours(trained: Trained, pictures: Images, key: Key) -> dict:
    """Nearest training pictures of generated and of held-out real ones."""
    drawn = trained.scm.sample(trained.params, key, num=NUM_NEIGHBOURS)[IMAGE]
    nearest = images.nearest_neighbours(
        grids.to_uint8(drawn),
        pictures.training.images,
        pictures.held_out.images,
        num=NUM_NEIGHBOURS,
        mirror=bool(getattr(trained.run.config.gan, "flip", False)),
    )
    return {
        "nearest_neighbour_median": nearest.median,
        "nearest_neighbour_median_real": nearest.real_median,
        "nearest_neighbour_copies": nearest.copies,
    }
