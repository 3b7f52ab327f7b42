"""Large samples and tables stay within the memory that docs/reliability.md says."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from causal_jax.data import celeba_graphs, tables
from causal_jax.data.records import Table
from causal_jax.graph import BINARY, with_states
from causal_jax.networks.controller import controller
from causal_jax.runs import folder, spec

pytestmark = pytest.mark.product
ROOT = Path(__file__).resolve().parents[1]
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20)
"""


def peak(*arguments):
    """GiB that a Python process with these arguments needs at most."""
    command = [sys.executable, "-c", PEAK, sys.executable, *map(str, arguments)]
    # Without the tests' own settings of XLA: programs are fused as a user's are.
    ours = ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS")
    environment = {name: x for name, x in os.environ.items() if name not in ours}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@pytest.fixture(scope="module")
def nine_labels(tmp_path_factory):
    """The folder of an untrained run: nine labels, two layers of 32 each."""
    path = tmp_path_factory.mktemp("run")
    graph = celeba_graphs.named("big_causal_graph")
    scm = controller(with_states(graph, dict.fromkeys(graph, BINARY)), hidden=(32, 32))
    spec.save_spec(path, scm)
    params = scm.init(jax.random.key(0))
    folder.checkpoints(path, "labels").save(1, {"step": np.zeros(1)}, params)
    return path


def test_five_million_rows_are_sampled_in_a_gibibyte(nine_labels, tmp_path):
    asked = ("-m", "causal_jax.cli", "sample", f"--workdir={nine_labels}")
    few = peak(*asked, "--num=64", f"--out={tmp_path / 'few.csv'}")
    many = peak(*asked, "--num=5000000", f"--out={tmp_path / 'many.csv'}")
    assert many < few + 1, (few, many)
    with (tmp_path / "many.csv").open() as file:
        assert sum(1 for _ in file) == 5_000_001


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_million_rows_of_forty_columns_are_read_in_two_gibibytes(tmp_path, encoding):
    random = np.random.default_rng(0)
    names = tuple(f"c{i}" for i in range(40))
    states = {name: tuple(f"état number {i}" for i in range(5)) for name in names}
    values = random.integers(0, 5, (1_000_000, 40)).astype(np.int32)
    path = tmp_path / "large.csv"
    tables.write_csv(path, Table(names=names, states=states, values=values))
    if encoding != "utf-8":
        words, path = path, tmp_path / "coded.csv"
        with (
            words.open(encoding="utf-8") as file,
            path.open("w", encoding=encoding) as to,
        ):
            to.writelines(file)
    program = "import sys; from causal_jax.data import tables; "
    program += "assert tables.read_csv(sys.argv[1]).values.shape == (10**6, 40)"
    assert peak("-c", program, path) < 2
