"""The pages of runs of this family: parts and counterfactuals, or accuracies."""

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.networks.cgn.composition import LABELS
from causal_jax.recipes.digits.measures import ClassifierShown, NetworkShown
from causal_jax.recipes.recipe import Run
from causal_jax.reporting import graphs, grids
from causal_jax.reporting.page import Page
from causal_jax.scm import SCM
from causal_jax.types import Params

KEY = 4243  # the report's pictures are the same for every run
_CLASSES = [str(digit) for digit in range(10)]
_COLUMNS = 10


def network_page(run: Run, metrics: dict, shown: NetworkShown) -> Page:
    """The report of a network: its pictures, its parts and counterfactuals."""
    scm, params, parts = shown.scm, shown.params, shown.parts
    result = Page(f"{run.config.name}: {run.config.variant}, {run.config.kind}")
    for text in metrics.get("collapsed", ()):
        result.text(f"COLLAPSED: {text}")
    _summary(result, run, metrics)
    result.heading("The causal graph")
    result.image(graphs.graph_figure(scm.graph), "Arrows are direct causes.")
    result.heading("What is seen")
    real = _by_class(shown.training.images, shown.training.labels)
    result.image(_grid(real), "Training pictures.")
    if parts is None:
        result.image(_grid(_gan_samples(scm, params)), "Generated, a row a class.")
        return result
    result.image(_grid(_by_class(parts.images, parts.labels)), "Generated.")
    result.heading("Shape, foreground and background")
    masks = np.repeat(2 * parts.masks - 1, 3, axis=-1)
    result.image(_grid(_by_class(masks, parts.labels)), "Masks.")
    for part, drawn in parts.textures.items():
        result.image(_grid(_by_class(drawn, parts.labels)), f"{part} alone.")
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
            "The first ones that are read wrongly.",
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
    """The first ten pictures of every class, [10, 10, 32, 32, 3]."""
    labels = np.asarray(labels)
    rows = [np.resize(np.flatnonzero(labels == digit), _COLUMNS) for digit in range(10)]
    return np.stack([np.asarray(images[row]) for row in rows])


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
    result.text(
        f"{run.config.dataset}, seed {metrics['seed']}, config "
        f"{metrics['config_hash']}; steps: {steps}; time: {seconds}."
    )
    rows = [
        (k.replace("_", " "), v) for k, v in metrics.items() if isinstance(v, float)
    ]
    result.table(("measured", "value"), rows)
