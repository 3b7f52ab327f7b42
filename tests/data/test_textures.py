"""Textures: drawn ones differ clearly, folders are read whole or refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from causal_jax.data import textures

NUM_CROPS = 40


@pytest.fixture(scope="module")
def drawn():
    return textures.procedural()


def crops(texture, random):
    places = random.integers(0, textures.SIZE - 32 + 1, (NUM_CROPS, 2))
    return np.stack([texture[a : a + 32, b : b + 32] for a, b in places])


@pytest.mark.parametrize("kind", ["objects", "backgrounds"])
def test_a_crop_tells_which_texture_it_is_cut_from(drawn, kind):
    random = np.random.default_rng(0)
    array = getattr(drawn, kind)
    assert array.shape == (10, 156, 156, 3) and array.dtype == np.uint8
    means = array.mean((1, 2))
    for digit, texture in enumerate(array):
        found = crops(texture, random).mean((1, 2))
        nearest = np.argmin(np.square(found[:, None] - means).sum(-1), axis=1)
        assert (nearest == digit).mean() > 0.95, digit


def test_the_same_seed_draws_the_same_textures(drawn):
    again, other = textures.procedural(), textures.procedural(1)
    np.testing.assert_array_equal(again.objects, drawn.objects)
    np.testing.assert_array_equal(again.backgrounds, drawn.backgrounds)
    assert (other.objects != drawn.objects).any()


@pytest.fixture
def folder(tmp_path):
    """Twenty flat pictures of other sizes, digit i grey 20 i."""
    for kind in ("object", "background"):
        (tmp_path / kind).mkdir()
        for digit in range(10):
            level = 20 * digit + (kind == "background")
            picture = Image.fromarray(np.full((90, 200, 3), level, np.uint8))
            picture.save(tmp_path / kind / f"{digit}_flat.png")
    return tmp_path


def test_a_folder_is_read_by_digit(folder):
    found = textures.from_folder(folder)
    assert found.objects.shape == (10, 156, 156, 3)
    np.testing.assert_array_equal(found.objects[:, 80, 80, 0], 20 * np.arange(10))
    np.testing.assert_array_equal(found.backgrounds[:, 0, 0, 2], 20 * np.arange(10) + 1)


def test_the_border_mirrors_the_picture(folder):
    ramp = np.tile(np.arange(150, dtype=np.uint8)[None, :, None], (150, 1, 3))
    Image.fromarray(ramp).save(folder / "object" / "3_flat.png")
    row = textures.from_folder(folder).objects[3, 50, :, 0]
    assert row[:5].tolist() == [3, 2, 1, 0, 1] and row[-2:].tolist() == [147, 146]


def test_too_few_or_unreadable_pictures_are_refused_in_one_line(folder, tmp_path):
    (folder / "object" / "4_flat.png").unlink()
    with pytest.raises(ValueError, match="has no picture 4_.*ten are needed"):
        textures.from_folder(folder)
    (folder / "object" / "4_flat.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="4_flat.jpg: it is no readable") as error:
        textures.from_folder(folder)
    assert "\n" not in str(error.value)
    Image.new("RGB", (9, 9)).save(folder / "object" / "4_more.png")
    with pytest.raises(ValueError, match="2 pictures 4_.*keep one"):
        textures.from_folder(folder)
    with pytest.raises(ValueError, match="there is no folder .*none/object"):
        textures.from_folder(tmp_path / "none")


_OFFICIAL = Path(os.environ.get("TFDS_DATA_DIR", "/none"), "../cgn_official/textures")


@pytest.mark.skipif(not _OFFICIAL.is_dir(), reason="no photographs beside the data")
def test_the_photographs_of_the_reference_are_read():
    found = textures.from_folder(_OFFICIAL)
    for array in found:
        assert array.shape == (10, 156, 156, 3)
        assert array.std(axis=(1, 2, 3)).min() > 10
