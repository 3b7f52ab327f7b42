"""BigGAN-deep from scratch: a generator of pictures of given classes.

Brock et al. 2019 (arXiv 1809.11096): the hinge loss,

    D : min E_r max(0, 1 - D(x, y)) + E_g max(0, 1 + D(x, y))
    G : min -E_g D(x, y)

by Adam without momentum, several steps of D to one of G, a moving average of G's
weights. Both see augmented pictures (`augmentation`), since data are few. Statistics of
the batch normalisation belong to the weights that they were taken with; those of the
averaged weights are found when they are asked for (`biggan.standing_statistics`).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from causal_jax.networks.biggan import (
    Discriminator,
    Generator,
    standing_statistics,
)
from causal_jax.networks.cgn.imagenet import IMAGE, LABEL
from causal_jax.networks.feature_discriminator import (
    FEATURES,
    FIXED,
    FeatureDiscriminator,
)
from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.augmentation import KINDS, augment
from causal_jax.training.image_stage import late_decay, moved_average, pixels
from causal_jax.types import Array, Batch, Key, Params

_STATISTICS_KEY = 0  # the statistics are the same for the same weights


class BigGANState(NamedTuple):
    """What the next step needs.

    Attributes:
      step: int32 [].
      generator: its variables, with `statistics="batch"`.
      average: moving average of its `params`.
      discriminator: its variables.
      optimizer: optimiser state of the generator.
      discriminator_optimizer: optimiser state of the discriminator.
    """

    step: Array
    generator: Params
    average: Params
    discriminator: Params
    optimizer: Any
    discriminator_optimizer: Any


class BigGANInfo(NamedTuple):
    """What is logged.

    Attributes:
      discriminator_loss: 2 where D cannot tell, 0 where it is sure.
      generator_loss: minus D's mean of generated pictures.
      real_logits: D's mean of real pictures.
    """

    discriminator_loss: Array
    generator_loss: Array
    real_logits: Array


def biggan(
    generator: Generator,
    discriminator: Discriminator | FeatureDiscriminator,
    *,
    features: Params | None = None,
    batch_size: int = 32,
    learning_rate: float = 1e-4,
    discriminator_learning_rate: float = 4e-4,
    betas: tuple[float, float] = (0.0, 0.99),
    num_discriminator_steps: int = 1,
    augmentation: Sequence[str] = tuple(KINDS),
    flip: bool = True,
    average_rate: float = 1e-3,
    num_levels: int = 1,
    num_steps: int | None = None,
) -> Algorithm:
    """Training of a conditional generator.

    Args:
      generator: of `statistics="batch"`; its axis is set here.
      discriminator: of pictures of the same size and classes. One of several judges is
        to convince, and is convinced, by the mean of their losses.
      features: of a `FeatureDiscriminator`, the trained variables of its classifier.
      batch_size: pictures of each update, over all devices.
      learning_rate: of the generator.
      discriminator_learning_rate: of the discriminator.
      betas: of Adam, for both.
      num_discriminator_steps: updates of D before each of G.
      augmentation: kinds of `augmentation.KINDS`; none for none.
      flip: mirror half of the real pictures.
      average_rate: of the moving average.
      num_levels: rows of the tables of statistics, see `biggan.standing_statistics`.
      num_steps: rates fall in the second half of so many; None: they do not.

    Returns:
      An `Algorithm` over batches {"image": uint8 [K, B, H, W, 3], "label": int
      [K, B]}, K = num_discriminator_steps. Its params are those of the causal model
      `networks.cgn.imagenet.label_and_picture`: averaged weights and tables of
      statistics.

    Raises:
      ValueError: networks that do not fit each other, or an unknown augmentation.
    """
    _require_fitting(generator, discriminator, features)
    augment(jnp.zeros((1, 8, 8, 3)), jax.random.key(0), augmentation)
    optimizer = optax.adam(late_decay(learning_rate, num_steps), *betas)
    count = num_steps and num_steps * num_discriminator_steps
    discriminator_optimizer = optax.adam(
        late_decay(discriminator_learning_rate, count), *betas
    )

    def init(key: Key) -> BigGANState:
        key_generator, key_discriminator = jax.random.split(key)
        z, labels = jnp.zeros((1, generator.noise_size)), jnp.zeros(1, jnp.int32)
        images = jnp.zeros((1, discriminator.size, discriminator.size, 3))
        made = jax.jit(generator.init)(key_generator, z, labels)
        judging = jax.jit(discriminator.init)(key_discriminator, images, labels)
        if features is not None:
            judging = {**judging, FEATURES: {FIXED: features}}
        return BigGANState(
            step=jnp.int32(0),
            generator=made,
            average=made["params"],
            discriminator=judging,
            optimizer=optimizer.init(made["params"]),
            discriminator_optimizer=discriminator_optimizer.init(judging["params"]),
        )

    def drawn(variables: Params, key: Key):
        """Pictures, their classes, and the variables after a pass of training."""
        key_noise, key_labels = jax.random.split(key)
        shape = (batch_size,)
        labels = jax.random.randint(key_labels, shape, 0, generator.num_classes)
        z, labels = parallel.local((generator.noise(key_noise, batch_size), labels))
        images, updated = generator.clone(axis_name=parallel.axis_name()).apply(
            variables, z, labels, train=True, mutable=["batch_stats", "spectral"]
        )
        return images, labels, {**variables, **updated}

    def changed(images: Array, key: Key) -> Array:
        keys = parallel.local(jax.random.split(key, batch_size))
        return augment(images, keys, augmentation)

    def judged(variables: Params, images: Array, labels: Array):
        """Logits, and the variables after a pass of training."""
        logits, updated = discriminator.apply(
            variables, images, labels, train=True, mutable=["spectral"]
        )
        return logits, {**variables, **updated}

    def step_discriminator(carry, read):
        made, judging, optimizer_state = carry
        batch, key = read
        key_draw, key_flip, key_real, key_fake = jax.random.split(key, 4)
        fake, fake_labels, made = drawn(made, key_draw)
        real = pixels(batch["image"], key_flip, batch_size, flip=flip)
        images = jnp.concatenate([changed(real, key_real), changed(fake, key_fake)])
        labels = jnp.concatenate([batch["label"], fake_labels])

        def loss_fn(params):
            logits, after = judged({**judging, "params": params}, images, labels)
            real_logits, fake_logits = jnp.split(logits, 2)
            loss = jnp.mean(jax.nn.relu(1 - real_logits))
            loss += jnp.mean(jax.nn.relu(1 + fake_logits))
            return loss, (after, jnp.mean(real_logits))

        (loss, (judging, real_logits)), gradients = jax.value_and_grad(
            loss_fn, has_aux=True
        )(judging["params"])
        updates, optimizer_state = discriminator_optimizer.update(
            parallel.mean(gradients), optimizer_state
        )
        params = optax.apply_updates(judging["params"], updates)
        judging = {**judging, "params": params}
        return (made, judging, optimizer_state), (loss, real_logits)

    def step(state: BigGANState, batch: Batch, key: Key):
        key_discriminator, key_draw, key_fake = jax.random.split(key, 3)
        keys = jax.random.split(key_discriminator, num_discriminator_steps)
        carry = state.generator, state.discriminator, state.discriminator_optimizer
        (made, judging, discriminator_state), (losses, real_logits) = parallel.scan(
            step_discriminator, carry, (batch, keys)
        )

        def loss_fn(params):
            fake, labels, after = drawn({**made, "params": params}, key_draw)
            logits, seen = judged(judging, changed(fake, key_fake), labels)
            return -jnp.mean(logits), (after, seen)

        (loss, (made, judging)), gradients = jax.value_and_grad(loss_fn, has_aux=True)(
            made["params"]
        )
        updates, optimizer_state = optimizer.update(
            parallel.mean(gradients), state.optimizer
        )
        params = optax.apply_updates(made["params"], updates)
        new_state = BigGANState(
            step=state.step + 1,
            generator={**made, "params": params},
            average=moved_average(state.average, params, average_rate, state.step),
            discriminator=judging,
            optimizer=optimizer_state,
            discriminator_optimizer=discriminator_state,
        )
        info = BigGANInfo(
            discriminator_loss=jnp.mean(losses),
            generator_loss=loss,
            real_logits=jnp.mean(real_logits),
        )
        return new_state, parallel.mean(info)

    @jax.jit
    def params(state: BigGANState) -> Params:
        tables = standing_statistics(
            generator,
            {**state.generator, "params": state.average},
            jax.random.key(_STATISTICS_KEY),
            num_levels=num_levels,
        )
        return {LABEL: {}, IMAGE: {"generator": tables}}

    return Algorithm(
        init=init,
        step=step,
        params=params,
        batch_shape=(num_discriminator_steps, batch_size),
    )


def _require_fitting(
    generator: Generator,
    discriminator: Discriminator | FeatureDiscriminator,
    features: Params | None,
) -> None:
    """Raises ValueError unless the two can play."""
    if isinstance(discriminator, FeatureDiscriminator) != (features is not None):
        raise ValueError(
            "features, the variables of a trained classifier, go with a "
            "FeatureDiscriminator: give both or neither"
        )
    for name in ("size", "num_classes"):
        own, other = getattr(generator, name), getattr(discriminator, name)
        if own != other:
            raise ValueError(
                f"the generator's {name} is {own}, the discriminator's {other}: "
                "give them the same"
            )
    if generator.statistics != "batch":
        raise ValueError(
            "a generator that is trained has statistics='batch', not "
            f"{generator.statistics!r}"
        )
