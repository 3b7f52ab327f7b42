"""Files that appear whole or not at all, and follow no links."""

import os
import stat

import pytest

from causal_jax.files.whole import written


def _names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    with written(path) as file:
        file.write("one\n")
        assert not path.exists()
    assert path.read_text() == "one\n" and _names(tmp_path) == ["a.txt"]
    with written(path, "wb") as file:
        file.write(b"\xff")
    assert path.read_bytes() == b"\xff"


def test_a_block_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), written(path) as file:
        file.write("new")
        raise ZeroDivisionError
    assert path.read_text() == "old" and _names(tmp_path) == ["a.txt"]


def test_it_has_the_rights_that_any_new_file_has(tmp_path):
    with written(tmp_path / "a") as file:
        file.write("")
    (tmp_path / "b").write_text("")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"}
    assert len(modes) == 1


def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "a").symlink_to(tmp_path / "precious")
    for name in (f".a.{os.getpid()}", f".{os.getpid()}.a", "a.partial"):
        (tmp_path / name).symlink_to(tmp_path / "precious")  # names of before
    with written(tmp_path / "a") as file:
        file.write("new")
    assert (tmp_path / "precious").read_text() == "kept"
    assert (tmp_path / "a").read_text() == "new" and not (tmp_path / "a").is_symlink()
