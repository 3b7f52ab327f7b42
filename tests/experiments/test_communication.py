from typing import NamedTuple

import jax
import jax.numpy as jnp

from causal_jax.training import parallel
from causal_jax.training.algorithm import DEVICE_AXIS, Algorithm
from experiments import communication


class State(NamedTuple):
    weights: jax.Array


def test_what_a_step_sends_is_counted_in_loops_too():
    def step(state, batch, key):
        def one(total, row):
            return parallel.mean(total + row), None

        total, _ = jax.lax.scan(one, state.weights, batch["rows"])
        rows = jax.lax.all_gather(batch["rows"], DEVICE_AXIS, tiled=True)
        return State(weights=total + rows.sum(0)), ()

    algorithm = Algorithm(
        init=lambda key: State(weights=jnp.zeros(5)),
        step=step,
        params=lambda state: state.weights,
        batch_shape=(12,),
    )
    batch = {"rows": jax.ShapeDtypeStruct((3, 5), jnp.float32)}
    found = communication.sent(algorithm, batch, 4)
    assert found.summed == 3 * 5 * 4  # rows of a device, floats, bytes of one
    assert found.gathered == 4 * 3 * 5 * 4  # devices
    assert communication.num_parameters(algorithm) == 5
