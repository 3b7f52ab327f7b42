"""The persistent compilation cache: on by default, elsewhere or off when asked."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json
from causal_jax.cli import compilation_cache
folder = compilation_cache.enable()
import jax
print(json.dumps([folder and str(folder), jax.config.jax_compilation_cache_dir]))
"""


def places(**variables):
    """The folder that `enable` returns and JAX's setting afterwards."""
    environment = {k: v for k, v in os.environ.items() if "CACHE" not in k}
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["XDG_CACHE_HOME", "CAUSAL_JAX_CACHE"])
def test_programs_are_kept_where_the_user_says(name, tmp_path):
    folder, setting = places(**{name: str(tmp_path)})
    assert folder == setting
    assert Path(folder).is_relative_to(tmp_path)


def test_the_cache_can_be_switched_off():
    assert places(CAUSAL_JAX_CACHE="off") == [None, None]


def test_jax_own_setting_goes_first(tmp_path):
    found = places(JAX_COMPILATION_CACHE_DIR=str(tmp_path), CAUSAL_JAX_CACHE="off")
    assert found == [None, str(tmp_path)]
