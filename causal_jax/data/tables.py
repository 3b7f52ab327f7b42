"""Tables of discrete labels: own CSV files and data frames, read and written.

A table holds state *indices*; the names of the states stand beside them, so that
binary and categorical columns are one thing. How a column's states are found stands in
`column_states`, how a file is read in `csv_files`. What was recognised (separators, an
index column, states that look alike) is printed in one line.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from causal_jax import files
from causal_jax.data import column_states, csv_files, data_frames, formulas
from causal_jax.data.records import Table
from causal_jax.data.state_indices import REFUSE, encode_columns, said
from causal_jax.data.text_columns import column_position
from causal_jax.graph import suggestion

_SPECIAL = re.compile(r'^#|[,;|\t\r\n"]')  # in a cell that has to be quoted
_ROWS_AT_ONCE = 100_000  # whose words are in memory


def read_csv(
    path: str | os.PathLike,
    *,
    columns: Sequence[str] | None = None,
    states: Mapping[str, Sequence[str]] | None = None,
    missing: str = REFUSE,
    quiet: bool = False,
) -> Table:
    """Reads a CSV file with a header line, see `csv_files` for what is recognised.

    Args:
      path: text, one row a unit.
      columns: which columns to read, in this order; the others are ignored, whatever
        they hold. None reads all.
      states: names of the states by column, e.g. those a graph file declares. Columns
        that are not named here take their states from the data.
      missing: what is done with rows in which one of the columns is empty or holds a
        word for a missing value (`column_states.MISSING`) that is no declared state:
        "refuse" them, or "drop" them.
      quiet: prints nothing.

    Returns:
      The table, with `values` int32 [N, n].

    Raises:
      ValueError: what is wrong, in one line with column and line number.

    Example:
      >>> import tempfile
      >>> path = Path(tempfile.mkdtemp(), "people.csv")
      >>> _ = path.write_text("Age,Smoker\\nold,yes\\nyoung,\\nyoung,no\\n")
      >>> table = read_csv(path, missing="drop", quiet=True)
      >>> table.states["Age"], table.values.tolist()
      (('old', 'young'), [[0, 1], [1, 0]])
    """
    text = csv_files.read_text(Path(path), columns)
    return said(text.source, encode_columns(text, columns, states, missing), quiet)


def from_frame(
    frame: Any,
    *,
    columns: Sequence[str] | None = None,
    states: Mapping[str, Sequence[str]] | None = None,
    missing: str = REFUSE,
    quiet: bool = False,
) -> Table:
    """Makes a table of a data frame, by the rules that `read_csv` has.

    Args:
      frame: of pandas, polars, pyarrow or another library that narwhals knows. Its
        cells are words, numbers or booleans; an ordered categorical (an Enum) declares
        its states and their order.
      columns: as in `read_csv`.
      states: as in `read_csv`.
      missing: as in `read_csv`.
      quiet: prints nothing.

    Returns:
      The table, with `values` int32 [N, n].

    Raises:
      ValueError: no data frame, or whatever `read_csv` refuses.

    Example:
      >>> import pyarrow
      >>> frame = pyarrow.table({"Rain": ["yes", "no"]})
      >>> from_frame(frame, quiet=True).values.tolist()
      [[1], [0]]
    """
    text = data_frames.read_text(frame, columns)
    return said(text.source, encode_columns(text, columns, states, missing), quiet)


def select(table: Table, names: Sequence[str]) -> Table:
    """Returns the named columns, in the given order.

    Raises:
      ValueError: a name that the table does not have.
    """
    where = [column_position(name, table.names, "the data") for name in names]
    states = {name: table.states[name] for name in names}
    values = table.values[:, where]
    return Table(names=tuple(names), states=states, values=values)


def restated(table: Table, states: Mapping[str, Sequence[str]]) -> Table:
    """The same rows with the codes that other, or more, states give them.

    Args:
      table: any.
      states: of each of its columns, all that occur in it among them.

    Raises:
      ValueError: a state that a column has and `states` has not.

    >>> table = Table(("Age",), {"Age": ("child", "old")}, np.array([[0], [1]]))
    >>> restated(table, {"Age": ("adult", "child", "old")}).values.tolist()
    [[1], [2]]
    """
    values = np.empty_like(table.values)
    for i, name in enumerate(table.names):
        codes = {state: code for code, state in enumerate(states[name])}
        for code in np.unique(table.values[:, i]).tolist():
            if (state := table.states[name][code]) not in codes:
                raise ValueError(
                    f"column {name!r} has the state {state!r}: "
                    f"{suggestion(state, states[name])}"
                )
            values[table.values[:, i] == code, i] = codes[state]
    return table._replace(
        states={n: tuple(states[n]) for n in table.names}, values=values
    )


def joined(parts: Sequence[Table]) -> Table:
    """Tables of the same columns below each other, with the states of all."""
    states = {}
    for name in parts[0].names:
        found = [part.states[name] for part in parts]
        words = dict.fromkeys(word for one in found for word in one)
        alike = all(one == found[0] for one in found)
        states[name] = found[0] if alike else encode(tuple(words))[0]
    same = [restated(part, states) for part in parts]
    return same[0]._replace(values=np.concatenate([part.values for part in same]))


def write_csv(path: str | os.PathLike, table: Table, *, raw: bool = False) -> None:
    """Writes the states' names under a header; the file appears whole or not at all.

    Args:
      path: the file; its folder exists.
      table: what is written.
      raw: writes words that a spreadsheet takes for formulas as they are; an apostrophe
        stands before them otherwise, which `read_csv` leaves out again (`formulas`).
    """
    write_csv_parts(path, [table], raw=raw)


def write_csv_parts(
    path: str | os.PathLike, parts: Iterable[Table], *, raw: bool = False
) -> int:
    """`write_csv` of a table that comes in parts of the same columns; counts its rows.

    Raises:
      ValueError: there is no part.
    """
    num_rows = 0
    with files.whole(path, newline="") as file:
        for table in parts:
            if not num_rows:
                names = (_quoted(name, raw) for name in table.names)
                file.write(",".join(names) + "\n")
            for first in range(0, len(table.values), _ROWS_AT_ONCE):
                rows = _state_rows(table, first, raw)
                file.writelines(",".join(row) + "\n" for row in rows)
            num_rows += len(table.values)
    return num_rows


def _state_rows(table: Table, first: int, raw: bool) -> Iterable[tuple[str, ...]]:
    """Some rows of quoted state names, made from columns (one lookup a cell)."""
    values = table.values[first : first + _ROWS_AT_ONCE]
    columns = []
    for i, name in enumerate(table.names):
        words = [_quoted(state, raw) for state in table.states[name]]
        columns.append(np.array(words, object)[values[:, i]])
    return zip(*columns, strict=True)


def _quoted(word: str, raw: bool) -> str:
    """A cell as it is written: whatever a reader could take for more than a word."""
    word = word if raw else formulas.marked(word)
    if word and not _SPECIAL.search(word):
        return word
    return '"' + word.replace('"', '""') + '"'


def encode(
    cells: Sequence[str], states: Sequence[str] | None = None
) -> tuple[tuple[str, ...], list[int | None]]:
    """Turns one column's text into state indices.

    Args:
      cells: the text of each row.
      states: the states to use; None finds them (table at the top of `column_states`).

    Returns:
      The states, and the index of each row: None where a cell is no state.
    """
    found = column_states.find(cells, states)
    return found.states, [found.indices.get(cell) for cell in cells]
