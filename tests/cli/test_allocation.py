"""A command's second start with memory that it keeps, in a process of its own."""

import json
import os
import subprocess
import sys

PROGRAM = """
import json, os, sys
from causal_jax.cli import allocation
sys.platform = sys.argv[1]
print(json.dumps([os.getpid(), os.environ.get("GLIBC_TUNABLES"), sys.argv[1:]]),
      flush=True)
allocation.restart()
print("goes on", flush=True)
"""


def starts(platform, tunables=None):
    """What the program prints at each of its starts, and how often it goes on."""
    environment = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    environment |= {} if tunables is None else {"GLIBC_TUNABLES": tunables}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, platform, "--flag=a b"],
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


def test_it_goes_on_elsewhere_and_with_tunables_of_ones_own():
    assert len(starts("darwin")) == 1
    assert starts("linux", tunables="")[0][1] == ""
