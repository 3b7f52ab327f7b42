"""A run without training: a small label model and its folder."""

import jax
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.networks.controller import controller
from causal_jax.runs import folder, spec


@pytest.fixture
def labels():
    """A label model of two nodes and its parameters."""
    graph = graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")})
    scm = controller(graph, hidden=(4,))
    return scm, scm.init(jax.random.key(0))


@pytest.fixture
def workdir(tmp_path, labels):
    """The folder of its run: specification and a checkpoint."""
    scm, params = labels
    spec.save_spec(tmp_path, scm)
    folder.checkpoints(tmp_path, "labels").save(3, {"step": np.zeros(1)}, params)
    return tmp_path
