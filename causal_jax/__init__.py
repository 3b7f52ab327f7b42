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
    from causal_jax.reporting import notebook as plot
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
    "from_module",
    "graph",
    "interventions",
    "linear_gaussian",
    "load",
    "plot",
]

# CausalGAN's graphs go by their names wherever a graph is read.
graph.register_names("causal_jax.data.celeba_graphs")


def __getattr__(name: str) -> Any:
    """`load` and `plot` when they are first used: most programs need no Orbax to load
    runs and no matplotlib."""
    if name == "load":
        from causal_jax.runs.load import load

        return load
    if name == "plot":
        from causal_jax.reporting import notebook

        return notebook
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
