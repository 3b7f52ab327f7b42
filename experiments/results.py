"""Rows of results: one JSON file per finished cell, and the tables made of them.

A row holds what was run and what came out:

    {"cell", "command", "revision", "hardware",
     "seconds", "metrics"} and, where something is to be known about it, a "note".
"""

import functools
import json
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import jax

from causal_jax.data.mnist import PROTOCOLS
from causal_jax.runs.folder import write_text

FOLDER = Path(__file__).parent.parent / "docs" / "results"


@functools.cache
def revision() -> str:
    """The commit checked out at the first call; "+" where the code differs from it."""
    try:
        commit = _git("describe", "--always", "--abbrev=10")
        changed = _git("status", "--porcelain", "--", "causal_jax", "experiments")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")


def _git(*args: str) -> str:
    described = subprocess.run(
        ["git", *args],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return described.stdout.strip()


def hardware(num_devices: int | None = None) -> str:
    """What this ran on; `num_devices` where a process of its own had another number."""
    kind, num = jax.devices()[0].device_kind, num_devices or jax.device_count()
    return f"{num} x {kind} ({platform.machine()}), jax {jax.__version__}"


def read(cell: str) -> dict | None:
    """The row of a finished cell, None if there is none."""
    path = FOLDER / f"{cell}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def write(cell: str, row: dict) -> None:
    """Writes a row, whole or not at all."""
    row = {"cell": cell, "hardware": hardware(), **row, "revision": revision()}
    write_text(FOLDER / f"{cell}.json", json.dumps(row, indent=1) + "\n")


def rows(prefix: str = "") -> list[dict]:
    """All finished rows whose cell's name starts with `prefix`, by that name."""
    found = [json.loads(p.read_text("utf-8")) for p in sorted(FOLDER.glob("*.json"))]
    return [row for row in found if row["cell"].startswith(prefix)]


def require_alike(prefix: str, *, rerun: Collection[str] = (), **settings: int) -> None:
    """Checks that a study's finished cells have the settings asked for.

    A page is made of all finished rows: it must not mix settings.

    Args:
      prefix: of the study's rows.
      rerun: cells (without the prefix) that are run again, so whose row is replaced.
      **settings: the flags' values; `num_seeds` is the length of a row's "seed", all
        others are in its "config".

    Raises:
      ValueError: a row that is kept has other settings.
    """
    for row in rows(prefix):
        cell = row["cell"].removeprefix(prefix)
        had = {
            name: len(row["seed"]) if name == "num_seeds" else row["config"][name]
            for name in settings
        }
        if had != settings and cell not in rerun:
            flags = " ".join(f"--{name}={value}" for name, value in had.items())
            raise ValueError(
                f"{cell} was run with {flags}: use the same, or --again for all cells"
            )


def write_page() -> None:
    """Fills the tables of docs/results.md with all finished rows."""
    path = FOLDER.parent / "results.md"
    text = path.read_text("utf-8") if path.is_file() else BARE_PAGE
    write_text(path, filled(text, rows()))


# A table of the rows whose cells begin so; `others` is of those in no other table.
_TABLE = re.compile(r"<!-- rows: (.*?) -->\n.*?<!-- end -->", re.S)
_OTHERS = "others"
# Rows that stand on a page of their own alone.
_OWN_PAGES = ("reliability_", "natural_", "full_size_step_")
BARE_PAGE = f"# Results\n\n<!-- rows: {_OTHERS} -->\n<!-- end -->\n"
_HEADER = """| cell | figures | training s | command | revision | hardware |
|---|---|---|---|---|---|
"""


def filled(text: str, rows: list[dict]) -> str:
    """The page with its tables made of these rows; what stands around them stays."""
    prefixes = [tuple(match[1].split()) for match in _TABLE.finditer(text)]
    known = tuple(prefix for table in prefixes for prefix in table)
    elsewhere = (*known, *_OWN_PAGES)
    others = [row for row in rows if not row["cell"].startswith(elsewhere)]

    def table(match: re.Match) -> str:
        chosen = [r for r in rows if r["cell"].startswith(tuple(match[1].split()))]
        lines = map(_line, others if match[1] == _OTHERS else chosen)
        return f"<!-- rows: {match[1]} -->\n{_HEADER}{''.join(lines)}<!-- end -->"

    if others and f"<!-- rows: {_OTHERS} -->" not in text:
        text += "\n" + BARE_PAGE.replace("# Results", "## Others")
    return _TABLE.sub(table, text)


def _line(row: dict) -> str:
    """A row with its command and its figures."""
    seconds = ", ".join(f"{k} {v:.0f}" for k, v in row["seconds"].items())
    figures = f"{_figures(row['metrics'])} {row.get('note', '')}".strip()
    cells = (row["cell"], figures, seconds, f"`{row['command']}`", row["revision"])
    return f"| {' | '.join((*cells, row['hardware']))} |\n"


_SHOWN = (
    "tvd",
    "do_tvd_mean",
    "do_tvd_max",
    "conditional_relative_max",
    "never_max",
    "floor",
    *("pair_tvd_mean", "pair_floor"),
    "held_out_log_likelihood",
    "tree_log_likelihood",
    "label_accuracy_mean",
    "label_accuracy_min",
    *("label_accuracy_relative_mean", "label_accuracy_relative_min"),
    "unseen_accuracy",
    "unseen_together_relative",
    *("variety", "diversity"),
    *("frechet", "frechet_same_labels", "frechet_floor"),
    "nearest_neighbour_median",
    "nearest_neighbour_median_real",
    *(
        f"{what}_{p}"
        for what in ("accuracy", "distinct", "in_domain")
        for p in PROTOCOLS
    ),
    *("mask_readability", "mask_diversity", "mask_mean", "mask_inverted"),
)


def _figures(metrics: dict) -> str:
    found = []
    for part in ("labels", "images", "digits"):
        for name in _SHOWN:
            value = (metrics.get(part) or {}).get(name)
            if isinstance(value, float):
                found.append(f"{name} {value:.4f}")
    effects = (metrics.get("images") or {}).get("male_by_mustache")
    if effects:
        found.append(
            f"P(Male) do {_rate(effects['do'])} of {_rate(effects['true_do'])}, "
            f"given {_rate(effects['given'])} of {_rate(effects['true_given'])}"
        )
    return ", ".join(found)


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def command(config: str, overrides: dict) -> str:
    """The training command of a row, as README shows it.

    Args:
      config: "NAME" or "NAME:variant".
      overrides: of its keys.
    """
    keys = "".join(f" --config.{k}={shlex.quote(str(v))}" for k, v in overrides.items())
    name = Path(sys.executable).name.rstrip("0123456789.")
    return f"{name} -m experiments.train --config={config}{keys} --workdir=DIR"


if __name__ == "__main__":
    write_page()
