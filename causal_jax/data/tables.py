"""Tables of discrete labels: own CSV files and data frames, read and written.

A table holds state *indices*; the names of the states stand beside them, so that
binary and categorical columns are one thing. How a column's states are found stands in
`column_states`, how a file is read in `csv_files`. What was recognised (separators, an
index column, states that look alike) is printed in one line.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from causal_jax import files
from causal_jax.data import column_states, csv_files, data_frames
from causal_jax.data.records import Table
from causal_jax.data.state_indices import REFUSE, encode_columns, said
from causal_jax.data.text_columns import column_position

_SPECIAL = re.compile(r'^#|[,;|\t\r\n"]')  # in a cell that has to be quoted


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


def write_csv(path: str | os.PathLike, table: Table) -> None:
    """Writes the states' names under a header; the file appears whole or not at all."""
    with files.whole(path, newline="") as file:
        file.write(",".join(map(_quoted, table.names)) + "\n")
        file.writelines(",".join(row) + "\n" for row in _state_rows(table))


def _state_rows(table: Table):
    """Rows of quoted state names, made from columns (one lookup a cell)."""
    columns = [
        np.array([*map(_quoted, table.states[name])], object)[table.values[:, i]]
        for i, name in enumerate(table.names)
    ]
    return zip(*columns, strict=True)


def _quoted(word: str) -> str:
    """A cell as it is written: whatever a reader could take for more than a word."""
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
