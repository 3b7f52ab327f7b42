"""CSV files as columns of words, read as their writers meant them.

Recognised and said: UTF-16 and Windows-1252 (Latin-1) text; semicolons, tabs, bars, and
blanks as R's `write.table` puts them, between cells; lines that start with `#` before
the header or hold no full row (an empty line of a single column is an empty cell);
columns without name and cells; a first column that only numbers or names the rows
(pandas, R). An apostrophe before a word that a spreadsheet would take for a formula is
no part of it (`formulas`). The first 100 rows decide; whatever does not fit them is
refused with its line.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from causal_jax.data import formulas
from causal_jax.data.csv_layout import (
    SEPARATORS,
    Layout,
    as_utf8,
    find_layout,
    first_lines,
    is_row,
    not_csv,
    padded_names,
    refuse_data_as_header,
)
from causal_jax.data.text_columns import (
    TextTable,
    require_names,
    text_column,
    without_empty,
    without_index,
)

_BLOCK_BYTES = 1 << 22  # the longest row that can be read


def read_text(
    path: Path, columns: Sequence[str] | None = None, *, blank_rows: bool = False
) -> TextTable:
    """Reads a CSV file with a header as columns of words.

    Args:
      path: the file.
      columns: names that are asked for; None takes all. An index column whose name is
        among them is none, and a header that has them all is one.
      blank_rows: keeps rows whose cells are all empty, but for those at the end.

    Raises:
      ValueError: no such file, no text, not CSV, no rows, no header, or rows that do
        not fit the header; one line, with the line's number.
    """
    if not path.is_file():
        raise ValueError(f"there is no table {path}; name a CSV file with a header")
    data, encoding_notes = as_utf8(path.name, path.read_bytes())
    layout = find_layout(path.name, first_lines(data))
    refuse_data_as_header(path.name, layout, columns or ())
    lines = io.StringIO(first_lines(data), newline="")
    start = sum(len(line.encode()) for line in islice(lines, layout.num_lines))
    cells, num_comments = _parsed(path.name, layout, data, start, blank_rows)
    word_fn = formulas.unmarked if formulas.may_be_marked(data) else None
    names = padded_names(layout)
    table = TextTable(
        source=path.name,
        names=tuple(map(word_fn, names)) if word_fn else names,
        data=cells,
        place_fn=lambda row: _place(path, layout, row),
        notes=(*encoding_notes, *_layout_notes(layout, num_comments)),
        word_fn=word_fn,
    )
    table = without_index(without_empty(table), columns or ())
    return require_names(table)


def _layout_notes(layout: Layout, num_comments: int) -> Iterator[str]:
    if layout.separator != ",":
        yield f"{SEPARATORS[layout.separator]} separate its cells"
    num_comments += layout.num_comments
    if num_comments:
        yield f"{num_comments} comment line{'s' * (num_comments > 1)} left out"


# --- rows ----------------------------------------------------------------------------


def _parsed(
    name: str, layout: Layout, data: bytes, start: int, blank_rows: bool
) -> tuple[Any, int]:
    """The rows as a pyarrow.Table of words, and how many comments stand among them."""
    import pyarrow as pa

    comments, misfits = [], []

    def at_misfit(row: Any) -> str:
        text = row.text.strip(layout.separator + " \t\r\n")
        kind = comments if row.text.startswith("#") else misfits if text else []
        kind.append(row.text)
        return "skip"

    try:
        table = _arrow_table(data, start, layout, at_misfit)
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            raise _no_rows(name) from error
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{name}: not CSV ({reason})") from error
    if misfits or data.count(b'"') % 2:
        _refuse_misfit(name, layout, data)
    table = _without_blank_rows(table, blank_rows)
    if not table.num_rows:
        raise _no_rows(name)
    return table, len(comments)


def _arrow_table(data: bytes, start: int, layout: Layout, at_misfit: Callable) -> Any:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    columns = [str(i) for i in range(layout.width)]
    # From the header's end of line on, since a mark at the very start would be lost.
    begin = start - data.endswith((b"\n", b"\r"), 0, start)
    word = pa.dictionary(pa.int32(), pa.string())
    has_empty_lines = layout.width == 1  # they are empty cells
    table = arrow_csv.read_csv(
        pa.py_buffer(memoryview(data)[begin:]),
        arrow_csv.ReadOptions(
            use_threads=False, column_names=columns, block_size=_BLOCK_BYTES
        ),
        arrow_csv.ParseOptions(
            delimiter=layout.separator,
            newlines_in_values=data.find(b'"', start) >= 0,
            ignore_empty_lines=not has_empty_lines,
            invalid_row_handler=at_misfit,
        ),
        arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(columns, word), strings_can_be_null=False
        ),
    )
    return table.slice(start - begin) if has_empty_lines else table


def _without_blank_rows(table: Any, keeps_inner: bool) -> Any:
    """Leaves out rows whose cells are all empty; spreadsheets leave such.

    With `keeps_inner` at the end alone: rows after another would get other numbers. Of
    one column likewise, where such a row is an empty cell.
    """
    keeps_inner = keeps_inner or table.num_columns == 1
    blank = np.full(table.num_rows, True)
    for column in table.columns:
        if not blank.any():
            return table
        words, codes, _ = text_column(column)
        blank &= np.array([not word.strip() for word in words], bool)[codes]
    if keeps_inner:
        blank[: np.flatnonzero(~blank).max(initial=-1) + 1] = False
    return table.filter(~blank)


def _refuse_misfit(name: str, layout: Layout, data: bytes) -> None:
    """Raises ValueError at the first row that does not fit the header."""
    for line, cells in _numbered_rows(name, layout, data, strict=True):
        if len(cells) != layout.width:
            what = SEPARATORS[layout.separator]
            raise ValueError(
                f"{name}, line {line}: {len(cells)} cells under a header of "
                f"{layout.width}; {what} separate cells, quote a cell that holds one"
            )


def _numbered_rows(
    name: str, layout: Layout, data: bytes, *, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """The rows once more, slowly, with the numbers of their lines."""
    lines = io.StringIO(data.decode(), newline="")
    for _ in range(layout.num_lines):
        lines.readline()
    reader = csv.reader(lines, delimiter=layout.separator, strict=strict)
    try:
        for cells in reader:
            if is_row(cells, layout.width):
                yield layout.num_lines + reader.line_num, cells
    except csv.Error as error:
        raise not_csv(name, layout.num_lines + reader.line_num, error) from error


def _place(path: Path, layout: Layout, row: int) -> str:
    """Where a row stands; the file is read again, since that is seldom asked."""
    data, _ = as_utf8(path.name, path.read_bytes())
    found = next(islice(_numbered_rows(path.name, layout, data), row, None), None)
    return f"{path.name}, line {found[0]}" if found else f"{path.name}, row {row + 1}"


def _no_rows(name: str) -> ValueError:
    return ValueError(
        f"{name} holds only a header; one row a unit must follow the header"
    )
