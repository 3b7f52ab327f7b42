"""The examples in the docstrings of the algorithms give what they say."""

import doctest
import importlib

import pytest

ALGORITHMS = (
    "causal_began",
    "causal_gan",
    "cgn",
    "classifier",
    "label_counts",
    "label_mle",
    "label_wgan",
    "noise_encoder",
    "small_gan",
)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_example_of_every_algorithm_runs(name):
    module = importlib.import_module(f"causal_jax.training.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0
