"""What a run reached: the numbers of `metrics.json`."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import ml_collections
import numpy as np
from tqdm import tqdm

import causal_jax
from causal_jax import workdir as workdirs
from causal_jax.data import faces
from causal_jax.data.images import ImageData
from causal_jax.metrics import discrete, images, judge, pairs, trees
from causal_jax.reporting import grids
from causal_jax.scm import SCM
from causal_jax.types import Params
from causal_jax.workdir import IMAGE
from experiments import data, stages

KEY = 77  # the evaluation's draws are the same for every run
JUDGE_STEPS = 2500  # of a judge that a run trains for itself
NUM_PER_STATE = 500  # pictures of do(label=0) and as many of do(label=1), a label
NUM_NEIGHBOURS = 200
NUM_FRECHET = 2000
NUM_PAIRS = 36  # listed and shown: all pairs of nine labels
_NUM_ROWS = 500_000  # of a law that is not enumerated


class Run(NamedTuple):
    """A trained run and its data.

    Attributes:
      workdir: its folder.
      config: its configuration.
      scm: the model; labels and, if they were trained, images.
      params: its parameters.
      label_scm: the labels alone.
      labels: the label stage's data.
    """

    workdir: Path
    config: Any
    scm: SCM
    params: Params
    label_scm: SCM
    labels: data.Labels


def open_run(workdir: str | Path) -> Run:
    """Loads a run and reads its label table again.

    Raises:
      ValueError: no run there, damaged, or its data is gone.
    """
    workdir = Path(workdir)
    scm, params = causal_jax.load(workdir)
    text = (workdir / "config.json").read_text(encoding="utf-8")
    config = ml_collections.ConfigDict(json.loads(text))
    has_images = IMAGE in scm.nodes
    label_scm = workdirs.without(scm, IMAGE) if has_images else scm
    return Run(workdir, config, scm, params, label_scm, data.labels(config))


def label_metrics(run: Run) -> dict:
    """The `labels` part of metrics.json and the details that the report shows."""
    rows, held_out = run.labels.rows, run.labels.held_out
    params = {name: run.params[name] for name in run.label_scm.nodes}
    key = jax.random.key(KEY)
    result = {"trainer": run.config.trainer, "rows": len(rows)}
    if _is_small(run.label_scm):
        truth, seen = reference_law(run)
        measured = discrete.compare(
            run.label_scm, params, truth, seen=seen, num_rows=len(rows), key=key
        )
        result |= measured._asdict()
    else:
        everything = np.concatenate([rows, held_out])
        measured = discrete.compare_pairs(run.label_scm, params, everything, key)
        result |= dict.fromkeys(("tvd", "do_tvd_mean", "do_tvd_max"))
        result |= {"floor": measured.floor, "by_intervention": {}, "exact": False}
        result |= {"pair_tvd_mean": measured.mean, "pair_tvd_max": measured.max}
    explicit = all(hasattr(m, "log_prob") for m in run.label_scm.mechanisms.values())
    if len(held_out) and explicit:
        tree = trees.chow_liu(run.labels.graph, rows)
        result["held_out_log_likelihood"] = discrete.mean_log_likelihood(
            run.label_scm, params, held_out
        )
        result["tree_log_likelihood"] = discrete.mean_log_likelihood(*tree, held_out)
    return result | table_metrics(label_tables(run))


def label_tables(run: Run) -> pairs.Compared:
    """Exact where the joint law is enumerated; else of 500,000 rows of the model."""
    scm = run.label_scm
    params = {name: run.params[name] for name in scm.nodes}
    if discrete.is_enumerable(scm):
        model = pairs.tables_of_law(scm, discrete.exact_law(scm, params))
    else:
        drawn = discrete.sampled_rows(scm, params, jax.random.key(KEY), _NUM_ROWS)
        model = pairs.tables_of_rows(scm, drawn)
    if _is_small(scm):
        truth, seen = reference_law(run)
        law = discrete.exact_law(*truth) if seen is None else seen
        source = "truth" if seen is None else "data"
        return pairs.Compared(model, pairs.tables_of_law(scm, law), source)
    everything = np.concatenate([run.labels.rows, run.labels.held_out])
    return pairs.Compared(model, pairs.tables_of_rows(scm, everything), "data")


def _is_small(scm: SCM) -> bool:
    num_states = np.prod(discrete.cardinalities(scm), dtype=float)
    return int(num_states) <= discrete.MAX_STATES


def table_metrics(tables: pairs.Compared) -> dict:
    """Marginals of every node and the largest TVDs of pairs, as metrics.json has it."""
    tvds = pairs.pair_tvds(tables.model, tables.reference)
    return {
        "marginals": {
            name: {
                "model": np.round(model, 6).tolist(),
                tables.source: np.round(tables.reference.marginals[name], 6).tolist(),
            }
            for name, model in tables.model.marginals.items()
        },
        "largest_pair_tvds": {
            ", ".join(pair): tvds[pair] for pair in pairs.largest(tvds, NUM_PAIRS)
        },
    }


def reference_law(run: Run) -> tuple[tuple[SCM, Params], np.ndarray | None]:
    """The truth for what is done, and the law of what is seen (None: the truth's).

    Where the truth is not known, what is seen is the data's own joint table, and what
    is done is the product of the data's conditional tables along the graph.
    """
    if run.labels.truth and set(run.labels.graph.edges) == set(
        run.labels.truth[0].graph.edges
    ):
        return run.labels.truth, None
    cards = discrete.cardinalities(run.label_scm)
    seen = discrete.empirical_law(run.labels.rows, cards)
    return discrete.tabular_fit(run.label_scm, run.labels.rows), seen


class Images(NamedTuple):
    """What the image metrics are measured against.

    Attributes:
      judge: reads labels (and nuisances) off pictures.
      judge_accuracy: {label: its balanced accuracy on held-out real pictures}.
      training: what was trained on.
      held_out: real pictures that were not.
      truth: the model that draws true pictures, None where there is none.
    """

    judge: judge.Judge
    judge_accuracy: dict[str, float]
    training: ImageData
    held_out: ImageData
    truth: tuple[SCM, Params] | None


def open_images(run: Run, judge_path: str | Path | None = None) -> Images:
    """Reads the pictures again and loads or trains their judge.

    The judge of the faces comes with the library. Any other is trained on the run's
    training pictures alone and kept in the run's folder.
    """
    graph = run.labels.graph
    training = data.images(run.config, graph, "train")
    if run.config.dataset == "faces" and not run.config.images:
        reader, truth = judge.load_faces_judge(), faces.scm(run.config.image_size)
        held_out = data.images(run.config, graph, "validation")
    else:
        training, held_out = data.with_validation(run.config, graph, training)
        reader, truth = trained_judge(run, training, judge_path), None
    accuracy = judge.balanced_accuracy(reader.labels(held_out.images), held_out.labels)
    names = dict(zip(reader.label_names, map(float, accuracy), strict=True))
    return Images(reader, names, training, held_out, truth)


def trained_judge(
    run: Run, training: ImageData, path: str | Path | None
) -> judge.Judge:
    """The judge at `path` (the run's folder if None), trained first if missing."""
    path = Path(path) if path else run.workdir / "judge.npz"
    if path.is_file():
        return judge.load_judge(path)
    num_stages = int(np.log2(training.images.shape[1] // 8))  # ends at 4x4, as at 32
    trained = judge.train_judge(
        judge.array_batch,
        (training.images, training.labels),
        label_names=run.label_scm.nodes,
        label_rates=training.labels.mean(0),
        size=training.images.shape[1],
        num_stages=num_stages,
        num_steps=JUDGE_STEPS if run.config.num_steps > 10 else 2,
        progress_fn=lambda steps: tqdm(steps, desc="judge", unit="step"),
    )
    judge.save_judge(path, trained)
    return trained


def image_metrics(run: Run, pictures: Images) -> dict:
    """The `images` part of metrics.json and the details that the report shows.

    Every run has every key; None where the labels or the data leave nothing to measure.
    """
    key = jax.random.key(KEY + 1)
    model = (run.scm, run.params, pictures.judge)
    accuracy = images.label_accuracy(*model, key, num_per_state=NUM_PER_STATE)
    result = {
        "label_accuracy_mean": accuracy.mean,
        "label_accuracy_min": accuracy.min,
        "label_accuracy": accuracy.by_label,
        "label_accuracy_standard_errors": accuracy.standard_errors,
        "judge_accuracy": pictures.judge_accuracy,
        **dict.fromkeys(("unseen_accuracy", "unseen", "male_by_mustache")),
    }
    combinations = [c for c in images.UNSEEN if set(c) <= set(run.label_scm.nodes)]
    if combinations:
        unseen = images.combination_accuracy(
            *model, key, combinations=combinations, num=NUM_PER_STATE
        )
        result |= {"unseen_accuracy": unseen.mean, "unseen": unseen.table}
    if {"Male", "Mustache"} <= set(run.label_scm.nodes):
        effects = images.do_versus_see(
            *model, key, num=2 * NUM_PER_STATE, truth=run.labels.truth
        )
        result["male_by_mustache"] = {
            "do": effects.do.value,
            "given": effects.given.value if effects.given else None,
            "true_do": effects.true_do,
            "true_given": effects.true_given,
        }
    spread = images.diversity(
        *model, key, truth=pictures.truth, num_per_state=NUM_PER_STATE
    )
    result["diversity"] = spread.diversity if spread else None
    result["diversity_by_nuisance"] = spread.by_nuisance if spread else {}
    distance = images.frechet(
        *model, key, real=pictures.held_out.images, num=NUM_FRECHET
    )
    result |= {
        "frechet": distance.frechet,
        "frechet_floor": distance.floor,
        "frechet_num": distance.num,
    }
    return result | neighbours(run, pictures, key)


def neighbours(run: Run, pictures: Images, key) -> dict:
    """Nearest training pictures of generated and of held-out real ones."""
    drawn = run.scm.sample(run.params, key, num=NUM_NEIGHBOURS)[IMAGE]
    nearest = images.nearest_neighbours(
        grids.to_uint8(drawn),
        pictures.training.images,
        pictures.held_out.images,
        num=NUM_NEIGHBOURS,
        mirror=bool(run.config.gan.get("flip", False)),
    )
    return {
        "nearest_neighbour_median": nearest.median,
        "nearest_neighbour_median_real": nearest.real_median,
    }


def all_metrics(run: Run, judge_path: str | Path | None = None) -> tuple[dict, Any]:
    """Everything that metrics.json holds, and the pictures it was measured on."""
    result = {"labels": label_metrics(run), "images": None}
    pictures = None
    if IMAGE in run.scm.nodes:
        pictures = open_images(run, judge_path)
        result["images"] = image_metrics(run, pictures)
    seconds = json.loads((run.workdir / "seconds.json").read_text(encoding="utf-8"))
    steps = {
        stage: workdirs.checkpoints(run.workdir, stage).latest() for stage in seconds
    }
    result |= {
        "steps": steps,
        "seconds": seconds,
        "seed": run.config.seed,
        "config_hash": stages.config_hash(run.config),
    }
    return result, pictures
