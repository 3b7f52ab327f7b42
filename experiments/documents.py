"""The pages of studies in docs/: a figure and a table, made of finished rows."""

from pathlib import Path

import numpy as np

from causal_jax.reporting import studies
from causal_jax.runs import folder as workdirs

_WRONG_GRAPH = """# Right graph, wrong graph

Made by `python -m experiments.wrong_graph` (one cell: `--only=CELL`) from the rows in
`docs/results/wrong_graph_*.json`. TVD from the true law, enumerated: of what is seen,
and of P(all labels | do(node = state)), mean and largest of the {num_done} single
interventions; mean and standard deviation over seeds, each with {num_rows:,} rows of
its own. *Identified*: the mean over those interventions (in brackets: how many) that
do not bring any node's parents into states that never occur together in the data.
*Counted*: the conditional tables along the same graph, counted (add-1/2) in the same
rows. A table of as many rows drawn from the truth is {floor:.4f} away from it.
{trainers}
![seen against done](wrong_graph.png)

| cell | seeds | seen | done, mean | largest | identified | counted: seen | done | \
identified | s |
|---|---|---|---|---|---|---|---|---|---|
"""

_MLE = """
`mle` is maximum likelihood with a group-lasso penalty on parents
(`training.label_counts`): {parent_penalty:g} times the norm of each parent's
first-layer weights, and a weight decay of {weight_decay:g}, in nats a row: the same for
all wirings. The penalty was chosen by held-out likelihood (of the complete graph) on
rows of a seed outside the study.
"""

# Against the true graph's: how many times its do-TVD, how much more seen-TVD.
COMPLETE_TIMES = 1.5  # at most: a complete graph in a true order is also right
REVERSE_TIMES, REVERSE_SEEN = 5.0, 0.01  # at least; at most: sees right, does wrong

_SYNTHETIC = """# Three variables, six generators

Made by `python -m experiments.synthetic --num_seeds={num_seeds}
--num_steps={num_steps}` (one cell: `--only=DATA_GENERATOR`) from the rows in
`docs/results/synthetic_*.json`.
TVD between generator and data after {num_steps:,} steps, mean ± standard error over
{num_seeds} seeds, each with data of its own; histograms of 50,000 samples in 10 x 10 x
10 bins. Floor: two samples of the data.

![TVD over training](synthetic.png)

| data | {generators} | floor |
|---|{rules}---|
"""


def write_wrong_graph(rows: list[dict], folder: Path) -> None:
    """Writes wrong_graph.png and wrong_graph.md; rows of `experiments.wrong_graph`."""
    first = rows[0]
    num_done = len(first["metrics"]["learned"][0]["by_intervention"])
    points = [
        studies.Point(
            row["config"]["graph"].replace("_", " "),
            row["config"]["trainer"],
            _over_seeds(row, "tvd"),
            _over_seeds(row, "do_tvd_mean"),
            _over_seeds(row, "do_tvd_identified") if row["left_open"] else None,
        )
        for row in rows
    ]
    floor, num_rows = first["metrics"]["labels"]["floor"], first["config"]["num_rows"]
    picture = studies.plane_figure(
        points,
        x_label="TVD of what is seen",
        y_label=f"TVD of what is done, mean of {num_done} interventions",
        floor=floor,
        floor_label=f"a sample of {num_rows:,} rows",
        part_label="only what the data identify",
    )
    picture.save(folder / "wrong_graph.png")
    header = _WRONG_GRAPH.format(
        num_done=num_done, num_rows=num_rows, floor=floor, trainers=_penalty(rows)
    )
    lines = [*(_wrong_graph_line(row) for row in rows), "", *_comparisons(rows), ""]
    workdirs.write_text(folder / "wrong_graph.md", header + "\n".join(lines))


def _penalty(rows: list[dict]) -> str:
    """What `mle` is, where there are rows of it."""
    settings = [r["config"] for r in rows if r["config"]["trainer"] == "mle"]
    defaults = {"parent_penalty": 0.0, "weight_decay": 0.0}
    return _MLE.format(**defaults | settings[0]) if settings else ""


def _over_seeds(row: dict, name: str, of: str = "learned") -> np.ndarray:
    return np.array([one[name] for one in row["metrics"][of]])


