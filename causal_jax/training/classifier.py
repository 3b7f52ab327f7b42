"""Training of the digit classifier, on the data's pictures or on ones drawn as it goes.

Sauer & Geiger (2021), section 4.1 and the reference code `train_classifier.py`: ten
epochs of 64 pictures per step by Adadelta (Zeiler 2012; rho .9, epsilon 1e-6), whose
rate falls by .7 after every epoch from 1. Invariant risk minimisation (Arjovsky et al.
2019, arXiv 1907.02893, equation IRMv1) is the same with a penalty: that a scale of 1 is
the best one of the logits in every environment at once.

    L = sum_e R_e / E + a sum_e (d/dw R_e(w logits) at w = 1)^2 / E

The square of a slope is the product of those of two halves of the batch, whose noise is
independent (there, appendix D): a noisy slope's square would penalise that pictures
differ. Each half is normalised by itself; with statistics in common the product of the
two slopes can be made negative without end, and is.

Differences from the reference code: batches follow one another without a gap, so that
an epoch's last batch is not a smaller one (15,625 steps for ten epochs of 100,000).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.types import Array, Batch, Key, Params

# Adadelta's, PyTorch's defaults.
_ADADELTA_RHO, _ADADELTA_EPSILON = 0.9, 1e-6


class ClassifierState(NamedTuple):
    """What the next step needs.

    Attributes:
      step: int32 [].
      variables: Flax collections.
      optimizer: optimiser state.
    """

    step: Array
    variables: Params
    optimizer: Any


class ClassifierInfo(NamedTuple):
    """What is logged.

    Attributes:
      loss: mean cross entropy, nats.
      accuracy: on the step's batch.
      penalty: of invariant risk minimisation; 0 without environments.
    """

    loss: Array
    accuracy: Array
    penalty: Array


def classifier(
    module: nn.Module,
    *,
    steps_per_epoch: int,
    draw_fn: Callable[[Batch, Key, int], tuple[Array, Array]] | None = None,
    batch_size: int = 64,
    learning_rate: float = 1.0,
    decay: float = 0.7,
    num_environments: int = 0,
    penalty_weight: float = 0.0,
    penalty_from: int = 0,
) -> Algorithm:
    """Training of `networks.digit_classifier.DigitClassifier`.

    Sauer & Geiger (2021), section 4.1; with environments Arjovsky et al. (2019), IRMv1.

    Args:
      module: images, train -> logits.
      steps_per_epoch: after so many steps the rate falls by `decay`.
      draw_fn: (rows, key, num) -> images [num, H, W, 3], labels [num]: pictures drawn
        in the step instead of read; `rows` are those of the data. Each device draws the
        whole batch and takes its part.
      batch_size: pictures of a step, over all devices.
      learning_rate: Adadelta's rate at first.
      decay: its factor after each epoch.
      num_environments: of invariant risk minimisation; 0 for none. The batch then has
        "environments", int [B] in 0 .. num_environments - 1.
      penalty_weight: a above.
      penalty_from: first step that is penalised; before it a is 1.

    Returns:
      An `Algorithm` over batches {"images": float32 [B, H, W, 3] in [-1, 1], "labels":
      int [B]}, each picture once per epoch. What is read with is {"params",
      "batch_stats"}.

    Raises:
      ValueError: environments, and a batch that cannot be halved.

    Example:
      >>> from causal_jax.networks.digit_classifier import DigitClassifier
      >>> algorithm = classifier(DigitClassifier(), steps_per_epoch=10, batch_size=8)
      >>> algorithm.batch_shape, algorithm.in_epochs
      ((8,), True)
    """
    if num_environments and batch_size // jax.device_count() % 2:
        raise ValueError(
            "invariant risk minimisation halves each device's pictures: "
            f"batch_size={batch_size} over {jax.device_count()} devices is odd"
        )

    def schedule(step: Array) -> Array:
        return learning_rate * decay ** (step // steps_per_epoch)

    optimizer = optax.adadelta(schedule, rho=_ADADELTA_RHO, eps=_ADADELTA_EPSILON)

    def init(key: Key) -> ClassifierState:
        variables = module.init(key, jnp.zeros((2, 32, 32, 3)), False)
        return ClassifierState(
            step=jnp.int32(0),
            variables=dict(variables),
            optimizer=optimizer.init(variables["params"]),
        )

    def read(variables: Params, images: Array) -> tuple[Array, Params]:
        """Logits in training mode, and the new statistics."""
        network = module.clone(axis_name=parallel.axis_name())
        parts = jnp.split(images, 2) if num_environments else [images]
        logits, updated = zip(
            *(
                network.apply(variables, part, True, mutable=["batch_stats"])
                for part in parts
            ),
            strict=True,
        )
        mean = jax.tree.map(lambda *each: sum(each) / len(each), *updated)
        return jnp.concatenate(logits), mean

    def step(state: ClassifierState, batch: Batch, key: Key):
        images, labels = batch.get("images"), batch.get("labels")
        if draw_fn is not None:
            images, labels = parallel.local(draw_fn(batch, key, batch_size))
        weight = jnp.where(state.step < penalty_from, 1.0, penalty_weight)

        def loss_fn(params):
            variables = {**state.variables, "params": params}
            logits, updated = read(variables, images)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            loss, penalty = jnp.mean(losses), jnp.zeros(())
            if num_environments:
                loss, penalty = _invariant_risk(
                    logits, labels, batch["environments"], num_environments
                )
            accuracy = jnp.mean(jnp.argmax(logits, -1) == labels)
            info = ClassifierInfo(loss=loss, accuracy=accuracy, penalty=penalty)
            return loss + weight * penalty, (updated, info)

        params = state.variables["params"]
        gradient, (updated, info) = jax.grad(loss_fn, has_aux=True)(params)
        updates, optimizer_state = optimizer.update(
            parallel.mean(gradient), state.optimizer, params
        )
        variables = {"params": optax.apply_updates(params, updates), **updated}
        new_state = ClassifierState(
            step=state.step + 1, variables=variables, optimizer=optimizer_state
        )
        return new_state, info

    return Algorithm(
        init=jax.jit(init),
        step=step,
        params=lambda state: state.variables,
        batch_shape=(batch_size,),
        in_epochs=True,
    )


def _invariant_risk(
    logits: Array, labels: Array, environments: Array, num: int
) -> tuple[Array, Array]:
    """Mean risk and mean penalty of the environments that the batch holds."""
    members = jax.nn.one_hot(environments, num)  # [B, E]
    is_first = jnp.arange(len(labels))[:, None] < len(labels) // 2
    halves = jnp.concatenate([members * is_first, members * ~is_first], axis=1)

    def losses(scale: Array) -> Array:
        return optax.softmax_cross_entropy_with_integer_labels(scale * logits, labels)

    values, slopes = jax.jvp(losses, (jnp.ones(()),), (jnp.ones(()),))
    risks = values @ members / jnp.maximum(jnp.sum(members, axis=0), 1.0)
    slopes = slopes @ halves / jnp.maximum(jnp.sum(halves, axis=0), 1.0)
    return jnp.mean(risks), jnp.mean(slopes[:num] * slopes[num:])


def predict(
    module: nn.Module, variables: Params, images: Array, *, batch_size: int = 500
) -> Array:
    """Classes read off pictures, int32 [N]; with running statistics.

    Args:
      module: as `classifier` has it.
      variables: what it trained.
      images: [N, H, W, 3].
      batch_size: pictures read at once.
    """
    return _predict_in_batches(module, variables, images, min(batch_size, len(images)))


@partial(jax.jit, static_argnames=("module", "batch_size"))
def _predict_in_batches(module, variables, images, batch_size):
    def class_of(image):
        logits = module.apply(variables, image[None], False)
        return jnp.argmax(logits[0], axis=-1).astype(jnp.int32)

    return jax.lax.map(class_of, images, batch_size=batch_size)
