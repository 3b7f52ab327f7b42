"""The page of a run of this family.

Sentences first, then the figures: a reader who stops after the first screen has the
answer, and every figure says in words what is in it.
"""

from collections.abc import Sequence

import jax
import numpy as np

from causal_jax.metrics import pairs
from causal_jax.recipes.labels_images import (
    report_effects,
    report_soundness,
    report_words,
)
from causal_jax.recipes.labels_images.label_measures import NUM_PAIRS
from causal_jax.recipes.labels_images.measures import Images, Shown
from causal_jax.recipes.labels_images.model import Trained
from causal_jax.recipes.recipe import Run
from causal_jax.reporting import plots, sheets
from causal_jax.reporting.page import Page
from causal_jax.runs.load import IMAGE
from causal_jax.scm import SCM

KEY = 4242  # the report's pictures are the same for every run
SHEETS = ("Mustache", "Bald", "Wearing_Lipstick", "Smiling")
TWINS = ("Smiling", "Wearing_Lipstick", "Eyeglasses", "Mustache")


def page(run: Run, metrics: dict, shown: Shown) -> Page:
    """The report.

    Args:
      run: the run.
      metrics: what metrics.json holds.
      shown: what `measures.measure` found beside it.
    """
    trained = shown.trained
    result = Page(f"{run.config.name}: see, do and imagine")
    report_words.add(result, run, metrics, shown)
    report_effects.add_graph(result, trained.scm)
    report_effects.add(result, trained.label_scm, shown.labels, metrics["labels"])
    _label_laws(result, shown, metrics["labels"])
    if IMAGE in trained.scm.nodes:
        _samples(result, trained)
        _twins(result, trained, shown.pictures)
    if shown.pictures is not None:
        report_soundness.add(result, run.workdir)
        _image_tables(result, metrics["images"], trained.label_scm.nodes)
        _curve(result, run, metrics["images"])
    return result


def _label_laws(result: Page, shown: Shown, labels: dict) -> None:
    tables, scm = shown.labels.tables, shown.trained.label_scm
    by_intervention = labels["by_intervention"]
    result.heading("How far the model's probabilities are off")
    figure = plots.law_figure(
        tables.model.marginals,
        tables.reference.marginals,
        num_rows=shown.labels.num_rows,
        by_intervention=by_intervention or None,
        floor_by_intervention=labels["floor_by_intervention"],
        states={name: scm.states(name) for name in scm.nodes},
        source=tables.source,
    )
    result.image(figure, _caption_of_laws(tables, by_intervention))
    if len(scm.nodes) > 1:
        _pairs(result, scm, tables)


def _caption_of_laws(tables: pairs.Compared, by_intervention: dict) -> str:
    side = "Left: the" if by_intervention else "The"
    num_bars = sum(
        1 if len(p) == 2 else len(p) for p in tables.model.marginals.values()
    )
    texts = [
        f"{side} share of units in each state, by the model (blue) and in the "
        f"{tables.source} (grey); red: two standard errors of a table as large as the "
        "one that was trained on. Of labels with two states the second one is shown."
    ]
    if by_intervention:
        reference = (
            "the truth"
            if tables.source == "truth"
            else "the product of the data's conditional tables along the graph"
        )
        texts.append(
            "Right: for every do(label = state), the distance (TVD) of the model's law "
            f"of all labels from {reference}; red: the distance that chance alone "
            "makes of a table as large as the one that was trained on."
        )
    if max(num_bars, len(by_intervention)) > plots.MAX_BARS:
        texts.append(f"Shown are the {plots.MAX_BARS} bars that are furthest off.")
    return " ".join(texts)


def _pairs(result: Page, scm: SCM, tables: pairs.Compared) -> None:
    tvds = pairs.pair_tvds(tables.model, tables.reference)
    distances = list(tvds.values())
    worst = max(tvds, key=tvds.get)
    caption = (
        "Every square is a pair of labels: how far the model's joint table of the two "
        f"is from the {tables.source}'s (TVD). Mean {np.mean(distances):.4f}; largest "
        f"{tvds[worst]:.4f}, of {worst[0]} and {worst[1]}."
    )
    title = "distance (TVD) of each pair's table"
    figure = plots.pairwise_figure(scm.nodes, distances, title=title)
    result.image(figure, caption)
    _pair_tables(result, scm, tables, tvds)


def _pair_tables(result: Page, scm: SCM, tables: pairs.Compared, tvds: dict) -> None:
    """The tables of the pairs that differ most, model beside truth or data."""
    chosen = pairs.largest(tvds, NUM_PAIRS)
    with result.collapsed(f"Tables of the {len(chosen)} pairs that differ most"):
        result.text(f"Shares of all units: the model's, then the {tables.source}'s.")
        for a, b in chosen:
            result.heading(f"{a} and {b}: TVD {tvds[a, b]:.4f}", level=3)
            header = ["state"]
            for state in scm.states(b):
                header += [f"{b}={state}: model", tables.source]
            shares = np.stack([t.pairs[a, b] for t in (tables.model, tables.reference)])
            shares = np.moveaxis(shares, 0, -1)  # [a's states, b's states, 2]
            rows = [
                (f"{a}={state}", *map(float, row.ravel()))
                for state, row in zip(scm.states(a), shares, strict=True)
            ]
            result.table(header, rows)


