"""CausalGAN: the image mechanism of a labelled causal model, trained adversarially.

Kocaoglu et al. (2017), section 5. The label model is fixed; given labels l ~ P_r(l),
the generator draws x ~ P_g(x | l) against three critics (`losses.adversarial`):

    D  tells real from generated images,
    LR (Labeler) reads labels off real images,
    LG (Anti-Labeler) reads labels off generated images,
    G  minimises  GAN(D) + weight * sum_j [ CE(LR_j, l_j) - anti * CE(LG_j, l_j) ].

The default differs from the reference code, which `REFERENCE` restores as far as it is
defined:
  * The label terms are cross-entropies of the labelers (eq. 5), not with flipped
    arguments, so that the Anti-Labeler's optimum is the posterior P_g(l | x).
  * The discriminator is joint: it reads the image with its labels, in the form that the
    paper's Theorem 2 has at the optimum, log D/(1 - D) + log P_LR - log P_LG
    (`image.Readings.logits`). A labeler trained on real images alone can be fooled by
    patterns that are no features; a discriminator that has seen them cannot.
  * A smoothness penalty keeps the discriminator from winning outright.
  * Labels of generated images come from the data's own rows, in one explicit order: the
    theorem assumes P_g(l) = P_r(l). (There the order of real and fake labels differed
    for many graphs.)
  * The mechanism P(x | l) does not depend on the law of the labels it is trained under,
    so rare combinations are drawn more often, real and generated alike
    (`image_stage.flattened`).
  * Two states that never co-occur in the data (a woman, a mustache): how they act
    together cannot be learned, so they are taken to act each by itself
    (`training.unseen_combinations`).
  * One generator update per update of the critics; there six to one.
  * The Anti-Labeler keeps its weight; there it is annealed by exp(-t / 3000).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from causal_jax.losses import adversarial as losses
from causal_jax.networks.image import ImageGenerator, Readings
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

# The original's training settings (mkocaoglu/CausalGAN, causal_dcgan/config.py and
# trainer.py): an iteration is two generator updates; every third also updates the rest.
REFERENCE = {
    "batch_size": 64,
    "learning_rate": 2e-4,
    "critic_learning_rate": 2e-4,
    "betas": (0.5, 0.999),
    "num_generator_steps": 2,
    "critics_every": 3,
    "label_loss": "flipped",
    "label_weight": 1.0,
    "anti_labeler_decay": 3000.0,
    "smoothness": 0.0,
    "additivity": 0.0,
    "average_rate": 1.0,
}


# Standard deviation of the smoothness penalty's noise at the start and at the end of a
# run, images being in [-1, 1]. Wide noise learns faster, but a discriminator that must
# overlook it lets the generator leave as much of it in its images (measured).
ROUGHNESS = (0.1, 0.03)


def with_labeler_of(params: Params, of_real: Params) -> Params:
    """The critics' collections, with the Labeler's batch statistics of real images.

    It learns from them, and reads given ones.
    """
    if LABELER not in params.get("batch_stats", {}):
        return params
    kept = {LABELER: of_real["batch_stats"][LABELER]}
    return {**params, "batch_stats": {**params["batch_stats"], **kept}}


class GANState(NamedTuple):
    """What the next step needs.

    Attributes:
      step: int32 [].
      generator: Flax collections of the image mechanism.
      average: moving average of `generator`, what is sampled from.
      critics: Flax collections of the critics.
      generator_optimizer: optimiser state.
      critics_optimizer: optimiser state.
    """

    step: Array
    generator: Params
    average: Params
    critics: Params
    generator_optimizer: Any
    critics_optimizer: Any


class GANInfo(NamedTuple):
    """What is logged; cross-entropies in nats, mean over labels.

    Attributes:
      critics_loss: sum of all critics' losses.
      generator_loss: the generator's.
      real_logit: mean of D's logit on real images.
      fake_logit: the same on generated ones.
      labeler_real: Labeler on real images.
      labeler_fake: Labeler on generated images, against the labels they were asked for.
      anti_labeler: Anti-Labeler on generated images.
      noise_error: mean squared error of the noise estimate; 0 where there is none.
    """

    critics_loss: Array
    generator_loss: Array
    real_logit: Array
    fake_logit: Array
    labeler_real: Array
    labeler_fake: Array
    anti_labeler: Array
    noise_error: Array


LABELER = "Labeler_0"  # of `networks.image.DCGANCritics`
# What the critics' move fills in of `GANInfo`; the generator's fills in the rest.
_LOGGED_OF_CRITICS = (
    "critics_loss",
    "real_logit",
    "fake_logit",
    "labeler_real",
    "anti_labeler",
    "noise_error",
)


def causal_gan(
    generator: ImageGenerator,
    *,
    batch_size: int = 32,
    learning_rate: float = 5e-4,
    critic_learning_rate: float = 5e-4,
    betas: tuple[float, float] = (0.5, 0.99),
    critic_width: int | None = None,
    num_generator_steps: int = 1,
    critics_every: int = 1,
    joint: bool = True,
    label_loss: str = "theory",
    label_weight: float = 1.0,
    label_factors: Sequence[float] | None = None,
    anti_labeler_weight: float = 1.0,
    anti_labeler_decay: float | None = None,
    noise_weight: float = 0.0,
    smoothness: float = 0.1,
    additivity: float = 10.0,
    unseen_every: int = 1,
    unseen: np.ndarray | None = None,
    flip: bool = False,
    augmentation: Sequence[str] = (),
    augmented_share: float = 0.5,
    average_rate: float = 0.01,
    dtype: str = "float32",
    num_steps: int | None = None,
) -> Algorithm:
    """CausalGAN for the image mechanism `generator`.

    Kocaoglu et al. (2017), eqs. 2-5; see the module for what differs.

    Args:
      generator: the image node's mechanism.
      batch_size: images of each update, over all devices.
      learning_rate: Adam, generator.
      critic_learning_rate: Adam, critics.
      betas: of Adam, both.
      critic_width: base channels of the critics; the generator's if None.
      num_generator_steps: generator updates per step.
      critics_every: steps between two updates of the critics.
      joint: False hides the labels from the discriminator, as in the paper.
      label_loss: "theory" (eq. 5) or "flipped" (the reference code).
      label_weight: weight of the mean label cross-entropies in the generator's loss
        (the sum of eq. 5 is the number of labels). With joint critics, whose
        discriminator already reads the labels, it is an additional pull.
      label_factors: of each label, times `label_weight`: what is to be obeyed although
        real images show it less plainly than they show its causes; None: 1 each.
      anti_labeler_weight: times `label_weight`; 0 trains without an Anti-Labeler.
      anti_labeler_decay: steps in which its weight falls by e; None keeps it.
      noise_weight: of the noise estimate's error in the generator's loss: noise that
        can be told from the image has an effect on it (Chen et al. 2016,
        arXiv 1606.03657). With 0 only critics of "dcgan" estimate it.
      smoothness: weight of the zero-centred gradient penalty R1 of the discriminator
        (Mescheder et al. 2018), estimated from its squared change under a little noise
        on real images (Lin et al. 2025). 0 for none.
      additivity: weight of the additivity of two labels' effects, for the pairs
        of states in `unseen`; 0 for none.
      unseen_every: steps between two in which the additivity is paid, then so many
        times as much: it draws four images for one.
      unseen: int [P, 4], as `unseen_combinations.unseen_pairs` finds them; None for no
        pairs.
      flip: mirror real images at random.
      augmentation: kinds of `augmentation.KINDS`, with which critics see real and
        generated images alike; a Labeler of few photographs is else fooled by what no
        other reader sees. () for none.
      augmented_share: of the images are augmented.
      average_rate: of the moving average of the generator; 1 for none.
      dtype: what networks compute in, "float32" or "bfloat16", see `precision`.
      num_steps: the learning rates fall to a tenth in the second half of so many steps;
        None keeps them.

    Returns:
      An `Algorithm` over batches {"images": uint8 [2, B, H, W, 3], "labels": int
      [2, B, n]}: the second half gives the labels of the generated images.

    Raises:
      ValueError: unknown label loss, type or augmentation, `unseen_every` below 1,
        `augmented_share` or `average_rate` not within 0 and 1, factors that are not as
        many as labels.

    Example:
      >>> generator = ImageGenerator((2, 2), resolution=16, width=4)
      >>> algorithm = causal_gan(generator, batch_size=8)
      >>> algorithm.batch_shape
      (2, 8)
    """
    if label_loss not in ("theory", "flipped"):
        raise ValueError(f"label_loss is 'theory' or 'flipped', not {label_loss!r}")
    if unseen_every < 1:
        raise ValueError(f"unseen_every is at least 1, not {unseen_every}")
    precision.require_dtype(dtype)
    require_augmentation(augmentation, augmented_share)
    require_average_rate(average_rate)
    factors = factors_of_codes(label_factors, generator.parent_states)
    updates = num_steps and num_steps * num_generator_steps
    critics_updates = num_steps and -(-num_steps // critics_every)
    optimizer = optax.adam(late_decay(learning_rate, updates), *betas)
    critics_optimizer = optax.adam(
        late_decay(critic_learning_rate, critics_updates), *betas
    )
    side = generator.resolution

    def critics_of(axis_name: str | None):
        return generator.critics(
            axis_name, critic_width, estimates_noise=bool(noise_weight)
        )

    def init(key: Key) -> GANState:
        key_generator, key_critics = jax.random.split(key)
        params = generator.init(key_generator, ())
        plain = critics_of(None)
        critic_params = plain.init(key_critics, jnp.zeros((2, side, side, 3)), False)
        return GANState(
            step=jnp.int32(0),
            generator=params,
            average=params,
            critics=critic_params,
            generator_optimizer=optimizer.init(params["params"]),
            critics_optimizer=critics_optimizer.init(critic_params["params"]),
        )

    def read(
        params: Params, images: Array, dtype: str = dtype, *, learns: bool = False
    ) -> tuple[Readings, Params]:
        critics = critics_of(parallel.axis_name())
        weights, images = precision.given(params, images, dtype)
        readings, updated = critics.apply(
            weights, images, True, learns, mutable=["batch_stats"]
        )
        readings = precision.returned(readings, dtype)
        if not joint:
            readings = dataclasses.replace(readings, joint=None)
        return readings, {**params, **updated}

    def generate(params: Params, codes: Array, key: Key):
        noise = parallel.local(generator.noise(key, batch_size))
        weights, inputs = precision.given(params, (codes, noise), dtype)
        images, updated = generator.apply_train(
            weights, *inputs, axis_name=parallel.axis_name()
        )
        images = precision.returned(images, dtype)
        return images, {**updated, "params": params["params"]}, noise

    def shown(images: Array, key: Key) -> Array:
        """What critics see."""
        return partly_augmented(images, key, batch_size, augmentation, augmented_share)

    def label_term(logits: Array, codes: Array, noise, factors=1.0) -> Array:
        if label_loss == "theory":
            return losses.cross_entropy(logits, codes, factors)
        features = generator.features(codes, noise)
        return losses.flipped_cross_entropy(features, logits, factors)

    def noise_error(readings: Readings, noise) -> Array:
        if readings.noise is None:
            return jnp.zeros(())
        return jnp.mean((readings.noise - noise["z"]) ** 2)

    def roughness(params: Params, step, real, codes, logits, key: Key) -> Array:
        """Mean squared slope of the logits along random directions."""
        start, end = ROUGHNESS
        progress = jnp.minimum(step / num_steps, 1.0) if num_steps else 0.0
        scale = start + (end - start) * progress
        shape = (batch_size, *real.shape[1:])
        noise = parallel.local(jax.random.normal(key, shape))
        moved, _ = read(params, real + scale * noise, "float32")
        if dtype != "float32":  # a small difference of rounded logits would be rounding
            logits = read(params, real, "float32")[0].logits(codes)
        return jnp.mean(((moved.logits(codes) - logits) / scale) ** 2)

    def critics_loss(
        trained, state: GANState, real, codes, fake, fake_codes, noise, key
    ):
        params = {**state.critics, "params": trained}
        on_real, of_real = read(params, real, learns=True)
        on_fake, params = read(of_real, fake, learns=True)
        params = with_labeler_of(params, of_real)
        real_logits, fake_logits = on_real.logits(codes), on_fake.logits(fake_codes)
        labeler = losses.cross_entropy(on_real.labeler, codes)
        anti_labeler = label_term(on_fake.anti_labeler, fake_codes, noise)
        error = noise_error(on_fake, noise)
        loss = losses.discriminator_loss(real_logits, fake_logits)
        loss += labeler + anti_labeler + error
        if smoothness:
            slope = roughness(params, state.step, real, codes, real_logits, key)
            loss += smoothness * slope
        logged = {
            "critics_loss": loss,
            "real_logit": jnp.mean(real_logits),
            "fake_logit": jnp.mean(fake_logits),
            "labeler_real": labeler,
            "anti_labeler": anti_labeler,
            "noise_error": error,
        }
        return loss, (params, logged)

    def update_critics(state: GANState, real, codes, fake_codes, key: Key):
        """The critics' collections, their optimiser's state, and what is logged."""
        key_noise, key_rough, key_real, key_fake = jax.random.split(key, 4)
        fake, _, noise = generate(state.generator, fake_codes, key_noise)
        real, fake = shown(real, key_real), shown(fake, key_fake)
        gradients, (params, logged) = jax.grad(critics_loss, has_aux=True)(
            state.critics["params"],
            state,
            real,
            codes,
            fake,
            fake_codes,
            noise,
            key_rough,
        )
        updates, optimizer_state = critics_optimizer.update(
            parallel.mean(gradients), state.critics_optimizer
        )
        trained = optax.apply_updates(state.critics["params"], updates)
        return {**params, "params": trained}, optimizer_state, logged

    def interaction(params: Params, labels, noise, key: Key) -> Array:
        index = parallel.local(jax.random.randint(key, (batch_size,), 0, len(unseen)))
        pairs = jnp.asarray(unseen)[index]
        params, noise = precision.given(params, noise, dtype)
        return mean_interaction(generator, params, labels, noise, pairs)

    def sometimes(step: Array, term_fn: Callable[[], Array]) -> Array:
        """A term of the loss at every so many steps, times as many; else 0."""
        if unseen_every == 1:
            return term_fn()
        is_due = step % unseen_every == 0
        return unseen_every * jax.lax.cond(is_due, term_fn, lambda: jnp.zeros(()))

    def generator_loss(
        trained, generator_params, critics: Params, step, labels, codes, key: Key
    ):
        params = {**generator_params, "params": trained}
        key_noise, key_pairs, key_shown = jax.random.split(key, 3)
        images, params, noise = generate(params, codes, key_noise)
        readings, _ = read(critics, shown(images, key_shown))
        labeler = label_term(readings.labeler, codes, noise)
        pull = label_term(readings.labeler, codes, noise, factors)
        anti_labeler = label_term(readings.anti_labeler, codes, noise, factors)
        anti_weight = anti_labeler_weight
        if anti_labeler_decay:
            anti_weight *= jnp.exp(-step / anti_labeler_decay)
        loss = losses.generator_loss(readings.logits(codes)) + label_weight * (
            pull - anti_weight * anti_labeler
        )
        if noise_weight:  # else nothing of the estimator is computed
            loss += noise_weight * noise_error(readings, noise)
        if additivity and unseen is not None and len(unseen):
            loss += additivity * sometimes(
                step,
                lambda: interaction(params, labels, noise, key_pairs),
            )
        return loss, (params, {"generator_loss": loss, "labeler_fake": labeler})

    def encode(labels: Array) -> Array:
        return jax.vmap(lambda row: generator.encode(tuple(row)))(labels)

    def update_generator(params, optimizer_state, critics, step, labels, codes, key):
        """The generator's collections, its optimiser's state, and what is logged."""
        gradients, (new_params, logged) = jax.grad(generator_loss, has_aux=True)(
            params["params"], params, critics, step, labels, codes, key
        )
        updates, optimizer_state = optimizer.update(
            parallel.mean(gradients), optimizer_state
        )
        trained = optax.apply_updates(params["params"], updates)
        return {**new_params, "params": trained}, optimizer_state, logged

    def step(state: GANState, batch: Batch, key: Key):
        key_flip, key_critics, key_generator = jax.random.split(key, 3)
        codes = jax.vmap(encode)(batch["labels"])
        real = pixels(batch["images"][0], key_flip, batch_size, flip=flip)

        def move_critics(state):
            *moved, logged = update_critics(
                state, real, codes[0], codes[1], key_critics
            )
            return *moved, {name: critics_every * logged[name] for name in logged}

        def keep_critics(state):
            logged = dict.fromkeys(_LOGGED_OF_CRITICS, jnp.zeros(()))
            return state.critics, state.critics_optimizer, logged

        # First move: all critics, each down its own cross-entropy (eqs. 2-4), against
        # the generator as the last step left it. In steps that they sit out, what they
        # log is zero, and else as many times as much: what is read are means of steps.
        if critics_every == 1:
            critics, critics_state, of_critics = move_critics(state)
        else:
            critics, critics_state, of_critics = jax.lax.cond(
                state.step % critics_every == 0, move_critics, keep_critics, state
            )

        # Second move: the generator, against the critics that have just moved (eq. 5),
        # each time on noise of its own; its moving average follows.
        params, average = state.generator, state.average
        generator_state = state.generator_optimizer
        for i in range(num_generator_steps):
            key_update = jax.random.fold_in(key_generator, i)
            params, generator_state, of_generator = update_generator(
                params,
                generator_state,
                critics,
                state.step,
                batch["labels"][1],
                codes[1],
                key_update,
            )
            average = moved_average(average, params, average_rate, state.step)

        new_state = GANState(
            step=state.step + 1,
            generator=params,
            average=average,
            critics=critics,
            generator_optimizer=generator_state,
            critics_optimizer=critics_state,
        )
        return new_state, GANInfo(**of_critics, **of_generator)

    return Algorithm(
        init=init,
        step=step,
        params=lambda state: state.average,
        batch_shape=(2, batch_size),
    )
