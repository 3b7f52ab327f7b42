"""Counterfactual generative networks on the MNIST variants, trained adversarially.

Sauer & Geiger (2021), section 3.2, and the reference code `train_cgn.py`. The model is
trained on factual images, one label l for shape, foreground and background alike,

    x_g = m(l, u_1) f(l, u_2) + (1 - m) b(l, u_3),    l uniform,

against one discriminator D(x, l) of the composite (`losses.cgn`), the masks' entropy
and the textures' style; what keeps the three mechanisms apart is their architecture. A
step updates the model and then D, on the same generated images.

Real masks and colours are not read. Differences from the reference code: each mechanism
has a label embedding of its own, and dropout and noise are drawn for the batch of all
devices. `REFERENCE` holds the settings of the three published runs; in `REFERENCE`
factual images share one noise vector among their parts. Which feature maps the style
compares is the caller's choice (`features_fn`; there VGG16, `networks.vgg`).

The same step trains `networks.cgn.mnist.gan`, a model whose image is one part: an
ordinary conditional GAN, without masks.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from causal_jax.losses import cgn as losses
from causal_jax.networks.cgn.composition import PARTS, SHAPE, compose
from causal_jax.networks.cgn.mnist import trained_nodes
from causal_jax.networks.cgn.parts import NUM_CLASSES
from causal_jax.scm import SCM, node_key
from causal_jax.training import parallel, precision
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.image_stage import late_decay, moved_average
from causal_jax.types import Array, Batch, Key, Params


def _style_weights(*weights: float) -> tuple[float, ...]:
    return tuple(losses.STYLE_SCALE * w**2 for w in weights)


_COMMON_SETTINGS = {
    "batch_size": 16,
    "learning_rate": 2e-4,
    "discriminator_learning_rate": 2e-4,
    "betas": (0.5, 0.999),
    "shared_noise": True,
    "matched_labels": False,
    "average_rate": 1.0,
}

# The settings of the published runs (experiments/cgn_*_MNIST/cfg.yaml); `MODEL` holds
# the arguments of `networks.cgn.mnist.scm` beside them, `NUM_STEPS` fifteen epochs.
REFERENCE = {
    "colored": {
        **_COMMON_SETTINGS,
        "mask_weight": 0.1,
        "style_weights": _style_weights(0.05, 0.1, 0.01, 0),
    },
    "double_colored": {
        **_COMMON_SETTINGS,
        "mask_weight": 0.3,
        "style_weights": _style_weights(0, 0.05, 0, 0.05),
    },
    "wildlife": {
        **_COMMON_SETTINGS,
        "mask_weight": 0.3,
        "style_weights": _style_weights(0.01, 0.05, 0, 0.01),
    },
}
MODEL = {
    "colored": {"init_kind": "orthogonal", "init_scale": 0.1},
    "double_colored": {"init_kind": "orthogonal", "init_scale": 0.2},
    "wildlife": {"init_kind": "normal", "init_scale": 0.03},
}
NUM_STEPS = {"colored": 56_250, "double_colored": 46_875, "wildlife": 46_875}


class CGNState(NamedTuple):
    """What the next step needs.

    Attributes:
      step: int32 [].
      model: {node: params} of the causal model.
      average: moving average of `model`, what is sampled from.
      discriminator: Flax collections; its batch statistics are never used.
      model_optimizer: optimiser state.
      discriminator_optimizer: optimiser state.
    """

    step: Array
    model: Params
    average: Params
    discriminator: Params
    model_optimizer: Any
    discriminator_optimizer: Any


class CGNInfo(NamedTuple):
    """What is logged.

    Attributes:
      discriminator_loss: D's loss; .25 where it cannot tell.
      adversarial: the generator's least-squares term.
      entropy: of the masks, in bits per pixel.
      style: the weighted style term; 0 where there is none.
      real_score: mean of D on real images.
      fake_score: mean of D on generated images.
      mask_mean: mean of the masks; near 0 or 1 they have collapsed. 0 without masks.
    """

    discriminator_loss: Array
    adversarial: Array
    entropy: Array
    style: Array
    real_score: Array
    fake_score: Array
    mask_mean: Array


def cgn(
    scm: SCM,
    discriminator: nn.Module,
    *,
    features_fn: Callable[[Array], Sequence[Array]] | None = None,
    batch_size: int = 16,
    learning_rate: float = 2e-4,
    discriminator_learning_rate: float = 2e-4,
    betas: tuple[float, float] = (0.5, 0.999),
    mask_weight: float = 0.3,
    border_weight: float = 0.0,
    spread_weights: tuple[float, ...] = (),
    smoothness: float = 0.0,
    style_weights: tuple[float, ...] = (),
    shared_noise: bool = False,
    matched_labels: bool = False,
    average_rate: float = 1.0,
    dtype: str = "float32",
    num_steps: int | None = None,
) -> Algorithm:
    """Training of the causal model `networks.cgn.mnist.scm(...)`.

    Sauer & Geiger (2021), section 3.2; see the module for what differs.

    Args:
      scm: the model; or `networks.cgn.mnist.gan(...)`.
      discriminator: one of `networks.cgn.discriminators`.
      features_fn: images [B, 32, 32, 3] -> feature maps [B, H, W, C], whose style is
        compared; None for no style loss.
      batch_size: images of each update, over all devices.
      learning_rate: Adam, model.
      discriminator_learning_rate: Adam, discriminator.
      betas: of Adam, both.
      mask_weight: weight of the masks' entropy.
      border_weight: weight of the masks' mean over the picture's outermost pixels; the
        reference has none.
      spread_weights: of how far apart the colours of a class's foregrounds and of its
        backgrounds are (`losses.spread`); generated images then come in pairs of one
        label. The reference has none.
      smoothness: weight of D's squared gradient at real images (R1, Mescheder et al.
        2018, arXiv 1801.04406, halved as there); the reference has none.
      style_weights: one per feature map.
      shared_noise: one noise vector for the three parts of a factual image, as in the
        reference; False draws them independently, as the model does.
      matched_labels: generated images have the labels of the real ones they are
        compared with, so that the style is that of their class; False draws labels
        uniformly, as the reference does.
      average_rate: of the moving average of the model; 1 for none.
      dtype: what networks compute in, "float32" or "bfloat16", see `precision`; the
        style's features stay in float32.
      num_steps: the learning rates fall to a tenth in the second half of so many steps;
        None keeps them.

    Returns:
      An `Algorithm` over batches {"images": float32 [B, 32, 32, 3] in [-1, 1],
      "labels": int [B] in 0..9}.

    Raises:
      ValueError: style weights without features, an unknown type, or pairs that cannot
        be formed.

    Example:
      >>> from causal_jax.networks.cgn import discriminators, mnist
      >>> model = mnist.scm(width=2, noise_size=3)
      >>> algorithm = cgn(model, discriminators.LinearDiscriminator(4), batch_size=8)
      >>> algorithm.batch_shape
      (8,)
    """
    if any(style_weights) and features_fn is None:
        raise ValueError(
            "style_weights compare feature maps: give features_fn, or no weights"
        )
    precision.require_dtype(dtype)
    in_pairs = any(spread_weights)
    if in_pairs and (len(spread_weights) != 2 or SHAPE not in scm.nodes):
        raise ValueError(
            "spread_weights are two numbers, of foreground and background; a plain GAN "
            f"has neither: {tuple(spread_weights)}"
        )
    if in_pairs and (matched_labels or batch_size // jax.device_count() % 2):
        raise ValueError(
            "spread_weights compare two textures of one label: they go with an even "
            "number of pictures per device and without matched_labels, not with "
            f"batch_size={batch_size} over {jax.device_count()} devices"
        )
    optimizer = optax.adam(late_decay(learning_rate, num_steps), *betas)
    discriminator_optimizer = optax.adam(
        late_decay(discriminator_learning_rate, num_steps), *betas
    )
    parts = trained_nodes(scm)
    mechanisms = {
        part: dataclasses.replace(scm.mechanisms[part], truncation=1.0)
        for part in parts
    }

    def init(key: Key) -> CGNState:
        key_model, key_discriminator = jax.random.split(key)
        model = scm.init(key_model)
        images, labels = jnp.zeros((2, 32, 32, 3)), jnp.zeros(2, jnp.int32)
        dropout = discriminator.dropout(key, 2)
        critic = discriminator.init(key_discriminator, images, labels, dropout)
        return CGNState(
            step=jnp.int32(0),
            model=model,
            average=model,
            discriminator=critic,
            model_optimizer=optimizer.init(trained_part(model, parts)),
            discriminator_optimizer=discriminator_optimizer.init(critic["params"]),
        )

    def generate(model: Params, labels: Array, key: Key):
        """Factual images, their parts, and the model with new batch statistics."""
        values, model = {}, dict(model)
        shared = mechanisms[parts[0]].noise(key, batch_size)["z"]
        for part, mechanism in mechanisms.items():
            noise = mechanism.noise(node_key(key, part), batch_size)
            if shared_noise:
                noise = {**noise, "z": shared}
            weights, noise = precision.given(model[part], parallel.local(noise), dtype)
            value, updated = mechanism.apply_train(
                weights, labels, noise, axis_name=parallel.axis_name()
            )
            values[part] = precision.returned(value, dtype)
            model[part] = {**updated, "params": model[part]["params"]}
        whole = len(parts) == 1
        image = values[parts[0]] if whole else compose(*values.values())
        return image, values, model

    def judge(critic: Params, images: Array, labels: Array, key: Key) -> Array:
        module = discriminator
        if hasattr(module, "axis_name"):
            module = module.clone(axis_name=parallel.axis_name())
        dropout = parallel.local(module.dropout(key, batch_size))
        critic, (images, dropout) = precision.given(critic, (images, dropout), dtype)
        scores, _ = module.apply(
            critic, images, labels, dropout, mutable=["batch_stats"]
        )
        return precision.returned(scores, dtype)

    def style(fake: Array, real: Array) -> Array:
        if features_fn is None or not any(style_weights):
            return jnp.zeros(())
        real_maps = jax.lax.stop_gradient(features_fn(real))
        return losses.style_loss(features_fn(fake), real_maps, style_weights)

    def model_loss(trained, state: CGNState, real, labels, key_noise, key_dropout):
        model = with_trained(state.model, trained)
        fake, values, model = generate(model, labels, key_noise)
        adversarial = losses.generator_loss(
            judge(state.discriminator, fake, labels, key_dropout)
        )
        style_term = style(fake, real)
        entropy = border = mask_mean = jnp.zeros(())
        if SHAPE in values:
            entropy = losses.mask_entropy(values[SHAPE])
            border = losses.border_mean(values[SHAPE])
            mask_mean = jnp.mean(values[SHAPE])
        loss = adversarial + mask_weight * entropy + style_term
        loss += border_weight * border
        if in_pairs:
            for part, weight in zip(PARTS[1:], spread_weights, strict=True):
                loss -= weight * losses.spread(values[part])
        logged = {
            "adversarial": adversarial,
            "entropy": entropy,
            "style": style_term,
            "mask_mean": mask_mean,
        }
        return loss, (fake, model, logged)

    def discriminator_loss(
        trained, state: CGNState, real, real_labels, fake, labels, key_real, key_fake
    ):
        critic = {**state.discriminator, "params": trained}
        fake_scores = judge(critic, fake, labels, key_fake)
        if smoothness:
            real_scores, pull = jax.vjp(
                lambda images: judge(critic, images, real_labels, key_real), real
            )
            (slopes,) = pull(jnp.ones_like(real_scores))
            penalty = jnp.mean(jnp.sum(slopes**2, axis=(1, 2, 3))) / 2
        else:
            real_scores = judge(critic, real, real_labels, key_real)
            penalty = jnp.zeros(())
        loss = losses.discriminator_loss(real_scores, fake_scores)
        loss += smoothness * penalty
        return loss, {
            "discriminator_loss": loss,
            "real_score": jnp.mean(real_scores),
            "fake_score": jnp.mean(fake_scores),
        }

    def step(state: CGNState, batch: Batch, key: Key):
        key_labels, key_noise, key_dropout, key_real, key_fake = jax.random.split(
            key, 5
        )
        real, real_labels = batch["images"], batch["labels"]
        num = batch_size // 2 if in_pairs else batch_size
        labels = jax.random.randint(key_labels, (num,), 0, NUM_CLASSES)
        labels = jnp.repeat(labels, batch_size // num)
        labels = real_labels if matched_labels else parallel.local(labels)

        # First move: the model, against D as the last step left it (section 3.2).
        trained = trained_part(state.model, parts)
        gradients, (fake, model, of_model) = jax.grad(model_loss, has_aux=True)(
            trained, state, real, labels, key_noise, key_dropout
        )
        updates, model_state = optimizer.update(
            parallel.mean(gradients), state.model_optimizer
        )
        model = with_trained(model, optax.apply_updates(trained, updates))

        # Second move: D, on the images that the model drew *before* it moved, so that
        # a step generates once.
        trained = state.discriminator["params"]
        gradients, of_discriminator = jax.grad(discriminator_loss, has_aux=True)(
            trained,
            state,
            real,
            real_labels,
            jax.lax.stop_gradient(fake),
            labels,
            key_real,
            key_fake,
        )
        updates, discriminator_state = discriminator_optimizer.update(
            parallel.mean(gradients), state.discriminator_optimizer
        )
        critic = optax.apply_updates(trained, updates)
        new_state = CGNState(
            step=state.step + 1,
            model=model,
            average=moved_average(state.average, model, average_rate, state.step),
            discriminator={**state.discriminator, "params": critic},
            model_optimizer=model_state,
            discriminator_optimizer=discriminator_state,
        )
        return new_state, CGNInfo(**of_discriminator, **of_model)

    return Algorithm(
        # One program: a tenth of the time of its hundred operations one by one.
        init=jax.jit(init),
        step=step,
        params=lambda state: state.average,
        batch_shape=(batch_size,),
    )


def trained_part(model: Params, parts: Sequence[str]) -> Params:
    """{part: what its optimiser sees}."""
    return {part: model[part]["params"] for part in parts}


def with_trained(model: Params, trained: Params) -> Params:
    """The model with these weights, its batch statistics kept."""
    return model | {
        part: {**model[part], "params": weights} for part, weights in trained.items()
    }
