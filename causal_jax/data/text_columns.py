"""Columns of words, before they have states: what files and data frames hold alike.

A column is kept as its distinct words and which of them each row has, so that whatever
is decided about words costs as much as there are words, not rows.
"""

import re
from collections.abc import Callable, Sequence
from datetime import time
from typing import Any, NamedTuple

import numpy as np

from causal_jax.graph import suggestion

# What R and pandas call the column that numbers the rows, and pandas any column that a
# file has no name for.
_INDEX_NAME = re.compile(r"|Unnamed: 0(\.\d+)*")
_NO_NAME = re.compile(r"|Unnamed: \d+(\.\d+)*")


class TextColumn(NamedTuple):
    """One column.

    Attributes:
      words: the distinct cells, as they stand; a cell that a data frame lacks is "".
      codes: int [N], which word each row has.
      ordered: whether the words are states in an order that a data frame declares.
    """

    words: tuple[str, ...]
    codes: np.ndarray
    ordered: bool = False


class TextTable(NamedTuple):
    """A table of text.

    Attributes:
      source: what messages call it, e.g. its file's name.
      names: the columns.
      data: a pyarrow.Table of as many columns, which go by their position.
      place_fn: takes a row's number and says where it stands, for messages.
      notes: what was recognised, for the user to know.
      word_fn: what a cell means; None where it means what it says.
    """

    source: str
    names: tuple[str, ...]
    data: Any
    place_fn: Callable[[int], str]
    notes: tuple[str, ...] = ()
    word_fn: Callable[[str], str] | None = None

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return self.data.num_rows

    def position(self, name: str) -> int:
        """Which column has this name; raises ValueError if none has."""
        return column_position(name, self.names, self.source)

    def column(self, name: str) -> TextColumn:
        """The words of a column.

        Raises:
          ValueError: no such column, or cells that are neither words nor numbers.
        """
        return self.column_at(self.position(name))

    def column_at(self, position: int) -> TextColumn:
        """Like `column`, by its position."""
        import pyarrow as pa

        try:
            column = text_column(self.data.column(position))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ValueError(
                f"{self.source}: column {self.names[position]!r} holds "
                f"{self.data.column(position).type}; give words or numbers"
            ) from error
        if self.word_fn is None:
            return column
        return column._replace(words=tuple(map(self.word_fn, column.words)))

    def head(self, num: int) -> "TextTable":
        """The first rows."""
        return self._replace(data=self.data.slice(0, num))

    def without(self, position: int, note: str) -> "TextTable":
        """The table without a column, and a note that says so."""
        names = self.names[:position] + self.names[position + 1 :]
        data = self.data.remove_column(position)
        return self._replace(names=names, data=data, notes=(*self.notes, note))


def text_column(chunks: Any) -> TextColumn:
    """The words of a pyarrow.ChunkedArray of any type that is no list or struct."""
    import pyarrow as pa

    is_dictionary = pa.types.is_dictionary(chunks.type)
    chunks = chunks.unify_dictionaries() if is_dictionary else chunks
    array = chunks.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of no chunk
        array = pa.array([], array.type)
    array = array if is_dictionary else array.dictionary_encode()
    codes, cells = array.indices, _as_in_files(array.dictionary)
    if array.null_count:
        codes, cells = codes.fill_null(len(cells)), [*cells, None]
    words = tuple("" if cell is None else str(cell) for cell in cells)
    ordered = is_dictionary and array.type.ordered
    return TextColumn(words=words, codes=codes.to_numpy(False), ordered=ordered)


def _as_in_files(values: Any) -> list:
    """Values as a CSV file of them has them: the same table has the same words.

    Of floats of fewer digits the shortest number, of days their date alone.
    """
    import pyarrow as pa

    cells = values.to_pylist()
    if pa.types.is_float16(values.type) or pa.types.is_float32(values.type):
        dtype = values.type.to_pandas_dtype()
        return [None if cell is None else str(dtype(cell)) for cell in cells]
    times = [cell for cell in cells if cell is not None]
    if pa.types.is_timestamp(values.type) and all(t.time() == time() for t in times):
        return [None if cell is None else cell.date() for cell in cells]
    return cells


def column_position(name: str, existing: Sequence[str], where: str) -> int:
    """Which of the columns has this name; raises ValueError if none has."""
    if name not in existing:
        raise ValueError(f"no column {name!r} in {where}; {suggestion(name, existing)}")
    return list(existing).index(name)


def without_index(table: TextTable, kept: Sequence[str] = ()) -> TextTable:
    """Leaves out first columns that only name or count the rows.

    Args:
      table: the table.
      kept: columns that are asked for by name, and so are none.
    """
    while len(table.names) > 1:
        name = table.names[0]
        if name in kept or not _INDEX_NAME.fullmatch(name):
            break
        if len(table.column_at(0).words) < table.num_rows:
            break
        table = table.without(0, "the first column numbers or names the rows, left out")
    return table


def without_empty(table: TextTable) -> TextTable:
    """Leaves out columns without a name that hold nothing, as spreadsheets write."""
    for i in reversed(range(len(table.names))):
        is_named = not _NO_NAME.fullmatch(table.names[i]) or len(table.names) == 1
        if not is_named and not any(map(str.strip, table.column_at(i).words)):
            note = f"column {i + 1} has neither name nor cells, left out"
            table = table.without(i, note)
    return table


def require_names(table: TextTable) -> TextTable:
    """Raises ValueError unless every column has a name of its own."""
    for i, name in enumerate(table.names):
        if not name or name in table.names[:i]:
            what = "twice" if name else "without a name"
            raise ValueError(
                f"{table.source}: the header has column {name or i + 1!r} {what}; "
                "every column needs a name of its own"
            )
    return table
