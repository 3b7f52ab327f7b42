"""Training of the invariant classifier ensemble, and of a plain classifier.

Sauer & Geiger (ICLR 2021, arXiv 2101.06046), section 3.5 and the reference code: every
step reads a batch of real pictures, whose label the mean of all heads is to tell, and
one of counterfactual pictures, of which every head is to tell its own label
(`losses.ensemble`). One step of gradient descent with momentum follows both. A network
of one head has real pictures alone: the plain classifier of the same size.

Batch normalisation. A pretrained network keeps its statistics (`fixed_statistics`), as
in the reference code. One that begins anew takes those of the step's pictures, real
and counterfactual TOGETHER: as in the reference code one set of statistics then serves
both kinds, and what a head computes of a picture in evaluation, by the running
statistics, is what it computed in training, of a real picture and of one whose parts
conflict alike. With statistics of each kind apart, heads that were trained on
counterfactuals would be asked about them under statistics that they never had.

Differences from the reference code: the rate may fall along a cosine after a warm-up
(`decay_every=0`); counterfactuals are read in epochs of their own, without doubling
those that are too few.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from causal_jax.losses import ensemble as losses
from causal_jax.networks import resnet
from causal_jax.networks.resnet import ENSEMBLE, ResNet
from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.image_stage import pixels
from causal_jax.types import Array, Batch, Key, Params

COUNTERFACTUAL = "counterfactual"  # the second set of the data
_DECAY = 0.1  # the reference's factor of the rate


class EnsembleState(NamedTuple):
    """What the next step needs.

    Attributes:
      variables: Flax collections.
      optimizer: optimiser state.
    """

    variables: Params
    optimizer: Any


class EnsembleInfo(NamedTuple):
    """What is logged; the heads' losses are 0 without counterfactuals.

    Attributes:
      loss: of real pictures, nats.
      accuracy: of real pictures, by the mean of the heads.
      shape: mean cross entropy of the counterfactuals' shapes, nats.
      texture: of their textures.
      background: of their backgrounds.
    """

    loss: Array
    accuracy: Array
    shape: Array
    texture: Array
    background: Array


def ensemble(
    network: ResNet,
    *,
    num_steps: int,
    init_fn: Callable[[Key], Params] | None = None,
    batch_size: int = 32,
    cf_ratio: float = 1.0,
    learning_rate: float = 1e-3,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float = 1e-4,
    warm_up: int = 0,
    decay_every: int = 0,
    fixed_statistics: bool = False,
    mirror: bool = True,
    shift: int = 0,
) -> Algorithm:
    """Training of a ResNet with the heads `ENSEMBLE`, or with one head.

    Sauer & Geiger (2021), section 3.5.

    Args:
      network: with the heads `ENSEMBLE`; or with one head, which learns from real
        pictures alone.
      num_steps: of the run, for the rate's schedule.
      init_fn: key -> variables; None draws them.
      batch_size: real pictures of a step, over all devices.
      cf_ratio: counterfactual pictures per real one.
      learning_rate: the largest.
      momentum: of gradient descent.
      nesterov: whether it looks ahead.
      weight_decay: of all parameters, as in the reference code.
      warm_up: steps in which the rate rises from 0.
      decay_every: steps after which it falls to a tenth, again and again, as in the
        reference code; 0 for a cosine to 0 at the end.
      fixed_statistics: whether batch normalisations keep those that they have.
      mirror: whether half of the pictures are mirrored, at random.
      shift: pixels by which pictures are moved at random, at most, along both axes; the
        border is reflected.

    Returns:
      An `Algorithm` over {"image": uint8 [N, H, W, 3], "label": int [N]} and, of an
      ensemble, "counterfactual": {"image", "shape_label", "texture_label",
      "background_label"}; each picture once per epoch. What is read with is {"params",
      "batch_stats"}.

    Raises:
      ValueError: other heads, or no counterfactual picture per step.

    Example:
      >>> network = ResNet((1,), num_classes=5, heads=ENSEMBLE, width=4)
      >>> algorithm = ensemble(network, num_steps=10, batch_size=8, cf_ratio=0.5)
      >>> algorithm.batch_shape, dict(algorithm.sets)
      ((8,), {'counterfactual': 4})
    """
    is_ensemble = set(network.heads) == set(ENSEMBLE)
    sizes = _batch_sizes(network, batch_size, cf_ratio)
    rate = schedule(learning_rate, num_steps, warm_up, decay_every)
    optimizer = optax.chain(
        optax.add_decayed_weights(weight_decay),
        optax.sgd(rate, momentum, nesterov=nesterov),
    )

    def init(key: Key) -> EnsembleState:
        if init_fn is not None:
            variables = init_fn(key)
        else:
            variables = jax.jit(network.init)(key, jnp.zeros((1, 32, 32, 3)))
        return EnsembleState(
            variables=dict(variables), optimizer=optimizer.init(variables["params"])
        )

    def logits_of(variables: Params, images: Array) -> tuple[dict, Params]:
        """The heads' logits, and the new statistics."""
        if fixed_statistics:
            return network.apply(variables, images), variables["batch_stats"]
        logits, updated = network.clone(axis_name=parallel.axis_name()).apply(
            variables, images, train=True, mutable=["batch_stats"]
        )
        return logits, updated["batch_stats"]

    def loss_fn(params, state: EnsembleState, images: Array, batch: Batch):
        logits, statistics = logits_of({**state.variables, "params": params}, images)
        num, labels = len(batch["label"]), batch["label"]
        real = losses.mean_logits({head: x[:num] for head, x in logits.items()})
        parts = dict.fromkeys(ENSEMBLE, jnp.zeros(()))
        if is_ensemble:
            rows = batch[COUNTERFACTUAL]
            parts = losses.of_parts(
                {head: x[num:] for head, x in logits.items()},
                {head: rows[f"{head}_label"] for head in ENSEMBLE},
            )
        loss = losses.cross_entropy(real, labels)
        accuracy = jnp.mean(jnp.argmax(real, -1) == labels)
        info = EnsembleInfo(loss=loss, accuracy=accuracy, **parts)
        return loss + sum(parts.values()), (statistics, info)

    def step(state: EnsembleState, batch: Batch, key: Key):
        keys = jax.random.split(key)
        augment = partial(augmented, mirror=mirror, shift=shift)
        images = augment(batch["image"], keys[0], batch_size)
        if is_ensemble:
            counterfactual = batch[COUNTERFACTUAL]["image"]
            counterfactual = augment(counterfactual, keys[1], sizes[COUNTERFACTUAL])
            images = jnp.concatenate([images, counterfactual])
        params = state.variables["params"]
        gradient, (statistics, info) = jax.grad(loss_fn, has_aux=True)(
            params, state, resnet.normalized(images), batch
        )
        updates, optimizer_state = optimizer.update(
            parallel.mean(gradient), state.optimizer, params
        )
        params = optax.apply_updates(params, updates)
        new_state = EnsembleState(
            variables={"params": params, "batch_stats": statistics},
            optimizer=optimizer_state,
        )
        return new_state, info

    return Algorithm(
        init=init,
        step=step,
        params=lambda state: state.variables,
        batch_shape=(batch_size,),
        in_epochs=True,
        sets=sizes,
    )


