"""Pictures: decoded as Pillow shows them; folders of them with a table beside."""

import io
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from causal_jax.data import images

CASES = Path(__file__).parent / "cases" / "images"


def _over_white(image):
    """Over a white page: Pillow's own compositing."""
    page = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(page, image.convert("RGBA")).convert("RGB")


def _grey(values):
    return Image.fromarray(np.round(values).astype(np.uint8)).convert("RGB")


SHOWN = {  # what Pillow's documentation says a viewer shows
    "1x1.png": lambda image: image,
    "1x100.png": lambda image: image.crop((63, 0, 64, 1)),
    "cmyk.jpg": lambda image: image.convert("RGB"),
    "exif6.jpg": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "float01.tif": lambda image: _grey(np.asarray(image) * 255.0),
    "gif_anim.gif": lambda image: image.convert("RGB"),  # opens at its first frame
    "grey.png": lambda image: image.convert("RGB"),
    "i32.tif": lambda image: _grey(np.asarray(image) / 257),
    "la.png": _over_white,
    "one_bit.png": lambda image: image.convert("RGB"),
    "palette.png": lambda image: image.convert("RGB"),
    "plain.jpg": lambda image: image,
    "rgb.png": lambda image: image,
    "rgba_transparent_red.png": _over_white,
    "webp.webp": lambda image: image,
}
BROKEN = {
    "empty.jpg": "nothing that Pillow knows",
    "svg.svg": "nothing that Pillow knows",
    "text.jpg": "nothing that Pillow knows",
    "truncated.jpg": "truncated",
}


def _encoded(image, kind="PNG", **settings):
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def test_every_case_is_tested():
    assert {path.name for path in CASES.iterdir()} == SHOWN.keys() | BROKEN.keys()


@pytest.mark.parametrize("name", SHOWN)
def test_a_picture_is_decoded_as_it_is_shown(name):
    shown = np.asarray(SHOWN[name](Image.open(CASES / name)))
    found = images.decode((CASES / name).read_bytes(), size=len(shown))
    assert found.dtype == np.uint8 and found.shape == shown.shape
    np.testing.assert_array_equal(found, shown)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_picture_is_named_in_one_line(tmp_path, name):
    (tmp_path / "data.csv").write_text(f"file,y\nrgb.png,0\n{name},1\n")
    with pytest.raises(ValueError, match=f"1 of 2 .*{name}: .*{BROKEN[name]}") as error:
        images.image_folder(CASES, tmp_path / "data.csv", size=8, progress=False)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4, :4], pixels[:4, 4:], pixels[4:, :4] = 250, 170, 90
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _encoded(Image.fromarray(pixels), exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(images.decode(data, size=8), upright)
    assert (upright == pixels).all() == (orientation == 1)


def test_sixteen_bits_are_scaled_to_eight():
    values = np.linspace(0, 65_535, 16 * 16).round().astype(np.uint16).reshape(16, 16)
    for kind in ("PNG", "TIFF"):
        found = images.decode(_encoded(Image.fromarray(values), kind), size=16)
        assert abs(found[..., 0] - values / 257).max() <= 0.5
        assert (found == found[..., :1]).all()


@pytest.mark.parametrize(
    ("values", "top"),
    [
        (np.full((4, 4), 200, np.int32), 255),
        (np.full((4, 4), 40_000, np.int32), 65_535),
        (np.full((4, 4), 2**30, np.int32), 2**31 - 1),
        (np.full((4, 4), 0.25, np.float32), 1),
        (np.full((4, 4), 100.0, np.float32), 255),
        (np.full((4, 4), 40_000.0, np.float32), 65_535),
    ],
)
def test_wide_numbers_are_scaled_by_the_range_that_holds_them(values, top):
    found = images.decode(_encoded(Image.fromarray(values), "TIFF"), size=4)
    assert (found == round(255 * float(values[0, 0]) / top)).all()


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, 1e6])
def test_numbers_of_no_known_range_are_refused(value):
    data = _encoded(Image.fromarray(np.full((4, 4), value, np.float32)), "TIFF")
    with pytest.raises(ValueError, match="numbers from .*as floats in") as raised:
        images.decode(data, size=4)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"]
)
def test_every_mode_keeps_its_colour(mode):
    grey = Image.new("RGB", (4, 4), (255, 255, 255)).convert(mode)
    kind = "TIFF" if mode in ("PA", "CMYK", "YCbCr", "LAB") else "PNG"
    assert (images.decode(_encoded(grey, kind), size=4) >= 254).all()


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_a_transparent_colour_is_white(mode):
    image = Image.new(mode, (4, 4), 0)
    data = _encoded(image, transparency=(0, 0, 0) if mode == "RGB" else 0)
    assert (images.decode(data, size=4) == 255).all()


