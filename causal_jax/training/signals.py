"""SIGTERM and SIGINT: what is under way is saved before they end a process.

`held` is for work that has a good place to stop, such as a training loop: a signal is
kept until then. `listening` is for a command: a signal raises `Stopped` wherever
nothing holds it. In both, a second signal ends the process at once; since files are
written whole (`causal_jax.files`), nothing is half-written then.
"""

import contextlib
import os
import select
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator

NUMBERS = (signal.SIGTERM, signal.SIGINT)
# `timeout` and batch systems send a signal to a process and to its group: it comes
# twice at once, and means one.
_SAME_SECONDS = 0.5


class Stopped(SystemExit):
    """A signal ends the command; the exit code is the shell's, 128 + its number.

    Attributes:
      name: the signal's, "SIGTERM".
      said: whether the user has been told.
    """

    def __init__(self, number: int):
        super().__init__(128 + number)
        self.name = signal.Signals(number).name
        self.said = False


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Makes a signal raise `Stopped` inside the block."""
    global _raised
    _raised = None
    with _handled_by(_stop), _ended_by_a_second():
        yield


def _stop(number: int, frame: object) -> None:
    if _raised is None or _raised() is None:  # not again while the block is being left
        raise _remembered(Stopped(number))


def _remembered(stopped: Stopped) -> Stopped:
    global _raised
    _raised = weakref.ref(stopped)
    return stopped


@contextlib.contextmanager
def held() -> Iterator[Callable[[], bool]]:
    """Holds signals back; what it yields says whether one has come.

    When the block has ended, the signal is given to whoever handled it before. Outside
    of the main thread, where none arrives, nothing is held.

    >>> with held() as stopping:
    ...     stopping()
    False
    """
    came: list[int] = []

    def keep(number, frame):
        came.append(number)

    with _handled_by(keep) as before, _ended_by_a_second():
        yield lambda: bool(came)
    if came:
        _hand_on(before[came[0]], came[0])


def _hand_on(handler: Callable | int, number: int) -> None:
    if callable(handler):
        handler(number, None)
    else:  # the system's own way: the process ends
        signal.raise_signal(number)


@contextlib.contextmanager
def _handled_by(handler: Callable) -> Iterator[dict[int, Callable | int]]:
    """Sets a handler; yields those before it. An ignored signal stays ignored."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    if threading.current_thread() is not threading.main_thread():
        yield before
        return
    taken = [n for n in NUMBERS if before[n] not in (signal.SIG_IGN, None)]
    try:
        for number in taken:
            signal.signal(number, handler)
        yield before
    finally:
        for number in taken:
            signal.signal(number, before[number])


# --- a second signal ------------------------------------------------------------------

_watched = False
# The last `Stopped`. Where code that may not raise, or takes every exception, has
# swallowed it, it is no more, and the signal is given again.
_raised: weakref.ref | None = None
_SECONDS_UNTIL_LOST = 1.0


@contextlib.contextmanager
def _ended_by_a_second() -> Iterator[None]:
    """Ends the process at the second signal, though a compilation has the main thread.

    Python runs handlers between two of the main thread's own instructions, which may be
    minutes apart; the number of a signal is in the pipe at once, and a thread reads it.
    """
    global _watched
    if _watched or threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _watched = True
    threading.Thread(target=_watch, args=(reading,), daemon=True).start()
    try:
        yield
    finally:
        _watched = False
        signal.set_wakeup_fd(before)
        os.close(writing)  # which ends the thread


def _watch(reading: int) -> None:
    first, number, given_again = None, 0, 0
    while True:
        wait = _SECONDS_UNTIL_LOST if first else None
        if not select.select([reading], [], [], wait)[0]:
            if _raised is not None and _raised() is None:
                given_again += 1  # it is in the pipe once more
                signal.pthread_kill(threading.main_thread().ident, number)
            continue
        read = os.read(reading, 1)
        if not read:
            break
        if given_again or read[0] not in NUMBERS:
            given_again = max(given_again - 1, 0)
            continue
        number, first = read[0], first or time.monotonic()
        if time.monotonic() - first > _SAME_SECONDS:
            os.write(2, b"\nended at once by a second signal\n")
            os._exit(128 + number)
    os.close(reading)
