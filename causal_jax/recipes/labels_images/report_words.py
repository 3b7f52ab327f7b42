"""The first part of the page: what was found, in sentences, then every figure."""

from collections.abc import Iterator

import numpy as np

from causal_jax.metrics.conditionals import Cell, WorstCells
from causal_jax.metrics.images import MIN_FRECHET
from causal_jax.recipes.labels_images import data
from causal_jax.recipes.labels_images.label_measures import NUM_ROWS, least_mass
from causal_jax.recipes.labels_images.measures import Shown
from causal_jax.recipes.recipe import Run
from causal_jax.reporting.page import Page
from causal_jax.runs import folder
from causal_jax.runs.load import IMAGE

_TRAINERS = {
    "wgan": "adversarially (Wasserstein critics)",
    "mle": "by maximum likelihood",
    "best": "by the trainer that held-out rows preferred",
}
# Of real pictures' distance to the training set, and share of pictures that are much
# nearer than real ones: from there on, look for copies.
_NEAR, _COPIES = 0.8, 0.01


def add(page: Page, run: Run, metrics: dict, shown: Shown) -> None:
    """Adds the summary: sentences, then a table with a line on each figure."""
    labels, pictures = metrics["labels"], metrics["images"] or {}
    page.text(_opening(run, metrics, shown))
    for sentence in _label_sentences(labels, shown):
        page.text(sentence)
    for sentence in _image_sentences(pictures, run, shown):
        page.text(sentence)
    with page.collapsed("All figures, and how they were made"):
        rows = [
            (name, f"{value:.4f}", meaning)
            for name, value, meaning in _figures(
                labels, pictures, shown.labels.num_rows
            )
            if value is not None
        ]
        page.table(("figure", "value", "meaning"), rows)
        page.text(_receipt(metrics))


def _opening(run: Run, metrics: dict, shown: Shown) -> str:
    num, labels = len(shown.trained.label_scm.nodes), metrics["labels"]
    has_images = IMAGE in shown.trained.scm.nodes
    left = folder.unfinished(run.workdir)
    learned = f"{num} labels" + (" and images below them" if has_images else "")
    if shown.labels.tables.source == "truth":
        truth = (
            "The law that these rows were drawn from is known, and is the truth here."
        )
    elif shown.labels.is_truth_known:
        truth = (
            "The law that these rows were drawn from is known; the model is compared "
            "with the data's tables all the same, as they have its graph or its size."
        )
    else:
        truth = "The true law is not known: the data's tables stand in its place."
    return (
        f"A model of {learned} was trained on {labels['rows']:,} rows of "
        f"{_data_name(run)}, along the causal graph below. {truth}"
        + (left and f" It is not fully trained: {left}.")
    )


def _data_name(run: Run) -> str:
    config = run.config
    if config.table:
        return str(config.table)
    if data.are_faces(config):
        return "drawn faces"
    return getattr(config, "bif", "") or config.dataset


def _receipt(metrics: dict) -> str:
    steps = ", ".join(f"{n:,} of {stage}" for stage, n in metrics["steps"].items())
    seconds = metrics["seconds"].items()
    seconds = ", ".join(f"{s:.0f} s of {stage}" for stage, s in seconds)
    return (
        f"Seed {metrics['seed']}, configuration {metrics['config_hash']}. Training "
        f"steps: {steps}; time: {seconds}. Labels were trained "
        f"{_TRAINERS[metrics['labels']['trainer']]}{_why(metrics['labels'])}."
    )


def _why(labels: dict) -> str:
    """Why the labels' trainer was taken, where two were tried."""
    scores = labels.get("trial_log_likelihoods")
    if not scores:
        return ""
    found = ", ".join(
        f"{score:.4f} {_TRAINERS[name]}" for name, score in scores.items()
    )
    return (
        ", which rows that were held out from a trial preferred (mean log-likelihood "
        f"in nats: {found})"
    )


# --- labels ---------------------------------------------------------------------------


def _label_sentences(labels: dict, shown: Shown) -> Iterator[str]:
    source, num_rows = shown.labels.tables.source, shown.labels.num_rows
    if labels["tvd"] is not None:
        yield (
            f"What is seen: the model's law of all labels is {labels['tvd']:.4f} from "
            f"the {source}'s in total variation distance (TVD), the most by which the "
            "two can differ on the probability of any event; 0 is the same law. "
            f"{_chance(labels, source, num_rows)}"
        )
        worst = max(labels["by_intervention"], key=labels["by_intervention"].get)
        yield (
            "What is done: under single interventions the distance is "
            f"{labels['do_tvd_mean']:.4f} on average and at most "
            f"{labels['do_tvd_max']:.4f}, under do({worst}), where chance makes "
            f"{labels['floor_by_intervention'][worst]:.4f}."
        )
    else:
        yield (
            "The joint law of so many labels cannot be written down: it is compared by "
            f"the tables of all pairs. They are {labels['pair_tvd_mean']:.4f} from the "
            "data's on average, in total variation distance (TVD), and at most "
            f"{labels['pair_tvd_max']:.4f}; another sample of the data as large as it "
            f"would be {labels['pair_floor']:.4f} away by chance."
        )
    if shown.labels.worst is not None:
        yield worst_sentence(shown.labels.worst, source, num_rows)
    if labels.get("held_out_log_likelihood") is not None:
        yield (
            "Rows that were held out have a mean log-likelihood of "
            f"{labels['held_out_log_likelihood']:.3f} nats; under the Chow-Liu tree, "
            "the best model in which every label has one parent, "
            f"{labels['tree_log_likelihood']:.3f}. Higher is better."
        )


