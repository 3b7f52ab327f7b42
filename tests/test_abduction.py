import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.additive_noise import AdditiveNoise
from causal_jax.data import faces
from causal_jax.networks.controller import reference_controller
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular, bernoulli, categorical

NUM = 4_000
KEY = jax.random.key(0)


def same(params, *parents):
    return sum(parents)


def assert_rate(found, expected, num=NUM):
    standard_error = np.sqrt(expected * (1 - expected) / num)
    assert abs(float(found) - expected) <= 5 * standard_error + 1e-6


# --- everything observed ------------------------------------------------------------


def test_the_noise_of_numbers_is_recovered_to_rounding():
    scm = SCM("x -> y", {"x": AdditiveNoise(same), "y": AdditiveNoise(same)})
    params = scm.init(KEY)
    noise = scm.sample_noise(KEY, 100)
    found = scm.abduct(params, KEY, scm.sample(params, KEY, num=100))
    for name in "xy":
        np.testing.assert_allclose(found[name], noise[name], atol=1e-5)


def test_what_is_imagined_of_numbers_is_exact():
    scm = SCM("x -> y", {"x": AdditiveNoise(same), "y": AdditiveNoise(same)})
    unit = {"x": 1.0, "y": 5.0}  # the noise of y is 4
    other = scm.counterfactual(scm.init(KEY), KEY, unit, do={"x": -2.0})
    assert float(other["y"]) == pytest.approx(2.0, abs=1e-5)


def test_noise_that_a_value_does_not_determine_keeps_its_prior():
    """One entry of the node is a function of its parent: its scale is zero."""
    mean = AdditiveNoise(lambda _, x: jnp.stack([x, x]), shape=(2,))
    scm = SCM("x -> y", {"x": AdditiveNoise(same), "y": mean})
    params = scm.init(KEY)

    def noise_of(scale):
        given = {**params, "y": {**params["y"], "scale": scale}}
        return scm.posterior(given, jax.random.key(2), scm.sample(given, KEY, num=NUM))

    scales = jnp.array([[0.0, 2.0], [1.0, 2.0]])
    drawn, known = (noise_of(scale).noise["y"] for scale in scales)
    prior = scm.sample_noise(KEY, NUM)["y"]
    np.testing.assert_allclose(known, prior, atol=1e-5)
    np.testing.assert_allclose(drawn[:, 1], prior[:, 1], atol=1e-5)
    free = np.asarray(drawn[:, 0])
    assert abs(free.mean()) < 5 / np.sqrt(NUM)
    assert abs((free**2).mean() - 1) < 5 * np.sqrt(2 / NUM)
    assert abs((free * prior[:, 0]).mean()) < 5 / np.sqrt(NUM)
    together = jax.vmap(noise_of)(scales)
    expected = jnp.stack([drawn, known])
    np.testing.assert_allclose(together.noise["y"], expected, atol=1e-5)
    assert together.possible.all()


def test_many_units_are_imagined_in_one_program_as_few_are():
    """Numbers, states and a function of its parents, policies and fresh noise."""
    root, root_params = bernoulli(0.3)
    table, table_params = categorical([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]])
    mechanisms = {"a": root, "s": table, "x": AdditiveNoise(same)}
    mechanisms |= {"y": AdditiveNoise(same), "z": AdditiveNoise(same)}
    scm = SCM("a -> s; a -> x; s -> y; x -> y; y -> z", mechanisms)
    params = {**scm.init(KEY), "a": root_params, "s": table_params}
    params["y"] = {**params["y"], "scale": jnp.array(0.0)}
    factual = scm.sample(params, KEY, num=1 << 16)
    do = {"x": lambda value, parents: value + 2.0 * parents[0], "s": 1}
    many = scm.counterfactual(params, KEY, factual, do=do)
    few = scm.counterfactual(
        params, KEY, {n: v[:99] for n, v in factual.items()}, do=do
    )
    for name in ("a", "s", "x", "y", "z"):
        np.testing.assert_allclose(many[name][:99], few[name], atol=1e-5)
    null = scm.counterfactual(params, KEY, factual)
    for name in scm.nodes:
        np.testing.assert_allclose(null[name], factual[name], atol=1e-5)
    wrong = factual | {"s": jnp.where(factual["a"] == 0, 2, factual["s"])}
    with pytest.raises(ValueError, match="what was observed of 's' has probability"):
        scm.counterfactual(params, KEY, wrong, do=do)


