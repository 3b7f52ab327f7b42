import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import linear, linear_gaussian
from causal_jax.scm import SCM
from causal_jax.tabular import bernoulli

KEY = jax.random.key(0)
NUM = 20_000


def model(graph, **nodes):
    """A linear-Gaussian model: {node: (weights, bias, scale)}."""
    built = {n: linear_gaussian(w, bias=b, scale=s) for n, (w, b, s) in nodes.items()}
    scm = SCM(graph, {name: mechanism for name, (mechanism, _) in built.items()})
    return scm, {name: params for name, (_, params) in built.items()}


# a -> b -> d <- c, a -> c: the joint law is computed below, from the equations alone.
EQUATIONS = {
    "a": ([], 1.0, 2.0),
    "b": ([0.5], -1.0, 1.0),
    "c": ([-1.5], 0.0, 0.3),
    "d": ([2.0, 1.0], 0.5, 0.7),
}
GRAPH = "a -> b ; a -> c ; b, c -> d"


def joint_law(scm):
    """Mean and covariance of all nodes: x = W x + bias + scale u."""
    names = list(scm.nodes)
    matrix = np.zeros((len(names), len(names)))
    for name, (weights, _, _) in EQUATIONS.items():
        for parent, weight in zip(scm.parents[name], weights, strict=True):
            matrix[names.index(name), names.index(parent)] = weight
    inverse = np.linalg.inv(np.eye(len(names)) - matrix)
    bias = np.array([EQUATIONS[name][1] for name in names])
    scale = np.diag([EQUATIONS[name][2] ** 2 for name in names])
    return names, inverse @ bias, inverse @ scale @ inverse.T


@pytest.mark.parametrize("observed", [{"d": 4.0}, {"b": 2.0, "d": -1.0}, {"c": 3.0}])
def test_the_posterior_is_the_conditional_normal_law(observed):
    scm, params = model(GRAPH, **EQUATIONS)
    names, mean, covariance = joint_law(scm)
    seen = [names.index(name) for name in observed]
    hidden = [i for i in range(len(names)) if i not in seen]
    gain = covariance[np.ix_(hidden, seen)] @ np.linalg.inv(
        covariance[np.ix_(seen, seen)]
    )
    expected = mean[hidden] + gain @ (np.array(list(observed.values())) - mean[seen])
    spread = (
        covariance[np.ix_(hidden, hidden)] - gain @ covariance[np.ix_(seen, hidden)]
    )
    factual = {name: np.full(NUM, value) for name, value in observed.items()}
    drawn = scm.counterfactual(params, KEY, factual)
    found = np.stack([np.asarray(drawn[names[i]]) for i in hidden], 1).astype(float)
    standard_error = np.sqrt(np.diag(spread) / NUM)
    assert np.all(np.abs(found.mean(0) - expected) < 5 * standard_error)
    variances = np.diag(spread)
    error = np.sqrt((np.outer(variances, variances) + spread**2) / NUM)
    assert np.all(np.abs(np.cov(found.T) - spread) < 5 * error)
    for name, value in factual.items():
        np.testing.assert_allclose(drawn[name], value, atol=1e-4)


def test_what_one_particle_in_ten_million_comes_near_is_exact():
    """X | Y = 20 is N(8, 1/5)."""
    scm, params = model("X -> Y", X=([], 0.0, 1.0), Y=([2.0], 0.0, 1.0))
    counts = scm.posterior(params, KEY, {"Y": np.full(NUM, 20.0)})
    assert np.all(np.isinf(counts.effective)) and np.all(counts.possible)
    x = np.asarray(counts.noise["X"])
    assert abs(x.mean() - 8) < 5 * np.sqrt(0.2 / NUM)
    assert abs(x.var() - 0.2) < 5 * 0.2 * np.sqrt(2 / NUM)


def test_a_scale_of_zero_determines_what_is_hidden():
    scm, params = model("X -> Y", X=([], 0.0, 1.0), Y=([2.0], 1.0, 0.0))
    drawn = scm.counterfactual(params, KEY, {"Y": np.array([7.0, -3.0])}, do={"X": 5.0})
    np.testing.assert_allclose(drawn["Y"], [11.0, 11.0])
    noise = scm.abduct(params, KEY, {"Y": np.array([7.0, -3.0])})
    np.testing.assert_allclose(noise["X"], [3.0, -2.0], atol=1e-5)


def test_what_contradicts_a_scale_of_zero_is_impossible():
    nodes = {"X": ([], 0.0, 1.0), "Y": ([2.0], 0.0, 0.0), "Z": ([1.0], 0.0, 0.0)}
    scm, params = model("X -> Y ; X -> Z", **nodes)
    scm.abduct(params, KEY, {"Y": 2.0, "Z": 1.0})
    with pytest.raises(ValueError, match="impossible"):
        scm.abduct(params, KEY, {"Y": 2.0, "Z": 2.0})
    with pytest.raises(ValueError, match="impossible .* 'Y' has probability zero"):
        scm.abduct(params, KEY, {"X": 1.0, "Y": 3.0})


def test_observed_states_enter_as_numbers():
    (coin, coin_params), (x, x_params) = bernoulli(0.5), linear_gaussian()
    y, y_params = linear_gaussian([3.0, 1.0])
    scm = SCM("C, x -> y", {"C": coin, "x": x, "y": y})
    params = {"C": coin_params, "x": x_params, "y": y_params}
    factual = {"C": np.resize([0, 1], NUM), "y": np.full(NUM, 4.0)}
    drawn = np.asarray(scm.counterfactual(params, KEY, factual)["x"])
    for state in (0, 1):  # x | y is N((y - 3 C) / 2, 1/2)
        of_state = drawn[factual["C"] == state]
        error = np.sqrt(0.5 / len(of_state))
        assert abs(of_state.mean() - (4 - 3 * state) / 2) < 5 * error


def test_traced_units_have_the_noise_of_concrete_ones():
    scm, params = model(GRAPH, **EQUATIONS)
    factual = {"d": np.linspace(-5, 5, 40)}
    eager = scm.abduct(params, KEY, factual)
    traced = jax.jit(lambda f: scm.abduct(params, KEY, f))(factual)
    for name in scm.nodes:
        np.testing.assert_allclose(eager[name], traced[name], atol=1e-4)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: linear_gaussian([1.0], scale=-1.0), "scale is at least 0, not -1"),
        (
            lambda: model("x -> y", x=([], 0.0, 1.0), y=([], 0.0, 1.0)),
            "'y' has weights for 0 parents, but 1 parents",
        ),
    ],
)
def test_what_does_not_fit_is_an_error(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_fresh_parameters_have_one_weight_for_each_parent():
    scm, _ = model(GRAPH, **EQUATIONS)
    params = scm.init(KEY)
    assert params["d"]["weights"].shape == (2,)
    assert jnp.shape(params["a"]["scale"]) == ()


def test_the_examples_run():
    result = doctest.testmod(linear)
    assert result.attempted and not result.failed
