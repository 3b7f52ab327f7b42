"""What a run of this family reached: the numbers of its `metrics.json`."""

from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from causal_jax.data import faces
from causal_jax.data.records import ImageData
from causal_jax.metrics import discrete, images, pairs, trees
from causal_jax.metrics.accuracy import balanced_accuracy
from causal_jax.networks.judge import Judge, load_judge, save_judge
from causal_jax.queries import laws
from causal_jax.recipes.labels_images import data
from causal_jax.recipes.labels_images.faces_judge import load_faces_judge
from causal_jax.recipes.labels_images.model import Trained, open_trained
from causal_jax.recipes.recipe import Measured, Run
from causal_jax.reporting import grids
from causal_jax.runs.load import IMAGE
from causal_jax.scm import SCM
from causal_jax.training.judge import array_batch, train_judge
from causal_jax.types import Key, Params

KEY = 77  # the evaluation's draws are the same for every run
JUDGE_STEPS = 2500  # of a judge that a run trains for itself
NUM_PER_STATE = 500  # pictures of do(label=0) and as many of do(label=1), a label
NUM_NEIGHBOURS = 200
NUM_FRECHET = 2000
NUM_PAIRS = 36  # listed and shown: all pairs of nine labels
_NUM_ROWS = 500_000  # of a law that is not enumerated

# Left out of the training data of the faces: only an intervention shows them.
UNSEEN = ({"Male": 0, "Mustache": 1}, {"Male": 0, "Bald": 1})
# A mustache does not make a man, though who has one is a man (CausalGAN, section 1).
CAUSE, EFFECT = "Mustache", "Male"


class Shown(NamedTuple):
    """What the report shows beside the metrics.

    Attributes:
      trained: the run and its model.
      num_rows: label rows that it was trained on.
      tables: the model's small tables and those they are compared with.
      pictures: what the image metrics were measured on; None without images.
    """

    trained: Trained
    num_rows: int
    tables: pairs.Compared
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
    label_part, tables = label_metrics(trained, labels)
    image_part, pictures = None, None
    if IMAGE in trained.scm.nodes:
        pictures = open_images(run, labels, judge)
        image_part = image_metrics(trained, labels, pictures)
    return Measured(
        metrics={"labels": label_part, "images": image_part},
        shown=Shown(
            trained=trained,
            num_rows=len(labels.rows),
            tables=tables,
            pictures=pictures,
        ),
    )


# --- labels ---------------------------------------------------------------------------


def label_metrics(trained: Trained, labels: data.Labels) -> tuple[dict, pairs.Compared]:
    """The `labels` part of metrics.json, and the tables that the report shows."""
    scm, params = trained.label_scm, trained.label_params
    result = {"trainer": trained.run.config.trainer, "rows": len(labels.rows)}
    found, tables = (_small if laws.is_small(scm) else _large)(trained, labels)
    result |= found
    explicit = all(hasattr(m, "log_prob") for m in scm.mechanisms.values())
    if len(labels.held_out) and explicit:
        tree = trees.chow_liu(labels.graph, labels.rows)
        result["held_out_log_likelihood"] = laws.mean_log_likelihood(
            scm, params, labels.held_out
        )
        result["tree_log_likelihood"] = laws.mean_log_likelihood(*tree, labels.held_out)
    return result | table_metrics(tables), tables


def _small(trained: Trained, labels: data.Labels) -> tuple[dict, pairs.Compared]:
    """Of a joint law that can be written down."""
    scm = trained.label_scm
    model = laws.model_laws(scm, trained.label_params, jax.random.key(KEY))
    reference, source = reference_laws(trained, labels)
    measured = discrete.compare(model, reference, num_rows=len(labels.rows))
    tables = pairs.Compared(
        model=pairs.tables_of_law(scm, model.seen)
        if model.exact
        else pairs.tables_of_rows(scm, model.rows),
        reference=pairs.tables_of_law(scm, reference.seen),
        source=source,
    )
    return measured._asdict(), tables


def _large(trained: Trained, labels: data.Labels) -> tuple[dict, pairs.Compared]:
    """Of a joint law that cannot: by the tables of all pairs of nodes."""
    scm = trained.label_scm
    everything = np.concatenate([labels.rows, labels.held_out])
    num = max(len(everything), _NUM_ROWS)
    drawn = laws.sampled_rows(scm, trained.label_params, jax.random.key(KEY), num)
    measured = discrete.compare_pairs(everything, drawn, laws.cardinalities(scm))
    result = {
        **dict.fromkeys(("tvd", "do_tvd_mean", "do_tvd_max")),
        "floor": measured.floor,
        "by_intervention": {},
        "exact": False,
        "pair_tvd_mean": measured.mean,
        "pair_tvd_max": measured.max,
    }
    tables = pairs.Compared(
        model=pairs.tables_of_rows(scm, drawn),
        reference=pairs.tables_of_rows(scm, everything),
        source="data",
    )
    return result, tables


