"""Maximum likelihood for a label model: minimise -E_data log P(row).

Labels are discrete, so the model of the adversarial trainer has an exact likelihood,
which factorises over nodes: log P(row) = sum_i log P(x_i | pa_i). Users want the law,
however it is learned; this is the yardstick the adversarial trainer is held against.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from causal_jax import chunked
from causal_jax.networks import controller
from causal_jax.scm import SCM
from causal_jax.training import node_groups, parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.types import Array, Batch, Key, Params


class MLEState(NamedTuple):
    """What the next step needs.

    Attributes:
      params: label model, {node: params}; of a large one stacked, see `node_groups`.
      optimizer: optimiser state.
    """

    params: Params
    optimizer: Any


class MLEInfo(NamedTuple):
    """What is logged.

    Attributes:
      loss: negative log-likelihood per row, in nats.
    """

    loss: Array


def label_mle(
    scm: SCM,
    *,
    num_steps: int,
    batch_size: int = 4096,
    learning_rate: float = 3e-2,
) -> Algorithm:
    """Maximum likelihood with Adam, the learning rate decaying to 0 along a cosine.

    The factorised likelihood is the module's formula; the optimiser is Kingma & Ba's
    (2015, arXiv 1412.6980).

    Args:
      scm: nodes all discrete with `log_prob`.
      num_steps: length of the learning-rate schedule.
      batch_size: rows per step, over all devices.
      learning_rate: at the start.

    Returns:
      An `Algorithm` over batches {"rows": int [B, n]}, columns in the graph's declared
      order.

    Raises:
      ValueError: a node is not discrete, or has no `log_prob`.

    Example:
      >>> from causal_jax import graph
      >>> labels = graph.build([("A", "B")], states={"A": "01", "B": "01"})
      >>> scm = controller.controller(labels)
      >>> algorithm = label_mle(scm, num_steps=2, batch_size=8)
      >>> algorithm.batch_shape
      (8,)
    """
    model = controller.rows(scm)
    if not model.explicit:
        raise ValueError(
            "maximum likelihood needs nodes with log_prob: the reference controller "
            "has none, train it with trainer=wgan"
        )
    # With the usual .999 the large first gradients are remembered for a thousand steps,
    # and the odds of a rare root, whose gradients are small, hardly move on.
    optimizer = optax.adam(
        optax.cosine_decay_schedule(learning_rate, num_steps), b2=0.99
    )

    # One operation for each of hundreds of nodes would take minutes to compile.
    is_grouped = chunked.is_large(scm) and all(
        hasattr(mechanism, "log_probs") and hasattr(mechanism, "parent_states")
        for mechanism in scm.mechanisms.values()
    )
    groups = node_groups.group_by_mechanism(scm) if is_grouped else {}

    def init(key: Key) -> MLEState:
        params = node_groups.init_params(groups, key) if groups else scm.init(key)
        return MLEState(params=params, optimizer=optimizer.init(params))

    def step(state: MLEState, batch: Batch, key: Key):
        del key

        def loss_fn(params):
            if groups:
                log_probs = node_groups.log_prob(scm, groups, params, batch["rows"])
            else:
                log_probs = model.log_prob(params, batch["rows"])
            return -jnp.mean(log_probs)

        loss, gradients = jax.value_and_grad(loss_fn)(state.params)
        updates, optimizer_state = optimizer.update(
            parallel.mean(gradients), state.optimizer, state.params
        )
        params = optax.apply_updates(state.params, updates)
        new_state = MLEState(params=params, optimizer=optimizer_state)
        return new_state, MLEInfo(loss=loss)

    return Algorithm(
        init=init,
        step=step,
        params=lambda state: (
            node_groups.by_node(scm, groups, state.params) if groups else state.params
        ),
        batch_shape=(batch_size,),
    )
