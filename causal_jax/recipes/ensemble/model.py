"""The networks of this family; they are no structural causal models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from causal_jax.importers import imported
from causal_jax.networks import resnet
from causal_jax.networks.resnet import ENSEMBLE, ResNet
from causal_jax.recipes.settings import Settings, require_one_of
from causal_jax.runs import folder
from causal_jax.types import Key, Params

STAGE = "ensemble"
PLAIN_HEAD = "class"
OWN = "own"
KINDS = (OWN, *resnet.BLOCKS)


def none(config: Settings, data: Any = None) -> None:
    """A classifier is no structural causal model."""
    del config, data


def network(config: Settings, num_classes: int) -> ResNet:
    """The network of a config, with the heads of the ensemble or one head.

    Raises:
      ValueError: an unknown network.
    """
    require_one_of("network", config.network, KINDS)
    heads = (PLAIN_HEAD,) if config.plain else ENSEMBLE
    if config.network != OWN:
        sizes, is_bottleneck = resnet.BLOCKS[config.network]
        return ResNet(
            sizes, is_bottleneck=is_bottleneck, num_classes=num_classes, heads=heads
        )
    return ResNet(
        tuple(config.blocks),
        num_classes=num_classes,
        heads=heads,
        width=config.width,
        stem=config.stem,
    )


def require_weights(config: Settings) -> None:
    """Raises ValueError unless `config.weights` holds weights of the network."""
    if not config.weights:
        return
    if config.network == OWN:
        raise ValueError(
            f"weights={config.weights} goes with network=resnet18 or resnet50: a "
            "network of one's own begins anew"
        )
    name = imported.about(config.weights)["name"]
    if name != config.network:
        raise ValueError(
            f"{config.weights} holds {name}, not {config.network}: import that, or "
            f"say --config.network={name}"
        )


def init_fn(config: Settings, one: ResNet) -> Callable[[Key], Params] | None:
    """What training begins with: imported weights below new heads; None: all anew."""
    if not config.weights:
        return None
    variables = imported.load(config.weights, names=[config.network])
    return lambda key: resnet.with_new_heads(one, variables, key)


def load(workdir: Path, one: ResNet) -> Params:
    """The trained network of a run.

    Raises:
      ValueError: it has no checkpoint yet.
    """
    like = jax.eval_shape(
        lambda key: dict(one.init(key, jnp.zeros((1, 32, 32, 3)))), jax.random.key(0)
    )
    checkpoints = folder.checkpoints(workdir, STAGE)
    step = checkpoints.latest()
    if step is None:
        raise ValueError(f"{workdir} has no checkpoint yet: let the training reach one")
    return checkpoints.restore_params(step, like)
