"""Trains an encoder of a generator's noise on the generator's own images.

    minimise E |E(x, l) - z|^2 / k + w E |G(l, E(x, l)) - x|,    x = G(l, z).

The first term is a regression onto the noise that drew the image; its optimum is the
noise's posterior mean. A generator has more noise than an image shows, so the second
asks only for a noise that draws the same image. No data but label rows are read: pairs
of noise and image are drawn at every step. The encoder is a start for the descent of
`networks.image_abduction`, which also repairs what it never saw.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from causal_jax.networks.image import ImageGenerator
from causal_jax.networks.noise_encoder import NoiseEncoder
from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.types import Array, Batch, Key, Params


class EncoderState(NamedTuple):
    """What the next step needs.

    Attributes:
      params: of the encoder, Flax collections.
      optimizer: optimiser state.
    """

    params: Params
    optimizer: Any


class EncoderInfo(NamedTuple):
    """What is logged.

    Attributes:
      noise_error: mean squared error of the noise; 1/3 is knowing nothing.
      image_error: mean absolute error of the image drawn again, in [0, 2].
    """

    noise_error: Array
    image_error: Array


def noise_encoder(
    generator: ImageGenerator,
    generator_params: Params,
    *,
    num_steps: int,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    image_weight: float = 10.0,
    width: int = 32,
) -> Algorithm:
    """The encoder of a trained generator, whose weights stay as they are.

    A start for an inversion by descent, as in Zhu et al. (2016, arXiv 1609.03552); the
    loss is the module's.

    Args:
      generator: the image node's mechanism.
      generator_params: its trained parameters.
      num_steps: length of the schedule: Adam, 2 % warm-up, then a cosine to 0.
      batch_size: images per step, over all devices.
      learning_rate: at its peak.
      image_weight: of the second term; 0 is regression alone.
      width: of the encoder.

    Returns:
      An `Algorithm` over batches {"rows": int [B, n]}: labels of images to draw.

    Example:
      >>> generator = ImageGenerator((2, 2), resolution=16, width=4)
      >>> params = generator.init(jax.random.key(0), ())
      >>> algorithm = noise_encoder(generator, params, num_steps=2, batch_size=8)
      >>> algorithm.batch_shape
      (8,)
    """
    module = encoder_module(generator, width)
    warmup = max(num_steps // 50, 1)
    rate = optax.warmup_cosine_decay_schedule(
        0.0, learning_rate, warmup, max(num_steps, warmup + 1)
    )
    optimizer = optax.adam(rate)

    def init(key: Key) -> EncoderState:
        params = init_encoder(generator, key, width)
        return EncoderState(params=params, optimizer=optimizer.init(params))

    def step(state: EncoderState, batch: Batch, key: Key):
        codes = jax.vmap(lambda row: generator.encode(tuple(row)))(batch["rows"])
        noise = parallel.local(generator.noise(key, batch_size))
        images = generator.images(generator_params, codes, noise)

        def loss_fn(params):
            z = module.apply(params, images, codes)
            again = generator.images(generator_params, codes, {**noise, "z": z})
            noise_error = jnp.mean((z - noise["z"]) ** 2)
            image_error = jnp.mean(jnp.abs(again - images))
            loss = noise_error + image_weight * image_error
            info = EncoderInfo(noise_error=noise_error, image_error=image_error)
            return loss, info

        gradients, info = jax.grad(loss_fn, has_aux=True)(state.params)
        updates, optimizer_state = optimizer.update(
            parallel.mean(gradients), state.optimizer
        )
        params = optax.apply_updates(state.params, updates)
        new_state = EncoderState(params=params, optimizer=optimizer_state)
        return new_state, parallel.mean(info)

    return Algorithm(
        init=init,
        step=step,
        params=lambda state: state.params,
        batch_shape=(batch_size,),
    )


def encoder_module(generator: ImageGenerator, width: int = 32) -> NoiseEncoder:
    """The encoder's network for this generator."""
    return NoiseEncoder(generator.noise_size, width)


def init_encoder(generator: ImageGenerator, key: Key, width: int = 32) -> Params:
    """Fresh parameters of `encoder_module`."""
    side = generator.resolution
    images = jnp.zeros((1, side, side, 3))
    codes = jnp.zeros((1, generator.num_outputs))
    return encoder_module(generator, width).init(key, images, codes)
