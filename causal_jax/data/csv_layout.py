"""How a CSV file is laid out: its encoding, its separator, its header, its comments."""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"} | {
    " ": "blanks"
}
_SAMPLE_BYTES, _SAMPLE_ROWS = 1 << 20, 100
_R_HEADER = re.compile(r'\A"[^"\r\n]*" "')  # of `write.table`: blanks separate
_EXCEL_HINT = re.compile(r'"?sep=.?"?\s*')  # a first line for Excel alone
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class Layout(NamedTuple):
    """How a file is laid out, as its first rows show.

    Attributes:
      separator: what stands between cells.
      header: the header's cells.
      num_lines: how many lines end with the header.
      num_comments: how many of them are comments.
      rows: cells of the first rows.
    """

    separator: str
    header: tuple[str, ...]
    num_lines: int
    num_comments: int
    rows: list[list[str]]

    @property
    def width(self) -> int:
        """Cells of a row, which row names and trailing separators change."""
        widths, num = {len(row) for row in self.rows}, len(self.header)
        if widths == {num - 1} and not self.header[-1]:
            return num - 1
        if widths == {num + 1} and (num > 1 or self.ends_empty or self._counts_rows()):
            return num + 1
        return num

    @property
    def ends_empty(self) -> bool:
        """Whether the last cell of every row is empty."""
        return not any(row[-1].strip() for row in self.rows)

    def _counts_rows(self) -> bool:
        """Whether the first cells are R's row names where nobody chose them."""
        first = [row[0].strip() for row in self.rows]
        return first == [str(i) for i in range(1, len(first) + 1)]

    def is_consistent(self) -> bool:
        """Whether every row has as many cells."""
        return all(len(row) == self.width for row in self.rows)


# --- text ----------------------------------------------------------------------------


