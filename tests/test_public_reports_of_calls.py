"""Calls that were once answered wrongly without a word, each as it was reported."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.additive_noise import AdditiveNoise, Constant
from causal_jax.flax_modules import FromModule
from causal_jax.interventions import Replace, Scale, Shift
from causal_jax.linear import LinearGaussian, linear_gaussian
from causal_jax.queries import bounds, draws, exact, laws, parts, positivity
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular, bernoulli, categorical

KEY = jax.random.key(0)


def model(table=((0.9, 0.1), (0.1, 0.9)), states=None):
    """A -> B, A a fair coin."""
    (a, of_a), (b, of_b) = bernoulli(0.5), categorical(np.array(table))
    graph = graphs.build([("A", "B")], states=states or {})
    return SCM(graph, {"A": a, "B": b}), {"A": of_a, "B": of_b}


SCM_OF_TWO, PARAMS = model()


# --- conditions -----------------------------------------------------------------------


def is_one(value):
    return value == 1


@pytest.mark.parametrize("state", [1, is_one])
def test_sample_given_says_which_units_of_an_own_intervention_met_it(state):
    scm, params = model([[1, 0], [0.5, 0.5]])
    do = {"A": jnp.array([0, 1, 1, 0])}
    found = scm.sample_given(
        params, KEY, num=4, do=do, given={"B": state}, max_draws=4096
    )
    assert found.met.tolist() == [False, True, True, False] and int(found.filled) == 2
    assert np.asarray(found.values["B"])[found.met].tolist() == [1, 1]
    shared = scm.sample_given(params, KEY, num=3, given={"B": state})
    assert shared.met.tolist() == [True] * 3


def test_parts_refuse_an_intervention_of_each_unit_also_where_they_condition():
    do = {"A": jnp.array([0, 1, 0, 1, 0])}
    with pytest.raises(ValueError, match="is not drawn in parts"):
        list(
            parts.sample(SCM_OF_TWO, PARAMS, KEY, num=5, do=do, given={"B": 1}, size=2)
        )
    with pytest.raises(ValueError, match="is not drawn in parts"):
        list(parts.twins(SCM_OF_TWO, PARAMS, KEY, num=5, do=do, given={"B": 1}, size=2))


# --- interventions --------------------------------------------------------------------


def test_substitute_takes_no_values_of_several_units():
    with pytest.raises(ValueError, match=r"do on 'A' has shape \(3,\): one value has"):
        SCM_OF_TWO.substitute(PARAMS, {"A": jnp.array([0, 1, 1])})


@pytest.mark.parametrize(
    "other",
    [
        linear_gaussian(bias=0.6, scale=0.01),
        (Constant(), {"value": jnp.array(7)}),
    ],
    ids=["numbers", "no state"],
)
def test_a_mechanism_in_the_place_of_a_node_with_states_returns_states(other):
    with pytest.raises(
        ValueError, match="the mechanism in do returns .* for 'A', which"
    ):
        SCM_OF_TWO.sample(PARAMS, KEY, num=4, do={"A": Replace(*other)})
    done = SCM_OF_TWO.sample(PARAMS, KEY, num=4, do={"A": Replace(*bernoulli(1.0))})
    assert done["A"].tolist() == [1] * 4


@pytest.mark.parametrize("intervention", [Shift(0.5), Scale(0.5)])
def test_whole_numbers_are_not_cut(intervention):
    scm, params = (
        SCM(graphs.build([], nodes=["N"]), {"N": Constant()}),
        {"N": {"value": jnp.array(3)}},
    )
    with pytest.raises(ValueError, match="'N' has values of type .*0.5 would be cut"):
        scm.sample(params, KEY, num=2, do={"N": intervention})
    assert scm.sample(params, KEY, num=1, do={"N": Shift(2)})["N"].tolist() == [5]


def test_images_are_not_drawn_without_an_intervention_that_was_asked_for():
    mechanisms = {
        "A": Tabular(2),
        "z": AdditiveNoise(lambda mean, a: mean + a, init_fn=zero),
        "image": AdditiveNoise(lambda mean, z: mean + z, init_fn=zero),
    }
    scm = SCM("A -> z -> image", mechanisms)
    params = scm.init(KEY)
    for do in ({"z": 50.0}, {"image": 7.0}):
        with pytest.raises(ValueError, match="neither a label nor above one"):
            next(draws.draw(scm, params, KEY, num=3, do=do))
    assert (
        next(draws.draw(scm, params, KEY, num=3, do={"A": 1}))[0]["A"].tolist()
        == [1] * 3
    )


def zero(key, parents):
    return jnp.zeros(())


# --- mechanisms -----------------------------------------------------------------------


def test_a_factual_that_contradicts_a_constant_is_impossible():
    below, of_below = linear_gaussian([2.0])
    scm = SCM("X -> Y", {"X": Constant(), "Y": below})
    params = {"X": {"value": jnp.array(3.0)}, "Y": of_below}
    with pytest.raises(ValueError, match="'X'"):
        scm.counterfactual(params, KEY, {"X": 99.0, "Y": 198.0})
    same = scm.counterfactual(params, KEY, {"X": 3.0, "Y": 198.0})
    assert float(same["Y"]) == pytest.approx(198.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Tabular(3, (2,), coupling="Gumbel"),
        lambda: FromModule(None, 3, "gaussian"),
    ],
)
def test_a_word_that_a_mechanism_does_not_know_is_refused(make):
    with pytest.raises(ValueError, match="is '(Gumbel|gaussian)': it is '"):
        make()


@dataclasses.dataclass(frozen=True)
class Smoothed(Tabular):
    """Half its table, half uniform."""

    def probs(self, params, parents):
        return 0.5 * super().probs(params, parents) + 0.5 / self.num_states


@dataclasses.dataclass(frozen=True)
class Squared(LinearGaussian):
    """The mean is the square of its parent."""

    def mean(self, params, parents):
        return parents[0] ** 2

    def apply(self, params, parents, noise):
        return parents[0] ** 2 + params["scale"] * noise

    def log_prob(self, params, parents, value):
        return jax.scipy.stats.norm.logpdf(value, parents[0] ** 2, params["scale"])

    def abduct(self, params, parents, value, key):
        return (value - parents[0] ** 2) / params["scale"]


def test_exact_engines_ask_a_subclass_for_its_law():
    scm = SCM("A -> B", {"A": Tabular(2), "B": Smoothed(2, (2,))})
    table = {"probs": jnp.eye(2)}
    params = {"A": {"probs": jnp.array([0.5, 0.5])}, "B": table}
    tables = exact.conditional_tables(scm, params)
    assert exact.marginal(*tables, ["B"], do={"A": 1}).tolist() == [0.25, 0.75]
    drawn = scm.sample(params, KEY, num=4000, given={"B": 1})["A"]
    assert abs(float(drawn.mean()) - 0.75) < 4 * (0.75 * 0.25 / 4000) ** 0.5


def test_the_linear_engine_leaves_a_subclass_to_particles():
    root, of_root = linear_gaussian()
    scm = SCM("X -> Y", {"X": root, "Y": Squared(1)})
    params = {"X": of_root, "Y": {"weights": jnp.ones(1), "bias": 0.0, "scale": 0.5}}
    found = scm.counterfactual(params, KEY, {"Y": jnp.full(400, 4.0)})["X"]
    assert 0.3 < float((found < 0).mean()) < 0.7  # peaks near -2 and 2


def test_a_mean_of_another_shape_than_the_node_is_refused():
    mechanism = AdditiveNoise(lambda mean: jnp.zeros(3))
    scm = SCM(graphs.build([], nodes=["V"]), {"V": mechanism})
    params = {"V": {"mean": {}, "scale": jnp.ones(())}}
    with pytest.raises(ValueError, match=r"mean_fn returns shape \(3,\).*shape=\(3,\)"):
        scm.sample(params, KEY, num=2)


# --- queries --------------------------------------------------------------------------


def test_queries_look_at_parameters_and_states_as_a_model_does():
    with pytest.raises(ValueError, match="not to one"):
        bad = {**PARAMS, "A": {"probs": jnp.array([0.5, 0.7])}}
        exact.marginal(SCM_OF_TWO, bad, ["A"])
    with pytest.raises(ValueError, match="Typo"):
        laws.exact_law(SCM_OF_TWO, PARAMS, {"Typo": 1})
    with pytest.raises(ValueError, match="no state of 'A'"):
        laws.exact_law(SCM_OF_TWO, PARAMS, {"A": 5})
    named = laws.exact_law(SCM_OF_TWO, PARAMS, {"A": "1"})
    np.testing.assert_allclose(named, [0, 0, 0.1, 0.9], atol=1e-6)


def test_bounds_take_states_as_a_model_does():
    scm, params = model(states={"A": ("True", "False")})
    factual = {"A": "False", "B": 0}
    by_name = bounds.label_bounds(scm, params, factual, {"A": "True"})["B"]
    truth = bounds.label_bounds(scm, params, factual, {"A": True})["B"]
    np.testing.assert_array_equal(by_name, truth)
    with pytest.raises(ValueError, match="no state of 'B'"):
        bounds.label_bounds(scm, params, {"A": "True", "B": -1}, {"A": "False"})


def test_marginals_of_an_impossible_unit_are_zero():
    """A is 0 always; a unit with A = 1 says nothing of B, and a possible one does."""
    scm, params = model()
    params = {**params, "A": {"probs": jnp.array([1.0, 0.0])}}
    found = exact.posterior_marginals(scm, params, {"A": jnp.array([1, 0])})["B"]
    np.testing.assert_allclose(found, [[0, 0], [0.9, 0.1]], atol=1e-6)


def test_what_a_graph_leaves_open_does_not_depend_on_its_nodes_order():
    states = dict.fromkeys("ABC", graphs.BINARY)
    edges = [("A", "C"), ("B", "C")]
    tables = {
        "A": (0.5, 0.5),
        "B": ((1.0, 0.0), (0.5, 0.5)),
        "C": (((0.9, 0.1), (0.2, 0.8)), ((0.3, 0.7), (0.6, 0.4))),
    }
    pairs = {name: categorical(np.array(table)) for name, table in tables.items()}
    truth = SCM(
        graphs.build([("A", "B"), *edges], states=states),
        {n: p[0] for n, p in pairs.items()},
    )
    params = {name: pair[1] for name, pair in pairs.items()}
    found = [
        positivity.left_open(
            graphs.build(edges, nodes=nodes, states=states), (truth, params)
        )
        for nodes in ("ABC", "BAC", "CBA")
    ]
    assert found[0] == found[1] == found[2] and found[0]["B=1"] == pytest.approx(0.5)


def test_inside_jit_what_is_no_number_and_no_state_is_impossible():
    below, of_below = linear_gaussian([3.0])
    scm = SCM("A -> Y", {"A": SCM_OF_TWO.mechanisms["A"], "Y": below})
    params = {"A": PARAMS["A"], "Y": of_below}
    possible = jax.jit(lambda y: scm.posterior(params, KEY, {"Y": y}).possible)
    assert possible(jnp.array([jnp.nan, 0.0, 3.0])).tolist() == [False, True, True]
    known = jax.jit(
        lambda v: SCM_OF_TWO.posterior(PARAMS, KEY, {"A": v, "B": v}).possible
    )
    assert known(jnp.array([-1, 2, 0])).tolist() == [False, False, True]


def test_a_negative_state_is_impossible_of_any_coupling_and_in_large_models():
    a, of_a = bernoulli(0.5)
    gumbel = SCM("A -> B", {"A": a, "B": Tabular(2, (2,), coupling="gumbel")})
    known = jax.jit(lambda v: gumbel.posterior(PARAMS, KEY, {"A": v, "B": v}).possible)
    assert known(jnp.array([-1, 2, 0])).tolist() == [False, False, True]
    names = [f"X{i}" for i in range(60)]
    large = SCM(
        graphs.build([("X0", name) for name in names[1:]]),
        {"X0": a} | dict.fromkeys(names[1:], SCM_OF_TWO.mechanisms["B"]),
    )
    params = {"X0": of_a} | dict.fromkeys(names[1:], PARAMS["B"])
    known = jax.jit(
        lambda v: large.posterior(params, KEY, dict.fromkeys(names, v)).possible
    )
    assert known(jnp.array([-1, -2, 2, 0])).tolist() == [False, False, False, True]


def test_a_mean_may_be_broadcast_to_its_node():
    mechanism = AdditiveNoise(lambda mean: jnp.ones(1), shape=(3,))
    scm = SCM(graphs.build([], nodes=["V"]), {"V": mechanism})
    params = {"V": {"mean": {}, "scale": jnp.zeros(())}}
    assert scm.sample(params, KEY, num=1)["V"].tolist() == [[1.0] * 3]


def test_a_hidden_node_of_one_state_is_drawn():
    scm = SCM(
        "A -> B -> C", {"A": Tabular(2), "B": Tabular(1, (2,)), "C": Tabular(2, (1,))}
    )
    params = scm.init(KEY)
    found = scm.counterfactual(params, KEY, {"C": jnp.array([0, 1, 1])})
    assert found["B"].tolist() == [0, 0, 0] and found["C"].tolist() == [0, 1, 1]


def test_an_edge_that_dot_turns_is_refused():
    with pytest.raises(ValueError, match="dir=back: write it the other way round"):
        graphs.read("digraph { A -> B [dir=back] }")
