"""A command's second start with huge pages, in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json, os, pathlib, sys
from causal_jax.cli import huge_pages
huge_pages._SYSTEM = pathlib.Path(sys.argv[1])
print(json.dumps([os.getpid(), os.environ.get("GLIBC_TUNABLES"), sys.argv[1:]]),
      flush=True)
huge_pages.restart_with()
print("goes on", flush=True)
"""


def starts(system, tunables=None):
    """What the program prints at each of its starts, and how often it goes on."""
    environment = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    environment |= {} if tunables is None else {"GLIBC_TUNABLES": tunables}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(system), "--flag=a b"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    *printed, last = done.stdout.splitlines()
    assert last == "goes on"
    return [json.loads(line) for line in printed]


def test_it_starts_once_more_as_the_same_process_with_the_same_arguments(tmp_path):
    system = tmp_path / "enabled"
    system.write_text("always [madvise] never\n", "utf-8")
    first, second = starts(system)
    assert first == [second[0], None, [str(system), "--flag=a b"]]
    assert second[1:] == ["glibc.malloc.hugetlb=1", first[2]]


@pytest.mark.parametrize("said", ["[always] madvise never", "always madvise [never]"])
def test_it_goes_on_where_the_system_has_decided(tmp_path, said):
    system = tmp_path / "enabled"
    system.write_text(said + "\n", "utf-8")
    assert len(starts(system)) == 1


def test_it_goes_on_without_such_a_system_and_with_tunables_of_ones_own(tmp_path):
    assert len(starts(tmp_path / "none")) == 1
    (tmp_path / "enabled").write_text("always [madvise] never\n", "utf-8")
    assert starts(tmp_path / "enabled", tunables="")[0][1] == ""
