"""The pages of runs of this family: parts and counterfactuals, or accuracies."""

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.networks.cgn.composition import LABELS
from causal_jax.recipes.digits.measures import ClassifierShown, NetworkShown
from causal_jax.recipes.recipe import Run
from causal_jax.recipes.settings import Settings
from causal_jax.reporting import graphs, grids
from causal_jax.reporting.page import Page
from causal_jax.scm import SCM
from causal_jax.types import Params

KEY = 4243  # the report's pictures are the same for every run
_CLASSES = [str(digit) for digit in range(10)]
_COLUMNS = 10
_MASKS = "Masks of the same pictures: white is where the foreground shows."
_PART = "The {} of the same pictures alone, as it would be without a mask."
_WHOLE = "No part has collapsed."
_MEANING = {
    "mask_readability": "share of masks whose digit a classifier of real ones reads",
    "mask_diversity": "how much masks of a class differ, over how much real ones do",
    "mask_mean": "share of a picture that its mask covers",
    "mask_inverted": "share of masks that are turned inside out",
    "reader_accuracy": "of that classifier, on held-out real digits",
    "error": "distance of the classes' mean colours from real ones, in [0, 2]",
    "worst": "the same of the worst class",
    "spread": "how much a class's colours vary, over how much real ones do",
    "accuracy": "read right where colours or textures tell nothing",
    "distinct": "the same without digits that have their background's colour",
    "in": "read right where colours or textures tell the class, as in training",
}


def network_page(run: Run, metrics: dict, shown: NetworkShown) -> Page:
    """The report of a network: its pictures, its parts and counterfactuals."""
    scm, params, parts = shown.scm, shown.params, shown.parts
    result = Page(f"{run.config.name}: {run.config.variant}, {run.config.kind}")
    for text in metrics.get("collapsed", ()):
        result.text(f"COLLAPSED: {text}")
    _summary(result, run, metrics)
    result.heading("The causal graph")
    result.image(
        graphs.graph_figure(scm.graph),
        "An arrow is a direct cause: the image is composed of parts, each with a label "
        "of its own.",
    )
    result.heading("What is seen")
    real = _by_class(shown.training.images, shown.training.labels)
    result.image(_grid(real), "Pictures that it was trained on, one row per class.")
    if parts is None:
        result.image(
            _grid(_gan_samples(scm, params)), "Generated pictures, one row per class."
        )
        return result
    result.image(
        _grid(_by_class(parts.images, parts.labels)),
        "Generated pictures, one row per class, the three labels equal as in training.",
    )
    result.heading("Shape, foreground and background")
    masks = np.repeat(2 * parts.masks - 1, 3, axis=-1)
    result.image(_grid(_by_class(masks, parts.labels)), _MASKS)
    for part, drawn in parts.textures.items():
        result.image(_grid(_by_class(drawn, parts.labels)), _PART.format(part))
    _counterfactuals(result, scm, params)
    return result


def classifier_page(run: Run, metrics: dict, shown: ClassifierShown) -> Page:
    """The report of a classifier: accuracies, and what it reads wrongly."""
    config, truth, found = run.config, shown.truth, shown.found
    result = Page(
        f"{config.name}: {config.variant}, {config.target} learned from "
        f"{config.train_on}"
    )
    _summary(result, run, metrics)
    result.heading(f"Where colours or textures tell nothing ({shown.protocol})")
    result.text(
        "The share of each class's pictures that is read right; .1 is guessing."
    )
    rows = [
        (digit, float(np.mean(found[truth == digit] == digit)))
        for digit in range(10)
        if (truth == digit).any()
    ]
    result.table(("class", "accuracy"), rows)
    wrong = np.flatnonzero(found != truth)[: 4 * _COLUMNS]
    if len(wrong):
        result.image(
            grids.grid(
                shown.images[wrong],
                captions=[f"{truth[i]} read as {found[i]}" for i in wrong],
                columns=_COLUMNS,
            ),
            "The first pictures that are read wrongly, and what is read in them.",
        )
    return result