def _samples(result: Page, trained: Trained) -> None:
    key = jax.random.key(KEY + 1)
    result.heading("What is seen")
    result.image(
        sheets.samples_sheet(trained.scm, trained.params, key, 32),
        "Images drawn from the model, each with the labels that it was drawn from.",
    )
    result.heading("Do against see")
    result.text(
        "Under do(X) the causes of X stay as they are; given X they are those of the "
        "units in which X came about by itself. The rows of do share their noise: "
        "below each other stands one unit in two worlds."
    )
    for node in _existing(trained, SHEETS):
        sheet = sheets.do_versus_see_sheet(trained.scm, trained.params, key, node, 8)
        result.image(
            sheet, f"First {node} set by intervention, then units in which it is so."
        )


def _existing(trained: Trained, names: tuple[str, ...]) -> list[str]:
    """Those of `names` that the model has; its own first labels if it has none."""
    return [n for n in names if n in trained.label_scm.nodes] or list(
        trained.label_scm.nodes[:4]
    )


def _twins(result: Page, trained: Trained, pictures: Images | None) -> None:
    key = jax.random.key(KEY + 2)
    result.heading("Imagine: twins")
    result.text(
        "One noise, one label changed, in the trained model. What a unit would have "
        "been is not identified by what is seen: it depends on how noise is coupled to "
        "values."
    )
    do = [{n: trained.scm.states(n)[-1]} for n in _existing(trained, TWINS)]
    result.image(
        sheets.twins_sheet(trained.scm, trained.params, key, do, 8),
        "Above, units as the model drew them; below, the same units under each "
        "intervention, with the labels that changed.",
    )
    if pictures is not None and pictures.truth is not None:
        sheet = sheets.twins_sheet(*pictures.truth, key, do, 8)
        result.image(
            sheet,
            "For comparison, true pairs of the program that draws the faces. They are "
            "other people than those above.",
        )


def _curve(result: Page, run: Run, metrics: dict) -> None:
    """The figures at the checkpoints that were kept; older metrics lack them."""
    if not metrics.get("curve"):
        return
    result.heading("Whether more steps would help")
    names = {
        "label_accuracy_relative_mean": "label accuracy over the judge's",
        "label_accuracy_relative_min": "the lowest label's",
        "unseen_together": "unseen combinations",
        "frechet_over_floor": "Frechet over floor",
        "frechet_same_labels_over_floor": "... of the same labels",
        "variety": "variety with the same labels",
    }
    lines = [
        {names.get(name, name): value for name, value in point.items()}
        for point in metrics["curve"]
    ]
    caption = (
        "Measured along the training, accuracies of fewer images than above: label "
        "accuracies over the judge's own on real pictures; the share of images of "
        "combinations that hardly occur which show all labels; the Frechet distance "
        "over that of real pictures, with the model's labels and with real ones; and "
        "how much images vary with the same labels. A curve that still moves at its "
        "end says that a longer run would be another one"
    )
    if run.config.decay:
        caption += "; learning rates fall in the second half of the steps"
    result.image(plots.curves_figure(lines), f"{caption}.")


def _image_tables(result: Page, metrics: dict, labels: Sequence[str]) -> None:
    result.heading("What an independent judge reads in the images")
    result.text(
        "Each label is set to each of its states equally often, and the judge, which "
        "had no part in the training, reads it: 0.5 is guessing. The last column is "
        "how well the judge reads real pictures that it was not trained on."
    )
    rows = [
        (name, value, metrics["judge_accuracy"].get(name))
        for name, value in metrics["label_accuracy"].items()
    ]
    result.table(("label", "in generated images", "in real pictures"), _rounded(rows))
    if unread := [name for name in labels if name not in metrics["label_accuracy"]]:
        result.text(f"Not read by this judge: {', '.join(unread)}.")
    if metrics.get("unseen"):
        result.heading("Combinations that hardly any training picture has", level=3)
        rows = [
            (f"do({text})", name, value)
            for text, by_label in metrics["unseen"].items()
            for name, value in by_label.items()
        ]
        result.table(("intervention", "label", "read as it was set"), _rounded(rows))
    if metrics.get("male_by_mustache"):
        effects = metrics["male_by_mustache"]
        result.heading("A mustache does not make a man", level=3)
        rows = [
            ("do(Mustache = 1)", effects["do"], effects["true_do"]),
            ("given Mustache = 1", effects["given"], effects["true_given"]),
        ]
        header = ("condition", "P(Male = 1) in the images", "truth")
        result.table(header, _rounded(rows))
    if metrics["diversity_by_nuisance"]:
        result.heading("Whether the images vary as real ones do", level=3)
        result.text(
            "The spread of what no label says, over its spread in true pictures: 1 is "
            "as much, 0 is always the same."
        )
        rows = list(metrics["diversity_by_nuisance"].items())
        result.table(("what varies", "spread over the true spread"), _rounded(rows))


def _rounded(rows: list[tuple]) -> list[tuple]:
    """Shares with three digits; None stays, and becomes a dash."""
    return [
        tuple(f"{x:.3f}" if isinstance(x, float) else x for x in row) for row in rows
    ]
