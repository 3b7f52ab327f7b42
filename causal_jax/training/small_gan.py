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
    """What a generator makes of noise: its nodes' values side by side.

    Args:
      scm: nodes continuous or vectors; [d] numbers in all.
      params: {node: params}.
      noise: of B units.

    Returns:
      [B, d], in the graph's declared order.
    """
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

    Goodfellow et al. (2014), algorithm 1 with the non-saturating loss.

    Args:
      scm: nodes continuous or vectors; [d] numbers in all.
      discriminator_fn: (num_rows=, axis_name=) -> a module from [B, d] to logits [B].
      batch_size: rows per step, over all devices.
      learning_rate: of both; Adam with its own betas.

    Returns:
      An `Algorithm` over batches {"rows": float [B, d]}.

    Example:
      >>> from causal_jax.networks.synthetic import RowDiscriminator, wired
      >>> algorithm = small_gan(wired("A -> B"), RowDiscriminator, batch_size=8)
      >>> algorithm.batch_shape
      (8,)
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
            params=params,
            discriminator=discriminator,
            optimizer=optimizer.init(params),
            discriminator_optimizer=optimizer.init(discriminator),
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

        # First move: the discriminator, on rows of the generator as the last step left
        # it (Goodfellow et al. 2014, eq. 1).
        of_discriminator, gradients = jax.value_and_grad(loss_of_discriminator)(
            state.discriminator
        )
        updates, discriminator_moments = optimizer.update(
            parallel.mean(gradients), state.discriminator_optimizer
        )
        discriminator = optax.apply_updates(state.discriminator, updates)

        # Second move: the generator, on the same noise and against the discriminator
        # as it was *before* its move, as if both moved at once.
        of_generator, gradients = jax.value_and_grad(loss_of_generator)(state.params)
        updates, moments = optimizer.update(parallel.mean(gradients), state.optimizer)
        params = optax.apply_updates(state.params, updates)

        new_state = SmallGANState(
            params=params,
            discriminator=discriminator,
            optimizer=moments,
            discriminator_optimizer=discriminator_moments,
        )
        info = SmallGANInfo(
            discriminator_loss=of_discriminator, generator_loss=of_generator
        )
        return new_state, info

    return Algorithm(
        init=init,
        step=step,
        params=lambda state: state.params,
        batch_shape=(batch_size,),
    )
