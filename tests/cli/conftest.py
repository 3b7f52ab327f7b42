"""Commands as they are called: in a process of their own, or in this one."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from absl import flags

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def python_m():
    """python_m(module, *arguments): a finished `python -m module`, text captured."""

    def run(module, *arguments, **environment):
        return subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def assert_one_line():
    """assert_one_line(done, message): a mistake is one line, and nothing is printed."""

    def check(done, message):
        assert done.returncode not in (0, None)
        assert message in done.stderr and not done.stdout
        assert len(done.stderr.splitlines()) == 1, done.stderr

    return check


@pytest.fixture
def flags_of():
    """flags_of(command, **values): what `command.main` is given, defaults included."""

    def build(command, **values):
        before = set(flags.FLAGS)
        command.define_flags()
        own = sorted(set(flags.FLAGS) - before)
        found = {name: flags.FLAGS[name].default for name in own}
        for name in own:
            delattr(flags.FLAGS, name)
        assert values.keys() <= found.keys(), "no flag of this command"
        return SimpleNamespace(**found | values)

    return build
