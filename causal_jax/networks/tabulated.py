"""Label networks evaluated as tables: the same laws, rows at the price of a look-up.

A node with few parents has few parent configurations, far fewer than a batch has rows.
`Tabulated` evaluates its network on all configurations once and looks rows up; under
`vmap` over units the evaluation is shared, because it does not depend on the unit.
Parameters are those of `NeuralCategorical`, so a model is trained in this form and used
in that one.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.mechanism import Discrete
from causal_jax.networks.controller import NeuralCategorical
from causal_jax.scm import SCM
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


@dataclasses.dataclass(frozen=True)
class Tabulated(NeuralCategorical):
    """`NeuralCategorical`, its network evaluated on every parent configuration.

    >>> table, network = Tabulated(2, (3,)), NeuralCategorical(2, (3,))
    >>> params, parents = network.init(jax.random.key(0), ()), (jnp.array(2),)
    >>> both = [m.log_probs(params, parents) for m in (table, network)]
    >>> bool(jnp.allclose(*both, atol=1e-6))
    True
    """

    def log_probs(self, params: Params, parents: tuple) -> Array:
        """Log probabilities of the states, [num_states]."""
        network = NeuralCategorical(**dataclasses.asdict(self))
        table = log_table(network, params, self.parent_states)
        index = jnp.zeros((), jnp.int32)
        for parent, num_states in zip(parents, self.parent_states, strict=True):
            index = index * num_states + parent.astype(jnp.int32)
        return table[index]


def tabulated(scm: SCM, *, max_configurations: int = 4096) -> SCM:
    """The model with its networks as tables, where a node has not too many rows."""

    def of(mechanism):
        small = math.prod(mechanism.parent_states) <= max_configurations
        if type(mechanism) is NeuralCategorical and small:
            return Tabulated(**dataclasses.asdict(mechanism))
        return mechanism

    return SCM(scm.graph, {name: of(m) for name, m in scm.mechanisms.items()})
