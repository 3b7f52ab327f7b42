"""One process at a time in a folder; a dead one's lock is free."""

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import time

import pytest

from causal_jax.runs import folder, lock

_HOLD = """
import sys, time
from causal_jax.runs import lock
with lock.held(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""

# Takes one folder after the other, each at a time that both processes were given.
_RACE = """
import contextlib, sys, time
from causal_jax.runs import lock
print("ready", flush=True)
go = float(sys.stdin.readline())
with contextlib.ExitStack() as held:
    for i, folder in enumerate(sys.argv[1:]):
        while time.time() < go + 0.2 * i:
            pass
        try:
            held.enter_context(lock.held(folder))
            print("won", flush=True)
        except ValueError as error:
            print("lost", error, flush=True)
    sys.stdin.readline()
"""


def start(program, *folders):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, folders)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def other(tmp_path):
    """A process that holds a folder."""
    process = start(_HOLD, tmp_path)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_run_is_refused_with_the_first_one_s_process_and_host(tmp_path, other):
    for refused in (lock.require_free, lambda path: lock.held(path).__enter__()):
        with pytest.raises(ValueError, match="is in use by") as raised:
            refused(tmp_path)
        message = str(raised.value)
        assert f"{tmp_path} is in use by process {other.pid} on " in message
        assert platform.node() in message and "\n" not in message
    with pytest.raises(ValueError, match="is in use by"):
        folder.require_free(tmp_path, {"seed": 0})


def test_a_dead_one_s_lock_is_taken_over(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert json.loads((tmp_path / lock.NAME).read_text())["process"] == other.pid
    with lock.held(tmp_path) as run_id:
        owner = json.loads((tmp_path / lock.NAME).read_text())
        assert owner["process"] == os.getpid() and owner["run"] == run_id
    assert not list(tmp_path.iterdir()), "what ends well leaves no lock"


def test_of_two_at_once_one_wins_ten_times(tmp_path):
    folders = [tmp_path / str(i) for i in range(10)]
    pair = [start(_RACE, *folders) for _ in range(2)]
    for process in pair:
        assert process.stdout.readline() == "ready\n"
    go = time.time() + 0.5
    for process in pair:
        process.stdin.write(f"{go}\n")
        process.stdin.flush()
    said = [[process.stdout.readline() for _ in folders] for process in pair]
    for process in pair:  # a winner holds what it has won until both are done
        process.communicate("\n")
    for both in zip(*said, strict=True):
        assert both.count("won\n") == 1, said
        winner = both.index("won\n")
        lost = both[1 - winner]
        assert lost.startswith("lost "), said
        assert f"by process {pair[winner].pid} on {platform.node()}" in lost


def test_a_process_may_hold_a_folder_again(tmp_path):
    with lock.held(tmp_path) as first, lock.held(tmp_path / ".." / tmp_path.name):
        lock.require_free(tmp_path)
        with lock.held(tmp_path) as again:
            assert again == first
        assert (tmp_path / lock.NAME).is_file(), "the outer block still holds it"


def test_an_error_inside_gives_the_folder_back(tmp_path):
    with contextlib.suppress(ZeroDivisionError), lock.held(tmp_path):
        raise ZeroDivisionError
    with lock.held(tmp_path):
        pass


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"process": "x"}', "\x00"])
def test_a_damaged_lock_that_nobody_holds_is_free(tmp_path, content):
    (tmp_path / lock.NAME).write_text(content)
    lock.require_free(tmp_path)
    with lock.held(tmp_path):
        assert json.loads((tmp_path / lock.NAME).read_text())["process"] == os.getpid()


def test_where_files_cannot_be_locked_there_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "fcntl", None)
    with pytest.warns(UserWarning, match="cannot be locked"), lock.held(tmp_path):
        pass
