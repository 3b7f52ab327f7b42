"""Label networks as tables: their laws under all configurations of their parents.

A node with few parents has few parent configurations, far fewer than a table has rows.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.mechanism import Discrete
from causal_jax.types import Array, Params


def configurations(parent_states: tuple[int, ...]) -> np.ndarray:
    """All parent configurations, int32 [C, number of parents], the last fastest."""
    num = math.prod(parent_states)  # a root has one configuration, the empty one
    grid = np.indices(parent_states).reshape(len(parent_states), num)
    return np.ascontiguousarray(grid.T.astype(np.int32))


def log_table(
    mechanism: Discrete, params: Params, parent_states: tuple[int, ...]
) -> Array:
    """log P(state | parents) of every configuration, [C, num_states]."""
    rows = jnp.asarray(configurations(parent_states))
    return jax.vmap(lambda row: mechanism.log_probs(params, tuple(row)))(rows)
