"""WGAN-GP for a label model (Kocaoglu et al. 2017, section 4; Gulrajani et al. 2017).

A critic f estimates the Wasserstein distance between real and sampled label rows; the
label model ascends E_g f. How its gradient is taken depends on its mechanisms:

  explicit (`log_prob`, the default): sampled rows are states, exactly as in evaluation,
    and the gradient is the score-function one, grad E_g f = E_g[(f - b) grad log p],
    unbiased for discrete labels; b is the batch mean (it holds the row it is taken
    from, which only scales the estimate by 1 - 1/B).
  implicit (`relaxed`, the original's): rows are sigmoids in (0, 1), children see their
    parents' sigmoids, the gradient flows through them.

Roots are exogenous, so do on a root is conditioning on it, and a root state that is
rare in the data is rare in every batch: its children are then learned badly (do-TVD .52
where the state has probability .014; .03 with what follows). So every fourth row has
its roots drawn more evenly, real and sampled alike (`even_roots`); the others hold the
roots' own laws.

One step is `num_critic_steps` critic updates, each on its own batch, then one update of
the label model. Differences from the reference code: there a 21st critic update races
with the controller's; here it comes first (`REFERENCE`).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from causal_jax.losses.adversarial import critic_loss, score_function_loss
from causal_jax.networks import controller
from causal_jax.networks.controller import mlp, mlp_init
from causal_jax.scm import SCM
from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm, averaged
from causal_jax.types import Array, Batch, Key, Params

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


def even_roots(rows: np.ndarray, roots: Sequence[int]) -> np.ndarray:
    """The data's rows drawn again such that all seen root combinations are as likely.

    Args:
      rows: int [N, n].
      roots: columns of the graph's roots.

    Returns:
      [N, n]: what belongs beside `rows` in the batches of `label_wgan`.
    """
    _, index, counts = np.unique(
        rows[:, roots], axis=0, return_inverse=True, return_counts=True
    )
    weights = 1 / counts[index.ravel()] / len(counts)
    return np.random.default_rng(0).choice(rows, len(rows), p=weights)


class WGANState(NamedTuple):
    """What the next step needs.

    Attributes:
      params: label model, {node: params}.
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
      scm: nodes all discrete; all explicit or all implicit.
      num_steps: length of the learning-rate schedule.
      batch_size: rows of each critic and each label-model update, over all devices.
      num_critic_steps: critic updates per step; with 3 some runs go astray (complete
        graph over nine labels: TVD .032 where others have .018, measured).
      learning_rate: Adam, label model; decays to 0 along a cosine.
      critic_learning_rate: Adam, critic; decays to .3 of it: a critic that stops before
        the label model does lets it drift (TVD .06 instead of .01, measured).
      betas: of Adam, both.
      penalty_weight: of the gradient penalty.
      critic_hidden: widths of the critic.
      decay: False keeps both learning rates constant.
      average_rate: of the moving average of the weights; 1 for none.

    Returns:
      An `Algorithm` over batches {"rows": int [num_critic_steps, B, n]}, columns in
      the graph's declared order, and, where rare root states matter, "even_rows" of
      the same shape, from `even_roots`.

    Raises:
      ValueError: a node is not discrete, or explicit and implicit nodes are mixed.

    Example:
      >>> from causal_jax import graph
      >>> labels = graph.build([("A", "B")], states={"A": "01", "B": "01"})
      >>> scm = controller.controller(labels)
      >>> algorithm = label_wgan(scm, num_steps=2, batch_size=8, num_critic_steps=3)
      >>> algorithm.batch_shape
      (3, 8)
    """
    model = controller.rows(scm)
    is_root = jnp.array([not scm.parents[name] for name in scm.nodes])
    critic_size = model.encode(jnp.zeros((1, len(scm.nodes)), jnp.int32)).shape[-1]
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
        critic = mlp_init(key_critic, (critic_size, *critic_hidden, 1))
        return WGANState(
            params=params,
            average=params,
            critic=critic,
            optimizer=optimizer.init(params),
            critic_optimizer=critic_optimizer.init(critic),
        )

    def sampled(params: Params, noise, rows: Array, is_even: Array) -> Array:
        """Sampled states [B, n]; the even rows' roots are those of `rows`."""
        return model.sample(params, noise, given=(rows, is_even[:, None] & is_root))

    def fake_rows(params: Params, key: Key, rows: Array, is_even: Array) -> Array:
        """Sampled rows as the critic sees them, [num_batches, B, d]."""
        shape = (num_critic_steps, batch_size)
        noise = scm.sample_noise(key, num_critic_steps * batch_size)
        noise = jax.tree.map(lambda x: x.reshape(shape + x.shape[1:]), noise)
        noise = parallel.local(noise, axis=1)
        if not model.explicit:
            return jax.vmap(lambda noise: model.sample_encoded(params, noise))(noise)
        draw = jax.vmap(lambda noise, rows: sampled(params, noise, rows, is_even))
        return model.encode(draw(noise, rows))

    def update_critic(carry, batch):
        critic, optimizer_state = carry
        real, fake, mix = batch

        def loss_fn(critic):
            return critic_loss(
                lambda row: mlp(critic, row)[0],
                real,
                fake,
                mix,
                penalty_weight=penalty_weight,
            )

        (loss, distance), gradients = jax.value_and_grad(loss_fn, has_aux=True)(critic)
        updates, optimizer_state = critic_optimizer.update(
            parallel.mean(gradients), optimizer_state, critic
        )
        return (optax.apply_updates(critic, updates), optimizer_state), (loss, distance)

    def model_loss(params: Params, critic: Params, rows, is_even, key: Key) -> Array:
        noise = parallel.local(scm.sample_noise(key, batch_size))
        if not model.explicit:
            return -jnp.mean(mlp(critic, model.sample_encoded(params, noise)))
        rows = jax.lax.stop_gradient(sampled(params, noise, rows, is_even))
        rewards = mlp(critic, model.encode(rows))[:, 0]
        baseline = parallel.mean(jnp.mean(rewards))
        drawn = ~(is_even[:, None] & is_root)
        log_probs = jnp.sum(model.node_log_probs(params, rows) * drawn, axis=-1)
        return score_function_loss(log_probs, rewards, baseline)

    def rows_of_step(batch: Batch) -> tuple[Array, Array]:
        """The batch's rows, every fourth one with even roots, and which, bool [B]."""
        if "even_rows" not in batch:
            return batch["rows"], jnp.zeros(batch["rows"].shape[1], bool)
        is_even = parallel.local(jnp.arange(batch_size) % 4 == 3)
        rows = jnp.where(is_even[:, None], batch["even_rows"], batch["rows"])
        return rows, is_even

    def step(state: WGANState, batch: Batch, key: Key):
        key_fake, key_mix, key_model = jax.random.split(key, 3)
        rows, is_even = rows_of_step(batch)

        # First moves: `num_critic_steps` of the critic, each on a batch of its own,
        # sampled by the label model as the last step left it (the inner loop of
        # Gulrajani et al. 2017, algorithm 1).
        real = model.encode(rows)
        fake = fake_rows(state.params, key_fake, rows, is_even)
        mix = jax.random.uniform(key_mix, (num_critic_steps, batch_size))
        mix = parallel.local(mix, axis=1)
        (critic, critic_state), (losses, distances) = jax.lax.scan(
            update_critic, (state.critic, state.critic_optimizer), (real, fake, mix)
        )

        # Last move: the label model, up the value that the moved critic gives its rows
        # (the last line of algorithm 1); its moving average follows.
        gradients = parallel.mean(
            jax.grad(model_loss)(state.params, critic, rows[-1], is_even, key_model)
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


def _cosine_or_constant(
    rate: float, num_steps: int, final: float, decay: bool
) -> optax.Schedule | float:
    return optax.cosine_decay_schedule(rate, num_steps, final) if decay else rate
