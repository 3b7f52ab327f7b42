"""Tables of discrete labels: own CSV files, read and written.

A table holds state *indices*; the names of the states stand beside them, so that
binary and categorical columns are one thing. How a column's states are found:

| cells                                | states                             |
|--------------------------------------|------------------------------------|
| 0 / 1 (also 0.0 / 1.0)               | ("0", "1")                         |
| -1 / 1, as in CelebA's list          | ("0", "1"), -1 becoming "0"        |
| other numbers                        | the distinct ones, in number order |
| anything else: yes / no, red / green | the distinct ones, sorted          |
"""

import csv
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from causal_jax.data.records import Table
from causal_jax.graph import BINARY, suggestion

MAX_STATES = 100  # more distinct values look continuous, or like an identifier
_MISSING = ("", "nan", "NaN")
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


class TextRows(NamedTuple):
    """A CSV file as text, before its columns have states.

    Attributes:
      path: where it lies.
      names: the columns, as the header has them.
      cells: row by row, as many as there are columns.
      lines: the line number of each row.
    """

    path: Path
    names: tuple[str, ...]
    cells: list[list[str]]
    lines: list[int]

    def position(self, name: str) -> int:
        """Which column has this name; raises ValueError if none has."""
        return _column_position(name, self.names, self.path.name)


def read_csv(
    path: str | os.PathLike,
    *,
    columns: Sequence[str] | None = None,
    states: Mapping[str, Sequence[str]] | None = None,
) -> Table:
    """Reads a CSV file with a header line; commas separate, quotes as usual.

    Args:
      path: UTF-8 text, one row a unit.
      columns: which columns to read, in this order; the others are ignored, whatever
        they hold. None reads all.
      states: names of the states by column, e.g. those a graph file declares. Columns
        that are not named here take their states from the data.

    Returns:
      The table, with `values` int32 [N, n].

    Raises:
      ValueError: what is wrong, in one line with column and line number.
    """
    return encode_rows(read_rows(path), columns, states)


def select(table: Table, names: Sequence[str]) -> Table:
    """Returns the named columns, in the given order.

    Raises:
      ValueError: a name that the table does not have.
    """
    where = [_column_position(name, table.names, "the data") for name in names]
    states = {name: table.states[name] for name in names}
    values = table.values[:, where]
    return Table(names=tuple(names), states=states, values=values)


