"""What is said when a process of several dies without a word of its own.

When a process is lost, jax ends the others from a thread of its own with `abort`, after
a page of C++ stack; a process that the system kills says nothing. So a small second
process reads what this one's C++ code writes to standard error: it passes everything on
but that page, and says one line where the end was none of Python's doing.

Python's own output does not take this way, but for the line it ends with (`say`): so
that of the two, jax's thread and Python, one has the last word.
"""

import atexit
import os
import re
import subprocess
import sys

_NORMAL = b"\0the end is known "  # the last line of a process that ends by itself
# Where the page begins; and how gloo, which sums over processes, ends of a broken sum.
_LOST = (b"distributed service detected fatal errors", b"instance of 'gloo::")
_REASON = b"what():"
_NOISE = b"coordination_service"  # in the records that come before it
_RECORD = re.compile(rb"[IWEF]\d{4} ")  # how a record begins, of one line or several
_pipe: int | None = None


def listen(name: str, way_out: str) -> None:
    """Starts the second process; from now on C++ errors go through it.

    Args:
      name: of this process, for the line.
      way_out: what is to be done, for the line.
    """
    global _pipe
    if _pipe is not None:
        return
    sys.stderr.flush()
    own = os.dup(2)
    reader, _pipe = os.pipe()
    subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, name, way_out],
        stdin=reader,
        stdout=subprocess.DEVNULL,
        stderr=own,
        start_new_session=True,  # Ctrl-C is for the one that it listens to
    )
    os.close(reader)
    os.dup2(_pipe, 2)
    sys.stderr = os.fdopen(own, "w", buffering=1, encoding="utf-8", errors="replace")
    atexit.register(are_said)


def say(text: str) -> None:
    """The last that this process says; it ends after that."""
    if _pipe is None:
        print(text, file=sys.stderr, flush=True)
    else:
        os.write(_pipe, _NORMAL + f"{text}\n".encode("unicode_escape") + b"\n")


def are_said() -> None:
    """Tells the second process that nothing is left to say."""
    if _pipe is not None:
        os.write(_pipe, _NORMAL + b"\n")


def main(name: str, way_out: str) -> None:
    """The second process: until the first one has ended."""
    is_lost = is_noise = False
    reason = ""
    for line in sys.stdin.buffer:
        if line.startswith(_NORMAL):
            text = line.removeprefix(_NORMAL)[:-1].decode("unicode_escape")
            os.write(2, text.encode("utf-8", "replace"))
            return
        is_lost |= any(words in line for words in _LOST)
        if is_lost and _REASON in line:
            said = line.partition(_REASON)[2].decode("utf-8", "replace").strip()
            reason = f" ({said[:200]})"
        if _RECORD.match(line):
            is_noise = _NOISE in line
        if not is_lost and not is_noise:
            os.write(2, line)
    why = (
        f"another process of this run was lost{reason}" if is_lost else "it was killed"
    )
    os.write(2, f"\n{name} has ended: {why}; {way_out}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