def _batch_sizes(network: ResNet, batch_size: int, cf_ratio: float) -> dict[str, int]:
    """{set: rows of a step} beside the real pictures."""
    if len(network.heads) == 1:
        return {}
    if set(network.heads) != set(ENSEMBLE):
        raise ValueError(
            f"an ensemble has the heads {', '.join(ENSEMBLE)}, a plain classifier one; "
            f"this network has {', '.join(network.heads)}"
        )
    size = int(cf_ratio * batch_size)  # as the reference code rounds
    if size < 1:
        raise ValueError(
            f"cf_ratio={cf_ratio} of batch_size={batch_size} is no counterfactual "
            f"picture: it is at least {1 / batch_size:.3g}"
        )
    return {COUNTERFACTUAL: size}


def schedule(
    rate: float, num_steps: int, warm_up: int = 0, decay_every: int = 0
) -> optax.Schedule:
    """The learning rate of each step; arguments as `ensemble` has them.

    >>> falls = schedule(1.0, 45, decay_every=15)
    >>> [round(float(falls(step)), 4) for step in (0, 14, 15, 30)]
    [1.0, 1.0, 0.1, 0.01]
    >>> cosine = schedule(1.0, 12, warm_up=2)
    >>> [round(float(cosine(step)), 4) for step in (0, 1, 2, 7, 12)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    rest = max(num_steps - warm_up, 1)
    later = optax.cosine_decay_schedule(rate, rest)
    if decay_every:
        later = optax.exponential_decay(rate, decay_every, _DECAY, staircase=True)
    rising = optax.linear_schedule(0.0, rate, max(warm_up, 1))
    return optax.join_schedules([rising, later], [warm_up])


def augmented(
    images: Array, key: Key, batch_size: int, *, mirror: bool, shift: int
) -> Array:
    """This device's pictures as floats in [-1, 1], mirrored and moved at random.

    Args:
      images: uint8 [B, H, W, 3], this device's part of the batch.
      key: of what is done to each.
      batch_size: pictures of the batch, over all devices.
      mirror: as in `ensemble`.
      shift: as in `ensemble`.
    """
    key_mirror, key_shift = jax.random.split(key)
    found = pixels(images, key_mirror, batch_size, flip=mirror)
    if not shift:
        return found
    places = jax.random.randint(key_shift, (batch_size, 2), 0, 2 * shift + 1)
    padded = jnp.pad(found, ((0, 0), *[(shift, shift)] * 2, (0, 0)), mode="reflect")

    def part(image: Array, place: Array) -> Array:
        return jax.lax.dynamic_slice(image, (*place, 0), found.shape[1:])

    return jax.vmap(part)(padded, parallel.local(places))


def read_logits(
    network: ResNet, variables: Params, images: np.ndarray, batch_size: int
) -> dict[str, np.ndarray]:
    """Logits of each head, float32 [B, K], and of their means (`resnet.combined`).

    With running statistics.

    Args:
      network: as it was trained.
      variables: what `ensemble` trained.
      images: uint8 [B, H, W, 3], at most `batch_size` of them.
      batch_size: a smaller batch is filled up to it: one program reads all.
    """
    filled = np.resize(images, (batch_size, *images.shape[1:]))
    logits = jax.device_get(_logits(network, variables, filled))
    found = {head: x[: len(images)] for head, x in logits.items()}
    return resnet.combined(found) if set(found) == set(ENSEMBLE) else found


@partial(jax.jit, static_argnames="network")
def _logits(network: ResNet, variables: Params, images: Array) -> dict[str, Array]:
    floats = images.astype(jnp.float32) / 127.5 - 1
    return network.apply(variables, resnet.normalized(floats))