def write_csv(path: str | os.PathLike, table: Table) -> None:
    """Writes the states' names under a header; the file appears whole or not at all."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table.names)
            writer.writerows(_state_rows(table))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def encode(
    cells: Sequence[str], states: Sequence[str] | None = None
) -> tuple[tuple[str, ...], list[int | None]]:
    """Turns one column's text into state indices.

    Args:
      cells: the text of each row.
      states: the states to use; None finds them (table at the top of this module).

    Returns:
      The states, and the index of each row: None where a cell is no state.
    """
    distinct = sorted(set(cells))
    whole = {cell: _WHOLE.fullmatch(cell) for cell in distinct}
    plain = {cell: match[1] if match else cell for cell, match in whole.items()}
    signed = "-1" in plain.values() and set(plain.values()) <= {"-1", "1"}
    if states is None:
        states = BINARY if signed else _sorted_states(set(plain.values()))
    index = {state: i for i, state in enumerate(states)}
    if signed and tuple(states) == BINARY:
        index["-1"] = 0
    code = {cell: index.get(cell, index.get(plain[cell])) for cell in distinct}
    return tuple(states), [code[cell] for cell in cells]


def _sorted_states(distinct: set[str]) -> tuple[str, ...]:
    if distinct <= set(BINARY):
        return BINARY
    try:
        return tuple(sorted(distinct, key=lambda cell: (float(cell), cell)))
    except ValueError:
        return tuple(sorted(distinct))


def encode_rows(
    rows: TextRows,
    columns: Sequence[str] | None = None,
    states: Mapping[str, Sequence[str]] | None = None,
) -> Table:
    """Turns the text of columns into state indices; arguments as `read_csv` has them.

    Raises:
      ValueError: a column that is not there, a cell that is no state, or a column that
        has too many states or one alone.
    """
    names = rows.names if columns is None else tuple(columns)
    states = states or {}
    where = [rows.position(name) for name in names]
    values = np.empty((len(rows.cells), len(names)), np.int32)
    found = {}
    for i, (name, at) in enumerate(zip(names, where, strict=True)):
        cells = [row[at] for row in rows.cells]
        found[name], indices = _encoded_column(rows, name, cells, states.get(name))
        values[:, i] = indices
    return Table(names=names, states=found, values=values)


def _encoded_column(
    rows: TextRows, name: str, cells: list[str], states: Sequence[str] | None
) -> tuple[tuple[str, ...], list[int]]:
    """Encodes a column, or says which cell is wrong."""
    _refuse_missing(rows, name, cells, states or ())
    if states is None and len(set(cells)) > MAX_STATES:
        raise ValueError(
            f"{rows.path.name}: column {name!r} has {len(set(cells)):,} distinct "
            "values and looks continuous or like an identifier; leave it out of the "
            f"graph (or of columns=), or group it into at most {MAX_STATES} states"
        )
    states, indices = encode(cells, states)
    if None in indices:
        bad = indices.index(None)
        raise ValueError(
            f"{rows.path.name}, line {rows.lines[bad]}: {cells[bad]!r} is no state of "
            f"column {name!r}; {suggestion(cells[bad], states)}"
        )
    if len(states) < 2:
        raise ValueError(
            f"{rows.path.name}: column {name!r} is {states[0]!r} in every row; "
            "a label needs two states or more, so leave it out"
        )
    return states, indices


def _refuse_missing(
    rows: TextRows, name: str, cells: list[str], states: Sequence[str]
) -> None:
    for missing in _MISSING:
        if missing in cells and missing not in states:
            line = rows.lines[cells.index(missing)]
            raise ValueError(
                f"{rows.path.name}, line {line}: column {name!r} is empty; fill it in, "
                "leave the row out, or give missing values a state of their own"
            )


def read_rows(path: str | os.PathLike) -> TextRows:
    """Reads a CSV file with a header as text.

    Raises:
      ValueError: no such file, not UTF-8 text, not CSV, no rows, or rows that do not
        fit the header.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no table {path}; name a CSV file with a header")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            numbered = [([c.strip() for c in row], reader.line_num) for row in reader]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text; save it as UTF-8") from error
    except csv.Error as error:
        raise ValueError(
            f"{path.name}, line {reader.line_num}: not CSV ({error})"
        ) from error
    while numbered and not any(numbered[-1][0]):
        numbered.pop()
    return _with_header(path, numbered)


def _with_header(path: Path, numbered: list[tuple[list[str], int]]) -> TextRows:
    if len(numbered) < 2:
        what = "holds only a header" if numbered else "is empty"
        raise ValueError(f"{path.name} {what}; one row a unit must follow the header")
    names = tuple(numbered[0][0])
    for i, name in enumerate(names):
        if not name or name in names[:i]:
            what = "twice" if name else "without a name"
            raise ValueError(
                f"{path.name}: the header has column {name or i + 1!r} {what}; every "
                "column needs a name of its own"
            )
    for row, line in numbered[1:]:
        if len(row) != len(names):
            raise ValueError(
                f"{path.name}, line {line}: {len(row)} cells under a header of "
                f"{len(names)}; commas separate cells, quote a cell that holds one"
            )
    cells, lines = (list(part) for part in zip(*numbered[1:], strict=True))
    return TextRows(path=path, names=names, cells=cells, lines=lines)


def _column_position(name: str, existing: Sequence[str], where: str) -> int:
    if name not in existing:
        raise ValueError(f"no column {name!r} in {where}; {suggestion(name, existing)}")
    return list(existing).index(name)


def _state_rows(table: Table):
    """Rows of state names, made from columns (one lookup a cell)."""
    columns = [
        np.asarray(table.states[name], dtype=object)[table.values[:, i]]
        for i, name in enumerate(table.names)
    ]
    return zip(*columns, strict=True)