def counterfactual_grid(scm: SCM, params: Params, varied: str) -> np.ndarray:
    """Ten units, each as it is with one part's label 0 to 9, [10, 10, 32, 32, 3].

    Unit i has label i in the parts that are not varied; a row shares its noise, and the
    i-th picture of row i is the factual one.
    """
    own = dict.fromkeys(LABELS, jnp.arange(10))
    key = jax.random.key(KEY)  # the same for every column: so is the noise
    columns = [
        scm.sample(params, key, num=10, do=own | {varied: jnp.full(10, digit)})["image"]
        for digit in range(10)
    ]
    return np.stack(columns, axis=1)


def _counterfactuals(result: Page, scm: SCM, params: Params) -> None:
    result.heading("Imagine: another label for one part, its noise kept")
    for label in LABELS:
        result.image(
            _grid(counterfactual_grid(scm, params, label), _CLASSES),
            f"Rows: units whose labels are all 0 to 9, and their {label} that of the "
            "column instead. On the diagonal what is seen.",
        )


def _grid(pictures: np.ndarray, columns: list[str] | None = None):
    return grids.grid(pictures, row_labels=_CLASSES, column_labels=columns, scale=2)


def _by_class(images, labels) -> np.ndarray:
    """The first ten pictures of every class, grey where none is, [10, 10, ...]."""
    labels, images = np.asarray(labels), np.asarray(images)
    found = np.zeros((10, _COLUMNS, *images.shape[1:]), np.float32)
    for digit in range(10):
        if len(rows := np.flatnonzero(labels == digit)):
            found[digit] = images[np.resize(rows, _COLUMNS)]
    return found


def _gan_samples(scm: SCM, params: Params) -> np.ndarray:
    labels = jnp.repeat(jnp.arange(10), _COLUMNS)
    values = scm.sample(
        params, jax.random.key(KEY), num=len(labels), do={"label": labels}
    )
    images = np.asarray(values["image"])
    return images.reshape(10, _COLUMNS, *images.shape[1:])


def _summary(result: Page, run: Run, metrics: dict) -> None:
    steps = ", ".join(f"{n} {stage}" for stage, n in metrics["steps"].items())
    seconds = ", ".join(f"{s:.0f} s {stage}" for stage, s in metrics["seconds"].items())
    result.text(_found(metrics, run.config))
    result.text(
        f"Trained on {run.config.dataset}, seed {metrics['seed']}, configuration "
        f"{metrics['config_hash']}; steps: {steps}; time: {seconds}."
    )
    rows = [
        (key.replace("_", " "), value, _meaning(key))
        for key, value in metrics.items()
        if isinstance(value, float)
    ]
    result.table(("measured", "value", "meaning"), rows)


def _found(metrics: dict, config: Settings) -> str:
    """The result in a sentence."""
    if "mask_readability" in metrics:
        readable, diverse = metrics["mask_readability"], metrics["mask_diversity"]
        collapsed = metrics.get("collapsed")
        return (
            f"A classifier of real digits reads {100 * readable:.1f} % of the "
            "generated shapes as their label says; shapes of a class differ "
            f"{diverse:.2f} times as much as real ones do. "
            + ("Something has collapsed, see above." if collapsed else _WHOLE)
        )
    accuracies = [name for name in metrics if name.startswith("accuracy_")]
    if accuracies:
        value = metrics[accuracies[0]]
        inside = metrics[accuracies[0].replace("accuracy", "in_domain")]
        alone = config.target if config.stage == "classifier" else "shape"
        return (
            "Where shapes, colours and textures tell nothing of each other, "
            f"{100 * value:.1f} % of the pictures are read right; where each tells the "
            f"class, {100 * inside:.1f} %. A classifier that looks at the {alone} "
            "alone does as well in both."
        )
    return "An ordinary conditional GAN: it has no parts to measure, only pictures."


def _meaning(key: str) -> str:
    """What a figure says: by its name, or the last or first word of it."""
    first, *_, last = key.split("_") if "_" in key else (key, key)
    return _MEANING.get(key) or _MEANING.get(last) or _MEANING.get(first, "")
