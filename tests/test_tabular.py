"""States and their noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.tabular import Tabular, bernoulli, categorical

LAWS = [(0.2, 0.5, 0.3), (0.0, 0.4, 0.6, 0.0), (0.999999, 1e-6), (1e-4, 0.9, 0.0999)]


@pytest.mark.parametrize("coupling", ["inverse_cdf", "gumbel"])
@pytest.mark.parametrize("probs", LAWS)
def test_states_are_drawn_with_their_probabilities(probs, coupling, assert_frequencies):
    num = 100_000
    mechanism = Tabular(len(probs), (), coupling)
    params = {"probs": jnp.array(probs)}
    noise = mechanism.noise(jax.random.key(0), num)
    states = jax.vmap(lambda u: mechanism.apply(params, (), u))(noise)
    frequencies = np.bincount(states, minlength=len(probs)) / num
    assert_frequencies(frequencies, np.array(probs), num)


@pytest.mark.parametrize("coupling", ["inverse_cdf", "gumbel"])
@pytest.mark.parametrize("probs", LAWS)
def test_abducted_noise_gives_back_the_state_of_every_one_of_many_units(
    probs, coupling
):
    num = 200_000
    mechanism = Tabular(len(probs), (), coupling)
    params = {"probs": jnp.array(probs)}
    possible = np.flatnonzero(probs)
    states = jnp.asarray(np.resize(possible, num))

    def again(state, key):
        noise = mechanism.abduct(params, (), state, key)
        return mechanism.apply(params, (), noise), noise

    keys = jax.random.split(jax.random.key(1), num)
    found, noise = jax.jit(jax.vmap(again))(states, keys)
    assert bool((found == states).all())
    assert bool(jnp.isfinite(noise).all())


@pytest.mark.parametrize("coupling", ["inverse_cdf", "gumbel"])
def test_noise_abducted_from_drawn_states_has_the_prior_law(coupling):
    num, probs = 100_000, jnp.array([0.2, 0.5, 0.3])
    mechanism, params = Tabular(3, (), coupling), {"probs": probs}
    prior = mechanism.noise(jax.random.key(0), num)
    states = jax.vmap(lambda u: mechanism.apply(params, (), u))(prior)
    keys = jax.random.split(jax.random.key(1), num)
    noise = jax.vmap(lambda s, k: mechanism.abduct(params, (), s, k))(states, keys)
    # Uniforms: mean 1/2, variance 1/12. Gumbels: Euler's constant and pi^2 / 6.
    mean, variance = {
        "inverse_cdf": (0.5, 1 / 12),
        "gumbel": (np.euler_gamma, np.pi**2 / 6),
    }[coupling]
    standard_error = np.sqrt(variance / num)
    assert np.all(np.abs(np.mean(noise, 0) - mean) < 5 * standard_error)
    excess = {"inverse_cdf": 1.8, "gumbel": 5.4}[coupling]  # fourth moment / variance^2
    standard_error = variance * np.sqrt((excess - 1) / num)
    assert np.all(np.abs(np.var(noise, 0) - variance) < 5 * standard_error)
    if coupling == "gumbel":  # the Gumbels of different states are independent
        correlation = np.corrcoef(np.asarray(noise).T)[np.triu_indices(3, 1)]
        assert np.all(np.abs(correlation) < 5 / np.sqrt(num))


def test_inverse_cdf_is_monotone_in_the_noise():
    mechanism, params = Tabular(4), {"probs": jnp.array([0.1, 0.0, 0.6, 0.3])}
    noise = jnp.array([0.0, 0.0999, 0.1001, 0.6999, 0.7001, 1 - 2**-24])
    states = [int(mechanism.apply(params, (), u)) for u in noise]
    assert states == [0, 0, 2, 2, 3, 3]


EDGES = [
    (1e-8, 1 - 1e-8),
    (1 - 1e-8, 1e-8),
    (0.5, 1e-8, 0.5 - 1e-8),
    (0.5, 1e-30, 1e-8, 1e-12, 0.5),
    (0.0, 1.0, 1e-8, 0.0),
    (1e-8, 0.0, 1.0),
    (0.5, 0.0, *[1e-9] * 20, 0.0, 0.5),
]


@pytest.mark.parametrize("coupling", ["inverse_cdf", "gumbel"])
@pytest.mark.parametrize("probs", EDGES)
def test_states_of_one_in_a_hundred_million_are_abducted(probs, coupling):
    """One at a time and in another program: the state comes back."""
    mechanism = Tabular(len(probs), (), coupling)
    params = {"probs": jnp.array(probs)}
    abduct = jax.jit(jax.vmap(mechanism.abduct, in_axes=(None, None, None, 0)))
    apply = jax.jit(jax.vmap(mechanism.apply, in_axes=(None, None, 0)))
    for state in range(len(probs)):
        keys = jax.random.split(jax.random.key(state), 2000)
        noise = abduct(params, (), jnp.int32(state), keys)
        if coupling == "inverse_cdf":
            assert float(noise.min()) >= 0 and float(noise.max()) < 1
        is_state = np.asarray(apply(params, (), noise)) == state
        if probs[state] > 0:
            assert is_state.all()
        elif coupling == "inverse_cdf":
            assert not is_state.any()


def test_the_edges_of_states_leave_what_is_drawn_where_it_was():
    """Against the count of cumulated probabilities not above the uniform."""
    random = np.random.default_rng(0)
    uniforms = jax.random.uniform(jax.random.key(0), (20_000,))
    for size in (2, 3, 7, 40):
        row = random.dirichlet(np.ones(size)).astype(np.float32)
        mechanism, params = Tabular(size), {"probs": jnp.asarray(row)}
        states = jax.vmap(lambda u, m=mechanism, p=params: m.apply(p, (), u))(uniforms)
        edges = np.asarray(jnp.cumsum(jnp.asarray(row)))[:-1]
        expected = (np.asarray(uniforms)[:, None] >= edges).sum(1)
        np.testing.assert_array_equal(states, expected)


@pytest.mark.parametrize("state", [0, 1, 2])
def test_the_gradient_of_a_table_with_zeros_is_finite(state):
    mechanism = Tabular(3)

    def log_prob(probs):
        return mechanism.log_prob({"probs": probs}, (), jnp.int32(state))

    gradient = jax.grad(log_prob)(jnp.array([0.75, 0.25, 0.0]))
    expected = np.zeros(3)
    if state < 2:
        expected[state] = 1 / (0.75, 0.25)[state]
    np.testing.assert_allclose(gradient, expected)


def test_bernoulli_and_categorical_build_tables_of_their_probabilities():
    mechanism, params = bernoulli(0.3)
    assert mechanism == Tabular(2)
    np.testing.assert_allclose(params["probs"], [0.7, 0.3], rtol=1e-6)
    mechanism, params = categorical(np.full((2, 3, 4), 0.25))
    assert mechanism == Tabular(4, (2, 3))


@pytest.mark.parametrize("probs", [(0.5, 0.6), (-0.5, 1.5), ((0.5, 0.5), (1.0, 0.1))])
def test_a_table_whose_rows_are_no_laws_is_an_error(probs):
    with pytest.raises(ValueError, match="sums to one"):
        categorical(probs)
