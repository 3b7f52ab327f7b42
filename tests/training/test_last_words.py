"""One line at the end of a process of several, whoever has the last word."""

import os
import subprocess
import sys

import pytest

from causal_jax.training import last_words

LOST = b"E1 coordination_service.cc:1] distributed service detected fatal errors\n"
STACK = b"    @ 0x7f some::frame()\n"


def second_process(heard):
    """What the second process writes, when the first one wrote `heard` and ended."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", last_words.__file__, "process 0", "start again"],
        input=heard,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b""
    return done.stderr.decode()


def said(text, monkeypatch):
    """What `say` writes to the pipe."""
    reader, writer = os.pipe()
    monkeypatch.setattr(last_words, "_pipe", writer)
    last_words.say(text)
    monkeypatch.undo()
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        return pipe.read()


@pytest.mark.parametrize("before", [b"", LOST + STACK])
def test_pythons_last_line_is_the_only_one(before, monkeypatch):
    heard = before + said("train: Größe\n  of two lines", monkeypatch) + LOST + STACK
    assert second_process(heard) == "train: Größe\n  of two lines\n"


def test_a_lost_process_is_said_where_python_says_nothing():
    (line,) = second_process(LOST + STACK).strip().splitlines()
    assert (
        line == "process 0 has ended: another process of this run was lost; start again"
    )


def test_a_broken_sum_is_said_in_one_line():
    heard = (
        b"terminate called after throwing an instance of 'gloo::EnforceNotMet'\n"
        b"  what():  [enforce fail at pair.cc:459] op.nbytes. 8 vs 4.\n\n"
    )
    (line,) = second_process(heard).strip().splitlines()
    assert line == (
        "process 0 has ended: another process of this run was lost ([enforce fail at "
        "pair.cc:459] op.nbytes. 8 vs 4.); start again"
    )


def test_a_silent_end_is_said_and_other_records_pass():
    text = second_process(b"W1 other.cc:1] slow\n")
    assert text.startswith("W1 other.cc:1] slow\n") and "it was killed" in text


def test_an_end_that_is_known_is_not_said():
    assert second_process(last_words._NORMAL + b"\n" + LOST) == ""
