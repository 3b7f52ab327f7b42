"""Maximum likelihood for a label model from its sufficient statistics, the full batch.

The likelihood of a label model factorises over nodes, and a node's part depends on the
data only through how often each state occurs under each parent configuration,

    E_data log P(row) = 1/N sum_i sum_pa sum_x n_i(pa, x) log P_i(x | pa),

so the exact gradient over *all* rows costs one evaluation of each network on the
configurations of its parents: thousands of times less than reading the rows, and
without the noise of batches. Nodes with equal mechanisms are stacked and evaluated at
once, so that hundreds of nodes compile as fast as a few.

The same optimum as `label_mle`, which reads rows and so does not need the tables of all
configurations to be small.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from causal_jax.mechanism import Discrete
from causal_jax.networks.tabulated import log_table
from causal_jax.scm import SCM, node_key
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.label_mle import MLEInfo
from causal_jax.types import Array, Batch, Key, Params


class CountsState(NamedTuple):
    """What the next step needs.

    Attributes:
      params: of each group of nodes with equal mechanisms, stacked.
      optimizer: optimiser state.
    """

    params: tuple[Params, ...]
    optimizer: Any


def family_counts(scm: SCM, rows: np.ndarray) -> dict[str, np.ndarray]:
    """How often each state occurs under each configuration of the parents.

    Args:
      scm: nodes all discrete.
      rows: int [N, n], columns in the graph's declared order.

    Returns:
      {node: float32 [1, C, num_states]}, the last parent's state fastest; the leading
      axis is the one that batches are drawn along: its only entry is the full batch.
    """
    column = {name: i for i, name in enumerate(scm.nodes)}
    counts = {}
    for name in scm.nodes:
        family = (*scm.parents[name], name)
        shape = tuple(len(scm.states(member)) for member in family)
        index = np.zeros(len(rows), np.int64)
        for member, num_states in zip(family, shape, strict=True):
            index = index * num_states + rows[:, column[member]]
        found = np.bincount(index, minlength=int(np.prod(shape)))
        counts[name] = found.reshape(1, -1, shape[-1]).astype(np.float32)
    return counts


def label_counts(scm: SCM, *, num_steps: int, learning_rate: float = 1e-2) -> Algorithm:
    """Full-batch maximum likelihood with Adam, its rate decaying to 0 along a cosine.

    Args:
      scm: nodes all networks with `log_probs`.
      num_steps: length of the learning-rate schedule.
      learning_rate: at the start.

    Returns:
      An `Algorithm` over what `family_counts` returns; for one device.

    Raises:
      ValueError: a node without `log_probs`.
    """
    groups = _groups(scm)
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps))

    def init(key: Key) -> CountsState:
        params = tuple(_init(m, names, key) for m, names in groups.items())
        return CountsState(params, optimizer.init(params))

    def loss_fn(params: tuple[Params, ...], counts: Batch) -> Array:
        total = 0.0
        for (mechanism, names), group in zip(groups.items(), params, strict=True):
            tables = jax.vmap(partial(_log_table, mechanism))(group)
            stacked = jnp.stack([counts[name][0] for name in names])
            total -= jnp.sum(stacked * tables)
        return total / jnp.sum(counts[scm.nodes[0]])

    def step(state: CountsState, batch: Batch, key: Key):
        del key
        loss, gradients = jax.value_and_grad(loss_fn)(state.params, batch)
        updates, optimizer_state = optimizer.update(
            gradients, state.optimizer, state.params
        )
        params = optax.apply_updates(state.params, updates)
        return CountsState(params, optimizer_state), MLEInfo(loss)

    def by_node(state: CountsState) -> Params:
        params = {
            name: jax.tree.map(lambda leaf, i=i: leaf[i], group)
            for names, group in zip(groups.values(), state.params, strict=True)
            for i, name in enumerate(names)
        }
        return {name: params[name] for name in scm.nodes}

    return Algorithm(init, step, by_node, (1,))


def _groups(scm: SCM) -> dict[Discrete, list[str]]:
    """{mechanism: the nodes that have it}."""
    groups: dict[Discrete, list[str]] = {}
    for name, mechanism in scm.mechanisms.items():
        if not hasattr(mechanism, "log_probs"):
            raise ValueError(
                f"node {name!r} has no log_probs: maximum likelihood needs explicit "
                "nodes, such as NeuralCategorical"
            )
        groups.setdefault(mechanism, []).append(name)
    return groups


def _log_table(mechanism: Discrete, params: Params) -> Array:
    return log_table(mechanism, params, mechanism.parent_states)


def _init(mechanism: Discrete, names: list[str], key: Key) -> Params:
    """The same fresh parameters as `scm.init` gives these nodes, stacked."""
    keys = jnp.stack([node_key(key, name) for name in names])
    parents = tuple(jnp.zeros((), jnp.int32) for _ in mechanism.parent_states)
    return jax.vmap(lambda key: mechanism.init(key, parents))(keys)
