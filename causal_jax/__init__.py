"""Causal generative models in JAX: see, do and imagine, over labels and images."""

from causal_jax import graph, interventions
from causal_jax.interventions import Modify, Randomize, Replace, Scale, Set, Shift
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
from causal_jax.workdir import load

__all__ = [
    "SCM",
    "AdditiveNoise",
    "Constant",
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
    "load",
]
