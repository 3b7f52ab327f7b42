"""Nothing lost: kills, flipped bits, damaged files, and what the checks cost.

    python -m experiments.reliability                      # all; the kills take longest
    python -m experiments.reliability --only=flips         # 500 bits
    python -m experiments.reliability --only=damage        # kinds of damage x files
    python -m experiments.reliability --only=cost
    python -m experiments.reliability --only=kills_mle     # cells whose name starts so

Each finished cell is docs/results/reliability_CELL.json and is skipped the next time;
the part of docs/reliability.md between its two marks is made of all finished cells.
"""

import time
from pathlib import Path

from absl import flags

from causal_jax import files
from causal_jax.cli import command_line
from experiments import damage, kills, results, study

PREFIX = "reliability_"
_PARTS = {"flips": damage.flips, "damage": damage.damage, "cost": damage.cost}
_BEGIN = "<!-- made by experiments.reliability -->"
_END = "<!-- end of what experiments.reliability made -->"
_MOST_COST = 0.02


def cells(args: flags.FlagValues) -> list[str]:
    """The parts of seconds or minutes first, then the runs that are killed."""
    return [*_PARTS, *kills.cells()]


def run(args: flags.FlagValues, cell: str) -> None:
    """Measures a cell and writes its row."""
    root, started = Path(args.workdir).absolute(), time.monotonic()
    root.mkdir(parents=True, exist_ok=True)
    found = _PARTS[cell](root) if cell in _PARTS else kills.run(root, cell)
    row = {
        "command": f"python -m experiments.reliability --only={cell}",
        "seconds": {"all": time.monotonic() - started},
        "metrics": {"reliability": found},
    }
    results.write(PREFIX + cell, row)
    print(cell, found)


# --- the page -------------------------------------------------------------------------


def write_pages(args: flags.FlagValues) -> None:
    """Fills this study's part of docs/reliability.md; all else stays as it is."""
    path = results.FOLDER.parent / "reliability.md"
    text = path.read_text("utf-8") if path.is_file() else f"# Reliability\n\n{_BEGIN}"
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    files.write_text(path, f"{before}{_BEGIN}\n{markdown()}{_END}{after or chr(10)}")


def markdown() -> str:
    """The sections of the cells that are finished."""
    found = {
        row["cell"].removeprefix(PREFIX): row["metrics"]["reliability"]
        for row in results.rows(PREFIX)
    }
    sections = [
        section(found)
        for section in (_kills, _flips, _damage, _cost)
    ]  # fmt: skip
    return "\n".join(filter(None, sections))


def _kills(found: dict) -> str:
    done = {cell: found[cell] for cell in kills.cells() if cell in found}
    if not done:
        return ""
    same = sum(not row["differences"] for row in done.values())
    lines = [
        "## Killed runs\n",
        f"`python -m experiments.reliability --only=kills`. {same} of {len(done)} runs "
        "(of 24) ended bit-identical to a calm run on the same devices: checkpoints of "
        "every stage, log, metrics. Each was killed at five moments, a random time "
        "after: data preparation, first compilation (no cache), the commit of a "
        "checkpoint, a random dispatch, evaluation.\n",
        "| run | killed | ended |\n|---|---|---|",
    ]
    for cell, row in done.items():
        ended = ", ".join(row["differences"]) or "equal"
        lines.append(f"| {cell} | {'; '.join(row['hit'])} | {ended} |")
    return "\n".join(lines) + "\n"


def _flips(found: dict) -> str:
    if not (row := found.get("flips")):
        return ""
    return (
        "## Flipped bits\n\n`python -m experiments.reliability --only=flips`. Of "
        f"{row['flips']} random bits in {row['files']} files of a checkpoint, "
        f"{row['noticed']} were noticed before use (the one before was used, with a "
        f"warning), {row['equal']} changed nothing that is restored, and "
        f"{row['unnoticed']} went unnoticed.\n"
    )


def _damage(found: dict) -> str:
    if not (row := found.get("damage")):
        return ""
    kinds = list(next(iter(row["outcomes"].values())))
    lines = [
        "## Damaged files\n",
        "`python -m experiments.reliability --only=damage`. What the same training "
        "command did / what loading the model did, with one file of an interrupted run "
        "damaged. *recovered*: training ended bit-identical to a calm run, the model "
        "was loaded; *told*: with a warning that names the file; *named*: one line "
        "that names the file and the way out.\n",
        f"| file | {' | '.join(kinds)} |\n|{'---|' * (len(kinds) + 1)}",
    ]
    for name, by_kind in row["outcomes"].items():
        texts = [" / ".join(by_kind[kind]) for kind in kinds]
        lines.append(f"| {name} | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def _cost(found: dict) -> str:
    if not (row := found.get("cost")):
        return ""
    lines = [
        "## What it costs\n",
        "`python -m experiments.reliability --only=cost`. Seconds in whole runs of "
        "the manifests, the verification, the check of room, of finite weights, the "
        f"lock and the count of seconds; their share is to be below {_MOST_COST:.0%}. "
        "The checkpoints themselves, once a minute, are not in it.\n",
        "| run | s | share | manifest | verification | room | finite | lock | seconds "
        "| checkpoints |\n|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, part in row["runs"].items():
        names = ("manifest", "verification", "room", "finite", "lock", "seconds")
        times = [f"{part[key]:.3f}" for key in (*names, "checkpoint")]
        share = f"{part['run']:.1f} | {part['share']:.2%}"
        lines.append(f"| {name} | {share} | {' | '.join(times)} |")
    return "\n".join(lines) + "\n"


STUDY = study.Study(prefix=PREFIX, cells=cells, run=run, write_pages=write_pages)


def define_flags() -> None:
    study.define_flags()
    flags.DEFINE_string("workdir", "runs/reliability", "Where the runs go.")


def main(args: flags.FlagValues) -> None:
    study.main(STUDY, args)


if __name__ == "__main__":
    command_line.run("reliability", define_flags, main, help_text=__doc__)
