import chex
import jax
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.networks.controller import controller
from causal_jax.training import parallel


@pytest.fixture(scope="session")
def tiny_scm():
    """A -> B, B with three states, one small hidden layer."""
    graph = graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")})
    return controller(graph, hidden=(4,))


@pytest.fixture(scope="session")
def tiny_rows():
    random = np.random.default_rng(0)
    a = random.integers(0, 2, 400)
    b = (a + random.integers(0, 2, 400)) % 3
    return {"rows": np.stack([a, b], -1).astype(np.int32)}


@pytest.fixture(scope="session")
def train_once():
    """train_once(algorithm, data): (state before, state after, info, run, prepare)."""

    def train(algorithm, data, num_steps=2):
        device = jax.devices()[:1]
        before = algorithm.init(jax.random.key(0))
        chex.clear_trace_counter()  # it counts by a function's name
        step = chex.assert_max_traces(algorithm.step, n=1)  # every algorithm, all calls
        algorithm = algorithm._replace(step=step)
        steps = parallel.train_steps(algorithm, num_steps=num_steps, devices=device)
        data = parallel.replicate(data, device)

        def run(first, key):
            state = parallel.replicate(before, device)
            state, info = steps(state, data, key, first)
            return parallel.unreplicate(state), parallel.unreplicate(info)

        def prepare(first, key):
            """A call whose inputs lie on the device already."""
            state = parallel.replicate(before, device)
            return lambda: steps(state, data, key, first)

        after, info = run(0, jax.random.key(1))
        return before, after, info, run, prepare

    return train
