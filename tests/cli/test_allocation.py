"""A command's second start with memory that it keeps, in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json, os, sys
from causal_jax.cli import allocation
sys.platform = sys.argv[1]
print(json.dumps([os.getpid(), os.environ.get("GLIBC_TUNABLES"), sys.argv[1:]]),
      flush=True)
allocation.restart()
print("goes on", flush=True)
"""


def starts(platform, tunables=None, program=PROGRAM):
    """What the program prints at each of its starts, and how often it goes on."""
    environment = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    environment |= {} if tunables is None else {"GLIBC_TUNABLES": tunables}
    done = subprocess.run(
        [sys.executable, "-c", program, platform, "--flag=a b"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    *printed, last = done.stdout.splitlines()
    assert last == "goes on"
    return [json.loads(line) for line in printed]


def test_it_starts_once_more_as_the_same_process_with_the_same_arguments():
    first, second = starts("linux")
    assert first == [second[0], None, ["linux", "--flag=a b"]]
    assert second[1].startswith("glibc.malloc.hugetlb=1:")
    assert second[2] == first[2]


def test_it_goes_on_in_a_notebook():
    program = PROGRAM.replace("import json", "import IPython, json")
    assert len(starts("linux", program=program)) == 1


def test_it_goes_on_elsewhere_and_with_tunables_of_ones_own():
    assert len(starts("darwin")) == 1
    assert starts("linux", tunables="")[0][1] == ""


@pytest.mark.parametrize(("command", "times"), [("train", 2), ("sample", 1)])
def test_commands_that_take_minutes_start_again(tmp_path, command, times):
    written = f"print(os.getpid(), file=open({str(tmp_path / 'starts')!r}, 'a'))"
    (tmp_path / "sitecustomize.py").write_text(f"import os\n{written}\n", "utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, "-m", "causal_jax.cli", command, "--workdr=x"],
        env=environment | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "did you mean 'workdir'" in done.stderr
    processes = (tmp_path / "starts").read_text("utf-8").split()
    assert len(processes) == (times if sys.platform == "linux" else 1)
    assert len(set(processes)) == 1
