"""docs/networks.md: one table of the rows that `experiments.table_networks` made."""

PREFIX = "networks_"

# At most so many times the tabular fit's distance (of what is seen; mean of do).
TARGETS = {"mle": 1.1, "wgan": 2.5}

_NAMES = {
    "tabular": "tabular",
    "mle": "maximum likelihood",
    "wgan": "adversarial (a critic per node)",
}

_HEADER = """# Bayesian networks

Made by `python -m experiments.table_networks --networks=DIR --num_seeds=3`; DIR (or
`$CAUSAL_JAX_NETWORKS`) holds NAME.bif or NAME.bif.gz of bnlearn's repository. For a
network and seed 100,000 rows are drawn; *tabular* are conditional tables counted in
them (add-1/2). Mean ± standard deviation over the seeds.

TVD from the truth, of what is seen and under single interventions (mean, largest):
*joint* is of the joint law, exact; *pairs* is the mean over the tables of all pairs of
nodes and of all families, from 100,000 units that truth and model draw from the same
noise. *Times tabular*: seen / done, to be at most 1.1 (maximum likelihood) and 2.5
(adversarial). *Rare states*: mean TVD under interventions on states with fewer than 100
training rows, which the other columns leave out (in brackets: how many of all).
*Rare rows*: mean TVD of the conditional tables' rows whose parent configuration has
fewer than 100 training rows (in brackets: how many of all); *rows*: of the others.

| network (nodes) | measure | method | seen | done, mean | done, largest | \
times tabular | rare states | rows | rare rows | training s | command |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""


def markdown(rows: list[dict]) -> str:
    """The page, from finished rows."""
    lines = [_line(row, method) for row in rows for method in row["metrics"]]
    return _HEADER + "\n".join([*lines, "", *_verdict(rows), ""])


def ratios(row: dict, method: str) -> tuple[float, float]:
    """A method's distance over the tabular fit's, of what is seen and what is done."""
    found, tabular = row["metrics"][method], row["metrics"]["tabular"]
    names = ("tvd", "do_tvd_mean")
    return tuple(found[name]["mean"] / tabular[name]["mean"] for name in names)


def _line(row: dict, method: str) -> str:
    figures, network = row["metrics"][method], row["network"]
    name = row["cell"].removeprefix(PREFIX)
    kinds = ("interventions", "configurations")
    rare = [f"{round(network[f'rare_{k}'], 1):.10g} of {network[k]}" for k in kinds]
    cells = (
        f"{name} ({network['nodes']})",
        network["measure"].split(",")[0].split(" ")[0],
        _NAMES[method],
        _figure(figures["tvd"]),
        _figure(figures["do_tvd_mean"]),
        _figure(figures["do_tvd_max"]),
        _times(row, method),
        f"{_figure(figures['rare_do_tvd_mean'])} ({rare[0]})",
        _figure(figures["row_tvd"]),
        f"{_figure(figures['rare_row_tvd'])} ({rare[1]})",
        f"{row['seconds'][method]:.0f}",
        f"`{row['command']}`",
    )
    return f"| {' | '.join(cells)} |"


def _figure(figure: dict) -> str:
    if figure["mean"] is None:
        return "-"
    spread = "" if figure["std"] is None else f" ± {figure['std']:.4f}"
    return f"{figure['mean']:.4f}{spread}"


def _times(row: dict, method: str) -> str:
    if method not in TARGETS:
        return "1"
    shown = [
        f"**{ratio:.2f}**" if ratio > TARGETS[method] else f"{ratio:.2f}"
        for ratio in ratios(row, method)
    ]
    return " / ".join(shown)


def _verdict(rows: list[dict]) -> list[str]:
    """A plain statement for each target: which networks miss it."""
    lines = []
    for method, limit in TARGETS.items():
        having = [row for row in rows if method in row["metrics"]]
        missed = [
            f"{row['cell'].removeprefix(PREFIX)} ({_times(row, method)})"
            for row in having
            if max(ratios(row, method)) > limit
        ]
        if missed:
            what = f"**missed** on {len(missed)} of {len(having)}: {', '.join(missed)}"
        else:
            what = f"met on all {len(having)}"
        lines.append(f"* {_NAMES[method]}, at most {limit:g} times tabular: {what}.")
    return lines
