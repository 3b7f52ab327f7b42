"""How a quickstart is timed, on a command that only prints."""

import pytest

from benchmarks import start

PRINTS_STEPS = """
import sys, time
sys.stderr.write("\\rdrawing faces: 100%|###| 10/10 [00:01<00:00,  9.1chunk/s]")
time.sleep(0.3)
for done in (0, 20):
    time.sleep(0.3)
    sys.stderr.write(f"\\rlabels:  {done}%|   | {done}/100 [00:00<?, ?step/s]")
time.sleep({rest})
sys.exit({code})
"""


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Writes what is run in place of the quickstart."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").touch()  # before any other
    monkeypatch.setattr(start, "ROOT", tmp_path)

    def write(rest: float, code: int) -> None:
        text = PRINTS_STEPS.replace("{rest}", str(rest)).replace("{code}", str(code))
        (tmp_path / "experiments" / "quickstart.py").write_text(text, "utf-8")

    return write


def test_a_start_ends_with_the_first_step_that_is_printed(command, tmp_path):
    command(rest=60, code=0)
    taken = start.seconds_of_quickstart(str(tmp_path), to_first_step=True)
    assert 0.9 < taken < 60  # neither another bar, nor its first line, nor the end


def test_the_whole_ends_with_the_command(command, tmp_path):
    command(rest=0.5, code=0)
    assert start.seconds_of_quickstart(str(tmp_path)) > 1.1


@pytest.mark.parametrize("to_first_step", [False, True])
def test_a_start_that_fails_is_told_with_what_it_printed(
    command, tmp_path, to_first_step
):
    command(rest=0, code=3)
    text = (tmp_path / "experiments" / "quickstart.py").read_text("utf-8")
    text = text.replace("(0, 20)", "(0, 0)")
    (tmp_path / "experiments" / "quickstart.py").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"(?s)ended with 3: .*labels:  0%"):
        start.seconds_of_quickstart(str(tmp_path), to_first_step=to_first_step)
