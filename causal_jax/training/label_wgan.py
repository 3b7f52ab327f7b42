"""WGAN-GP for the label model of the original (Kocaoglu et al. 2017, section 4).

A critic f estimates the Wasserstein distance between real and sampled label rows; the
label model ascends E_g f (Gulrajani et al. 2017, algorithm 1). Its nodes are implicit
(`relaxed`): sampled rows are sigmoids in (0, 1), children see their parents' sigmoids,
and the gradient flows through them. Explicit nodes, the default, are trained by
`label_local_wgan`.

One step is `num_critic_steps` critic updates, each on its own batch, then one update of
the label model. Differences from the reference code: there a 21st critic update races
with the controller's, and training may end after step 5,000 where the TVD is below .02;
here that update comes first (`REFERENCE`), and all steps are taken.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from causal_jax.networks import controller
from causal_jax.networks.controller import mlp, mlp_init
from causal_jax.scm import SCM
from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm, averaged, require_moving
from causal_jax.training.critic_gradient import critic_gradient
from causal_jax.types import Array, Batch, Key, Noise, Params

# What the original used (mkocaoglu/CausalGAN, causal_controller/config.py).
REFERENCE = {
    "batch_size": 16,
    "num_critic_steps": 21,
    "learning_rate": 8e-5,
    "critic_learning_rate": 8e-5,
    "betas": (0.9, 0.999),
    "critic_hidden": (15, 15, 15, 15, 15),
    "decay": False,
    "average_rate": 1.0,
}


class WGANState(NamedTuple):
    """What the next step needs.

    Attributes:
      params: label model, {node: params}; in `label_local_wgan` stacked by group.
      average: moving average of `params`, what is sampled from.
      critic: critic weights.
      optimizer: optimiser state of the label model.
      critic_optimizer: optimiser state of the critic.
    """

    params: Params
    average: Params
    critic: Params
    optimizer: Any
    critic_optimizer: Any


class WGANInfo(NamedTuple):
    """What is logged.

    Attributes:
      critic_loss: mean over the step's critic updates.
      distance: the critic's estimate of the Wasserstein distance.
      gradient_norm: of the label model's update.
    """

    critic_loss: Array
    distance: Array
    gradient_norm: Array


def label_wgan(
    scm: SCM,
    *,
    num_steps: int,
    batch_size: int = 512,
    num_critic_steps: int = 5,
    learning_rate: float = 2e-3,
    critic_learning_rate: float = 2e-3,
    betas: tuple[float, float] = (0.5, 0.9),
    penalty_weight: float = 0.1,
    critic_hidden: tuple[int, ...] = (64, 64),
    decay: bool = True,
    average_rate: float = 0.01,
) -> Algorithm:
    """WGAN-GP for the label model `scm`.

    Gulrajani et al. (2017), algorithm 1; Kocaoglu et al. (2017), section 4.

    Args:
      scm: nodes all implicit (`relaxed`), as of `controller.reference_controller`.
      num_steps: length of the learning-rate schedule.
      batch_size: rows of each critic and each label-model update, over all devices.
      num_critic_steps: critic updates per step.
      learning_rate: Adam, label model; decays to 0 along a cosine.
      critic_learning_rate: Adam, critic; decays to .3 of it.
      betas: of Adam, both.
      penalty_weight: of the gradient penalty.
      critic_hidden: widths of the critic.
      decay: False keeps both learning rates constant.
      average_rate: of the moving average of the weights; 1 for none.

    Returns:
      An `Algorithm` over batches {"rows": int [num_critic_steps, B, n]}, columns in
      the graph's declared order.

    Raises:
      ValueError: a node that is not implicit.

    Example:
      >>> from causal_jax import graph
      >>> labels = graph.build([("A", "B")], states={"A": "01", "B": "01"})
      >>> scm = controller.reference_controller(labels)
      >>> algorithm = label_wgan(scm, num_steps=2, batch_size=8, num_critic_steps=3)
      >>> algorithm.batch_shape
      (3, 8)
    """
    require_moving(average_rate)
    model = controller.rows(scm)
    if model.explicit:
        raise ValueError(
            "this trainer needs implicit nodes, such as the reference controller's: "
            "train explicit ones with label_local_wgan"
        )
    optimizer = optax.adam(
        _cosine_or_constant(learning_rate, num_steps, 0.0, decay), *betas
    )
    critic_optimizer = optax.adam(
        _cosine_or_constant(
            critic_learning_rate, num_steps * num_critic_steps, 0.3, decay
        ),
        *betas,
    )

    def init(key: Key) -> WGANState:
        key_critic, key_model = jax.random.split(key)
        params = scm.init(key_model)
        critic = mlp_init(key_critic, (len(scm.nodes), *critic_hidden, 1))
        return WGANState(
            params=params,
            average=params,
            critic=critic,
            optimizer=optimizer.init(params),
            critic_optimizer=critic_optimizer.init(critic),
        )

    def draw_noise(key: Key) -> tuple[Noise, Noise]:
        """Of all rows that the critic sees in a step, and of the label model's."""
        shape = (num_critic_steps + 1, batch_size)
        noise = scm.sample_noise(key, shape[0] * batch_size)
        noise = jax.tree.map(lambda x: x.reshape(shape + x.shape[1:]), noise)
        noise = parallel.local(noise, axis=1)
        seen = jax.tree.map(lambda x: x[:-1].reshape(-1, *x.shape[2:]), noise)
        return seen, jax.tree.map(lambda x: x[-1], noise)

    def update_critic(as_critic, carry, batch):
        """One update of the critic, its parameters and their moments one vector each.

        (Of as many leaves as layers, Adam would be most of the operations.)
        """
        critic, optimizer_state = carry
        real, fake, mix = batch
        (loss, distance), gradient = critic_gradient(
            as_critic(critic), real, fake, mix, penalty_weight=penalty_weight
        )
        gradient, _ = ravel_pytree(gradient)
        updates, optimizer_state = critic_optimizer.update(
            parallel.mean(gradient), optimizer_state, critic
        )
        return (optax.apply_updates(critic, updates), optimizer_state), (loss, distance)

    def model_loss(params: Params, critic: Params, noise: Noise) -> Array:
        return -jnp.mean(mlp(critic, model.relaxed(params, noise).T))

    def step(state: WGANState, batch: Batch, key: Key):
        key_noise, key_mix = jax.random.split(key)

        # First moves: `num_critic_steps` of the critic, each on a batch of its own,
        # sampled by the label model as the last step left it (the inner loop of
        # Gulrajani et al. 2017, algorithm 1).
        real = batch["rows"].astype(float)
        noise_of_seen, noise_of_model = draw_noise(key_noise)
        fake = model.relaxed(state.params, noise_of_seen).reshape(real.shape)
        mix = jax.random.uniform(key_mix, (num_critic_steps, batch_size))
        mix = parallel.local(mix, axis=1)
        _, as_critic = ravel_pytree(state.critic)
        vectors, (losses, distances) = jax.lax.scan(
            partial(update_critic, as_critic),
            _as_vectors((state.critic, state.critic_optimizer)),
            (real, fake, mix),
        )
        critic, critic_state = jax.tree.map(
            lambda leaf: as_critic(leaf) if leaf.ndim else leaf, vectors
        )

        # Last move: the label model, up the value that the moved critic gives its rows
        # (the last line of algorithm 1); its moving average follows.
        gradients = parallel.mean(
            jax.grad(model_loss)(state.params, critic, noise_of_model)
        )
        updates, optimizer_state = optimizer.update(
            gradients, state.optimizer, state.params
        )
        params = optax.apply_updates(state.params, updates)
        average = averaged(state.average, params, average_rate)
        info = WGANInfo(
            critic_loss=jnp.mean(losses),
            distance=jnp.mean(distances),
            gradient_norm=optax.global_norm(gradients),
        )
        new_state = WGANState(
            params=params,
            average=average,
            critic=critic,
            optimizer=optimizer_state,
            critic_optimizer=critic_state,
        )
        return new_state, info

    return Algorithm(
        init=init,
        step=step,
        params=lambda state: state.average,
        batch_shape=(num_critic_steps, batch_size),
    )


def _as_vectors(tree: Any) -> Any:
    """Each tree of parameters in it as one vector."""
    return jax.tree.map(
        lambda part: ravel_pytree(part)[0] if isinstance(part, dict) else part,
        tree,
        is_leaf=lambda part: isinstance(part, dict),
    )


def _cosine_or_constant(
    rate: float, num_steps: int, final: float, decay: bool
) -> optax.Schedule | float:
    return optax.cosine_decay_schedule(rate, num_steps, final) if decay else rate
