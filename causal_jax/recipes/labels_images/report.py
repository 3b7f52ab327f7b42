"""The page of a run of this family."""

import jax
import numpy as np

from causal_jax.metrics import pairs
from causal_jax.recipes.labels_images.measures import NUM_PAIRS, Images, Shown
from causal_jax.recipes.labels_images.model import Trained
from causal_jax.recipes.recipe import Run
from causal_jax.reporting import graphs, plots, sheets
from causal_jax.reporting.page import Page
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
    _summary(result, metrics)
    result.heading("The causal graph")
    result.image(graphs.graph_figure(trained.scm.graph), "Arrows are direct causes.")
    _label_laws(result, shown, metrics["labels"])
    if shown.pictures is not None:
        _samples(result, trained)
        _twins(result, trained, shown.pictures)
        _image_tables(result, metrics["images"])
    return result


def _summary(result: Page, metrics: dict) -> None:
    labels, pictures = metrics["labels"], metrics["images"] or {}
    steps = ", ".join(f"{n} {stage}" for stage, n in metrics["steps"].items())
    seconds = ", ".join(f"{s:.0f} s {stage}" for stage, s in metrics["seconds"].items())
    result.text(
        f"Seed {metrics['seed']}, config {metrics['config_hash']}; steps: {steps}; "
        f"time: {seconds}; labels by {labels['trainer']}."
    )
    shown = {
        "TVD of what is seen": labels["tvd"],
        "do-TVD, mean": labels["do_tvd_mean"],
        "do-TVD, largest": labels["do_tvd_max"],
        "TVD of chance alone": labels["floor"],
        "pairwise TVD, mean": labels.get("pair_tvd_mean"),
        "held-out log-likelihood": labels.get("held_out_log_likelihood"),
        "... of the Chow-Liu tree": labels.get("tree_log_likelihood"),
        "label accuracy, mean": pictures.get("label_accuracy_mean"),
        "label accuracy, lowest": pictures.get("label_accuracy_min"),
        "accuracy on unseen combinations": pictures.get("unseen_accuracy"),
        "diversity over the truth's": pictures.get("diversity"),
        "Frechet distance": pictures.get("frechet"),
        "... of real against real": pictures.get("frechet_floor"),
    }
    rows = [(name, f"{v:.4f}") for name, v in shown.items() if v is not None]
    result.table(("measured", "value"), rows)


def _label_laws(result: Page, shown: Shown, labels: dict) -> None:
    result.heading("Label laws: seen and done")
    tables, scm = shown.tables, shown.trained.label_scm
    result.image(
        plots.law_figure(
            tables.model.marginals,
            tables.reference.marginals,
            num_rows=shown.num_rows,
            by_intervention=labels["by_intervention"] or None,
            floor=labels["floor"] if labels["by_intervention"] else None,
        ),
        f"Left: marginals of the model and of the {tables.source}. Right: total "
        "variation distance of do(node = state) from "
        + (
            "the known truth."
            if tables.source == "truth"
            else "the product of the data's conditional tables along the graph."
        ),
    )
    if len(scm.nodes) > 1:
        tvds = pairs.pair_tvds(tables.model, tables.reference)
        distances = list(tvds.values())
        result.image(
            plots.pairwise_figure(scm.nodes, distances),
            f"Mean {np.mean(distances):.4f}, largest {np.max(distances):.4f}; model "
            f"against {tables.source}.",
        )
        _pair_tables(result, scm, tables, tvds)


def _pair_tables(result: Page, scm: SCM, tables: pairs.Compared, tvds: dict) -> None:
    """The tables of the pairs that differ most, model beside truth or data."""
    chosen = pairs.largest(tvds, NUM_PAIRS)
    with result.collapsed(f"Tables of the {len(chosen)} pairs that differ most"):
        result.text(f"Shares of all units: the model's, then the {tables.source}'s.")
        for a, b in chosen:
            result.heading(f"{a} and {b}: TVD {tvds[a, b]:.4f}", level=3)
            header = [""]
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
    result.image(sheets.samples_sheet(trained.scm, trained.params, key, 32), "Samples.")
    result.heading("Do against see")
    result.text(
        "After do(X) the causes of X stay as they are; given X they do not. Rows of do "
        "share their noise."
    )
    for node in _existing(trained, SHEETS):
        sheet = sheets.do_versus_see_sheet(trained.scm, trained.params, key, node, 8)
        result.image(sheet, f"do({node}) and given {node}.")


def _existing(trained: Trained, names: tuple[str, ...]) -> list[str]:
    """Those of `names` that the model has; its own first labels if it has none."""
    return [n for n in names if n in trained.label_scm.nodes] or list(
        trained.label_scm.nodes[:4]
    )


def _twins(result: Page, trained: Trained, pictures: Images) -> None:
    key = jax.random.key(KEY + 2)
    result.heading("Imagine: twins")
    result.text(
        "One noise, one label changed, in the trained model. What a unit would have "
        "been is not identified by what is seen: it depends on how noise is coupled to "
        "values."
    )
    do = [{n: trained.scm.states(n)[-1]} for n in _existing(trained, TWINS)]
    result.image(
        sheets.twins_sheet(trained.scm, trained.params, key, do, 8), "Generated twins."
    )
    if pictures.truth is not None:
        sheet = sheets.twins_sheet(*pictures.truth, key, do, 8)
        result.image(sheet, "For comparison, true pairs of the renderer: other people.")


def _image_tables(result: Page, metrics: dict) -> None:
    result.heading("What the judge reads")
    rows = [
        (
            name,
            f"{value:.3f}",
            f"{metrics['judge_accuracy'].get(name, float('nan')):.3f}",
        )
        for name, value in metrics["label_accuracy"].items()
    ]
    result.table(("label", "balanced accuracy", "of the judge on held-out"), rows)
    if metrics.get("unseen"):
        rows = [
            (text, name, f"{value:.3f}")
            for text, by_label in metrics["unseen"].items()
            for name, value in by_label.items()
        ]
        result.table(("do, never seen together", "label", "accuracy"), rows)
    if metrics.get("male_by_mustache"):
        effects = metrics["male_by_mustache"]
        rows = [
            ("do(Mustache = 1)", _number(effects["do"]), _number(effects["true_do"])),
            ("Mustache = 1", _number(effects["given"]), _number(effects["true_given"])),
        ]
        result.table(("P(Male) in the images", "model", "truth"), rows)
    spread = metrics["diversity_by_nuisance"].items()
    if spread:
        rows = [(name, f"{v:.2f}") for name, v in spread]
        result.table(("nuisance", "spread over the true spread"), rows)
    result.table(
        ("nearest training picture, L2 in grey levels", "median"),
        [
            ("of generated pictures", f"{metrics['nearest_neighbour_median']:.0f}"),
            ("of held-out pictures", f"{metrics['nearest_neighbour_median_real']:.0f}"),
        ],
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
