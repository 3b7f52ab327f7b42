"""The plain GAN of rows of numbers (Goodfellow et al. 2014, arXiv 1406.2661).

    D : min -E_r log D(x) - E_g log(1 - D(x))
    G : min -E_g log D(x)                          non-saturating

One step updates both from the same batch, as CausalGAN's synthetic experiment does
(Kocaoglu et al. 2017, section 8.1); Adam with the same rate for both.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from causal_jax.losses.adversarial import discriminator_loss, generator_loss
from causal_jax.scm import SCM
from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.types import Array, Batch, Key, Noise, Params


class SmallGANState(NamedTuple):
    """What the next step needs.

    Attributes:
      params: generator, {node: params}.
      discriminator: its Flax variables.
      optimizer: optimiser state of the generator.
      discriminator_optimizer: optimiser state of the discriminator.
    """

    params: Params
    discriminator: Params
    optimizer: Any
    discriminator_optimizer: Any


class SmallGANInfo(NamedTuple):
    """What is logged.

    Attributes:
      discriminator_loss: 2 log 2 where it cannot tell.
      generator_loss: log 2 there.
    """

    discriminator_loss: Array
    generator_loss: Array


def rows(scm: SCM, params: Params, noise: Noise) -> Array:
    """What a generator makes of noise: its nodes' values side by side, [B, d]."""
    values = jax.vmap(scm.evaluate, in_axes=(None, 0))(params, noise)
    num_rows = jax.tree.leaves(noise)[0].shape[0]
    return jnp.concatenate(
        [values[name].reshape(num_rows, -1) for name in scm.nodes], axis=-1
    )


def small_gan(
    scm: SCM,
    discriminator_fn: Callable[..., nn.Module],
    *,
    batch_size: int = 64,
    learning_rate: float = 5e-4,
) -> Algorithm:
    """A GAN whose generator is the SCM `scm`.

    Args:
      scm: nodes continuous or vectors; [d] numbers in all.
      discriminator_fn: (num_rows=, axis_name=) -> a module from [B, d] to logits [B].
      batch_size: rows a step, over all devices.
      learning_rate: of both; Adam with its own betas.

    Returns:
      An `Algorithm` over batches {"rows": [B, d]}.
    """
    optimizer = optax.adam(learning_rate)
    shapes = jax.eval_shape(
        lambda key: rows(scm, scm.init(key), scm.sample_noise(key, 1)),
        jax.random.key(0),
    )

    def init(key: Key) -> SmallGANState:
        key_discriminator, key_model = jax.random.split(key)
        params = scm.init(key_model)
        module = discriminator_fn(num_rows=batch_size)
        discriminator = module.init(key_discriminator, jnp.zeros(shapes.shape))
        return SmallGANState(
            params,
            discriminator,
            optimizer.init(params),
            optimizer.init(discriminator),
        )

    def step(state: SmallGANState, batch: Batch, key: Key):
        noise = parallel.local(scm.sample_noise(key, batch_size))
        module = discriminator_fn(num_rows=batch_size, axis_name=parallel.axis_name())

        def loss_of_discriminator(variables):
            fake = rows(scm, state.params, noise)
            logits = (
                module.apply(variables, batch["rows"]),
                module.apply(variables, fake),
            )
            return discriminator_loss(*logits)

        def loss_of_generator(params):
            fake = rows(scm, params, noise)
            return generator_loss(module.apply(state.discriminator, fake))

        losses, updated = [], []
        for loss_fn, weights, moments in (
            (loss_of_discriminator, state.discriminator, state.discriminator_optimizer),
            (loss_of_generator, state.params, state.optimizer),
        ):
            loss, gradients = jax.value_and_grad(loss_fn)(weights)
            updates, moments = optimizer.update(parallel.mean(gradients), moments)
            losses.append(loss)
            updated.append((optax.apply_updates(weights, updates), moments))
        (discriminator, discriminator_moments), (params, moments) = updated
        new_state = SmallGANState(params, discriminator, moments, discriminator_moments)
        return new_state, SmallGANInfo(*losses)

    return Algorithm(init, step, lambda state: state.params, (batch_size,))
