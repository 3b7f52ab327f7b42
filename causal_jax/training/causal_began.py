"""CausalBEGAN: the image mechanism of a labelled causal model, trained by margins.

Kocaoglu et al. (2017, arXiv 1709.02023), section 5.4. The label model is fixed; given
labels l ~ P_r(l), the generator draws x ~ P_g(x | l) against an autoencoder and a
labeler, under three margins (`losses.began` has the formulas):

    D  minimises  L(x) - c1 L(G) + label(x) - c2 label(G)
    G  minimises  v L(G) + c3 label(G) + w distance(codes, labels of G and x)

The last term and v are ours. The margins are means of errors, which the mean face of
every combination of labels meets, so that without the distance images hardly vary
(measured: diversity .23 of the truth's on drawn faces). Where the other terms outweigh
L(G) it stays above its margin, c1 falls and D works against nothing (measured:
docs/celeba.md); v holds against it.

Order of a step, all on one batch of real and one of generated images:
  1. L(x), L(G), label(x), label(G) by the weights and controls of the last step;
  2. the gradients of G and of D, from one pass (`losses.began.scaled`);
  3. Adam for G and for D, at once;
  4. b1, b2, b3 from the errors of 1, averaged over devices, then c1, c2, c3.
(The reference code leaves open whether its optimisers or its margins come first.)
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from causal_jax.losses import began as losses
from causal_jax.networks import began
from causal_jax.networks.image import ImageGenerator
from causal_jax.networks.layers import gather_rows
from causal_jax.training import parallel, precision
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.augmentation import (
    partly_augmented,
    require_augmentation,
)
from causal_jax.training.image_stage import (
    factors_of_codes,
    late_decay,
    moved_average,
    pixels,
    require_average_rate,
)
from causal_jax.training.unseen_combinations import mean_interaction
from causal_jax.types import Array, Batch, Key, Params

# The original's training settings (mkocaoglu/CausalGAN, causal_began/config.py).
REFERENCE = {
    "batch_size": 16,
    "learning_rate": 8e-5,
    "critic_learning_rate": 8e-5,
    "betas": (0.9, 0.999),
    "gammas": (0.5, 0.5, 0.5),
    "rates": (1e-3, 8e-5, 1e-2),
    "label_loss": "squarediff",
    "third_margin": True,
    "conditional": False,
    "image_weight": 1.0,
    "distance_weight": 0.0,
    "additivity": 0.0,
    "average_rate": 1.0,
    "halve_every": 100_000,
}


class BEGANState(NamedTuple):
    """What the next step needs.

    Attributes:
      step: int32 [].
      generator: Flax collections of the image mechanism.
      average: moving average of `generator`, what is sampled from.
      critics: {"autoencoder", "labeler"}: their Flax collections.
      generator_optimizer: optimiser state.
      critics_optimizer: optimiser state.
      controls: c1, c2, c3.
    """

    step: Array
    generator: Params
    average: Params
    critics: Params
    generator_optimizer: Any
    critics_optimizer: Any
    controls: losses.Controls


class BEGANInfo(NamedTuple):
    """What is logged; errors as `losses.began.Errors`, controls before their update.

    Attributes:
      convergence: L(x) + |b1|, BEGAN's measure.
      convergence_complete: CausalBEGAN's, with the labels.
      image_real: L(x).
      image_fake: L(G).
      label_real: label(x).
      label_fake: label(G).
      distance: of the codes' laws, `losses.began.code_distance`; 0 without a weight.
      b1: margin of the images.
      b2: margin of the labels.
      b3: margin of the one against the other.
      c1: weight of L(G) in the discriminator.
      c2: weight of label(G) in the labeler.
      c3: weight of label(G) in the generator.
    """

    convergence: Array
    convergence_complete: Array
    image_real: Array
    image_fake: Array
    label_real: Array
    label_fake: Array
    distance: Array
    b1: Array
    b2: Array
    b3: Array
    c1: Array
    c2: Array
    c3: Array


def causal_began(
    generator: ImageGenerator,
    *,
    batch_size: int = 32,
    learning_rate: float = 2e-4,
    critic_learning_rate: float = 2e-4,
    betas: tuple[float, float] = (0.5, 0.99),
    critic_width: int | None = None,
    gammas: tuple[float, float, float] = (1.0, 0.5, 0.5),
    rates: tuple[float, float, float] = (1e-2, 1e-2, 1e-2),
    label_loss: str = "squarediff",
    label_factors: Sequence[float] | None = None,
    third_margin: bool = False,
    conditional: bool = True,
    image_weight: float = 1.0,
    distance_weight: float = 4.0,
    additivity: float = 1.0,
    unseen: np.ndarray | None = None,
    flip: bool = False,
    augmentation: Sequence[str] = (),
    augmented_share: float = 0.5,
    average_rate: float = 0.01,
    dtype: str = "float32",
    halve_every: int | None = None,
    num_steps: int | None = None,
) -> Algorithm:
    """CausalBEGAN for the image mechanism `generator`.

    Kocaoglu et al. (2017), section 5.4; see the module for the order of a step.

    Args:
      generator: the image node's mechanism.
      batch_size: images of each update, over all devices.
      learning_rate: Adam, generator.
      critic_learning_rate: Adam, autoencoder and labeler.
      betas: of Adam, both.
      critic_width: base channels of autoencoder and labeler; the generator's if None.
      gammas: gamma1 (how much better generated images are to be than real ones: lower
        is sharper, higher more diverse), gamma2 (the same of their labels), gamma3.
      rates: lambda1, lambda2, lambda3, of the controls c1, c2, c3.
      label_loss: "squarediff", "absdiff" or "xe", see `losses.began.label_error`.
      label_factors: of each label's error, generated and real: what is to be obeyed
        although real images show it less plainly than they show its causes; None: 1
        each.
      third_margin: whether c3 is controlled; else it is 1 throughout (the reference
        code's `no_third_margin`).
      conditional: whether the autoencoder hears the labels, see `networks.began`.
      image_weight: weight of L(G) in the generator's loss.
      distance_weight: weight of `losses.began.code_distance`, of codes with labels, in
        the generator's loss: without it images collapse to the mean one of their
        labels; 0 for none.
      additivity: weight of the additivity of two labels' effects, for the pairs
        of states in `unseen`; 0 for none.
      unseen: int [P, 4], as `unseen_combinations.unseen_pairs` finds them; None for no
        pairs.
      flip: mirror real images at random.
      augmentation: kinds of `augmentation.KINDS`, with which the labeler sees real and
        generated images alike; of few photographs it else learns labels by heart. ()
        for none.
      augmented_share: of the images that it sees so.
      average_rate: of the moving average of the generator; 1 for none.
      dtype: what networks compute in, "float32" or "bfloat16", see `precision`.
      halve_every: steps after which the learning rates are halved; None never does.
      num_steps: instead, the learning rates fall to a tenth in the second half of so
        many steps; None does not.

    Returns:
      An `Algorithm` over batches {"images": uint8 [2, B, H, W, 3], "labels": int
      [2, B, n]}: the second half gives the labels of the generated images.

    Raises:
      ValueError: unknown label loss, type or augmentation, both ways to lower the
        learning rates, `average_rate` not within 0 and 1, or factors that are not as
        many as labels.

    Example:
      >>> generator = ImageGenerator((2, 2), resolution=16, width=4)
      >>> algorithm = causal_began(generator, batch_size=8)
      >>> algorithm.batch_shape
      (2, 8)
    """
    if label_loss not in losses.LABEL_LOSSES:
        raise ValueError(
            f"label_loss is 'squarediff', 'absdiff' or 'xe', not {label_loss!r}"
        )
    precision.require_dtype(dtype)
    require_augmentation(augmentation, augmented_share)
    require_average_rate(average_rate)
    if halve_every and num_steps:
        raise ValueError("learning rates follow halve_every or num_steps, not both")
    factors = factors_of_codes(label_factors, generator.parent_states)

    def adam(rate: float) -> optax.GradientTransformation:
        if halve_every:
            schedule = optax.exponential_decay(rate, halve_every, 0.5, staircase=True)
        else:
            schedule = late_decay(rate, num_steps)
        return optax.adam(schedule, *betas)

    optimizer, critics_optimizer = adam(learning_rate), adam(critic_learning_rate)
    autoencoder, labeler = began.critics(generator, critic_width)
    if not third_margin:
        rates = (*rates[:2], 0.0)

    def init(key: Key) -> BEGANState:
        key_generator, key_autoencoder, key_labeler = jax.random.split(key, 3)
        params = generator.init(key_generator, ())
        images = jnp.zeros((1, generator.resolution, generator.resolution, 3))
        codes = jnp.zeros((1, generator.num_outputs)) if conditional else None
        critics = {
            "autoencoder": autoencoder.init(key_autoencoder, images, codes),
            "labeler": labeler.init(key_labeler, images),
        }
        return BEGANState(
            step=jnp.int32(0),
            generator=params,
            average=params,
            critics=critics,
            generator_optimizer=optimizer.init(params["params"]),
            critics_optimizer=critics_optimizer.init(critics),
            controls=losses.Controls(
                c1=jnp.zeros(()),
                c2=jnp.zeros(()),
                c3=jnp.float32(0 if third_margin else 1),
            ),
        )

    def encode(labels: Array) -> Array:
        return jax.vmap(lambda row: generator.encode(tuple(row)))(labels)

    def image_error(params: Params, images: Array, codes: Array) -> Array:
        params, given = precision.given(params, (images, codes), dtype)
        drawn = autoencoder.apply(params, given[0], given[1] if conditional else None)
        drawn = precision.returned(drawn, dtype)
        return losses.reconstruction_error(drawn, images)

    def distance(params: Params, images: tuple, labels: tuple) -> Array:
        """Of generated and real ones; it moves the generator, not the autoencoder."""
        params = jax.lax.stop_gradient(params)
        params, images = precision.given(params, images, dtype)
        found = precision.returned(
            [autoencoder.apply(params, each, method="encode") for each in images], dtype
        )
        fake, real = (
            jnp.concatenate(pair, -1) for pair in zip(found, labels, strict=True)
        )
        all_fake, index = gather_rows(fake, parallel.axis_name())
        all_real, _ = gather_rows(real, parallel.axis_name())
        num_codes = found[0].shape[-1]
        return losses.code_distance(
            fake, real, all_fake, all_real, index, num_codes=num_codes
        )

    def label_error(params: Params, images: Array, codes: Array, key: Key) -> Array:
        images = partly_augmented(
            images, key, batch_size, augmentation, augmented_share
        )
        params, images = precision.given(params, images, dtype)
        logits = precision.returned(labeler.apply(params, images), dtype)
        return losses.label_error(logits, codes, label_loss, factors)

    def interaction(params: Params, labels, noise, key: Key) -> Array:
        index = parallel.local(jax.random.randint(key, (batch_size,), 0, len(unseen)))
        pairs = jnp.asarray(unseen)[index]
        params, noise = precision.given(params, noise, dtype)
        return mean_interaction(generator, params, labels, noise, pairs)

    def total_loss(trained, state: BEGANState, real, labels, codes, key: Key):
        """All errors; the controls weigh what each player gets of their gradients."""
        key_noise, key_pairs, key_real, key_fake = jax.random.split(key, 4)
        params = {**state.generator, "params": trained["generator"]}
        noise = parallel.local(generator.noise(key_noise, batch_size))
        weights, inputs = precision.given(params, (codes[1], noise), dtype)
        fake, updated = generator.apply_train(
            weights, *inputs, axis_name=parallel.axis_name()
        )
        fake = precision.returned(fake, dtype)
        params = {**updated, "params": params["params"]}
        encoder_decoder, reader = trained["autoencoder"], trained["labeler"]
        c1, c2, c3 = state.controls
        errors = losses.Errors(
            real=image_error(encoder_decoder, real, codes[0]),
            fake=image_error(
                losses.scaled(encoder_decoder, -c1),
                losses.scaled(fake, image_weight),
                codes[1],
            ),
            label_real=label_error(reader, real, codes[0], key_real),
            label_fake=label_error(
                losses.scaled(reader, -c2),
                losses.scaled(fake, c3),
                codes[1],
                key_fake,
            ),
        )
        loss = sum(errors)
        apart = jnp.zeros(())
        if distance_weight:
            apart = distance(encoder_decoder, (fake, real), (codes[1], codes[0]))
            loss += distance_weight * apart
        if additivity and unseen is not None and len(unseen):
            loss += additivity * interaction(params, labels[1], noise, key_pairs)
        return loss, (errors, params, apart)

    def step(state: BEGANState, batch: Batch, key: Key):
        key_flip, key_loss = jax.random.split(key)
        codes = jax.vmap(encode)(batch["labels"])
        real = pixels(batch["images"][0], key_flip, batch_size, flip=flip)

        # Before the moves: all errors and both players' gradients from one pass, at the
        # weights and controls that the last step left.
        trained = {"generator": state.generator["params"], **state.critics}
        gradients, (errors, params, apart) = jax.grad(total_loss, has_aux=True)(
            trained, state, real, batch["labels"], codes, key_loss
        )
        gradients, errors = parallel.mean((gradients, errors))

        # The controls move, by the margins of these errors; they are first read in the
        # next step.
        margins = losses.margins(errors, gammas)
        controls = losses.controlled(state.controls, margins, rates)
        info = BEGANInfo(
            convergence=losses.convergence(errors, margins),
            convergence_complete=losses.convergence_complete(errors, margins),
            image_real=errors.real,
            image_fake=errors.fake,
            label_real=errors.label_real,
            label_fake=errors.label_fake,
            distance=apart,
            **margins._asdict(),
            **state.controls._asdict(),
        )

        # The generator moves: down v L(G) + c3 label(G) + w distance.
        updates, generator_state = optimizer.update(
            gradients.pop("generator"), state.generator_optimizer
        )
        weights = optax.apply_updates(state.generator["params"], updates)
        params = {**params, "params": weights}

        # Autoencoder and labeler move: down L(x) - c1 L(G) + label(x) - c2 label(G).
        updates, critics_state = critics_optimizer.update(
            gradients, state.critics_optimizer
        )

        new_state = BEGANState(
            step=state.step + 1,
            generator=params,
            average=moved_average(state.average, params, average_rate, state.step),
            critics=optax.apply_updates(state.critics, updates),
            generator_optimizer=generator_state,
            critics_optimizer=critics_state,
            controls=controls,
        )
        return new_state, info

    return Algorithm(
        init=init,
        step=step,
        params=lambda state: state.average,
        batch_shape=(2, batch_size),
    )
