"""What runs of this family reached: the numbers of their `metrics.json`.

Samples are read by a classifier of real pictures (`judge`), which is trained when a run
is evaluated first and kept in its folder. Shares have their standard error beside them.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from causal_jax.data.streams import RESIDENT_BYTES, Stream
from causal_jax.metrics.class_score import class_score
from causal_jax.metrics.frechet import (
    frechet_distance,
    frechet_floor,
    random_halves,
)
from causal_jax.metrics.gaussian_pictures import gaussian_pictures
from causal_jax.metrics.mask_statistics import mask_statistics
from causal_jax.metrics.neighbours import Neighbours, nearest_neighbours
from causal_jax.metrics.shares import share, top_hits
from causal_jax.networks.cgn import pictures
from causal_jax.networks.cgn.composition import LABELS
from causal_jax.networks.cgn.imagenet import IMAGE, LABEL
from causal_jax.progress import tqdm
from causal_jax.recipes.imagenet import best, data, judge, silhouettes
from causal_jax.recipes.imagenet.judge import Judge, Rows
from causal_jax.recipes.recipe import Measured, Run
from causal_jax.reporting.grids import to_uint8
from causal_jax.runs.load import MODEL, load
from causal_jax.scm import SCM
from causal_jax.training import log
from causal_jax.types import Array, Key, Params

KEY = 80  # the evaluation's draws are the same for every run
_NUM_SAMPLES = 2000
_MOST_BYTES = RESIDENT_BYTES  # of pictures of a split
_FEW = 10  # steps of a quicktest, which draws as few pictures
_PER_CLASS = 10  # pictures of a class, on average, in a part of a class score
_NUM_COMPONENTS = 200  # of the class-blind baseline
_LOSSES = ("l1", "perceptual", "binary", "size", "texture", "background")


class GeneratorShown(NamedTuple):
    """What a generator's page shows beside the metrics.

    Attributes:
      scm: the model.
      samples: generated pictures and their labels.
      training: pictures that it was trained on.
      nearest: of the samples in the training pictures.
    """

    scm: SCM
    samples: Rows
    training: Rows
    nearest: Neighbours


class NetworkShown(NamedTuple):
    """What a counterfactual network's page shows beside the metrics.

    Attributes:
      scm: the model.
      params: its parameters.
    """

    scm: SCM
    params: Params


# --- a generator ----------------------------------------------------------------------


def measure_generator(run: Run) -> Measured:
    """Whether its classes are read, how far its pictures are from real ones; copies.

    Returns:
      {"class_accuracy", "judge_accuracy", "frechet", "frechet_real" (of two halves of
      the held-out pictures), "frechet_class_blind" (of pictures that have the real
      ones' means and covariances of pixels, and no class), "frechet_ratio" (over
      frechet_real), "nearest_ratio" (distance to the nearest training picture, over
      held-out ones')}.

    Raises:
      ValueError: the run has no checkpoint yet, or its data is gone.
    """
    scm, params = load(run.workdir)
    training, held_out = rows(run, scm.mechanisms[IMAGE].size)
    reader = _judge(run, scm, LABEL, training, held_out)
    samples = drawn_samples(scm, params, _num_samples(run))
    nearest = nearest_neighbours(
        samples.images, training.images, held_out.images, mirror=True
    )
    read = share(top_hits(reader.logits(samples.images), samples.labels, 1))
    metrics = {
        "class_accuracy": read.value,
        "class_accuracy_error": read.error,
        "judge_accuracy": reader.accuracy.value,
        "nearest_ratio": nearest.median / nearest.real_median,
        **_distances(reader, samples, training, held_out),
    }
    shown = GeneratorShown(scm=scm, samples=samples, training=training, nearest=nearest)
    return Measured(metrics=metrics, shown=shown)


def rows(run: Run, size: int) -> tuple[Rows, Rows]:
    """Training and held-out pictures of a run's data set, in memory.

    Of a split that does not fit so many as do, drawn at random; that is said.

    Raises:
      ValueError: there is no such set.
    """
    found = []
    for split in (run.config.train_split, run.config.validation_split):
        opened = data.open_split(run.config, split, 1, size=size)
        arrays = _some(opened) if opened.arrays is None else opened.arrays
        found.append(Rows(images=arrays["image"], labels=arrays["label"]))
    return found[0], found[1]


def _some(stream: Stream) -> dict[str, np.ndarray]:
    """The first records of a stream's order, as many as fit into memory."""
    num = min(_MOST_BYTES // (3 * stream.size**2), stream.num_records)
    print(
        f"of {stream.num_records:,} pictures of {stream.of['name']}, split "
        f"{stream.of['split']}, {num:,} are drawn at random: all do not fit into memory"
    )
    with stream.batches() as batches:
        parts = [
            next(batches) for _ in tqdm(range(num), desc="reading", unit="picture")
        ]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _judge(run: Run, scm: SCM, label: str, training: Rows, held_out: Rows) -> Judge:
    num_classes = len(scm.states(label))
    folder = run.workdir / "judge"
    return judge.trained(
        run.config, folder, training, held_out, num_classes=num_classes
    )


def drawn_samples(scm: SCM, params: Params, num: int) -> Rows:
    """Generated pictures, as many of every class, at the model's truncation."""
    picture = scm.mechanisms[IMAGE]
    labels = np.arange(num, dtype=np.int32) % len(scm.states(LABEL))
    noise = picture.noise(jax.random.fold_in(jax.random.key(KEY), 0), num)
    draw = jax.jit(lambda p, x, z: picture.images(p, x, z))
    block = min(num, pictures.block_size_of(picture.size))
    found = []
    for first in range(0, num, block):
        units = np.minimum(np.arange(first, first + block), num - 1)
        images = draw(params[IMAGE], labels[units], noise[units])
        found.append(to_uint8(images)[: num - first])
    return Rows(images=np.concatenate(found), labels=labels)


def _distances(
    reader: Judge, samples: Rows, training: Rows, held_out: Rows
) -> dict[str, float]:
    """Frechet distances by the judge's features, each of two sets of one size.

    Fewer pictures are farther apart by chance: half of the held-out pictures is held
    against the other half, as many samples and as many class-blind pictures, and that
    for many random halves.
    """
    num = min(len(samples.images), len(held_out.images) // 2)
    components = min(_NUM_COMPONENTS, num - 1, len(training.images) - 1)
    blind = gaussian_pictures(
        training.images,
        jax.random.fold_in(jax.random.key(KEY), 1),
        num=num,
        num_components=components,
    )
    real = reader.features(held_out.images)
    floor = frechet_floor(real, num=num)
    halves = random_halves(len(real), num=num)

    def mean_distance(images: np.ndarray) -> float:
        features = reader.features(images)
        found = [frechet_distance(features, real[half]) for half, _ in halves]
        return float(np.mean(found))

    distance = mean_distance(samples.images[:num])
    return {
        "frechet": distance,
        "frechet_real": floor,
        "frechet_class_blind": mean_distance(blind),
        "frechet_ratio": distance / floor if floor else None,
    }


def _num_samples(run: Run) -> int:
    return _FEW if run.config.num_steps < _FEW else _NUM_SAMPLES


# --- the counterfactual network -------------------------------------------------------


def measure_network(run: Run) -> Measured:
    """What its masks are like, how its losses fell, and which classes it draws best.

    Returns:
      {"mask_mean", "mask_empty", "mask_full", "mask_entropy", "mask_binaryness" (each
      with NAME_error), "loss_end_over_start", "worst_term_over_start", "worst_term",
      "best_classes"}; with real pictures also "class_score", an Inception score by the
      judge, in parts of "class_score_pictures" each, the shares of composed images read
      as each label, "shape_label_read" and so on, of independent labels, and
      "mask_read", the share of masks whose class a judge of real pictures' masks reads
      ("mask_judge_accuracy" of held-out ones).

    Raises:
      ValueError: the run has no checkpoint yet, or its data is gone.
    """
    scm, params = load(run.workdir)
    key, num = jax.random.key(KEY), _num_samples(run)
    labels = {
        name: jax.random.randint(
            jax.random.fold_in(key, i), (num,), 0, pictures.num_classes(scm)
        )
        for i, name in enumerate(LABELS)
    }
    masks, images = _masks_and_images(scm, params, key, labels)
    metrics: dict[str, Any] = {}
    for name, estimate in mask_statistics(masks)._asdict().items():
        metrics[f"mask_{name}"] = estimate.value
        metrics[f"mask_{name}_error"] = estimate.standard_error
    metrics |= loss_changes(log.read(run.workdir))
    if run.config.dataset:
        metrics |= _read(run, (scm, params), masks, images, labels)
    per_class = 2 if run.config.num_steps < _FEW else 8
    metrics["best_classes"] = best.find_best_classes(
        scm, params, jax.random.fold_in(key, 9), per_class=per_class
    )
    return Measured(metrics=metrics, shown=NetworkShown(scm=scm, params=params))


def _masks_and_images(
    scm: SCM, params: Params, key: Key, labels: dict[str, Array]
) -> tuple[np.ndarray, np.ndarray]:
    """Float [N, H, W, 1] and uint8 [N, H, W, 3]; the other parts are not kept."""
    num, block = len(labels[LABELS[0]]), pictures.block_size(scm)
    masks, images = [], []
    for first in tqdm(range(0, num, block), desc="pictures", unit="block"):
        units = slice(first, min(first + block, num))
        noise = pictures.unit_noise(scm, key, first, num=units.stop - first)
        own = {name: values[units] for name, values in labels.items()}
        drawn = pictures.draw(scm, params, noise, own, block=block)
        masks.append(drawn.masks)
        images.append(to_uint8(drawn.images))
    return np.concatenate(masks), np.concatenate(images)


def loss_changes(entries: list[dict]) -> dict[str, Any]:
    """How the losses ended, over how they began, from a run's log.

    Args:
      entries: of `log.read`; the first and the last tenth are averaged.

    Returns:
      {"loss_end_over_start", "worst_term_over_start", "worst_term"}; a term that is 0
      at both ends is left out, one that begins at 0 is set against 1e-6. Empty without
      entries.
    """
    found = [entry for entry in entries if entry["stage"] == MODEL]
    if not found:
        return {}
    tenth = max(1, len(found) // 10)

    def ratio(name: str) -> float | None:
        start, end = (
            float(np.mean([entry[name] for entry in part]))
            for part in (found[:tenth], found[-tenth:])
        )
        return end / (start or 1e-6) if start or end else None

    ratios = {name: value for name in _LOSSES if (value := ratio(name)) is not None}
    worst = max(ratios, key=ratios.get, default=None)
    return {
        "loss_end_over_start": ratio("loss"),
        "worst_term_over_start": ratios.get(worst),
        "worst_term": worst,
    }


def _read(
    run: Run,
    model: tuple[SCM, Params],
    masks: np.ndarray,
    images: np.ndarray,
    labels: dict[str, Array],
) -> dict[str, float]:
    """What the judges read in composed images, and in masks."""
    scm, _ = model
    training, held_out = rows(run, pictures.picture_size(scm))
    reader = _judge(run, scm, LABELS[0], training, held_out)
    logits = reader.logits(images)
    # A part of few pictures scores low whatever they show: many classes have one part.
    is_split = len(images) >= 10 * _PER_CLASS * logits.shape[1]
    score = class_score(
        np.asarray(jax.nn.softmax(logits)), num_splits=10 if is_split else 1
    )
    found = {
        "judge_accuracy": reader.accuracy.value,
        "class_score": score.value,
        "class_score_error": score.standard_error if is_split else None,
        "class_score_pictures": len(images) // len(score.parts),
    }
    for name, values in labels.items():
        hits = share(top_hits(logits, np.asarray(values), 1))
        found[f"{name}_read"] = hits.value
        found[f"{name}_read_error"] = hits.error
    seen = silhouettes.read(
        run.config,
        run.workdir / "mask_judge",
        model,
        (training, held_out),
        masks,
        labels[LABELS[0]],
    )
    return found | {
        "mask_read": seen.read.value,
        "mask_read_error": seen.read.error,
        "mask_read_over_chance": seen.read.value * pictures.num_classes(scm),
        "mask_judge_accuracy": seen.held_out.value,
    }
