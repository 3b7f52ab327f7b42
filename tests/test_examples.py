"""Every example in a docstring gives what it says; what users call has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import causal_jax
from causal_jax import interventions
from causal_jax.networks import controller, image, synthetic
from causal_jax.networks.cgn import composition, mnist

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(causal_jax.__path__, "causal_jax.")
    if ".configs" not in module.name and not module.name.endswith("__main__")
)


def _has_examples(name):
    text = inspect.getsource(importlib.import_module(name))
    return ">>>" in text


@pytest.mark.parametrize("name", list(filter(_has_examples, MODULES)))
def test_the_examples_run(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted and not result.failed


# Properties say what they hold in a line.
SHOWN = [
    *(getattr(causal_jax.graph, name) for name in ("read", "build")),
    *interventions.KINDS,
    *(getattr(causal_jax, name) for name in ("SCM", "Tabular", "AdditiveNoise")),
    *(getattr(causal_jax, name) for name in ("Constant", "bernoulli", "categorical")),
    *(getattr(causal_jax, name) for name in ("LinearGaussian", "linear_gaussian")),
    causal_jax.from_module,
    *(controller.NeuralCategorical, controller.ImplicitBinary),
    *(controller.controller, controller.reference_controller),
    *(image.ImageGenerator, synthetic.TanhNetwork),
    *(composition.Uniform, composition.Composition, mnist.Shape, mnist.Texture),
    *(
        method
        for name, method in vars(causal_jax.SCM).items()
        if not name.startswith("_") and inspect.isfunction(method)
    ),
]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.__qualname__)
def test_what_users_call_has_an_example(shown):
    assert ">>>" in inspect.getdoc(shown)