class Silent(AdditiveNoise):
    """An abduction of its own, which draws."""

    def abduct(self, params, parents, value, key):
        return jax.random.normal(key, jnp.shape(value))


def test_an_abduction_of_ones_own_gets_its_key():
    scm = SCM("x -> y", {"x": AdditiveNoise(same), "y": Silent(same)})
    params = scm.init(KEY)
    found = scm.abduct(params, KEY, scm.sample(params, KEY, num=NUM))["y"]
    assert abs(float((found**2).mean()) - 1) < 5 * np.sqrt(2 / NUM)


def test_many_units_of_a_node_that_cannot_be_abducted_are_refused_as_few_are():
    class Plain:
        def __hash__(self):
            return 1

        def __eq__(self, other):
            return type(other) is Plain

        def init(self, key, parents):
            return {}

        def noise(self, key, num):
            return jax.random.normal(key, (num,))

        def apply(self, params, parents, noise):
            return parents[0] + noise

    scm = SCM("x -> y", {"x": AdditiveNoise(same), "y": Plain()})
    params = scm.init(KEY)
    for num in (3, 1 << 16):
        factual = scm.sample(params, KEY, num=num)
        with pytest.raises(ValueError, match="'y' cannot be abducted"):
            scm.counterfactual(params, KEY, factual, do={"x": 1.0})


def test_an_implicit_node_is_abducted_by_an_exact_draw():
    scm = reference_controller("male_causes_mustache")
    params = scm.init(KEY)
    factual = scm.sample(params, KEY, num=200)
    null = scm.counterfactual(params, jax.random.key(1), factual)
    for name in scm.nodes:
        np.testing.assert_array_equal(null[name], factual[name])


def test_a_state_that_was_impossible_can_be_imagined_where_it_is_not():
    """Its Gumbel keeps the prior law: P(1 | do) is then the do-law, [.5] here."""
    table = np.array([[1.0, 0.0], [0.5, 0.5]])
    for coupling, expected in [("gumbel", 0.5), ("inverse_cdf", 0.5)]:
        mechanism, table_params = categorical(table)
        mechanism = dataclasses.replace(mechanism, coupling=coupling)
        root, root_params = bernoulli(0.5)
        scm = SCM("A -> B", {"A": root, "B": mechanism})
        params = {"A": root_params, "B": table_params}
        factual = {"A": np.zeros(NUM, int), "B": np.zeros(NUM, int)}
        other = scm.counterfactual(params, KEY, factual, do={"A": 1})
        assert_rate(other["B"].mean(), expected)


# --- observed in part ----------------------------------------------------------------


def posterior(tables, observed, node, do=None):
    """P(node | observed) by enumeration."""
    law = tables.law(do)
    for name, state in observed.items():
        axis = tables.nodes.index(name)
        shape = [-1 if i == axis else 1 for i in range(law.ndim)]
        law = law * (np.arange(law.shape[axis]) == state).reshape(shape)
    axes = tuple(i for i, n in enumerate(tables.nodes) if n != node)
    return law.sum(axes) / law.sum()


@pytest.mark.parametrize("observed", [{"D": 1}, {"C": 0, "A": 1}, {"B": 2, "D": 0}])
def test_what_was_not_observed_has_the_exact_posterior(tables, observed):
    factual = {name: np.full(NUM, state) for name, state in observed.items()}
    null = tables.scm.counterfactual(tables.params, KEY, factual)
    for name in tables.nodes:
        law = posterior(tables, observed, name)
        for state, expected in enumerate(law):
            assert_rate((null[name] == state).mean(), expected)


def test_nodes_that_nothing_observed_lies_below_come_from_the_prior(tables):
    factual = {"A": np.ones(NUM, int), "B": np.full(NUM, 2)}
    null = tables.scm.counterfactual(tables.params, KEY, factual)
    for name in "CD":
        expected = posterior(tables, {"A": 1, "B": 2}, name)[1]
        assert_rate((null[name] == 1).mean(), expected)


