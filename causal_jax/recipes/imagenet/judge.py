"""The classifier of real pictures that reads samples; it has no part in training."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.metrics.shares import Share, share, top_hits
from causal_jax.networks.resnet import ResNet, normalized
from causal_jax.recipes.settings import Settings
from causal_jax.training import loop, parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.ensemble import ensemble
from causal_jax.types import Params

KEY = 81  # the same for every run
HEAD, STAGE = "class", "judge"
_BATCH, _READ_AT_ONCE = 64, 200
_FEW = 10  # steps of a quicktest, whose network is small


class Judge(NamedTuple):
    """A trained classifier.

    Attributes:
      network: its module.
      variables: its variables.
      accuracy: on held-out pictures.
    """

    network: ResNet
    variables: Params
    accuracy: Share

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Of uint8 [N, H, W, 3]: float32 [N, K]."""
        return _in_blocks(
            lambda v, x: self.network.apply(v, x)[HEAD], self.variables, images
        )

    def features(self, images: np.ndarray) -> np.ndarray:
        """Of uint8 [N, H, W, 3]: float32 [N, D], what its head reads."""
        return _in_blocks(
            lambda v, x: self.network.apply(v, x, method=ResNet.features),
            self.variables,
            images,
        )


class Rows(NamedTuple):
    """Pictures in memory and their classes.

    Attributes:
      images: uint8 [N, H, W, 3].
      labels: int [N].
    """

    images: np.ndarray
    labels: np.ndarray


def trained(
    config: Settings,
    folder: Path,
    training: Rows,
    held_out: Rows,
    *,
    num_classes: int,
) -> Judge:
    """Trains a classifier, or reads the one that an earlier evaluation trained.

    Args:
      config: with `judge_steps`.
      folder: where it is kept.
      training: what it learns from.
      held_out: what its accuracy is of.
      num_classes: of the data set, also those that no picture is of.
    """
    network = small_resnet(num_classes, config.judge_steps)
    algorithm = fit_of_small_resnet(
        network,
        num_steps=config.judge_steps,
        batch_size=parallel.divisible(_BATCH),
        size=training.images.shape[1],
    )
    fit = loop.fit(
        algorithm,
        {"image": training.images, "label": training.labels.astype(np.int32)},
        key=jax.random.key(KEY),
        num_steps=config.judge_steps,
        stage=STAGE,
        workdir=folder,
        steps_per_dispatch=parallel.num_dispatched(50),
    )
    judge = Judge(network=network, variables=fit.params, accuracy=Share(None, None))
    hits = top_hits(judge.logits(held_out.images), held_out.labels, 1)
    return judge._replace(accuracy=share(hits))


def small_resnet(num_classes: int, num_steps: int) -> ResNet:
    """A classifier for pictures of about 64 pixels; in a quicktest a tiny one."""
    is_quick = num_steps < _FEW
    return ResNet(
        (1,) if is_quick else (2, 2, 2),
        num_classes=num_classes,
        heads=(HEAD,),
        width=4 if is_quick else 32,
        stem=3,
    )


def fit_of_small_resnet(
    network: ResNet, *, num_steps: int, batch_size: int, size: int
) -> Algorithm:
    """Its training, by the settings of `imagenet_ensemble:tiny`."""
    return ensemble(
        network,
        num_steps=num_steps,
        batch_size=batch_size,
        learning_rate=0.05,
        nesterov=True,
        weight_decay=5e-4,
        warm_up=num_steps // 20,
        shift=size // 10,
    )


def _in_blocks(read_fn: Callable, variables: Params, images: np.ndarray) -> np.ndarray:
    read = jax.jit(
        lambda v, x: read_fn(v, normalized(x.astype(jnp.float32) / 127.5 - 1))
    )
    found = []
    for first in range(0, len(images), _READ_AT_ONCE):
        block = images[first : first + _READ_AT_ONCE]
        filled = np.resize(block, (_READ_AT_ONCE, *block.shape[1:]))
        found.append(np.asarray(read(variables, filled))[: len(block)])
    return np.concatenate(found)
