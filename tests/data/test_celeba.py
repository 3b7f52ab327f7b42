"""CelebA's official lists, and its pictures where they are at hand."""

import gzip
import os
import zipfile

import numpy as np
import pytest

from causal_jax.data import celeba, tfds

_LIST = "2\nBald Male Young\n000001.jpg -1  1  1\n000002.jpg  1 -1  1\n"


def _file(tmp_path, text, name="list.txt"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_attributes_are_the_forty_in_file_order():
    assert len(celeba.ATTRIBUTES) == 40
    assert celeba.ATTRIBUTES[0] == "5_o_Clock_Shadow"
    assert celeba.ATTRIBUTES[20] == "Male" and celeba.ATTRIBUTES[-1] == "Young"


def test_list_reads_the_same_plain_gzipped_and_zipped(tmp_path):
    plain = _file(tmp_path, _LIST)
    packed = tmp_path / "list.gz"
    packed.write_bytes(gzip.compress(_LIST.encode()))
    with zipfile.ZipFile(tmp_path / "list.zip", "w") as archive:
        archive.writestr("folder/list.txt", _LIST)
    uncounted = _file(tmp_path, _LIST.partition("\n")[2], "uncounted.txt")
    for path in (plain, packed, tmp_path / "list.zip", uncounted):
        files, table = celeba.read_annotations(path)
        assert files == ("000001.jpg", "000002.jpg")
        assert table.names == ("Bald", "Male", "Young")
        assert table.states["Male"] == ("0", "1")
        assert table.values.tolist() == [[0, 1, 1], [1, 0, 1]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("-1  1  1", "-1  1", "line 3: 2 values; the header names 3"),
        ("1 -1  1", "1 0 1", "line 4: '0' is no attribute value"),
        ("2\n", "3\n", "2 rows where its first line says 3"),
        ("Bald Male Young\n", "", "no line of attribute names"),
        ("Bald Male", "Male Male", "no line of attribute names"),
    ],
)
def test_bad_lists_are_refused_in_one_line(tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message) as raised:
        celeba.read_attributes(_file(tmp_path, _LIST.replace(old, new, 1)))
    assert "\n" not in str(raised.value)


def test_missing_empty_and_damaged_lists_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        celeba.read_attributes(tmp_path / "none.txt")
    with pytest.raises(ValueError, match="no line of attribute names"):
        celeba.read_attributes(_file(tmp_path, ""))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(_LIST.encode())[:-9])
    with pytest.raises(ValueError, match="damaged"):
        celeba.read_attributes(tmp_path / "cut.gz")


def test_partition_names_the_splits(tmp_path):
    path = _file(tmp_path, "a.jpg 0\nb.jpg 1\nc.jpg 2\n")
    found = celeba.read_partition(path)
    assert found == {"a.jpg": "train", "b.jpg": "validation", "c.jpg": "test"}
    with pytest.raises(ValueError, match="line 2: 'b.jpg 7'"):
        celeba.read_partition(_file(tmp_path, "a.jpg 0\nb.jpg 7\n"))


def _needs(name):
    there = "TFDS_DATA_DIR" in os.environ and tfds.is_prepared(name)
    return pytest.mark.skipif(not there, reason=f"no {name} in $TFDS_DATA_DIR")


@_needs("celeb_a")
def test_aligned_pictures_are_cropped_and_labels_agree():
    data = celeba.images_from_tfds("celeb_a", size=32, limit=50, progress=False)
    assert data.images.shape == (50, 32, 32, 3) and data.images.std() > 20
    assert data.table.names == celeba.ATTRIBUTES
    labels = celeba.labels_from_tfds("celeb_a", limit=50, progress=False)
    np.testing.assert_array_equal(data.labels, labels.values)
    whole = celeba.images_from_tfds(
        "celeb_a", size=32, crop=None, limit=1, progress=False
    )
    assert (whole.images[0] != data.images[0]).any()


@_needs("celeb_a_64")
def test_a_set_without_a_builder_class_reads_by_name():
    names = ["Male", "Bald"]
    data = celeba.images_from_tfds(
        "celeb_a_64", "validation", label_names=names, limit=500, progress=False
    )
    assert data.images.shape == (500, 64, 64, 3)
    assert data.table.names == ("Male", "Bald")
    assert 0.3 < data.labels[:, 0].mean() < 0.55  # .42 in the whole of CelebA
