"""Pictures that a user gives: read at one size and one range, or refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from causal_jax.data import images, user_images

CASES = Path(__file__).parent / "cases" / "images"


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)


def test_a_picture_is_read_as_it_is(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "face.png")
    found = user_images.read(tmp_path / "face.png", size=8)
    assert found.shape == (1, 8, 8, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found[0], pixels / 127.5 - 1, atol=1e-6)


def test_arrays_are_read_from_bytes_and_floats(tmp_path, pixels):
    floats = (pixels / 127.5 - 1).astype(np.float32)
    np.savez(tmp_path / "faces.npz", label=np.zeros(2), image=np.stack([pixels] * 2))
    np.save(tmp_path / "face.npy", floats)
    both = user_images.read(tmp_path / "faces.npz", size=8)
    assert both.shape == (2, 8, 8, 3)
    np.testing.assert_allclose(both[0], floats, atol=1e-6)
    np.testing.assert_array_equal(
        user_images.read(tmp_path / "face.npy", size=8)[0], floats
    )


def test_a_picture_of_another_size_is_read_as_training_read_it(tmp_path, pixels):
    """Byte for byte what a folder of pictures gives, whatever its crop."""
    Image.fromarray(np.tile(pixels, (3, 2, 1))).save(tmp_path / "face.png")  # 24x16
    (tmp_path / "data.csv").write_text("file,y\nface.png,0\n")
    for crop in (None, 12, lambda height, width: height // 3):
        trained = images.image_folder(
            tmp_path, tmp_path / "data.csv", size=8, crop=crop, progress=False
        ).images
        found = user_images.read(tmp_path / "face.png", size=8, crop=crop)
        np.testing.assert_array_equal(np.round((found + 1) * 127.5), trained)
    with pytest.raises(ValueError, match="face.png: crop=17 does not fit .*16x24"):
        user_images.read(tmp_path / "face.png", size=8, crop=17)


@pytest.mark.parametrize("name", ["exif6.jpg", "i32.tif", "rgba_transparent_red.png"])
def test_every_mode_is_decoded_as_in_training(name):
    found = user_images.read(CASES / name, size=16)[0]
    trained = images.decode((CASES / name).read_bytes(), size=16)
    np.testing.assert_allclose(found, trained / 127.5 - 1, atol=1e-6)


def test_arrays_of_another_size_are_refused(tmp_path, pixels):
    np.save(tmp_path / "face.npy", pixels[:6])
    with pytest.raises(ValueError, match="6x8x3, the model draws 8x8x3: crop"):
        user_images.read(tmp_path / "face.npy", size=8)
    np.save(tmp_path / "face.npy", pixels[..., 0])
    with pytest.raises(ValueError, match="the model draws 8x8x3"):
        user_images.read(tmp_path / "face.npy", size=8)


@pytest.mark.parametrize(
    "array", [np.full((8, 8, 3), 255.0), np.full((8, 8, 3), np.nan)]
)
def test_another_range_is_refused(tmp_path, array):
    np.save(tmp_path / "face.npy", array)
    with pytest.raises(ValueError, match="give uint8, or float in .-1, 1"):
        user_images.read(tmp_path / "face.npy", size=8)


def test_floats_that_may_be_meant_from_0_to_1_are_refused(tmp_path, pixels):
    """Read as [-1, 1] they are washed out, and who is asked about is somebody else."""
    np.save(tmp_path / "face.npy", pixels / 255 - 1e-3)
    with pytest.raises(ValueError, match=r"from -0.001 to .* give 2 \* image - 1"):
        user_images.read(tmp_path / "face.npy", size=8)
    np.save(tmp_path / "face.npy", 2 * (pixels / 255) - 1)
    found = user_images.read(tmp_path / "face.npy", size=8)[0]
    np.testing.assert_allclose(found, pixels / 127.5 - 1, atol=1e-6)


def test_of_several_arrays_one_has_to_be_named(tmp_path, pixels):
    np.savez(tmp_path / "faces.npz", masks=pixels, faces=pixels)
    with pytest.raises(ValueError, match=r"holds 2 arrays \(masks, faces\): name that"):
        user_images.read(tmp_path / "faces.npz", size=8)


def test_whole_numbers_other_than_bytes_are_refused(tmp_path, pixels):
    np.save(tmp_path / "face.npy", pixels.astype(int))
    with pytest.raises(ValueError, match="holds int64: give uint8"):
        user_images.read(tmp_path / "face.npy", size=8)


@pytest.mark.parametrize("name", ["face.png", "face.npy", "face.npz"])
def test_unreadable_and_missing_files_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="there is no picture"):
        user_images.read(tmp_path / name, size=8)
    (tmp_path / name).write_bytes(b"neither this nor that")
    with pytest.raises(ValueError, match="is no readable"):
        user_images.read(tmp_path / name, size=8)
