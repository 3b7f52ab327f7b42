"""Grids: every pixel of an image stays, everything is placed, files are whole."""

import numpy as np
import pytest
from PIL import Image

from causal_jax.reporting import grids


def tiles(*shape, size=4):
    """Images of one grey each, all different."""
    num = int(np.prod(shape))
    grey = np.arange(1, num + 1, dtype=np.uint8) * 9
    ones = np.ones((num, size, size, 3), np.uint8)
    return (grey[:, None, None, None] * ones).reshape(*shape, size, size, 3)


def count(page, grey):
    return int((np.asarray(page) == grey).all(-1).sum())


def test_levels_span_the_range_and_nothing_overflows():
    images = np.array([-1.0, 0.0, 1.0, -7.0, 7.0, np.nan])
    np.testing.assert_array_equal(grids.to_uint8(images), [0, 128, 255, 0, 255, 0])
    as_bytes = np.array([3, 200], np.uint8)
    assert grids.to_uint8(as_bytes) is as_bytes


def test_every_image_is_there_enlarged_by_a_whole_factor():
    page = grids.grid(tiles(2, 3), scale=5)
    for grey in np.unique(tiles(2, 3)):
        assert count(page, grey) == (4 * 5) ** 2


def test_small_images_become_at_least_64_pixels_high():
    assert count(grids.grid(tiles(1, size=32)), 9) == 64**2
    assert count(grids.grid(tiles(1, size=24)), 9) == 72**2
    assert count(grids.grid(tiles(1, size=100)), 9) == 100**2


def test_rows_wrap_and_the_last_one_may_be_short():
    page = grids.grid(tiles(5), columns=2, scale=2)
    assert page.height > page.width
    assert all(count(page, 9 * i) == 64 for i in range(1, 6))


def test_text_takes_room_and_covers_no_image():
    images = tiles(2, 2, size=16)
    plain = grids.grid(images, scale=8)
    page = grids.grid(
        images,
        scale=8,
        row_labels=["do(Wearing_Lipstick=1)", "given"],
        column_labels=["first", "second"],
        captions=[["Male, Mouth_Slightly_Open, Narrow_Eyes", "-"], ["", "x"]],
        title="A title that is far longer than two small images are wide, by a lot",
    )
    assert page.width > plain.width
    assert page.height > plain.height + 60
    for grey in np.unique(images):
        assert count(page, grey) == 128**2


def test_a_long_row_label_ends_above_the_next_row():
    page = grids.grid(
        tiles(2, 1, size=16), scale=1, row_labels=["many words " * 12, ""]
    )
    pixels = np.asarray(page)
    second = np.argwhere((pixels == 18).all(-1))[:, 0].min()
    text = np.argwhere((pixels[:, : 200 + 8] != 255).any(-1))[:, 0].max()
    assert text < second < page.height - 16


def test_notes_stand_below_the_page_and_leave_it_as_it_is():
    page = grids.grid(tiles(2, 2, size=16))
    noted = grids.with_notes(page, ["many words " * 30, "and more"])
    assert noted.width == page.width
    same = np.asarray(noted)[: page.height] == np.asarray(page)
    assert same.all()
    below = np.asarray(noted)[page.height :]
    assert (below != 255).any() and (below[-3:] == 255).all()


def test_lines_fit_their_width_and_long_words_are_cut():
    lines = grids.wrap("Young, Mouth_Slightly_Open, " + "x" * 80, 130, 12)
    assert len(lines) == 3
    assert all(grids.text_width(line, 12) <= 130 for line in lines)
    assert lines[-1].endswith("..")
    assert grids.wrap("", 100, 12) == []


def test_a_line_break_in_a_label_is_a_blank():
    assert grids.text_width("a\nb\rc", 12) == grids.text_width("a b c", 12)
    grids.grid(tiles(1), row_labels=["A=a\nb"], column_labels=["\r\n"], title="a\nb")


def test_letters_beyond_english_are_drawn():
    """A box that stands for a letter that a font lacks is the same for all."""

    def drawn(letter: str) -> bytes:
        return grids.grid(tiles(1), column_labels=[letter]).tobytes()

    assert len({drawn(letter) for letter in "ÄößéłΣЖ\uffff"}) == 8


def test_wrong_shapes_and_numbers_are_refused():
    for images in (np.zeros((4, 4, 3)), np.zeros((0, 4, 4, 3)), np.zeros((2, 4, 4, 1))):
        with pytest.raises(ValueError, match=r"\[N, H, W, 3\]"):
            grids.grid(images)
    with pytest.raises(ValueError, match="1 row_labels for 2"):
        grids.grid(tiles(2, 1), row_labels=["one"])


def test_png_files_are_whole_or_not_there(tmp_path):
    page = grids.grid(tiles(2))
    path = tmp_path / "new" / "grid.png"
    grids.save_png(path, page)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), np.asarray(page))

    class Broken:
        def save(self, file, format):
            file.write(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        grids.save_png(tmp_path / "new" / "broken.png", Broken())
    assert [p.name for p in path.parent.iterdir()] == ["grid.png"]