def reference_laws(trained: Trained, labels: data.Labels) -> tuple[laws.Laws, str]:
    """What a label model should be, and whose laws these are: "truth" or "data".

    Where the truth is not known, what is seen is the data's own joint table, and what
    is done is the product of the data's conditional tables along the graph.
    """
    truth = labels.truth
    if truth and set(labels.graph.edges) == set(truth[0].graph.edges):
        return laws.exact_laws(*truth), "truth"
    scm = trained.label_scm
    fitted = laws.exact_laws(*laws.tabular_fit(scm, labels.rows))
    seen = laws.empirical_law(labels.rows, laws.cardinalities(scm))
    return fitted._replace(seen=seen), "data"


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


# --- images ---------------------------------------------------------------------------


class Images(NamedTuple):
    """What the image metrics are measured against.

    Attributes:
      judge: reads labels (and nuisances) off pictures.
      judge_accuracy: {label: its balanced accuracy on held-out real pictures}.
      training: what was trained on.
      held_out: real pictures that were not.
      truth: the model that draws true pictures, None where there is none.
    """

    judge: Judge
    judge_accuracy: dict[str, float]
    training: ImageData
    held_out: ImageData
    truth: tuple[SCM, Params] | None


def open_images(
    run: Run, labels: data.Labels, judge_path: str | Path | None = None
) -> Images:
    """Reads the pictures again and loads or trains their judge.

    The judge of the faces comes with the library. Any other is trained on the run's
    training pictures alone and kept in the run's folder.
    """
    config, graph = run.config, labels.graph
    training = data.images(config, graph, "train")
    if data.are_faces(config):
        reader, truth = load_faces_judge(), faces.scm(config.image_size)
        held_out = data.images(config, graph, "validation")
    else:
        training, held_out = data.with_validation(config, graph, training)
        reader, truth = trained_judge(run, labels, training, judge_path), None
    accuracy = balanced_accuracy(reader.labels(held_out.images), held_out.labels)
    names = dict(zip(reader.label_names, map(float, accuracy), strict=True))
    return Images(
        judge=reader,
        judge_accuracy=names,
        training=training,
        held_out=held_out,
        truth=truth,
    )


def trained_judge(
    run: Run, labels: data.Labels, training: ImageData, path: str | Path | None
) -> Judge:
    """The judge at `path` (the run's folder if None), trained first if missing."""
    path = Path(path) if path else run.workdir / "judge.npz"
    if path.is_file():
        return load_judge(path)
    num_stages = int(np.log2(training.images.shape[1] // 8))  # ends at 4x4, as at 32
    trained = train_judge(
        array_batch,
        (training.images, training.labels),
        label_names=tuple(labels.graph),
        label_rates=training.labels.mean(0),
        size=training.images.shape[1],
        num_stages=num_stages,
        num_steps=JUDGE_STEPS if run.config.num_steps > 10 else 2,
        progress_fn=lambda steps: tqdm(steps, desc="judge", unit="step"),
    )
    save_judge(path, trained)
    return trained


def image_metrics(trained: Trained, labels: data.Labels, pictures: Images) -> dict:
    """The `images` part of metrics.json and the details that the report shows.

    Every run has every key; None where the labels or the data leave nothing to measure.
    """
    key = jax.random.key(KEY + 1)
    model = (trained.scm, trained.params, pictures.judge)
    names = set(trained.label_scm.nodes)
    accuracy = images.label_accuracy(*model, key, num_per_state=NUM_PER_STATE)
    result = {
        "label_accuracy_mean": accuracy.mean,
        "label_accuracy_min": accuracy.min,
        "label_accuracy": accuracy.by_label,
        "label_accuracy_standard_errors": accuracy.standard_errors,
        "judge_accuracy": pictures.judge_accuracy,
        **dict.fromkeys(("unseen_accuracy", "unseen", "male_by_mustache")),
    }
    combinations = [c for c in UNSEEN if set(c) <= names]
    if combinations:
        unseen = images.combination_accuracy(
            *model, key, combinations=combinations, num=NUM_PER_STATE
        )
        result |= {"unseen_accuracy": unseen.mean, "unseen": unseen.table}
    if {CAUSE, EFFECT} <= names:
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
    return result | neighbours(trained, pictures, key)


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
    }
