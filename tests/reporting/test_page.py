"""The page: self-contained, escaped, written whole or not at all."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from causal_jax.reporting.page import Page

EVIL = "<script>alert(\"x\")</script> & 'quoted'"


class Reader(HTMLParser):
    """Collects tags with their attributes, and checks that they nest."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def picture():
    return Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))


def test_everything_is_escaped_and_nests():
    page = Page(EVIL).heading(EVIL).text(EVIL).code(EVIL)
    page.table([EVIL, "b"], [[EVIL, 1]]).image(picture(), EVIL)
    with page.collapsed(EVIL):
        page.text("inside")
    text = page.html()
    assert "<script" not in text
    reader = Reader(text)
    assert reader.open == []
    assert text.count("&lt;script&gt;") == 10  # twice: title and h1, alt and caption


def test_collapsed_parts_hold_what_is_added_inside():
    page = Page("t")
    with page.collapsed("more"):
        page.table(["a"], [[1]])
    text = page.text("after").html()
    assert text.index("<summary>more") < text.index("<table>")
    assert text.index("<table>") < text.index("</details>") < text.index("after")


def test_nothing_is_loaded_from_outside():
    text = Page("t").image(picture(), "a").text("see https://example.org").html()
    for tag, attributes in Reader(text).tags:
        assert tag not in ("link", "script", "iframe", "a")
        if "src" in attributes:
            assert attributes["src"].startswith("data:image/png;base64,")
    assert "url(" not in text
    assert "@import" not in text
    assert ("meta", {"charset": "utf-8"}) in Reader(text).tags


def test_pictures_arrive_pixel_by_pixel():
    buffer = io.BytesIO()
    picture().save(buffer, format="PNG")
    text = Page("t").image(picture()).image(buffer.getvalue(), "bytes").html()
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(sources) == 2
    for source in sources:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))
        np.testing.assert_array_equal(pixels, np.asarray(picture()))


def test_tables_align_numbers_and_show_missing_values():
    rows = [
        ["tvd", 0.0123456, 202599, None],
        ["ok", np.float32(0.5), np.int64(7), True],
    ]
    text = Page("t").table(["what", "value", "rows", "note"], rows).html()
    for cell in ("0.01235<", "202,599<", "&ndash;<", "0.5<", "7<", "<td>True<"):
        assert cell in text
    with pytest.raises(ValueError, match="1 cells under 2"):
        Page("t").table(["a", "b"], [["alone"]])


def test_paragraphs_are_split_at_empty_lines():
    assert Page("t").text("one\n\ntwo\n\n\n").html().count("<p>") == 2
    with pytest.raises(ValueError, match="2 or 3"):
        Page("t").heading("x", level=7)


def test_the_file_is_whole_or_not_there(tmp_path, monkeypatch):
    page = Page("Größe")
    page.write(tmp_path / "out" / "report.html")
    written = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert written == page.html()
    monkeypatch.setattr(page, "html", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        page.write(tmp_path / "out" / "report.html")
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8") == written
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["report.html"]


def test_a_picture_keeps_its_size_and_narrower_screens_are_told_to_scroll():
    wide = Image.new("RGB", (900, 10))
    text = Page("t").image(wide, "wide").image(picture(), "small").html()
    assert 'style="width:900px"' in text and 'style="width:4px"' in text
    assert "@media (max-width: 940px) { .w900 { display: block } }" in text
    assert text.count("scroll it sideways") == 2
