"""Spectral normalisation: the largest singular value becomes 1, live or folded."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks.spectral_norm import (
    SpectralConv,
    SpectralDense,
    SpectralEmbed,
    folded,
)

KEY = jax.random.key(0)
LAYERS = {
    "conv": (SpectralConv(7), jnp.ones((1, 4, 4, 5)), "kernel"),
    "pointwise": (SpectralConv(3, 1), jnp.ones((1, 4, 4, 5)), "kernel"),
    "dense": (SpectralDense(6), jnp.ones((2, 9)), "kernel"),
    "embed": (SpectralEmbed(8, 3), jnp.array([1, 7]), "embedding"),
}


def random_variables(layer, x, leaf):
    """Variables whose matrix is far from orthogonal."""
    variables = layer.init(KEY, x)
    kernel = variables["params"][leaf]
    random = 3 * jax.random.normal(jax.random.key(1), kernel.shape)
    return {**variables, "params": {**variables["params"], leaf: random}}


def trained(layer, variables, x, num):
    """The variables after so many training passes."""
    step = jax.jit(lambda v: layer.apply(v, x, train=True, mutable=["spectral"])[1])
    for _ in range(num):
        variables = {**variables, **step(variables)}
    return variables


@pytest.mark.parametrize("name", LAYERS)
def test_iterations_bring_the_largest_singular_value_to_1(name):
    layer, x, leaf = LAYERS[name]
    variables = trained(layer, random_variables(layer, x, leaf), x, 200)
    kernel = np.asarray(folded(variables)["params"][leaf])
    values = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)
    assert values[0] == pytest.approx(1, abs=1e-4)
    before = np.asarray(variables["params"][leaf]).reshape(-1, kernel.shape[-1])
    assert np.linalg.svd(before, compute_uv=False)[0] > 3


@pytest.mark.parametrize("name", LAYERS)
def test_folded_weights_give_the_live_layer_s_output(name):
    layer, x, leaf = LAYERS[name]
    variables = trained(layer, random_variables(layer, x, leaf), x, 2)
    plain = layer.clone(spectral_norm=False)
    assert set(folded(variables)) == {"params"}
    np.testing.assert_allclose(
        plain.apply(folded(variables), x), layer.apply(variables, x), rtol=1e-5
    )


def test_evaluation_moves_no_vector_and_training_one_iteration():
    layer, x, leaf = LAYERS["dense"]
    variables = random_variables(layer, x, leaf)
    _, same = layer.apply(variables, x, mutable=["spectral"])
    np.testing.assert_array_equal(same["spectral"]["u"], variables["spectral"]["u"])
    moved = trained(layer, variables, x, 1)["spectral"]
    matrix = np.asarray(variables["params"][leaf])
    v = matrix @ np.asarray(variables["spectral"]["u"])
    v /= np.linalg.norm(v)
    u = v @ matrix
    np.testing.assert_allclose(moved["v"], v, rtol=1e-5)
    np.testing.assert_allclose(moved["u"], u / np.linalg.norm(u), rtol=1e-5)


def test_a_pass_that_may_not_keep_the_vectors_still_iterates():
    layer, x, leaf = LAYERS["dense"]
    variables = random_variables(layer, x, leaf)
    kept, _ = layer.apply(variables, x, train=True, mutable=["spectral"])
    np.testing.assert_allclose(layer.apply(variables, x, train=True), kept, rtol=1e-6)


def test_the_gradient_leaves_the_vectors_alone():
    """d(W / s)/dW with s = u'Wv and fixed u, v: (G - <G, W/s> u v') / s."""
    layer, x, leaf = LAYERS["dense"]
    variables = random_variables(layer, x, leaf)
    cotangent = jax.random.normal(jax.random.key(2), variables["params"][leaf].shape)

    def loss(kernel):
        params = {**variables["params"], leaf: kernel}
        full = {**variables, "params": params}
        # Of the identity a layer without bias gives its matrix.
        return jnp.sum(layer.apply(full, jnp.eye(9), train=True) * cotangent)

    kernel = variables["params"][leaf]
    vectors = trained(layer, variables, x, 1)["spectral"]
    sigma = vectors["v"] @ kernel @ vectors["u"]
    outer = jnp.outer(vectors["v"], vectors["u"])
    expected = (cotangent - jnp.sum(cotangent * kernel) / sigma * outer) / sigma
    np.testing.assert_allclose(jax.grad(loss)(kernel), expected, rtol=1e-4, atol=1e-6)


def test_weights_of_the_classes_mix_their_vectors():
    layer = SpectralEmbed(3, 4)
    variables = layer.init(KEY, jnp.array([0]))
    both = layer.apply(variables, jnp.array([0, 2]))
    mixed = layer.apply(variables, jnp.array([[0.25, 0.0, 0.75]]))
    np.testing.assert_allclose(mixed[0], 0.25 * both[0] + 0.75 * both[1], rtol=1e-5)
