"""Counterfactual generative networks on natural images, trained on a fixed generator.

Sauer & Geiger (2021), section 3.3, and the reference code `imagenet/train_cgn.py`. No
data is read: a generator that stays as it is (BigGAN) draws x_t of a class l and noise
u, and the model composes an image of the same class and noise by its parts
(`losses.cgn_imagenet`). What keeps the three mechanisms apart is what each may lose:
the shape's mask is binary and neither empty nor full, the texture's picture has the
style of the object's patches and not its shape, in the background's nothing stands out.

A step adds up gradients of `num_accumulated` parts of the batch, one after the other,
so that one part at a time is in memory. Differences from the reference code: gradients
are means over the batch (there: sums; Adam does not tell), a moving average of the
weights is kept, and from imported BigGAN weights, which are folded, the three networks
train without spectral normalisation (there with torch's: rates then are of weights
before they are divided by their norms).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from causal_jax.losses import cgn as style_losses
from causal_jax.losses import cgn_imagenet as losses
from causal_jax.networks.cgn.composition import PARTS, compose
from causal_jax.networks.cgn.imagenet import GeneratedPicture
from causal_jax.scm import SCM
from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.image_stage import moved_average
from causal_jax.types import Array, Batch, Key, Params

SHAPE, TEXTURE, BACKGROUND = PARTS
LEARNING_RATES = {SHAPE: 8e-6, TEXTURE: 3e-5, BACKGROUND: 1e-5}  # reference code


class Weights(NamedTuple):
    """Weights of the loss's terms; the defaults are the reference code's.

    (The paper's perceptual weight is 5 where the code has 4.) Style weights, one per
    feature map, are squared and times `losses.cgn.STYLE_SCALE`, as there.

    Attributes:
      l1: of the absolute difference.
      perceptual: of the reconstruction's style.
      binary: of the masks' entropy.
      size: of the masks' size.
      texture: of the texture's style.
      background: of the background's saliency.
    """

    l1: float = 100.0
    perceptual: tuple[float, ...] = (4.0, 4.0, 4.0, 4.0)
    binary: float = 300.0
    size: float = 500.0
    texture: tuple[float, ...] = (0.0, 5.0, 5.0, 0.0)
    background: float = 2000.0


_REFERENCE_WEIGHTS = Weights()
# The ablation of the paper's table: one loss switched off.
WITHOUT = {
    "shape": {"binary": 0.0, "size": 0.0},
    "text": {"texture": (0.0, 0.0, 0.0, 0.0)},
    "bg": {"background": 0.0},
    "rec": {"l1": 0.0, "perceptual": (0.0, 0.0, 0.0, 0.0)},
}


class CGNImagenetState(NamedTuple):
    """What the next step needs.

    Attributes:
      step: int32 [].
      model: {node: params} of the causal model.
      average: moving average of `model`, what is sampled from.
      target: params of the fixed generator.
      features: params of the features; never changed.
      optimizer: {part: optimiser state}.
    """

    step: Array
    model: Params
    average: Params
    target: Params
    features: Params
    optimizer: Any


class CGNImagenetInfo(NamedTuple):
    """What is logged: the terms as they are weighted, and the masks.

    Attributes:
      loss: the sum of the terms.
      l1: of the reconstruction.
      perceptual: of the reconstruction.
      binary: of the masks.
      size: of the masks.
      texture: of the texture's style.
      background: of the background's saliency.
      mask_mean: mean of the masks; near 0 or 1 they have collapsed.
    """

    loss: Array
    l1: Array
    perceptual: Array
    binary: Array
    size: Array
    texture: Array
    background: Array
    mask_mean: Array


def cgn_imagenet(
    scm: SCM,
    start: Callable[[Key], tuple[Params, Params, Params]],
    features_fn: Callable[[Params, Array], Sequence[Array]],
    *,
    batch_size: int = 32,
    num_accumulated: int = 1,
    learning_rates: Mapping[str, float] = LEARNING_RATES,
    betas: tuple[float, float] = (0.9, 0.999),
    weights: Weights = _REFERENCE_WEIGHTS,
    collage: Mapping[str, int] | None = None,
    average_rate: float = 1.0,
    remat: bool = False,
    dtype: Any = jnp.float32,
) -> Algorithm:
    """Training of the causal model `networks.cgn.imagenet.scm(...)`.

    Args:
      scm: the model; its truncation is the training's too.
      start: key -> the params of the model {node: ...}, of the fixed generator (as a
        `GeneratedPicture`'s) and of the features.
      features_fn: (params, images [B, H, W, 3] in [-1, 1]) -> feature maps, whose style
        is compared; in the paper VGG16's (`networks.vgg`).
      batch_size: images of each update, over all devices.
      num_accumulated: parts that the batch of a device is computed in.
      learning_rates: {part: Adam's}.
      betas: of Adam.
      weights: of the terms.
      collage: settings of `losses.cgn_imagenet.collage`; None for the paper's.
      average_rate: of the moving average of the model; 1 for none.
      remat: compute the generators' inner values again in the backward pass.
      dtype: type in which the generators' blocks compute, float32 or bfloat16.

    Returns:
      An `Algorithm` over batches {"labels": int [B]}: the classes to draw.

    Raises:
      ValueError: parts that do not divide the batch, or a model of other parts.
    """
    num_devices = jax.device_count()
    if batch_size % (num_accumulated * num_devices):
        raise ValueError(
            f"batch_size={batch_size} is no multiple of {num_accumulated} parts on "
            f"{num_devices} devices: give one that is"
        )
    wrong = [
        p for p in PARTS if not isinstance(scm.mechanisms.get(p), GeneratedPicture)
    ]
    if wrong:
        raise ValueError(
            f"the model has no generated {wrong[0]!r}: make it with "
            "networks.cgn.imagenet.scm"
        )
    mechanisms: dict[str, Any] = {part: scm.mechanisms[part] for part in PARTS}
    optimizers = {part: optax.adam(learning_rates[part], *betas) for part in PARTS}

    def init(key: Key) -> CGNImagenetState:
        model, target, features = start(key)
        trained = trained_part(model)
        return CGNImagenetState(
            step=jnp.int32(0),
            model=model,
            average=model,
            target=target,
            features=features,
            optimizer={part: optimizers[part].init(trained[part]) for part in PARTS},
        )

    def draw(part: str, variables: Params, labels: Array, z: Array, train: bool):
        """Pictures of a part's generator, and its variables with new iterations."""
        mechanism = mechanisms[part]
        module = mechanism.module(remat=remat, dtype=dtype)
        settings = (z, labels, mechanism.truncation, train)
        if not (train and mechanism.spectral_norm):
            return module.apply(variables, *settings[:3]), variables
        images, updated = module.apply(variables, *settings, mutable=["spectral"])
        return images, {**variables, **updated}

    def loss_fn(trained, state: CGNImagenetState, labels, z, keys):
        model = with_trained(state.model, trained)
        target, _ = draw(TEXTURE, state.target["generator"], labels, z, train=False)
        target = jax.lax.stop_gradient(target)
        drawn = {}
        for part in PARTS:
            variables = model[part]["generator"]
            drawn[part], new = draw(part, variables, labels, z, train=True)
            model[part] = {**model[part], "generator": new}
        masker, mask_params = mechanisms[SHAPE], model[SHAPE]
        masks = masker.finish(mask_params, drawn[SHAPE])
        images = compose(masks, drawn[TEXTURE], drawn[BACKGROUND])
        patches = losses.collage(target, masks, keys, **(collage or {}))
        terms = {
            "l1": weights.l1 * losses.reconstruction(images, target),
            "perceptual": style(state, images, target, weights.perceptual),
            "binary": weights.binary * style_losses.mask_entropy(masks),
            "size": weights.size * losses.mask_size(masks),
            "texture": style(state, drawn[TEXTURE], patches, weights.texture),
            "background": weights.background
            * jnp.mean(masker.saliency(mask_params, drawn[BACKGROUND])),
        }
        loss = sum(terms.values())
        info = CGNImagenetInfo(loss=loss, mask_mean=jnp.mean(masks), **terms)
        return loss, (model, info)

    def style(state, images, like, layer_weights):
        if not any(layer_weights):
            return jnp.zeros(())
        like = jax.lax.stop_gradient(like)
        return style_losses.style_loss(
            features_fn(state.features, images),
            features_fn(state.features, like),
            [style_losses.STYLE_SCALE * w**2 for w in layer_weights],
        )

    def step(state: CGNImagenetState, batch: Batch, key: Key):
        key_noise, key_collage = jax.random.split(key)
        z = (
            mechanisms[TEXTURE]
            .module()
            .noise(key_noise, batch_size, mechanisms[TEXTURE].truncation)
        )
        keys = jax.random.split(key_collage, batch_size)
        rows = (batch["labels"], *parallel.local((z, keys)))
        in_parts = jax.tree.map(
            lambda x: x.reshape(num_accumulated, -1, *x.shape[1:]), rows
        )
        trained = trained_part(state.model)

        def add(carry, part):
            model, total = carry
            gradients, (model, info) = jax.grad(loss_fn, has_aux=True)(
                trained, state._replace(model=model), *part
            )
            return (model, jax.tree.map(jnp.add, total, gradients)), info

        zeros = jax.tree.map(jnp.zeros_like, trained)
        (model, total), infos = parallel.scan(add, (state.model, zeros), in_parts)
        gradients = parallel.mean(
            jax.tree.map(lambda leaf: leaf / num_accumulated, total)
        )
        new, optimizer = {}, {}
        for part in PARTS:
            updates, optimizer[part] = optimizers[part].update(
                gradients[part], state.optimizer[part]
            )
            new[part] = optax.apply_updates(trained[part], updates)
        # Weights alone are averaged: of directions of unit length (spectral
        # normalisation) the mean is shorter, and kernels divided by it are too large.
        average = moved_average(
            trained_part(state.average), new, average_rate, state.step
        )
        model = with_trained(model, new)
        new_state = state._replace(
            step=state.step + 1,
            model=model,
            average=with_trained(model, average),
            optimizer=optimizer,
        )
        return new_state, jax.tree.map(jnp.mean, infos)

    return Algorithm(
        init=init,
        step=step,
        params=lambda state: state.average,
        batch_shape=(batch_size,),
    )


def trained_part(model: Params) -> Params:
    """{part: what its optimiser sees}: the generators' weights, not the masker's."""
    return {part: model[part]["generator"]["params"] for part in PARTS}


def with_trained(model: Params, trained: Params) -> Params:
    """The model with these weights; all else is kept."""
    return dict(model) | {
        part: {
            **model[part],
            "generator": {**model[part]["generator"], "params": weights},
        }
        for part, weights in trained.items()
    }
