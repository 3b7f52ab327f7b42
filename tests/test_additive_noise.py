"""Numbers with normal noise, and errors in their functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.additive_noise import AdditiveNoise
from causal_jax.scm import SCM


def weighted_sum(params, x, y):
    return params * x + y


def mean_of_vector(params, x):
    return x * jnp.arange(3.0)


def test_additive_noise_has_the_normal_density():
    mechanism = AdditiveNoise(weighted_sum)
    params = {"mean": jnp.float32(2.0), "scale": jnp.float32(0.5)}
    x = jnp.float32(1.7)
    found = mechanism.log_prob(params, (jnp.float32(0.5), jnp.float32(0.25)), x)
    mean = 2.0 * 0.5 + 0.25
    expected = -0.5 * ((1.7 - mean) / 0.5) ** 2 - np.log(0.5 * np.sqrt(2 * np.pi))
    assert float(found) == pytest.approx(expected, abs=1e-5)


def test_the_density_of_a_vector_is_the_product_of_its_entries():
    mechanism = AdditiveNoise(mean_of_vector, (3,))
    params = {"mean": {}, "scale": jnp.float32(2.0)}
    found = mechanism.log_prob(params, (jnp.float32(1.0),), jnp.array([0.0, 3.0, 2.0]))
    z = np.array([0.0, 1.0, 0.0])
    expected = np.sum(-0.5 * z**2 - np.log(2.0 * np.sqrt(2 * np.pi)))
    assert float(found) == pytest.approx(expected, abs=1e-5)


def test_a_scale_of_zero_is_a_point_mass_whose_noise_keeps_the_prior():
    mechanism = AdditiveNoise(weighted_sum)
    params = {"mean": jnp.float32(2.0), "scale": jnp.float32(0.0)}
    parents = (jnp.float32(0.5), jnp.float32(0.25))
    assert float(mechanism.log_prob(params, parents, jnp.float32(1.25))) == 0
    assert np.isneginf(mechanism.log_prob(params, parents, jnp.float32(1.26)))
    keys = jax.random.split(jax.random.key(0), 4000)
    noise = jax.vmap(lambda k: mechanism.abduct(params, parents, jnp.float32(1.25), k))(
        keys
    )
    assert abs(float(noise.mean())) < 5 / np.sqrt(4000)
    assert abs(float(noise.var()) - 1) < 5 * np.sqrt(2 / 4000)


@pytest.mark.parametrize(
    ("shape", "scale", "fits"),
    [
        ((), 1.0, True),
        ((), [1.0, 2.0, 3.0], False),
        ((3,), 2.0, True),
        ((3,), [1.0, 2.0, 3.0], True),
        ((3,), [1.0, 2.0], False),
        ((2, 3), [1.0, 2.0, 3.0], True),
        ((2, 3), [[1.0], [2.0]], True),
        ((2, 3), [1.0, 2.0], False),
    ],
)
def test_a_scale_of_another_shape_does_not_change_a_node_s(shape, scale, fits):
    mechanism = AdditiveNoise(lambda p: jnp.zeros(shape), shape=shape)
    scm = SCM(graphs.build([], nodes=["A"]), {"A": mechanism})
    params = {"A": {"mean": {}, "scale": jnp.asarray(scale)}}
    if fits:
        found = scm.sample(params, jax.random.key(0), num=5)["A"]
        assert found.shape == (5, *shape)
        return
    with pytest.raises(ValueError, match="the scale of node 'A' has shape"):
        scm.sample(params, jax.random.key(0), num=5)


def _two_values(params, first, second):
    return first + second


@pytest.mark.parametrize(
    ("mean_fn", "error"),
    [
        (_two_values, TypeError),
        (lambda params, x: params["slope"] * x, KeyError),
        (lambda params, x: jnp.zeros(3), ValueError),
    ],
    ids=["arguments", "key", "shape"],
)
@pytest.mark.parametrize("do", [None, {"X": 1.0}])
def test_an_error_in_a_function_says_whose_it_is(mean_fn, error, do):
    mechanisms = {"X": AdditiveNoise(lambda p: p["bias"]), "Y": AdditiveNoise(mean_fn)}
    scm, numbers = SCM("X -> Y", mechanisms), {"bias": jnp.zeros(())}
    params = {name: {"mean": numbers, "scale": jnp.ones(())} for name in scm.nodes}
    with pytest.raises(error) as raised:
        scm.sample(params, jax.random.key(0), num=2, do=do)
    note = "In the mechanism of node 'Y', whose parents are, in order: X."
    assert raised.value.__notes__.count(note) == 1
