"""Studies: cells that are chosen, run once and kept as rows, and the pages of them.

A cell is one run of a study, or a setting that several seeds share. Its row is a file
in docs/results: a cell that has one is skipped unless --again asks for it.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple

from absl import flags

from experiments import results


class Study(NamedTuple):
    """What is a study's own; `args` are the parsed flags.

    Attributes:
      prefix: its rows are docs/results/PREFIXCELL.json.
      cells: (args) -> the names of all cells, in order.
      run: (args, cell, ...) trains and measures cells, writes their rows and prints
        what came out.
      write_pages: (args) makes the study's own pages of all finished rows.
      alike: flags whose values must not differ between the rows of a page.
      endings: --only also chooses the cells with one of these after the last "_".
      group: (args, cell) -> what those cells have in common that one call of `run`
        takes; each its own as it stands.
    """

    prefix: str
    cells: Callable[[flags.FlagValues], Iterable[str]]
    run: Callable[..., None]
    write_pages: Callable[[flags.FlagValues], None] = lambda args: None
    alike: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    group: Callable[[flags.FlagValues, str], Hashable] = lambda args, cell: cell


def define_flags(
    *,
    only: str = "Only cells whose name starts with this.",
    again: str = "Runs finished cells again.",
) -> None:
    """Defines the flags of every study; the arguments are their help texts."""
    flags.DEFINE_string("only", "", only)
    flags.DEFINE_bool("again", False, again)


def main(study: Study, args: flags.FlagValues) -> None:
    """Runs the chosen cells that are not finished, and makes the pages."""
    results.revision()  # what runs, whatever is checked out when a cell is done
    chosen = choose(study, args)
    rerun = chosen if args.again else ()
    asked = {name: getattr(args, name) for name in study.alike}
    results.require_alike(study.prefix, rerun=rerun, **asked)
    done = [cell for cell in chosen if results.read(study.prefix + cell)]
    skipped = () if args.again else done
    for group in _groups(study, args, chosen):
        for cell in group:
            if cell in skipped:
                print(f"{cell}: done before")
        pending = [cell for cell in group if cell not in skipped]
        if pending:
            study.run(args, *pending)
    study.write_pages(args)
    results.write_page()


def choose(study: Study, args: flags.FlagValues) -> list[str]:
    """The cells that --only names; a whole name is that cell alone.

    Raises:
      ValueError: there are none.
    """
    known, only = list(study.cells(args)), args.only
    if only in known:
        return [only]
    ending = f"_{only}" if only in study.endings else None
    found = [
        cell
        for cell in known
        if cell.startswith(only) or (ending and cell.endswith(ending))
    ]
    if not found:
        names = ", ".join([*known, *study.endings])
        raise ValueError(f"--only={only}: there are {names}")
    return found


def _groups(study: Study, args: flags.FlagValues, cells: list[str]) -> list[list[str]]:
    """Cells that are run at once, in the order of the first of each group."""
    groups: dict[Hashable, list[str]] = {}
    for cell in cells:
        groups.setdefault(study.group(args, cell), []).append(cell)
    return list(groups.values())


def finished(prefix: str, cells: Iterable[str]) -> list[dict]:
    """The rows of the finished ones among a study's cells, in their order."""
    rows = (results.read(prefix + cell) for cell in cells)
    return [row for row in rows if row]
