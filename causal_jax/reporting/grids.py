"""Grids of images with readable text, as PIL images.

Small images are enlarged by whole factors without smoothing: every pixel of the model
stays a pixel of the picture.
"""

import functools
import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from causal_jax import files

INK, FAINT, PAPER = (30, 34, 40), (120, 126, 134), (255, 255, 255)
_GAP = 8  # pixels between cells
_TEXT, _CAPTION, _TITLE = 14, 11, 20  # font sizes in pixels
_LEADING = 1.3  # line height over font size
_LARGEST = 3.0  # of an imagined picture: a drawn one and a residual


def to_uint8(images) -> np.ndarray:
    """Images in [-1, 1] as uint8 in [0, 255]; uint8 stays, NaN becomes black."""
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    levels = (np.clip(np.nan_to_num(images, nan=-1.0), -1.0, 1.0) + 1.0) * 127.5
    return np.round(levels).astype(np.uint8)


def require_pictures(images) -> None:
    """Raises ValueError on values that `to_uint8` would show as something else."""
    images = np.asarray(images)
    is_float = np.issubdtype(images.dtype, np.floating)
    if images.dtype != np.uint8 and not is_float:
        raise ValueError(
            f"pictures are uint8, or floats in [-1, 1], not {images.dtype}: give "
            "images.astype(np.uint8) of levels from 0 to 255"
        )
    if is_float and images.size and np.nanmax(np.abs(images)) > _LARGEST:
        low, high = np.nanmin(images), np.nanmax(images)
        raise ValueError(
            f"float pictures are in [-1, 1], and these from {low:.4g} to {high:.4g}: "
            "scale them, or give uint8 of levels from 0 to 255"
        )


def grid(
    images,
    *,
    scale: int | None = None,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    captions: Sequence[Sequence[str]] | None = None,
    title: str | None = None,
    columns: int | None = None,
) -> Image.Image:
    """Arranges images in rows and columns.

    Args:
      images: `[N, H, W, 3]` or `[R, C, H, W, 3]`, uint8 or float in [-1, 1].
      scale: whole enlargement factor; by default images become at least 64 pixels high
        (128 with captions, which need the room).
      row_labels: a text for each row, at its left.
      column_labels: a text for each column, above it.
      captions: a text below each image, `[R][C]` (or `[N]` for N images).
      title: a line above everything.
      columns: for N images: how many side by side, at most 8 by default.

    Raises:
      ValueError: shapes or numbers of labels that do not fit.
    """
    images = to_uint8(images)
    if images.ndim not in (4, 5) or images.shape[-1] != 3 or not images.size:
        raise ValueError(
            f"images of shape {images.shape}: give [N, H, W, 3] or [R, C, H, W, 3]"
        )
    if images.ndim == 4:
        columns = columns or min(len(images), 8)
        cells, captions = _wrapped_into_rows(list(images), columns, captions)
    else:
        cells = [list(row) for row in images]
    return compose(
        cells,
        scale=scale,
        row_labels=row_labels,
        column_labels=column_labels,
        captions=captions,
        title=title,
    )


def _wrapped_into_rows(images: list, columns: int, captions):
    """N cells as rows of `columns`, the last one filled up with None."""

    def rows(items, empty):
        items = list(items) + [empty] * (-len(items) % columns)
        return [items[i : i + columns] for i in range(0, len(items), columns)]

    return rows(images, None), None if captions is None else rows(captions, "")