def _wrong_graph_line(row: dict) -> str:
    def text(name: str, of: str = "learned") -> str:
        values = _over_seeds(row, name, of)
        spread = f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else ""
        return f"{values.mean():.4f}{spread}"

    number = row["metrics"]["learned"][0]["num_identified"]
    figures = [text(name) for name in ("tvd", "do_tvd_mean", "do_tvd_max")]
    figures.append(f"{text('do_tvd_identified')} ({number})")
    counted = ("tvd", "do_tvd_mean", "do_tvd_identified")
    figures += [text(name, "counted") for name in counted]
    name = "{graph}_{trainer}".format(**row["config"])
    seconds = sum(row["seconds"].values())
    cells = [f"`{name}`", str(len(row["seed"])), *figures, f"{seconds:.0f}"]
    return f"| {' | '.join(cells)} |"


def _comparisons(rows: list[dict]) -> list[str]:
    """What each trainer's graphs are to the true one."""
    true = {r["config"]["trainer"]: r for r in rows if r["config"]["graph"] == "true"}
    return [
        _comparison(row, true[row["config"]["trainer"]])
        for row in rows
        if row["config"]["graph"] != "true" and row["config"]["trainer"] in true
    ]


def _comparison(row: dict, true: dict) -> str:
    def ratio(name: str, of: str = "learned") -> float:
        return _over_seeds(row, name, of).mean() / _over_seeds(true, name, of).mean()

    more = _over_seeds(row, "tvd").mean() - _over_seeds(true, "tvd").mean()
    done, identified = ratio("do_tvd_mean"), ratio("do_tvd_identified")
    counted = ratio("do_tvd_mean", "counted"), ratio("do_tvd_identified", "counted")
    goal = verdict(row["config"]["graph"], more, done)
    return (
        f"* {row['config']['trainer']}, {row['config']['graph']} against true: "
        f"seen-TVD {more:+.4f}; do-TVD {done:.2f} times, identified {identified:.2f} "
        f"times (counted: {counted[0]:.2f}, {counted[1]:.2f}). {goal}".rstrip()
    )


def verdict(graph: str, more: float, times: float) -> str:
    """Whether a graph's goal is met; "" for a graph without one.

    Args:
      graph: which wiring.
      more: its seen-TVD less the true graph's.
      times: its do-TVD over the true graph's, mean of all interventions.
    """
    if graph == "complete":
        goal = f"do-TVD at most {COMPLETE_TIMES:g} times"
        met = times <= COMPLETE_TIMES
    elif graph == "reverse_complete":
        goal = (
            f"seen-TVD within {REVERSE_SEEN:g}, do-TVD at least {REVERSE_TIMES:g} times"
        )
        met = abs(more) <= REVERSE_SEEN and times >= REVERSE_TIMES
    else:
        return ""
    return f"Goal ({goal}): {'met' if met else '**missed**'}."


def write_synthetic(rows: list[dict], folder: Path) -> None:
    """Writes synthetic.png and synthetic.md; rows of `experiments.synthetic`."""
    panels: dict[str, dict] = {}
    floors: dict[str, list] = {}
    for row in rows:
        title = f"data: {row['config']['data']}"
        curves = panels.setdefault(title, {})
        curves[row["config"]["generator"]] = np.array(row["metrics"]["tvd"])
        floors[title] = row["metrics"]["floor"]
    picture = studies.seed_curves_figure(
        rows[0]["metrics"]["steps"],
        panels,
        y_label="TVD of 10 x 10 x 10 bins",
        floors={title: float(np.mean(values)) for title, values in floors.items()},
        floor_label="two samples of the data",
    )
    picture.save(folder / "synthetic.png")
    workdirs.write_text(folder / "synthetic.md", _synthetic_page(rows))


def _synthetic_page(rows: list[dict]) -> str:
    cells = {(r["config"]["data"], r["config"]["generator"]): r for r in rows}
    generators = list(dict.fromkeys(generator for _, generator in cells))
    header = _SYNTHETIC.format(
        num_seeds=len(rows[0]["seed"]),
        num_steps=rows[0]["config"]["num_steps"],
        generators=" | ".join(generators),
        rules="---|" * len(generators),
    )
    lines = []
    for data in dict.fromkeys(data for data, _ in cells):
        found = [cells.get((data, generator)) for generator in generators]
        floor = next(np.mean(row["metrics"]["floor"]) for row in found if row)
        texts = [_last(row) if row else "-" for row in found]
        lines.append(f"| {data} | {' | '.join(texts)} | {floor:.3f} |")
    return header + "\n".join([*lines, ""])


def _last(row: dict) -> str:
    last = np.array(row["metrics"]["tvd"])[:, -1]
    return f"{last.mean():.3f}" + f" ± {standard_error(last):.3f}" * (len(last) > 1)


def standard_error(values: np.ndarray) -> float:
    """Of the mean over seeds; 0 for a single seed."""
    return float(np.std(values) / np.sqrt(max(len(values) - 1, 1)))
