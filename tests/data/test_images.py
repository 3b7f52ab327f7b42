"""Folders of pictures with a table beside them: how they are read and refused."""

import numpy as np
import pytest
from PIL import Image

from causal_jax.data import images


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
    assert (data.images[1] == 100).all() and (data.images[2] == 200).all()
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
    with pytest.raises(ValueError, match="1 of 3 pictures are not in .*: grey.png"):
        read(size=4)
