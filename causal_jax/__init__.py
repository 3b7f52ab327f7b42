"""Causal generative models in JAX: see, do and imagine, over labels and images."""

from typing import TYPE_CHECKING, Any

from causal_jax import graph, interventions
from causal_jax.interventions import Modify, Randomize, Replace, Scale, Set, Shift
from causal_jax.linear import LinearGaussian, linear_gaussian
from causal_jax.mechanism import (
    AdditiveNoise,
    Constant,
    Mechanism,
    Tabular,
    bernoulli,
    categorical,
    from_module,
)
from causal_jax.scm import SCM

if TYPE_CHECKING:
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
]

# CausalGAN's graphs go by their names wherever a graph is read.
graph.register_names("causal_jax.data.celeba_graphs")


def __getattr__(name: str) -> Any:
    """What is imported when it is first used: most programs do not need it."""
    if name == "export":
        from causal_jax.runs import export

        return export
    if name == "load":
        from causal_jax.runs.load import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
