"""A signal waits for what holds it; a second one does not."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from causal_jax.training import signals

NUMBERS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def handlers_are_as_before():
    before = [signal.getsignal(number) for number in NUMBERS]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGTERM) == before[0]
    signal.signal(signal.SIGINT, before[1])
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize("number", NUMBERS)
def test_a_command_is_stopped_where_it_is_with_the_shell_s_exit_code(number):
    with pytest.raises(signals.Stopped) as raised, signals.listening():
        os.kill(os.getpid(), number)
        time.sleep(5)
    assert raised.value.code == 128 + number
    assert raised.value.name == signal.Signals(number).name


def test_what_holds_a_signal_is_finished_first():
    done = []
    with pytest.raises(signals.Stopped) as raised, signals.listening():
        with signals.held() as stopping:
            assert not stopping()
            os.kill(os.getpid(), signal.SIGTERM)
            done.append(stopping())
        done.append("after")
    assert done == [True]
    assert raised.value.code == 143


def test_without_a_command_the_signal_does_what_it_did_before():
    with pytest.raises(KeyboardInterrupt), signals.held() as stopping:
        os.kill(os.getpid(), signal.SIGINT)
        assert stopping()


def test_an_error_inside_is_not_hidden_by_the_signal():
    with pytest.raises(OSError, match="full"), signals.held():
        os.kill(os.getpid(), signal.SIGINT)
        raise OSError("full")


def test_a_signal_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with signals.listening(), signals.held() as stopping:
        os.kill(os.getpid(), signal.SIGINT)
        assert not stopping()


def test_outside_of_the_main_thread_nothing_is_held():
    found = []

    def work():
        with signals.held() as stopping:
            found.append(stopping())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


_BUSY = """
import signal, sys, time
from causal_jax.training import signals
def busy(seconds):
    until = time.monotonic() + seconds
    with signals.held():
        print("ready", flush=True)
        while time.monotonic() < until:
            time.sleep(0.05)
try:
    with signals.listening():
        busy(float(sys.argv[1]))
except signals.Stopped as stopped:
    print("stopped", flush=True)
    raise
"""


def send(program, *arguments, gaps=()):
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    for gap in gaps:
        time.sleep(gap)
        process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err, time.monotonic() - started


def test_a_second_signal_ends_at_once():
    code, out, err, seconds = send(_BUSY, "30", gaps=(0.1, 0.8))
    assert code == 143 and "stopped" not in out and seconds < 10
    assert "ended at once by a second signal" in err


def test_a_signal_that_comes_twice_at_once_is_one():
    """`timeout` sends it to the process and to its group."""
    code, out, err, _ = send(_BUSY, "2", gaps=(0.1, 0.1))
    assert (code, out, err) == (143, "stopped\n", "")


_DEAF = """
import time
from causal_jax.training import signals
class Deaf:
    def __del__(self):  # what it raises is printed and forgotten
        print("ready", flush=True)
        until = time.monotonic() + 1
        while time.monotonic() < until:
            pass
with signals.listening():
    Deaf()
    time.sleep(30)
print("lost", flush=True)
"""


def test_a_stop_that_was_swallowed_is_given_again():
    code, out, err, seconds = send(_DEAF, gaps=(0.2,))
    assert code == 143 and "lost" not in out and seconds < 20
    assert "Exception ignored" in err, "it was swallowed once"