def test_a_missing_cause_is_inferred_from_its_effect_before_the_action():
    """Z -> X, Z -> Y, only Y = 1 observed: P(Y_{X=1} = 1 | Y = 1) by enumeration."""
    z, z_params = bernoulli(0.1)
    x, x_params = bernoulli(0.5)
    y, y_params = categorical([[[0.99, 0.01], [0.6, 0.4]], [[0.3, 0.7], [0.05, 0.95]]])
    scm = SCM("Z ; X ; Z, X -> Y", {"Z": z, "X": x, "Y": y})
    params = {"Z": z_params, "X": x_params, "Y": y_params}
    p_y = np.array([[0.01, 0.4], [0.7, 0.95]])
    weights = np.array([[0.9 * 0.5], [0.1 * 0.5]]) * p_y  # P(z, x, Y = 1)
    # Inverse CDF, states in order: Y = 1 is u >= 1 - p; raising p keeps it.
    stays = np.minimum(p_y[:, [1]] / p_y, 1)
    expected = (weights * stays).sum() / weights.sum()
    factual = {"Y": np.ones(NUM, int)}
    other = scm.counterfactual(params, KEY, factual, do={"X": 1})
    assert_rate(other["Y"].mean(), expected)
    lowered = np.minimum(p_y[:, [0]] / p_y, 1)
    other = scm.counterfactual(params, KEY, factual, do={"X": 0})
    expected = (weights * lowered).sum() / weights.sum()
    assert 0.2 < expected < 0.9
    assert_rate(other["Y"].mean(), expected)


def test_a_number_weighs_its_hidden_causes():
    """A ~ Bernoulli(1/2), y = A + noise, y = 1.2 observed: P(A = 1) is logistic(.7)."""
    root, root_params = bernoulli(0.5)
    scm = SCM("A -> y", {"A": root, "y": AdditiveNoise(same)})
    params = scm.init(KEY) | {"A": root_params}
    null = scm.counterfactual(params, KEY, {"y": np.full(NUM, 1.2)})
    assert_rate(null["A"].mean(), 1 / (1 + np.exp(-0.7)))
    np.testing.assert_allclose(null["y"], 1.2, atol=1e-5)


# --- what cannot be abducted -----------------------------------------------------


def test_a_node_that_cannot_be_abducted_says_so_by_name():
    scm, params = faces.scm(8)
    factual = scm.sample(params, KEY, num=2)
    with pytest.raises(ValueError, match="'image' cannot be abducted .Renderer has no"):
        scm.counterfactual(params, KEY, factual)
    labels = {name: factual[name] for name in faces.LABELS}
    assert scm.counterfactual(params, KEY, labels)["image"].shape == (2, 8, 8, 3)


def test_a_node_without_a_law_cannot_weigh_its_hidden_causes():
    scm = reference_controller("male_causes_mustache")
    with pytest.raises(ValueError, match="'Mustache' has no log_prob .*'Male'"):
        scm.abduct(scm.init(KEY), KEY, {"Mustache": 1})


@pytest.mark.parametrize("coupling", ["inverse_cdf", "gumbel"])
@pytest.mark.parametrize("observed", [["Male", "Mustache"], ["Mustache"]])
def test_an_impossible_factual_names_the_node_and_the_unit(coupling, observed):
    table = Tabular(2, (2,), coupling)
    scm = SCM("Male -> Mustache", {"Male": Tabular(2, (), coupling), "Mustache": table})
    params = {
        "Male": {"probs": jnp.array([1.0, 0.0])},
        "Mustache": {"probs": jnp.array([[1.0, 0.0], [0.5, 0.5]])},
    }
    factual = {"Male": np.zeros(3, int), "Mustache": np.array([0, 1, 1])}
    factual = {name: factual[name] for name in observed}
    message = r"impossible .* 'Mustache' has probability zero .*unit 1, 2 in all"
    with pytest.raises(ValueError, match=message) as raised:
        scm.counterfactual(params, KEY, factual, do={"Male": 1})
    assert "\n" not in str(raised.value)
