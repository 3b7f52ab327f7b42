"""Files are written whole or not at all; what cannot be is one line that says why."""

import errno
import os
import resource
import signal
import subprocess
import sys

import pytest

from causal_jax import files


def test_a_block_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a" / "b.txt"
    files.write_text(path, "one")
    with pytest.raises(ZeroDivisionError), files.whole(path) as file:
        file.write("half of two")
        file.flush()
        raise ZeroDivisionError
    assert path.read_text() == "one"
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


def test_a_folder_is_whole_or_not_there(tmp_path):
    path = tmp_path / "a" / "made"
    with pytest.raises(ZeroDivisionError), files.whole_folder(path) as folder:
        (folder / "half.txt").write_text("half")
        assert not path.exists()
        raise ZeroDivisionError
    assert not list(path.parent.iterdir())
    with files.whole_folder(path) as folder:
        (folder / "deeper").mkdir()
        (folder / "deeper" / "b.txt").write_text("whole")
    assert [p.name for p in path.parent.iterdir()] == ["made"]
    assert (path / "deeper" / "b.txt").read_text() == "whole"


def test_a_folder_that_is_there_or_cannot_be_made_is_one_line(tmp_path):
    with (
        pytest.raises(ValueError, match="is there already: name another folder"),
        files.whole_folder(tmp_path),
    ):
        raise AssertionError("not reached")
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OSError, match="file.*: .*") as error,
        files.whole_folder(tmp_path / "file" / "made"),
    ):
        raise AssertionError("not reached")
    assert "\n" not in str(error.value)


def test_a_killed_writer_leaves_the_file_and_one_that_is_removed(tmp_path):
    path = tmp_path / "b.txt"
    files.write_text(path, "one")
    program = (
        "import sys, time; from causal_jax import files\n"
        "with files.whole(sys.argv[1]) as file:\n"
        "    file.write('half'); file.flush(); print(flush=True); time.sleep(60)"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", program, path], stdout=subprocess.PIPE
    )
    writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert path.read_text() == "one"
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / ".mine.partial").write_text("no name that `whole` gives")
    (tmp_path / f".pictures.{16 * 'a'}.partial").mkdir()  # `whole_folder`'s
    (tmp_path / f".pictures.{16 * 'a'}.partial" / "one.png").write_text("half")
    files.remove_unfinished(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"b.txt", ".mine.partial"}


def test_a_link_is_replaced_and_what_it_points_to_left_alone(tmp_path):
    secret, path = tmp_path / "secret", tmp_path / "b.txt"
    secret.write_text("kept")
    path.symlink_to(secret)
    files.write_text(path, "new")
    assert secret.read_text() == "kept" and path.read_text() == "new"
    assert not path.is_symlink()


def test_unfinished_names_cannot_be_foreseen(tmp_path):
    names = []
    for _ in range(2):
        with files.whole(tmp_path / "b.txt") as file:
            names.append(file.name)
    assert names[0] != names[1]
    assert all(files.is_unfinished(tmp_path / name) for name in names)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "has no room left"),
        (errno.EDQUOT, "has no room left"),
        (errno.EROFS, "cannot be written"),
        (errno.EACCES, "cannot be written"),
        (errno.ENOENT, "is gone or was moved"),
    ],
)
def test_what_the_system_says_is_one_line_that_names_the_folder(number, message):
    with (
        pytest.raises(OSError, match=f"^runs/a {message}") as raised,
        files.named_in_errors("runs"),  # the inner one has said it already
        files.named_in_errors("runs/a"),
    ):
        raise OSError(number, os.strerror(number))
    assert "\n" not in str(raised.value) and os.strerror(number) in str(raised.value)


def test_a_file_that_may_not_grow_is_left_as_it_was(tmp_path):
    path = tmp_path / "b.txt"
    files.write_text(path, "one")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(OSError, match="has no room left"):
            files.write_text(path, "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_text() == "one" and len(list(tmp_path.iterdir())) == 1


def test_room_is_asked_for_before_it_is_needed(tmp_path):
    files.require_room(tmp_path, 1)
    with pytest.raises(OSError, match="has no room left"):
        files.require_room(tmp_path, 2**60)
    with pytest.raises(OSError, match="is gone"):
        files.require_room(tmp_path / "nowhere", 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "it is empty"),
        (b'{"a": 1', "no JSON from line 1, column 8 on"),
        (b'{"a": "\xff\xfe"}', "no UTF-8 text from byte 7 on"),
        (b"[1, 2]", "it holds a list, not an object"),
        (b"3", "it holds a number, not an object"),
        (b"null", "it holds null, not an object"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_damaged_file_is_named_with_its_damage_and_the_way_out(
    tmp_path, content, kind
):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged") as raised:
        files.read_json(path, way_out="make it anew")
    assert str(raised.value) == f"{path} is damaged ({kind}): make it anew"


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"is damaged \(Is a directory\)"):
        files.read_json(tmp_path, way_out="make it anew")


def test_a_folder_in_the_place_of_a_file_is_named_when_it_is_written(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OSError, match=r"a\.json is a folder, and has to be a file"):
        files.write_text(tmp_path / "a.json", "{}")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
