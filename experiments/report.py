"""The report of a run: one self-contained HTML page."""

import json
from pathlib import Path

import jax
import numpy as np

from causal_jax.metrics import pairs
from causal_jax.reporting import graphs, page, plots, sheets
from experiments import evaluation
from experiments.evaluation import Images, Run

KEY = 4242  # the report's pictures are the same for every run
SHEETS = ("Mustache", "Bald", "Wearing_Lipstick", "Smiling")
TWINS = ("Smiling", "Wearing_Lipstick", "Eyeglasses", "Mustache")


def write(path: str | Path, run: Run, metrics: dict, pictures: Images | None) -> None:
    """Writes the page.

    Args:
      path: file to write.
      run: the run.
      metrics: what metrics.json holds.
      pictures: what the image metrics were measured on; None without images.
    """
    result = page.Page(f"{run.config.name}: see, do and imagine")
    _summary(result, run, metrics)
    result.heading("The causal graph")
    result.image(graphs.graph_figure(run.scm.graph), "Arrows are direct causes.")
    _label_laws(result, run, metrics["labels"])
    if pictures is not None:
        _samples(result, run)
        _twins(result, run, pictures)
        _image_tables(result, metrics["images"])
    training_curves(result, run.workdir)
    result.write(path)


def _summary(result: page.Page, run: Run, metrics: dict) -> None:
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


def _label_laws(result: page.Page, run: Run, labels: dict) -> None:
    result.heading("Label laws: seen and done")
    tables = evaluation.label_tables(run)
    result.image(
        plots.law_figure(
            tables.model.marginals,
            tables.reference.marginals,
            num_rows=len(run.labels.rows),
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
    if len(run.label_scm.nodes) > 1:
        tvds = pairs.pair_tvds(tables.model, tables.reference)
        distances = list(tvds.values())
        result.image(
            plots.pairwise_figure(run.label_scm.nodes, distances),
            f"Mean {np.mean(distances):.4f}, largest {np.max(distances):.4f}; model "
            f"against {tables.source}.",
        )
        _pair_tables(result, run, tables, tvds)


def _pair_tables(
    result: page.Page, run: Run, tables: pairs.Compared, tvds: dict
) -> None:
    """The tables of the pairs that differ most, model beside truth or data."""
    chosen = pairs.largest(tvds, evaluation.NUM_PAIRS)
    with result.collapsed(f"Tables of the {len(chosen)} pairs that differ most"):
        result.text(f"Shares of all units: the model's, then the {tables.source}'s.")
        for a, b in chosen:
            result.heading(f"{a} and {b}: TVD {tvds[a, b]:.4f}", level=3)
            header = [""]
            for state in run.label_scm.states(b):
                header += [f"{b}={state}: model", tables.source]
            shares = np.stack([t.pairs[a, b] for t in (tables.model, tables.reference)])
            shares = np.moveaxis(shares, 0, -1)  # [a's states, b's states, 2]
            rows = [
                (f"{a}={state}", *map(float, row.ravel()))
                for state, row in zip(run.label_scm.states(a), shares, strict=True)
            ]
            result.table(header, rows)


def _samples(result: page.Page, run: Run) -> None:
    key = jax.random.key(KEY + 1)
    result.heading("What is seen")
    result.image(sheets.samples_sheet(run.scm, run.params, key, 32), "Samples.")
    result.heading("Do against see")
    result.text(
        "After do(X) the causes of X stay as they are; given X they do not. Rows of do "
        "share their noise."
    )
    for node in _existing(run, SHEETS):
        sheet = sheets.do_versus_see_sheet(run.scm, run.params, key, node, 8)
        result.image(sheet, f"do({node}) and given {node}.")


def _existing(run: Run, names: tuple[str, ...]) -> list[str]:
    """Those of `names` that the model has; its own first labels if it has none."""
    return [n for n in names if n in run.label_scm.nodes] or list(
        run.label_scm.nodes[:4]
    )


def _twins(result: page.Page, run: Run, pictures: Images) -> None:
    key = jax.random.key(KEY + 2)
    result.heading("Imagine: twins")
    result.text(
        "One noise, one label changed, in the trained model. What a unit would have "
        "been is not identified by what is seen: it depends on how noise is coupled to "
        "values."
    )
    do = [{name: 1} for name in _existing(run, TWINS)]
    result.image(
        sheets.twins_sheet(run.scm, run.params, key, do, 8), "Generated twins."
    )
    if pictures.truth is not None:
        sheet = sheets.twins_sheet(*pictures.truth, key, do, 8)
        result.image(sheet, "For comparison, true pairs of the renderer: other people.")


def _image_tables(result: page.Page, metrics: dict) -> None:
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


def training_curves(result: page.Page, workdir: Path) -> None:
    """The section of what was logged in a run's folder; none if nothing was."""
    path = workdir / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    figure = plots.curves_figure(lines)
    if figure is not None:
        result.heading("Training")
        result.image(figure, "Means over each dispatch.")