def as_utf8(name: str, data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The file's text in UTF-8, without a byte-order mark, and what was recognised."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _recoded(name, data, "utf-16"), ("read as UTF-16",)
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        for encoding in ("utf-16-le", "utf-16-be"):
            if data[encoding == "utf-16-le" :: 2].count(0) > 0.4 * len(data):
                return _recoded(name, data, encoding), ("read as UTF-16",)
        raise ValueError(f"{name} holds zero bytes and is no text; save it as CSV")
    try:
        data.decode()
    except UnicodeDecodeError:
        if b"\xff\xfe" in data or b"\xfe\xff" in data:
            raise _not_text(name) from None
        text = _recoded(name, data, "cp1252")
        return text, ("read as Windows-1252 (Latin-1), since it is not UTF-8",)
    return data, ()


def _recoded(name: str, data: bytes, encoding: str) -> bytes:
    decoder = codecs.getincrementaldecoder(encoding)()
    found = io.BytesIO()
    for start in range(0, len(data), _SAMPLE_BYTES):  # not all text at once in memory
        part = data[start : start + _SAMPLE_BYTES]
        try:
            text = decoder.decode(part, final=start + len(part) == len(data))
            found.write((text if start else text.removeprefix("\ufeff")).encode())
        except UnicodeError as error:
            raise _not_text(name) from error
        if _NO_TEXT.search(text):
            raise _not_text(name)
    return found.getvalue()


def _not_text(name: str) -> ValueError:
    return ValueError(f"{name} is not UTF-8 text; save it as UTF-8")


def first_lines(data: bytes) -> str:
    """The first lines."""
    if len(data) <= _SAMPLE_BYTES:
        return data.decode()
    end = 1 + max(data.rfind(mark, 0, _SAMPLE_BYTES) for mark in (b"\n", b"\r"))
    return data[: end or len(data)].decode()


# --- layout --------------------------------------------------------------------------


def find_layout(name: str, text: str) -> Layout:
    """The layout that makes most of the first rows: the most cells, in every row.

    Raises:
      ValueError: two separators make as many.
    """
    separators = [mark for mark in SEPARATORS if mark != " " or _R_HEADER.search(text)]
    found = [_layout_with(name, text, separator) for separator in separators]
    fitting = [x for x in found if x.is_consistent() and x.width > 1]
    if fitting:
        best = max(fitting, key=lambda x: (x.width, len(x.header)))
        alike = (best.width, len(best.header))
        marks = [x.separator for x in fitting if (x.width, len(x.header)) == alike]
        if len(marks) > 1:
            raise ValueError(
                f"{name} could be separated by {' or '.join(map(repr, marks))}, which "
                f"both make {best.width} columns: put cells that hold one of them in "
                "double quotes"
            )
        return best
    return max(found, key=lambda x: len(x.header))


def _layout_with(name: str, text: str, separator: str) -> Layout:
    lines = io.StringIO(text, newline="")
    num_lines, num_comments = _num_leading_lines(list(islice(lines, 1000)), separator)
    lines.seek(0)
    for _ in range(num_lines):
        lines.readline()
    reader = csv.reader(lines, delimiter=separator)
    try:
        header = tuple(cell.strip() for cell in next(reader, ()))
        num_lines += reader.line_num
        found = (row for row in reader if is_row(row, len(header)))
        rows = list(islice(found, _SAMPLE_ROWS))
    except csv.Error as error:
        raise not_csv(name, num_lines + reader.line_num, error) from error
    if not header:
        raise ValueError(f"{name} is empty; one row a unit must follow the header")
    return Layout(separator, header, num_lines, num_comments, rows)


def _num_leading_lines(lines: list[str], separator: str) -> tuple[int, int]:
    """How many blank lines and comments stand before the header; how many comments."""
    num_comments = 0
    for i, line in enumerate(lines):
        if line.startswith("#") and _is_comment(line, lines[i + 1 :], separator):
            num_comments += 1
        elif line.strip() and not (i == 0 and _EXCEL_HINT.fullmatch(line)):
            return i, num_comments
    return len(lines), num_comments


def _is_comment(line: str, following: list[str], separator: str) -> bool:
    """Whether a line with `#` is no header: the next one has other cells, or words."""
    after = next((other for other in following if other.strip()), "")
    cells, next_cells = _cells(line, separator), _cells(after, separator)
    if len(cells) != len(next_cells):
        return True
    return line.startswith("# ") and not all(map(_is_number, next_cells))


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return [line]


def is_row(cells: list[str], width: int) -> bool:
    """Whether a line is a row: neither blank nor a comment, but for one column's."""
    if width == 1 and len(cells) <= 1:
        return True
    is_comment = cells and cells[0].startswith("#") and len(cells) != width
    return any(cell.strip() for cell in cells) and not is_comment


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell.strip()))


def refuse_data_as_header(name: str, layout: Layout, columns: Sequence[str]) -> None:
    """Refuses a first line whose cells are numbers or words of the rows below."""
    header = layout.header
    if columns and set(columns) <= set(header):
        return
    below = [{c.strip() for c in column} for column in zip(*layout.rows, strict=False)]
    numbers = all(map(_is_number, header))
    repeats = len(below) == len(header) and all(
        cell in words for cell, words in zip(header, below, strict=True)
    )
    fractions = numbers and not all(cell.isdecimal() for cell in header)
    if fractions or (repeats and (numbers or len(header) > 1)):
        shown = layout.separator.join(header)[:40]
        raise ValueError(
            f"{name}: the first line, {shown!r}, looks like data and not like a "
            "header; write a line above it that names the columns"
        )


def padded_names(layout: Layout) -> tuple[str, ...]:
    """As many names as a row has cells, "" where the header has none."""
    header = layout.header
    if layout.width <= len(header):
        return header[: layout.width]
    return (*header, "") if layout.ends_empty else ("", *header)


def not_csv(name: str, line: int, error: csv.Error) -> ValueError:
    """The error of a line that the csv module cannot read."""
    return ValueError(f"{name}, line {line}: not CSV ({error})")