def test_half_transparent_pixels_are_mixed_with_white():
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[...] = (200, 100, 0, 51)  # a fifth of the colour
    found = images.decode(_encoded(Image.fromarray(pixels)), size=4)
    assert abs(found - np.array([244.0, 224.0, 204.0])).max() <= 1


def test_large_pictures_are_refused_before_they_are_decoded(monkeypatch):
    data = _encoded(Image.new("RGB", (64, 64)))
    for limit in (64 * 64 - 1, 64):  # where Pillow warns, where it raises
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ValueError, match=f"more than {limit:,} pixels") as raised:
            images.decode(data, size=4)
        assert "\n" not in str(raised.value)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 64)
    assert images.decode(data, size=4).shape == (4, 4, 3)


def test_a_lifted_limit_of_pillow_is_not_ours(monkeypatch):
    data = _encoded(Image.new("RGB", (64, 64)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr(images, "MAX_PIXELS", 4095)
    monkeypatch.setattr(Image.Image, "load", lambda self: 1 / 0)  # would be said
    with pytest.raises(ValueError, match="more than 4,095 pixels"):
        images.decode(data, size=8)


def test_postscript_is_a_program_and_no_picture():
    head = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    with pytest.raises(ValueError, match="nothing that Pillow knows"):
        images.decode(head, size=8)


@pytest.fixture
def two_folders(tmp_path):
    """A folder of pictures, and one beside it that is nobody's business."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "a.png")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "out" / "a.png")
    (tmp_path / "in" / "inner.png").symlink_to("a.png")
    (tmp_path / "linked").symlink_to(tmp_path / "in")
    return tmp_path


@pytest.mark.parametrize(
    "file", ["../out/a.png", "{}/out/a.png", "link.png", "x/../../out/a.png"]
)
def test_a_table_cannot_leave_the_folder_of_pictures(two_folders, file):
    file = file.format(two_folders)
    path = two_folders / "t.csv"
    path.write_text(f"file,y\na.png,0\n{file},1\n")
    with pytest.raises(ValueError, match="1 of 2 pictures leave the folder") as error:
        images.image_folder(two_folders / "in", path, size=8, progress=False)
    assert file in str(error.value) and "\n" not in str(error.value)
    if not file.startswith("x/"):
        found = images.image_folder(
            two_folders / "in", path, size=8, progress=False, outside=True
        )
        assert found.images.shape == (2, 8, 8, 3)


def test_the_folder_may_be_a_link_and_links_may_stay_in_it(two_folders):
    path = two_folders / "t.csv"
    path.write_text("file,y\na.png,0\ninner.png,1\n")
    found = images.image_folder(two_folders / "linked", path, size=8, progress=False)
    assert found.images.shape == (2, 8, 8, 3)


def test_names_that_no_file_can_have_are_missing_pictures(two_folders):
    path = two_folders / "t.csv"
    path.write_text(f"file,y\na.png,0\n{'a' * 5000},1\n")
    with pytest.raises(ValueError, match="1 of 2 pictures are not in") as error:
        images.image_folder(two_folders / "in", path, size=8, progress=False)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("seed", range(5))
def test_damaged_bytes_are_a_picture_or_one_line(seed):
    generator = np.random.default_rng(seed)
    for name in SHOWN:
        data = bytearray((CASES / name).read_bytes())
        for at in generator.integers(0, len(data), 4):
            data[at] = generator.integers(256)
        try:
            assert images.decode(bytes(data), size=4).shape == (4, 4, 3)
        except ValueError as error:
            assert "\n" not in str(error)


def test_a_crop_may_depend_on_the_size():
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[2:6, 6:10] = 255  # its central four pixels
    data = _encoded(Image.fromarray(wide))
    sizes = []

    def crop(height, width):
        sizes.append((height, width))
        return 4

    assert (images.decode(data, size=2, crop=crop) == 255).all()
    assert sizes == [(8, 16)]
    whole = images.decode(data, size=2, crop=lambda height, width: None)
    np.testing.assert_array_equal(whole, images.decode(data, size=2))


@pytest.fixture
def folder(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[:, 4:12] = (255, 0, 0)  # the central square is red
    Image.fromarray(wide).save(pictures / "wide.png")
    Image.fromarray(np.full((8, 8), 100, np.uint8)).save(pictures / "grey.png")
    Image.fromarray(np.full((4, 4, 4), 200, np.uint8)).save(pictures / "alpha.png")
    rows = "y,Filename\n1,wide.png\n0,grey.png\n1,alpha.png\n"
    (tmp_path / "data.csv").write_text(rows)
    return tmp_path


def test_image_folder_crops_resizes_and_converts(folder):
    data = images.image_folder(
        folder / "pictures", folder / "data.csv", size=4, progress=False
    )
    assert data.images.shape == (3, 4, 4, 3) and data.images.dtype == np.uint8
    assert (data.images[0] == (255, 0, 0)).all()
    assert (data.images[1] == 100).all()
    assert (data.images[2] == 212).all()  # 200 at 200 of 255, over white
    assert data.table.names == ("y",)
    assert data.labels[:, 0].tolist() == [1, 0, 1]


def test_image_folder_names_missing_and_unreadable_pictures(folder):
    def read(**settings):
        return images.image_folder(
            folder / "pictures", folder / "data.csv", progress=False, **settings
        )

    with pytest.raises(ValueError, match="crop=6 .*4x4"):
        read(size=4, crop=6)
    with pytest.raises(ValueError, match="size=0"):
        read(size=0)
    with pytest.raises(ValueError, match="no column 'files'"):
        read(size=4, image_column="files")
    (folder / "pictures" / "grey.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="1 of 3 pictures .*grey.png"):
        read(size=4)
    (folder / "pictures" / "grey.png").unlink()
    with pytest.raises(
        ValueError, match="1 of 3 pictures are not in .*: grey.png; they were read"
    ):
        read(size=4)


def _read(folder, csv, **settings):
    (folder / "own.csv").write_text(csv)
    return images.image_folder(
        folder / "pictures", folder / "own.csv", size=4, progress=False, **settings
    )


@pytest.mark.parametrize(
    "csv",
    [
        "shown,y\nwide.png,1\ngrey.png,0\n",  # the first column
        "y,shown\n1,wide.png\n0,grey.png\n",  # the column that names files
        "shown,y,other\nwide.png,1,alpha.png\ngrey.png,0,alpha.png\n",
        "y,other,image_id\n1,alpha.png,wide.png\n0,alpha.png,grey.png\n",  # its name
        "file,y,shown\nx,1,wide.png\nx,0,grey.png\n",  # `file` names none
        ",shown,y\n0,wide.png,1\n1,grey.png,0\n",  # after pandas' index
    ],
)
def test_the_column_of_pictures_is_found(folder, csv, capsys):
    data = _read(folder, csv, label_names=["y"])
    printed = capsys.readouterr().out
    assert ("names the pictures" in printed) == (not csv.lstrip(",").startswith("sh"))
    assert (data.images[0] == (255, 0, 0)).all() and (data.images[1] == 100).all()
    assert data.labels[:, 0].tolist() == [1, 0]


def test_the_column_of_pictures_can_be_named(folder):
    csv = "a,b,y\nalpha.png,wide.png,1\nalpha.png,grey.png,0\n"
    assert (_read(folder, csv, label_names=["y"]).images[0] == 212).all()
    data = _read(folder, csv, label_names=["y"], image_column="b")
    assert (data.images[1] == 100).all()
    with pytest.raises(ValueError, match="pictures are not in .*: 1, 0$"):
        _read(folder, csv, label_names=["y"], image_column="y")


def test_accents_of_file_names_are_one_character_or_two(folder):
    """A folder from a Mac, a table from elsewhere."""
    names = {form: unicodedata.normalize(form, "Müller.png") for form in ("NFC", "NFD")}
    for there, told in (names.values(), reversed(names.values())):
        path = folder / "pictures" / there
        (folder / "pictures" / "wide.png").rename(path)
        data = _read(folder, f"file,y\n{told},1\ngrey.png,0\n")
        assert (data.images[0] == (255, 0, 0)).all()
        told_in = (folder / "pictures", folder / "own.csv")
        assert set(images.named_files(*told_in)) == {"grey.png", there}
        path.rename(folder / "pictures" / "wide.png")


def test_a_link_of_another_spelling_does_not_lead_out(folder, tmp_path):
    names = {form: unicodedata.normalize(form, "Müller.png") for form in ("NFC", "NFD")}
    outer = tmp_path / "outer.png"
    Image.new("RGB", (8, 8)).save(outer)
    (folder / "pictures" / names["NFC"]).symlink_to(outer)
    with pytest.raises(ValueError, match="1 of 2 pictures leave the folder"):
        _read(folder, f"file,y\n{names['NFD']},1\ngrey.png,0\n")


def test_a_column_that_names_no_picture_at_all_is_another(folder):
    with pytest.raises(ValueError, match="nor in any row: name the column that does"):
        _read(folder, "file,y\n,1\n,0\n", image_column="file", missing="drop")


def test_rows_without_a_picture_are_counted_and_the_first_is_placed(folder):
    csv = "y,file\n1,wide.png\n0,\n0,NA\n0,grey.png\n"
    message = r"line 3: column 'file' names no picture \(''\); 2 of 4 rows .*=drop"
    with pytest.raises(ValueError, match=message):
        _read(folder, csv)


def test_many_damaged_pictures_are_named_with_their_folders_and_counted(folder):
    (folder / "pictures" / "deep").mkdir()
    for i in range(12):
        (folder / "pictures" / "deep" / f"{i}.png").write_bytes(b"no picture")
    rows = "".join(f"deep/{i}.png,{i % 2}\n" for i in range(12))
    with pytest.raises(ValueError, match="12 of 12 .*deep.9.png: .*; and 2 more$"):
        _read(folder, f"file,y\n{rows}")


def test_rows_that_lack_a_label_or_a_picture_are_dropped_together(folder, capsys):
    csv = "shown,y\nwide.png,1\ngrey.png,NA\ngrey.png,0\n,1\n"
    with pytest.raises(ValueError, match="line 3: column 'y' has no value"):
        _read(folder, csv)
    data = _read(folder, csv, missing="drop", quiet=True)
    assert capsys.readouterr().out == "own.csv: 1 more rows name no picture, dropped\n"
    data = _read(folder, csv, missing="drop")
    assert data.labels[:, 0].tolist() == [1, 0]
    assert (data.images[0] == (255, 0, 0)).all() and (data.images[1] == 100).all()
    printed = capsys.readouterr().out
    assert "1 of 4 rows lack a value" in printed
    assert "1 more rows name no picture, dropped" in printed