def compose(
    cells: Sequence[Sequence[np.ndarray | None]],
    *,
    scale: int | None = None,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    captions: Sequence[Sequence[str]] | None = None,
    title: str | None = None,
    messages: dict[int, str] | None = None,
) -> Image.Image:
    """Like `grid` for cells that may be missing.

    Args:
      cells: rows of uint8 `[H, W, 3]`, or None for an empty cell; equally long.
      scale: see `grid`.
      row_labels: see `grid`.
      column_labels: see `grid`.
      captions: see `grid`.
      title: see `grid`.
      messages: {row: text written across that row}.
    """
    num_rows, num_columns = len(cells), len(cells[0])
    _require_number("row_labels", row_labels, num_rows)
    _require_number("column_labels", column_labels, num_columns)
    _require_number("captions", captions, num_rows)
    shapes = [image.shape for row in cells for image in row if image is not None]
    height, width = shapes[0][:2] if shapes else (32, 32)
    scale = scale or max(1, -(-(128 if captions else 64) // height))
    layout = _GridLayout(height * scale, width * scale)
    captions = captions or [[""] * num_columns] * num_rows
    empty = [all(image is None for image in row) for row in cells]
    layout.place(empty, row_labels, column_labels, captions, title)
    page = Image.new("RGB", (layout.page_width(num_columns), layout.bottom), PAPER)
    pen = ImageDraw.Draw(page)
    if title:
        _write_lines(pen, (_GAP, _GAP), title, _TITLE)
    for c, text in enumerate(column_labels or ()):
        lines = wrap(text, layout.width, _CAPTION)
        _write_lines(pen, (layout.x(c), layout.header), "\n".join(lines), _CAPTION)
    for r, row in enumerate(cells):
        lines = layout.label_lines(row_labels, r)
        _write_lines(pen, (_GAP, layout.tops[r]), "\n".join(lines), _TEXT)
        if messages and r in messages:
            _write_lines(pen, (layout.x(0), layout.tops[r]), messages[r], _TEXT, FAINT)
        for c, image in enumerate(row):
            if image is not None:
                picture = Image.fromarray(image).resize(
                    (layout.width, layout.height), Image.Resampling.NEAREST
                )
                page.paste(picture, (layout.x(c), layout.tops[r]))
            if captions[r][c]:
                lines = wrap(captions[r][c], layout.width, _CAPTION)
                below = (layout.x(c), layout.tops[r] + layout.height + 3)
                _write_lines(pen, below, "\n".join(lines), _CAPTION)
    return page


class _GridLayout:
    """Where everything goes, in pixels."""

    def __init__(self, height: int, width: int):
        self.height, self.width = height, width
        self.left, self.header, self.bottom = _GAP, _GAP, 0
        self.least_width = 0
        self.tops: list[int] = []

    def place(self, empty, row_labels, column_labels, captions, title) -> None:
        """Heights of all rows; `empty` tells rows without any image."""
        if row_labels:
            widest = max(text_width(line, _TEXT) for line in row_labels)
            self.left = min(widest, 200) + 3 * _GAP
        if title:
            self.least_width = text_width(title, _TITLE) + 2 * _GAP
            self.header += _line_height(_TITLE) + _GAP
        y = self.header
        if column_labels:
            y += _height_of_tallest(column_labels, self.width) + _GAP // 2
        for r, is_empty in enumerate(empty):
            self.tops.append(y)
            height = 2 * _line_height(_TEXT) if is_empty else self.height
            height += _height_of_tallest(captions[r], self.width)
            label_height = len(self.label_lines(row_labels, r)) * _line_height(_TEXT)
            # A long label beside a low image: the next row begins below both.
            y += _GAP + max(height, label_height)
        self.bottom = y

    def label_lines(self, row_labels, row: int) -> list[str]:
        """The text left of a row, in lines that fit there."""
        if not row_labels:
            return []
        return wrap(row_labels[row], self.left - 2 * _GAP, _TEXT)

    def x(self, column: int) -> int:
        return self.left + column * (self.width + _GAP)

    def page_width(self, num_columns: int) -> int:
        return max(self.x(num_columns), self.least_width)


def _height_of_tallest(texts: Sequence[str], width: int) -> int:
    most = max(len(wrap(text, width, _CAPTION)) for text in texts)
    return most * _line_height(_CAPTION)


def _line_height(size: int) -> int:
    return round(_LEADING * size)


@functools.cache
def _font_of_size(size: int):
    """DejaVu Sans, of matplotlib: Latin, Greek and Cyrillic letters."""
    place = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(place, size)


def text_width(text: str, size: int) -> int:
    """Width of one line in pixels; breaks in it are blanks."""
    return int(_font_of_size(size).getlength(" ".join(text.split()))) + 1


def wrap(text: str, width: int, size: int) -> list[str]:
    """Lines no wider than `width`, broken at blanks; a longer word is cut short."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(joined, size) <= width:
            lines[-1] = joined
        else:
            lines.append(_cut_word(word, width, size))
    return lines


def _cut_word(word: str, width: int, size: int) -> str:
    if text_width(word, size) <= width:
        return word
    while len(word) > 1 and text_width(word + "..", size) > width:
        word = word[:-1]
    return word + ".."


def _write_lines(pen, at: tuple[int, int], text: str, size: int, ink=INK) -> None:
    x, y = at
    for i, line in enumerate(text.split("\n")):
        pen.text(
            (x, y + i * _line_height(size)), line, fill=ink, font=_font_of_size(size)
        )


def _require_number(what: str, texts: Sequence | None, number: int) -> None:
    if texts is not None and len(texts) != number:
        raise ValueError(f"{len(texts)} {what} for {number}: give one each")


def with_notes(page: Image.Image, texts: Sequence[str]) -> Image.Image:
    """The page with paragraphs of text below it."""
    width = page.width - 2 * _GAP
    lines = [line for text in texts for line in wrap(text, width, _TEXT)]
    height = len(lines) * _line_height(_TEXT) + 2 * _GAP
    result = Image.new("RGB", (page.width, page.height + height), PAPER)
    result.paste(page)
    at = (_GAP, page.height + _GAP)
    _write_lines(ImageDraw.Draw(result), at, "\n".join(lines), _TEXT)
    return result


def save_png(path: str | os.PathLike, image: Image.Image) -> None:
    """Writes a PNG file, whole or not at all."""
    with files.whole(path, "wb") as file:
        image.save(file, format="PNG")
