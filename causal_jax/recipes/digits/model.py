"""The models of this family: a counterfactual generative network, or a plain GAN."""

from typing import Any

from causal_jax.networks.cgn import mnist
from causal_jax.recipes.settings import Settings, require_one_of
from causal_jax.scm import SCM

KINDS = {"cgn": mnist.scm, "gan": mnist.gan}
# Settings that a plain GAN lacks.
_PARTS_ONLY = ("shuffle", "texture_width", "truncation")


def untrained(config: Settings, data: Any = None) -> SCM:
    """The model of a config.

    Raises:
      ValueError: an unknown kind or setting.
    """
    del data
    require_one_of("kind", config.kind, KINDS)
    settings = dict(vars(config.model))
    if config.kind == "gan":
        settings = {k: v for k, v in settings.items() if k not in _PARTS_ONLY}
    return KINDS[config.kind](**settings)


def none(config: Settings, data: Any = None) -> None:
    """A classifier is no structural causal model."""
    del config, data
