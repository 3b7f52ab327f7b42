"""One self-contained HTML page of text, tables and pictures."""

import base64
import contextlib
import html
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

from PIL import Image

from causal_jax import files

_CSS = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 84rem; padding: 1rem 1.1rem 4rem; color: #1e2228;
  background: #fff; font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .6rem 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid #dfe3e8; }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
p { margin: .5rem 0 .8rem; max-width: 46rem; }
pre { background: #f5f7f9; padding: .7rem .9rem; overflow-x: auto; font-size: .85rem; }
.wide { overflow-x: auto; }
.hint { display: none; color: #7a4a00; font-size: .85rem; margin: .3rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums;
  font-size: .93rem; }
th, td { padding: .32rem .8rem .32rem 0; border-bottom: 1px solid #e6e9ed;
  text-align: left; vertical-align: top; }
th { font-weight: 600; color: #4a525d; }
td.number, th.number { text-align: right; white-space: nowrap; }
figure { margin: 1rem 0 1.4rem; }
img { display: block; height: auto; }
summary { cursor: pointer; margin: .8rem 0; color: #4a525d; font-weight: 600; }
@media (max-width: 44rem) { .narrow { display: block } }
figcaption { color: #4a525d; font-size: .9rem; margin-top: .4rem; max-width: 46rem; }
"""

_MANY = 4  # columns of a table that a narrow screen scrolls
_MARGIN = 40  # pixels left and right of a picture together
_HINT = "Wider than this screen: scroll it sideways."


class Page:
    """A page that is built from top to bottom; methods return the page.

    Everything that is given is text and is escaped; there is no way to put markup in.

    Args:
      title: of the window and the first heading.
    """

    def __init__(self, title: str):
        self._title = html.escape(str(title))
        self._parts = [f"<h1>{self._title}</h1>"]
        self._widths: set[int] = set()  # of pictures, in pixels of the screen

    def heading(self, text: str, *, level: int = 2) -> Self:
        """A heading; level 2 opens a section, level 3 a part of one."""
        if level not in (2, 3):
            raise ValueError(f"heading of level {level}: give 2 or 3")
        return self._add_markup(f"<h{level}>{html.escape(str(text))}</h{level}>")

    def text(self, text: str) -> Self:
        """Paragraphs; an empty line begins a new one."""
        for paragraph in str(text).split("\n\n"):
            if paragraph.strip():
                self._add_markup(f"<p>{html.escape(paragraph.strip())}</p>")
        return self

    def code(self, text: str) -> Self:
        """A command or a file, as it is."""
        return self._add_markup(f"<pre>{html.escape(str(text))}</pre>")

    def table(self, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Self:
        """A table; floats get four significant digits, None is a dash.

        Raises:
          ValueError: a row that is longer or shorter than the header.
        """
        body, is_number = [], [False] * len(header)
        for row in rows:
            if len(row) != len(header):
                raise ValueError(
                    f"a row of {len(row)} cells under {len(header)} headings: {row!r}"
                )
            is_number = [
                a or _is_number(b) for a, b in zip(is_number, row, strict=True)
            ]
            body.append("<tr>" + "".join(map(_cell_markup, row)) + "</tr>")
        head = "".join(
            f"<th{' class=number' if right else ''}>{html.escape(str(name))}</th>"
            for name, right in zip(header, is_number, strict=True)
        )
        hint = f'<div class="hint narrow">{_HINT}</div>' * (len(header) >= _MANY)
        return self._add_markup(
            f'{hint}<div class="wide"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(body)}</tbody></table></div>"
        )

    def image(self, image: Image.Image | bytes, caption: str = "") -> Self:
        """A picture, PIL or the bytes of a PNG file, and a line below it.

        It is shown at its own size, so that its smallest text (12 pixels) can be read;
        a narrower screen scrolls it and says so.
        """
        data, width = _png_bytes_and_width(image)
        source = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
        text = html.escape(str(caption), quote=True)
        below = f"<figcaption>{text}</figcaption>" if text else ""
        self._widths.add(width)
        return self._add_markup(
            f'<figure><div class="hint w{width}">{_HINT}</div><div class="wide">'
            f'<img src="{source}" alt="{text}" style="width:{width}px"></div>'
            f"{below}</figure>"
        )

    @contextlib.contextmanager
    def collapsed(self, summary: str) -> Iterator[None]:
        """`with page.collapsed("..."):` what is added there shows on a click."""
        self._add_markup(f"<details><summary>{html.escape(str(summary))}</summary>")
        yield
        self._add_markup("</details>")

    def html(self) -> str:
        """The whole page."""
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{self._title}</title><style>{_CSS}{self._hints()}</style></head>\n"
            "<body>\n" + "\n".join(self._parts) + "\n</body></html>\n"
        )

    def _hints(self) -> str:
        """Rules that show a picture's hint on screens that are narrower than it."""
        return "\n".join(
            f"@media (max-width: {width + _MARGIN}px) "
            f"{{ .w{width} {{ display: block }} }}"
            for width in sorted(self._widths)
        )

    def write(self, path: str | os.PathLike) -> None:
        """Writes the page, whole or not at all."""
        files.write_text(path, self.html())

    def _add_markup(self, part: str) -> Self:
        self._parts.append(part)
        return self


def _cell_markup(value: Any) -> str:
    if value is None:
        return '<td class="number">&ndash;</td>'
    if not _is_number(value):
        return f"<td>{html.escape(str(value))}</td>"
    whole = hasattr(value, "__index__")
    text = f"{int(value):,}" if whole else f"{float(value):.4g}"
    return f'<td class="number">{text}</td>'


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, bool)


def _png_bytes_and_width(image: Image.Image | bytes) -> tuple[bytes, int]:
    """The bytes of a PNG file and the picture's width."""
    if isinstance(image, bytes):
        with Image.open(io.BytesIO(image)) as opened:
            if opened.format != "PNG":
                raise ValueError(
                    f"a {opened.format} picture: give a PNG or a PIL image"
                )
            return image, opened.width
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue(), image.width
