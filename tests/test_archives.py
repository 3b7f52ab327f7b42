"""Archives and packed files: limits hold before memory is taken, damage is named."""

import gzip
import io
import zipfile

import numpy as np
import pytest

from causal_jax import archives


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_what_gzip_packed_is_unpacked_up_to_the_limit(tmp_path):
    data = b"one line\n" * 1000
    assert archives.unpacked(tmp_path / "x.gz", gzip.compress(data)) == data
    assert archives.unpacked(tmp_path / "x", data) == data
    packed = gzip.compress(data) * 2  # members that follow one another
    assert archives.unpacked(tmp_path / "x.gz", packed, limit=18_000) == data * 2
    with pytest.raises(ValueError, match="x.gz unpacks to more than 17,999 bytes"):
        archives.unpacked(tmp_path / "x.gz", packed, limit=17_999)


@pytest.mark.parametrize("damage", [lambda d: d[:-9], lambda d: d[:20] + b"x" + d[21:]])
def test_damaged_gzip_is_named(tmp_path, damage):
    packed = gzip.compress(bytes(range(256)) * 9)
    with pytest.raises(ValueError, match="x.gz is truncated or damaged"):
        archives.unpacked(tmp_path / "x.gz", damage(packed))


def test_arrays_are_read_by_name_and_within_the_limit(tmp_path):
    path = tmp_path / "x.npz"
    arrays = {"a/b": np.arange(6.0).reshape(2, 3), "c": np.asfortranarray(np.eye(3))}
    np.savez_compressed(path, **arrays, large=np.zeros(10_000))
    found = archives.read_arrays(path, names=("a/b", "c", "d"), limit=2000)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    with pytest.raises(ValueError, match="unpacks to more than 2,000 bytes"):
        archives.read_arrays(path, limit=2000)


def test_a_long_list_of_members_is_refused_before_it_is_read(tmp_path):
    path = zipped(tmp_path / "x.zip", {f"{i:050}": b"" for i in range(200)})
    with archives.open_zip(path) as archive:
        assert len(archive.namelist()) == 200
    longer = pytest.raises(ValueError, match="list of its members is longer than 9,000")
    with longer, archives.open_zip(path, max_directory=9_000):
        pass


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/a", "a\\..\\b"])
def test_members_that_leave_the_folder_are_refused(tmp_path, name):
    path = zipped(tmp_path / "x.zip", {name: b""})
    leaves = pytest.raises(ValueError, match="a member leaves the archive's folder")
    with leaves, archives.open_zip(path):
        pass


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (9,)},
        {"shape": (2**62, 4)},
        {"shape": (-6,)},
        {"descr": "|O"},
    ],
)
def test_an_array_whose_header_does_not_fit_is_refused(change):
    file = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (6,)}
    np.lib.format.write_array_header_1_0(file, header | change)
    with pytest.raises(ValueError, match="announces another number|objects of Python"):
        archives.array_of(file.getvalue() + bytes(24))