def _chance(labels: dict, source: str, num_rows: int) -> str:
    drawn_from = "that law" if source == "truth" else "the model"
    text = (
        f"Chance alone makes {labels['floor']:.4f}: that is how far a table of "
        f"{num_rows:,} rows drawn from {drawn_from} lies from it"
    )
    if labels["floor"]:
        times = labels["tvd"] / labels["floor"]
        text += f"; the model and the {source} are {times:.1f} times as far apart"
    if not labels["exact"]:
        text += f". (The model's law is counted in {NUM_ROWS:,} rows that it draws)"
    return f"{text}."


def worst_sentence(worst: WorstCells, source: str, num_rows: int) -> str:
    """Where the conditional tables are furthest off, and what chance can explain of it.

    Example:
      >>> cell = Cell("Ill", "yes", {"Age": "old"}, 0.25, 0.5, 0.1)
      >>> print(worst_sentence(WorstCells(cell, cell), "data", 500)[:55])
      Where it misleads most, of what at least 5.0 % of units
    """
    relative, absolute = worst.relative, worst.absolute
    least = _percent(least_mass(num_rows))
    texts = [
        f"Where it misleads most, of what at least {least} of units have: "
        f"{_cell_text(relative, source, num_rows)}."
    ]
    if absolute != relative:
        same = _cell_text(absolute, source, num_rows)
        texts.append(f"The largest difference: {same}.")
    return " ".join(texts)


def _cell_text(cell: Cell, source: str, num_rows: int) -> str:
    num = max(num_rows * cell.mass / max(cell.reference, 1e-9), 1.0)
    chance = 2 * np.sqrt(cell.reference * (1 - cell.reference) / num)
    return (
        f"{cell} is {cell.model:.3f} in the model and {cell.reference:.3f} in the "
        f"{source}, of {100 * cell.mass:.1f} % of all units (chance: {chance:.3f}, two "
        "standard errors of the rows with these causes)"
    )


# --- images ---------------------------------------------------------------------------


def _image_sentences(pictures: dict, run: Run, shown: Shown) -> Iterator[str]:
    if not pictures:
        if IMAGE in shown.trained.scm.nodes:
            yield (
                "Nothing is measured of the images: a judge reads labels with two "
                "states, and none here has two."
            )
        return
    if shown.pictures.were_trained_on:
        yield (
            "No pictures were held out. The real pictures below were trained on too, "
            "so that the figures look better than they are: train with "
            "--config.holdout=0.1."
        )
    by_label = pictures["label_accuracy"]
    worst = min(by_label, key=by_label.get)
    yield (
        "Images: where a label is set, an independent judge reads it as it was set in "
        f"{_percent(pictures['label_accuracy_mean'])} of the generated images on "
        f"average (50 % is guessing); worst is {worst}, with "
        f"{_percent(by_label[worst])}."
    )
    if pictures["unseen"]:
        names = " and ".join(f"do({text})" for text in pictures["unseen"])
        yield (
            f"In combinations that hardly occur, {names}, labels read as they were set "
            f"in {_percent(pictures['unseen_accuracy'])} of the images."
        )
        if freed := getattr(run.config, "composites", ()):
            yield (
                "The generator has learned from composites of two training pictures "
                f"that show pairs of states with {' or '.join(freed)} which hardly "
                "occur."
            )
        yield from _together(pictures)
    if pictures["frechet"] is not None:
        yield _likeness(pictures)
    else:
        yield (
            "Likeness (Frechet distance, variety) is not measured: that takes "
            f"{2 * MIN_FRECHET} held-out pictures."
        )
    yield _copies(pictures)


def _together(pictures: dict) -> Iterator[str]:
    """All labels of a combination in one image; older metrics lack it."""
    relative = pictures.get("unseen_together_relative")
    if relative is None:
        return
    shares = " and ".join(map(_percent, pictures["unseen_together"].values()))
    own = " and ".join(map(_percent, pictures["unseen_together_judge"].values()))
    yield (
        f"All of a combination's labels at once are read in {shares} of the images; of "
        f"real pictures, in combinations that occur, the judge reads {own}: "
        f"{relative:.2f} times as often."
    )
    composites = pictures.get("unseen_together_composites", {}).values()
    if any(share is not None for share in composites):
        read = " and ".join("-" if c is None else _percent(c) for c in composites)
        yield (
            "Of the combinations themselves there are hardly any real pictures; in "
            f"composites of two the judge, which has learned from such, reads them in "
            f"{read}."
        )


