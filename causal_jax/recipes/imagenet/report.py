"""The pages of runs of this family: samples by class, or parts and counterfactuals."""

import jax
import numpy as np

from causal_jax.networks.cgn.composition import LABELS
from causal_jax.networks.cgn.imagenet import LABEL
from causal_jax.recipes.imagenet.measures import GeneratorShown, NetworkShown
from causal_jax.recipes.recipe import Run
from causal_jax.reporting import graphs, grids, parts
from causal_jax.reporting.page import Page

KEY = 4244  # the report's pictures are the same for every run
_COLUMNS = 10
_NUM_CLASSES = 20  # shown at most
_NUM_NEAREST = 10


def generator_page(run: Run, metrics: dict, shown: GeneratorShown) -> Page:
    """The report of a generator: samples of every class, and the nearest real ones."""
    result = Page(
        f"{run.config.name}: {run.config.dataset}, {len(_names(shown))} classes"
    )
    result.text(
        "A classifier of real pictures, which reads "
        f"{_percent(metrics, 'judge_accuracy')} of held-out ones as they are "
        f"labelled, reads {_percent(metrics, 'class_accuracy')} of the generated "
        "pictures as the class that they were drawn for; guessing reads "
        f"{100 / len(_names(shown)):.1f} %. "
        "By its features they are "
        f"{metrics['frechet']:.1f} from real pictures; pictures without a class that "
        f"have the real ones' colours are {metrics['frechet_class_blind']:.1f}, two "
        f"halves of the real ones {metrics['frechet_real']:.1f} from each other. The "
        f"nearest training picture is {metrics['nearest_ratio']:.2f} times as far as a "
        "held-out picture's: far below 1 they would be copies."
    )
    _figures(result, metrics)
    result.heading("Generated pictures, by class")
    result.image(_by_class(shown, shown.samples), "A class a row.")
    result.heading("Real pictures, by class")
    result.image(_by_class(shown, shown.training), "Of the training set.")
    result.heading("The nearest training pictures")
    num = min(_NUM_NEAREST, len(shown.samples.images))
    nearest = shown.training.images[shown.nearest.indices[:num]]
    result.image(
        grids.grid(np.stack([shown.samples.images[:num], nearest]), scale=2),
        "Generated pictures, and below each the training picture nearest to it.",
    )
    return result


def network_page(run: Run, metrics: dict, shown: NetworkShown) -> Page:
    """The report of a counterfactual network: parts, masks and counterfactuals."""
    scm, params, key = shown.scm, shown.params, jax.random.key(KEY)
    classes = parts.spread_classes(scm, 6)
    result = Page(f"{run.config.name}, from {run.config.generator}")
    result.text(
        f"Masks cover {_percent(metrics, 'mask_mean')} of a picture in the mean; "
        f"{_percent(metrics, 'mask_empty')} are empty and "
        f"{_percent(metrics, 'mask_full')} full. The loss ended at "
        f"{metrics.get('loss_end_over_start') or float('nan'):.2f} times its start, "
        f"the term that grew most, {metrics.get('worst_term')}, at "
        f"{metrics.get('worst_term_over_start') or float('nan'):.2f} times its own."
    )
    if "mask_read" in metrics:
        result.text(_read_by_judges(metrics))
    _figures(result, metrics)
    result.heading("The causal graph")
    result.image(
        graphs.graph_figure(scm.graph),
        "An arrow is a direct cause: the image is composed of parts, each with a label "
        "of its own.",
    )
    result.heading("Parts")
    result.image(parts.parts_sheet(scm, params, key), "A unit a row.")
    result.heading("Object masks nobody labelled")
    result.image(parts.masks_sheet(scm, params, key, classes), "A class a row.")
    result.heading("Inpainted backgrounds")
    result.image(parts.backgrounds_sheet(scm, params, key, classes), "A class a row.")
    result.heading("Imagine: another class for one part, its noise kept")
    result.image(
        parts.counterfactuals_sheet(scm, params, key, classes[:4]), "A unit a row."
    )
    return result


def _read_by_judges(metrics: dict) -> str:
    of_shapes, of_textures, of_backgrounds = (
        _percent(metrics, f"{label}_read") for label in LABELS
    )
    return (
        "A classifier that learned classes from the masks of real pictures, and reads "
        f"{_percent(metrics, 'mask_judge_accuracy')} of held-out ones, reads "
        f"{_percent(metrics, 'mask_read')} of the generated masks, "
        f"{metrics['mask_read_over_chance']:.1f} times what guessing reads. One of "
        f"whole pictures, which reads {_percent(metrics, 'judge_accuracy')} of "
        "held-out ones, reads in composed pictures the shape's class in "
        f"{of_shapes}, the texture's in {of_textures} and the background's in "
        f"{of_backgrounds}."
    )


def _names(shown: GeneratorShown) -> tuple[str, ...]:
    return shown.scm.states(LABEL)


def _by_class(shown: GeneratorShown, found):
    """The first pictures of each class, a class a row."""
    names = _names(shown)
    chosen = [c for c in range(len(names)) if (found.labels == c).any()][:_NUM_CLASSES]
    rows = [np.resize(np.flatnonzero(found.labels == c), _COLUMNS) for c in chosen]
    return grids.grid(
        np.stack([found.images[row] for row in rows]),
        row_labels=[names[c] for c in chosen],
    )


def _percent(metrics: dict, name: str) -> str:
    return f"{100 * metrics[name]:.1f} %"


def _figures(result: Page, metrics: dict) -> None:
    rows = [
        (name.replace("_", " "), value)
        for name, value in metrics.items()
        if isinstance(value, float)
    ]
    result.table(("measured", "value"), rows)
