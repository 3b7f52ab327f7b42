"""Causal generative models in JAX: see, do and imagine, over labels and images."""

import importlib
from typing import TYPE_CHECKING, Any

from causal_jax import graph, interventions
from causal_jax.additive_noise import AdditiveNoise, Constant
from causal_jax.flax_modules import from_module
from causal_jax.interventions import Modify, Randomize, Replace, Scale, Set, Shift
from causal_jax.linear import LinearGaussian, linear_gaussian
from causal_jax.mechanism import Mechanism
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular, bernoulli, categorical

if TYPE_CHECKING:
    from causal_jax.reporting import notebook as plot
    from causal_jax.runs import export
    from causal_jax.runs.load import load

__version__ = "0.1.0"

__all__ = [
    "SCM",
    "AdditiveNoise",
    "Constant",
    "LinearGaussian",
    "Mechanism",
    "Modify",
    "Randomize",
    "Replace",
    "Scale",
    "Set",
    "Shift",
    "Tabular",
    "bernoulli",
    "categorical",
    "export",
    "from_module",
    "graph",
    "interventions",
    "linear_gaussian",
    "load",
    "plot",
]

# CausalGAN's graphs go by their names wherever a graph is read.
graph.register_names("causal_jax.data.celeba_graphs")


# What is imported when it is first used, "module" or "module:name": most programs need
# no Orbax, no matplotlib and no exported programs.
_LAZY = {
    "export": "causal_jax.runs.export",
    "load": "causal_jax.runs.load:load",
    "plot": "causal_jax.reporting.notebook",
}


def __getattr__(name: str) -> Any:
    """What is imported late."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _LAZY[name].partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found
