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
go = float(sys.argv[2])
while time.time() < go:
    pass
try:
    with lock.held(sys.argv[1]) as run_id:
        print("won", run_id, flush=True)
        time.sleep(float(sys.argv[3]))
except ValueError as error:
    print("lost", error, flush=True)
"""


def hold(workdir, *, go=0.0, seconds=60.0):
    return subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(workdir), str(go), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def other(tmp_path):
    """A process that holds a folder."""
    process = hold(tmp_path)
    assert process.stdout.readline().startswith("won ")
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


def test_of_two_starts_at_once_one_wins_ten_times(tmp_path):
    for attempt in range(10):
        workdir = tmp_path / str(attempt)
        go = time.time() + 1.5  # both have imported jax by then, or come one by one
        pair = [hold(workdir, go=go, seconds=3) for _ in range(2)]
        said = [process.communicate()[0] for process in pair]
        won = [process for process, text in zip(pair, said, strict=True)
               if text.startswith("won ")]  # fmt: skip
        lost = [text for text in said if text.startswith("lost ")]
        assert len(won) == len(lost) == 1, said
        assert f"by process {won[0].pid} on {platform.node()}" in lost[0]


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
