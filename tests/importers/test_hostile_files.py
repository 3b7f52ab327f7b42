"""Prepared weight files: refused in a line, in little memory, no crash."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def outcomes():
    """{kind: what reading it came to}, each in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile", "--json"],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {found["kind"]: found for found in json.loads(done.stdout)}


def test_there_are_forty_kinds_and_more():
    assert len(KINDS) >= 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process of its own is forked")
@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_file_is_refused_in_a_line_within_200_MB(outcomes, kind):
    found = outcomes[kind]
    assert not found["fault"], found
    assert found["growth"] < found["num_bytes"] + 200e6
