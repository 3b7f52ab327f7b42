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

A graph that allows more parents than the law has (a complete one) leaves its networks
to fit the rows' noise, and to guess at configurations that no row has. The group lasso
(Yuan & Lin 2006) on each parent's first-layer weights W_p takes out the parents that
the rows do not support:

    loss = - 1/N sum_rows log P(row) + penalty * sum_i sum_p |W_p| + decay * sum |W|^2.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from causal_jax.mechanism import Discrete
from causal_jax.networks.tabulated import log_table
from causal_jax.scm import SCM
from causal_jax.training import node_groups
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


def label_counts(
    scm: SCM,
    *,
    num_steps: int,
    learning_rate: float = 1e-2,
    b2: float = 0.99,
    prior: float = 0.0,
    parent_penalty: float = 0.0,
    weight_decay: float = 0.0,
) -> Algorithm:
    """Full-batch maximum likelihood with Adam, its rate decaying to 0 along a cosine.

    The group lasso on the parents is Yuan & Lin's (2006); see the module.

    Args:
      scm: nodes all networks with `log_probs`.
      num_steps: length of the learning-rate schedule.
      learning_rate: at the start.
      b2: of Adam; see `label_mle`.
      prior: rows that are added to each state under each configuration of the parents:
        a network's law of configurations that no row has is then not without limit.
      parent_penalty: of the norm of each parent's first-layer weights, in nats per
        row; for `NeuralCategorical` nodes.
      weight_decay: of the squares of all weight matrices, in nats per row: without it
        the other layers grow and the penalty loses its hold.

    Returns:
      An `Algorithm` over what `family_counts` returns, {node: float32 [1, C,
      num_states]}; for one device.

    Raises:
      ValueError: a node without `log_probs`.

    Example:
      >>> from causal_jax import graph
      >>> from causal_jax.networks.controller import controller
      >>> labels = graph.build([("A", "B")], states={"A": "01", "B": "01"})
      >>> algorithm = label_counts(controller(labels), num_steps=2)
      >>> algorithm.batch_shape
      (1,)
    """
    groups = node_groups.group_by_mechanism(scm)
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps), b2=b2)

    def init(key: Key) -> CountsState:
        params = node_groups.init_params(groups, key)
        return CountsState(params=params, optimizer=optimizer.init(params))

    def loss_fn(params: tuple[Params, ...], counts: Batch) -> Array:
        total = 0.0
        for (mechanism, names), group in zip(groups.items(), params, strict=True):
            tables = jax.vmap(partial(_log_table_of_node, mechanism))(group)
            stacked = jnp.stack([counts[name][0] for name in names])
            total -= jnp.sum((stacked + prior) * tables)
        return total / jnp.sum(counts[scm.nodes[0]])

    def penalised(params: tuple[Params, ...], counts: Batch) -> tuple[Array, Array]:
        loss, extra = loss_fn(params, counts), 0.0
        if parent_penalty:
            for mechanism, group in zip(groups, params, strict=True):
                norms = jax.vmap(mechanism.parent_norms)(group)
                extra += parent_penalty * jnp.sum(norms)
        if weight_decay:
            for leaf in jax.tree.leaves(params):
                if leaf.ndim == 3:  # [nodes of the group, fan-in, fan-out]
                    extra += weight_decay * jnp.sum(leaf**2)
        return loss + extra, loss

    def step(state: CountsState, batch: Batch, key: Key):
        del key
        gradients, loss = jax.grad(penalised, has_aux=True)(state.params, batch)
        updates, optimizer_state = optimizer.update(
            gradients, state.optimizer, state.params
        )
        params = optax.apply_updates(state.params, updates)
        new_state = CountsState(params=params, optimizer=optimizer_state)
        return new_state, MLEInfo(loss=loss)

    return Algorithm(
        init=init,
        step=step,
        params=lambda state: node_groups.by_node(scm, groups, state.params),
        batch_shape=(1,),
    )


def _log_table_of_node(mechanism: Discrete, params: Params) -> Array:
    return log_table(mechanism, params, mechanism.parent_states)
