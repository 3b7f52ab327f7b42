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
from typing import Any, NamedTuple

import numpy as np

from causal_jax.data import column_states, csv_files, data_frames
from causal_jax.data.records import Table
from causal_jax.data.text_columns import (
    TextColumn,
    TextTable,
    column_position,
)
from causal_jax.graph import suggestion

MAX_STATES = 100  # more distinct values look continuous, or like an identifier
REFUSE, DROP = "refuse", "drop"  # what is done with rows that miss a value
_SPECIAL = re.compile(r'^#|[,;|\t\r\n"]')  # in a cell that has to be quoted
_SHOWN = 5  # how many notes are printed


class Encoded(NamedTuple):
    """A table that was made of words.

    Attributes:
      table: the states and their indices.
      kept: bool [N], the rows of the text that are in it.
      notes: what was recognised, for the user to know.
    """

    table: Table
    kept: np.ndarray
    notes: tuple[str, ...]

    def with_note(self, note: str) -> "Encoded":
        """The same, and something more for the user to know."""
        return self._replace(notes=(*self.notes, note))


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
      >>> table = tables.read_csv("people.csv", missing="drop")
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
      >>> table = tables.from_frame(pandas.DataFrame({"Rain": ["yes", "no"]}))
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
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            file.write(",".join(map(_quoted, table.names)) + "\n")
            file.writelines(",".join(row) + "\n" for row in _state_rows(table))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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


def encode_columns(
    text: TextTable,
    columns: Sequence[str] | None = None,
    states: Mapping[str, Sequence[str]] | None = None,
    missing: str = REFUSE,
) -> Encoded:
    """Turns columns of words into state indices; arguments as `read_csv` has them.

    Raises:
      ValueError: a column that is not there, a missing value that is not to be dropped,
        a cell that is no state, or a column that has too many states or one alone.
    """
    if missing not in (REFUSE, DROP):
        raise ValueError(f"missing is {REFUSE!r} or {DROP!r}, not {missing!r}")
    names = text.names if columns is None else tuple(columns)
    words, states = {}, dict(states or {})
    codes = np.empty((text.num_rows, len(names)), np.int32)
    for i, name in enumerate(names):
        words[name], codes[:, i], declared = text.column(name)
        if declared:
            states.setdefault(name, tuple(filter(None, words[name])))
    kept, notes = _rows_to_keep(text, names, words, codes, states, missing)
    values = codes if kept.all() else codes[kept]
    rows = np.flatnonzero(kept)
    for i, name in enumerate(names):
        column = TextColumn(words[name], values[:, i])
        found = _states_of_column(text, name, column, rows, states.get(name))
        index = [found.indices.get(word, -1) for word in words[name]]
        values[:, i] = np.array(index, np.int32)[column.codes]
        states[name] = found.states
        notes += [f"column {name!r}: {note}" for note in found.notes]
    table = Table(names=names, states={n: states[n] for n in names}, values=values)
    return Encoded(table=table, kept=kept, notes=(*text.notes, *notes))


def _rows_to_keep(
    text: TextTable,
    names: Sequence[str],
    words: Mapping[str, Sequence[str]],
    codes: np.ndarray,
    states: Mapping[str, Sequence[str]],
    missing: str,
) -> tuple[np.ndarray, list[str]]:
    """Which rows have a value in every column, and what is said of the others."""
    kept, counts, first = np.ones(text.num_rows, bool), {}, None
    for i, name in enumerate(names):
        found = words[name]
        is_missing = [column_states.is_missing(w, states.get(name)) for w in found]
        rows = np.array(is_missing, bool)[codes[:, i]] if any(is_missing) else kept[:0]
        if rows.any():
            kept &= ~rows
            counts[name], at = int(rows.sum()), int(rows.argmax())
            first = first or (at, name, found[codes[at, i]])
    if first is None:
        return kept, []
    said = [f"{count:,} {name!r}" for name, count in counts.items()]
    said = ", ".join([*said[:_SHOWN], *["..."] * (len(said) > _SHOWN)])
    said = f"{(~kept).sum():,} of {kept.size:,} rows lack a value ({said})"
    if missing == DROP and kept.any():
        return kept, [f"{said}, dropped"]
    at, name, word = first
    raise ValueError(
        f"{text.place_fn(at)}: column {name!r} is empty ({word!r}); {said}: "
        + _ways_out(kept, word)
    )


def _ways_out(kept: np.ndarray, word: str) -> str:
    if not kept.any():
        return "no row has all columns, so leave out columns that are mostly empty"
    return (
        f'leave such rows out with missing="{DROP}" (--config.missing={DROP}), fill '
        f"them in, or declare {word.strip()!r} as a state"
    )


def _states_of_column(
    text: TextTable,
    name: str,
    column: TextColumn,
    rows: np.ndarray,
    states: Sequence[str] | None,
) -> column_states.WordStates:
    """What a column's words mean, or which cell is wrong; `rows` number its cells."""
    used = np.bincount(column.codes, minlength=len(column.words)) > 0
    words = [word for word, is_used in zip(column.words, used, strict=True) if is_used]
    if states is None and len(words) > MAX_STATES:
        raise ValueError(
            f"{text.source}: column {name!r} has {len(words):,} distinct values and "
            "looks continuous or like an identifier; leave it out of the graph (or of "
            f"columns=), or group (bin) it into at most {MAX_STATES} states"
        )
    found = column_states.find(words, states)
    for code, word in enumerate(column.words):
        if used[code] and word not in found.indices:
            row = rows[(column.codes == code).argmax()]
            raise ValueError(
                f"{text.place_fn(int(row))}: {word.strip()!r} is no state of column "
                f"{name!r}; {suggestion(word.strip(), found.states)}"
            )
    if len(found.states) < 2:
        raise ValueError(
            f"{text.source}: column {name!r} is {found.states[0]!r} in every row; "
            "a label needs two states or more, so leave it out"
        )
    if len(seen := {found.indices[word] for word in words}) == 1:
        note = f"{found.states[seen.pop()]!r} in every row"
        return found._replace(notes=(*found.notes, note))
    return found


def said(source: str, encoded: Encoded, quiet: bool = False) -> Table:
    """The table; what was recognised is printed in one line, unless quiet."""
    if encoded.notes and not quiet:
        more = len(encoded.notes) - _SHOWN
        shown = [*encoded.notes[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        print(f"{source}: {'; '.join(shown)}".replace("\n", " "), flush=True)
    return encoded.table