def _likeness(pictures: dict) -> str:
    ratio = pictures["frechet"] / max(pictures["frechet_floor"], 1e-12)
    text = (
        "Likeness: the Frechet distance between the judge's features of "
        f"{pictures['frechet_num']:,} generated and as many "
        f"real pictures is {pictures['frechet']:.3f}; other real pictures are "
        f"at {pictures['frechet_floor']:.3f}. 0 is indistinguishable, and "
        f"the model is {ratio:.1f} times as far as real pictures are from each other."
    )
    if (same := pictures.get("frechet_same_labels")) is not None:
        text += (
            f" Of images drawn with the labels of real pictures it is {same:.3f}; what "
            "this is less by comes of the law of the labels, beside chance."
        )
    if (variety := pictures.get("variety")) is not None:
        text += (
            f" With the same labels images vary {variety:.2f} times as much as "
            "real ones"
        )
        if effects := list(pictures["label_effects"].values()):
            text += (
                f", and a label changes them {np.median(effects):.2f} times as much "
                "(the median)"
            )
        text += "."
    if pictures["diversity"] is not None:
        text += (
            " What no label says (tones, light, place) varies "
            f"{pictures['diversity']:.2f} times as much as in true pictures."
        )
    return text


def _copies(pictures: dict) -> str:
    own = pictures["nearest_neighbour_median"]
    real = pictures["nearest_neighbour_median_real"]
    copies = pictures["nearest_neighbour_copies"]
    found = (
        "generated pictures lie closer to the training set than new ones: look for "
        "copies"
        if own < _NEAR * real or copies > _COPIES
        else "no sign that training pictures were copied"
    )
    return (
        f"Copies: a generated picture is {own:,.0f} grey levels (L2) from the nearest "
        f"training picture, a new real one {real:,.0f} (medians), and "
        f"{_percent(copies)} are much nearer than nearly all real ones: {found}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


# --- the table ------------------------------------------------------------------------


def _figures(
    labels: dict, pictures: dict, num_rows: int
) -> Iterator[tuple[str, float | None, str]]:
    """(figure, value, meaning)."""
    chance = "TVD that chance alone makes"
    by_chance = labels.get("floor_by_intervention") or {}
    yield "TVD of what is seen", labels["tvd"], "distance of the law of all labels"
    yield "do-TVD, mean", labels["do_tvd_mean"], "the same, mean over do(label = state)"
    yield "do-TVD, largest", labels["do_tvd_max"], "the worst intervention's"
    yield chance, labels["floor"], "of a table as large as the data"
    yield (
        "do-TVD that chance makes, largest",
        max(by_chance.values(), default=None),
        "of the conditional tables of such a table",
    )
    yield (
        "worst conditional cell",
        labels["conditional_max"],
        "largest error of P(label | causes), of those that at least "
        f"{_percent(least_mass(num_rows))} of units have",
    )
    yield (
        "what never occurs",
        labels.get("never_max"),
        "largest probability of a state that its causes rule out, should be 0",
    )
    yield "pairwise TVD, mean", labels.get("pair_tvd_mean"), "over all pairs of labels"
    yield "... by chance", labels.get("pair_floor"), "of the data drawn from again"
    yield (
        "held-out log-likelihood",
        labels.get("held_out_log_likelihood"),
        "nats per row, higher is better",
    )
    yield (
        "... of the Chow-Liu tree",
        labels.get("tree_log_likelihood"),
        "the best model with one parent per label",
    )
    for key, name, meaning in _PICTURE_FIGURES:
        yield name, pictures.get(key), meaning


_PICTURE_FIGURES = (
    (
        "label_accuracy_mean",
        "label accuracy, mean",
        "share read as set; .5 is guessing",
    ),
    ("label_accuracy_min", "label accuracy, lowest", "of the worst label"),
    (
        "label_accuracy_relative_mean",
        "... over the judge's own, mean",
        "1 is as well as the judge reads real pictures",
    ),
    ("label_accuracy_relative_min", "... lowest", "of the worst label"),
    (
        "label_accuracy_over_do_mean",
        "... over the judge's own if labels were set, mean",
        "1 is as well as the judge reads real pictures whose causes leave both open",
    ),
    ("label_accuracy_over_do_min", "... lowest", "of the worst label"),
    (
        "unseen_accuracy",
        "accuracy on unseen combinations",
        "of combinations that hardly any training picture has",
    ),
    (
        "unseen_together_relative",
        "... all labels at once, over the judge's own",
        "of real pictures in combinations that occur",
    ),
    ("variety", "variety", "of images with the same labels; 1 is as real ones"),
    ("diversity", "diversity", "spread over the true spread; 1 is as much"),
    ("frechet", "Frechet distance", "of generated from real pictures; 0 is the same"),
    (
        "frechet_same_labels",
        "... with the labels of real pictures",
        "so that the law of the labels does not count",
    ),
    ("frechet_floor", "... of real against real", "what it is without any model"),
    (
        "nearest_neighbour_median",
        "nearest training picture",
        "grey levels (L2), median over generated pictures",
    ),
    (
        "nearest_neighbour_median_real",
        "... of new real pictures",
        "the same of real ones",
    ),
)
