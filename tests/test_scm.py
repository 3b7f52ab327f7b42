"""The laws of the core: see, do and imagine."""

import dataclasses
import doctest
import operator

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax import interventions as iv
from causal_jax import scm as scm_module
from causal_jax.additive_noise import AdditiveNoise
from causal_jax.networks.controller import controller
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular, bernoulli, categorical

NUM = 20_000
KEY = jax.random.key(0)


def sum_of(params, *parents):
    return sum(parents)


def is_tree_equal(a, b):
    return jax.tree.all(jax.tree.map(lambda x, y: bool((x == y).all()), a, b))


# --- see and do --------------------------------------------------------------------


def test_samples_have_the_joint_law(tables, assert_frequencies):
    seen = tables.scm.sample(tables.params, KEY, num=NUM)
    assert tuple(seen) == tables.nodes
    assert_frequencies(tables.frequencies(seen), tables.law(), NUM)


@pytest.mark.parametrize("name", "CADB")
def test_do_samples_match_the_truncated_factorisation(tables, assert_frequencies, name):
    for state in range(tables.cards[name]):
        do = {name: state}
        done = tables.scm.sample(tables.params, KEY, num=NUM, do=do)
        assert_frequencies(tables.frequencies(done), tables.law(do), NUM)


def test_do_on_two_nodes_matches_the_truncated_factorisation(
    tables, assert_frequencies
):
    do = {"B": 2, "D": 0}
    done = tables.scm.sample(tables.params, KEY, num=NUM, do=do)
    assert_frequencies(tables.frequencies(done), tables.law(do), NUM)


@pytest.mark.parametrize("name", "CADB")
def test_do_leaves_non_descendants_unchanged(tables, name):
    below = nx.descendants(tables.scm.graph, name) | {name}
    seen = tables.scm.sample(tables.params, KEY, num=NUM)
    for state in range(tables.cards[name]):
        done = tables.scm.sample(tables.params, KEY, num=NUM, do={name: state})
        for other in tables.nodes:
            if other not in below:
                np.testing.assert_array_equal(done[other], seen[other])
        changed = [n for n in below - {name} if (done[n] != seen[n]).any()]
        assert set(changed) == below - {name}, "every descendant responds"


def test_do_on_a_root_equals_conditioning_on_it(tables, assert_frequencies):
    law = tables.law()
    for state in (0, 1):
        conditioned = law * (np.arange(2) == state)[None, :, None, None]  # axis of A
        conditioned /= conditioned.sum()
        np.testing.assert_allclose(conditioned, tables.law({"A": state}), atol=1e-6)
        given = tables.scm.sample(tables.params, KEY, num=NUM, given={"A": state})
        assert_frequencies(tables.frequencies(given), conditioned, NUM)


def test_do_below_a_confounder_differs_from_conditioning(tables):
    see = tables.scm.sample(tables.params, KEY, num=NUM, given={"B": 0})
    do = tables.scm.sample(tables.params, KEY, num=NUM, do={"B": 0})
    law = tables.law()[..., 0]
    gap = law[:, 1].sum() / law.sum() - tables.law({"B": 0})[:, 1].sum()
    assert abs(gap) > 0.02
    found = float(np.mean(see["A"]) - np.mean(do["A"]))
    assert found == pytest.approx(gap, abs=5 * np.sqrt(0.5 / NUM))


def test_same_key_same_units_other_key_other_units(tables):
    one, same, other = (
        tables.scm.sample(tables.params, jax.random.key(seed), num=NUM)
        for seed in (1, 1, 2)
    )
    assert is_tree_equal(one, same)
    assert not is_tree_equal(one, other)


def test_a_batch_of_units_equals_evaluate_unit_by_unit(tables):
    noise = tables.scm.sample_noise(KEY, NUM)
    values = tables.scm.sample(tables.params, KEY, num=NUM)
    evaluate = jax.jit(tables.scm.evaluate)
    for i in range(50):
        unit = evaluate(tables.params, jax.tree.map(operator.itemgetter(i), noise))
        assert {n: int(v) for n, v in unit.items()} == {
            n: int(v[i]) for n, v in values.items()
        }


# --- do is traced --------------------------------------------------------------------


def test_a_traced_intervention_equals_a_concrete_one(tables):
    def done(state):
        return tables.scm.sample(tables.params, KEY, num=NUM, do={"B": state})

    traced = jax.jit(done)
    for state in range(3):
        assert is_tree_equal(traced(state), done(state))


def test_many_values_compile_once(tables, count_compilations):
    def done(state):
        return tables.scm.sample(tables.params, KEY, num=321, do={"B": state})

    assert count_compilations(lambda: done(0)) >= 1
    assert count_compilations(lambda: [done(s) for s in (1, 2, 0, "1", 2.0)]) == 0


def test_a_vmap_over_a_grid_of_interventions_equals_the_loop(tables):
    def done(state):
        return tables.scm.sample(tables.params, KEY, num=NUM, do={"B": state})

    grid = jax.jit(jax.vmap(done))(jnp.arange(3))
    for state in range(3):
        assert is_tree_equal({n: v[state] for n, v in grid.items()}, done(state))


def test_a_vmap_over_intervention_objects_is_one_call():
    scm = SCM("x -> y", {"x": AdditiveNoise(sum_of), "y": AdditiveNoise(sum_of)})
    params = scm.init(KEY)
    grid = iv.Shift(jnp.linspace(-1, 1, 5))
    done = jax.vmap(lambda s: scm.sample(params, KEY, num=8, do={"x": s}))(grid)
    for i, amount in enumerate(np.linspace(-1, 1, 5)):
        one = scm.sample(params, KEY, num=8, do={"x": iv.Shift(amount)})
        np.testing.assert_allclose(done["y"][i], one["y"], atol=1e-5)


def test_the_effect_of_a_number_can_be_differentiated():
    scm = SCM("x -> y", {"x": AdditiveNoise(sum_of), "y": AdditiveNoise(double)})
    params = scm.init(KEY)

    def effect(value):
        return scm.sample(params, KEY, num=8, do={"x": value})["y"].mean()

    assert float(jax.grad(effect)(3.0)) == pytest.approx(2.0, abs=1e-5)


def double(params, x):
    return 2 * x


def test_one_state_a_unit_equals_one_call_a_state(tables):
    states = np.resize([2, 0, 1], NUM)
    each = tables.scm.sample(tables.params, KEY, num=NUM, do={"B": states})
    for state in range(3):
        all_units = tables.scm.sample(tables.params, KEY, num=NUM, do={"B": state})
        rows = states == state
        assert is_tree_equal(
            {n: v[rows] for n, v in each.items()},
            {n: v[rows] for n, v in all_units.items()},
        )


# --- imagine -------------------------------------------------------------------------


@pytest.mark.parametrize("coupling", ["inverse_cdf", "gumbel"])
def test_a_null_counterfactual_returns_the_factual_of_every_unit(tables, coupling):
    scm = coupled(tables, coupling)
    factual = scm.sample(tables.params, jax.random.key(1), num=200_000)
    null = scm.counterfactual(tables.params, jax.random.key(2), factual, do={})
    assert tuple(null) == scm.nodes
    assert is_tree_equal(null, factual)


def coupled(tables, coupling):
    mechanisms = {
        name: dataclasses.replace(mechanism, coupling=coupling)
        for name, mechanism in tables.scm.mechanisms.items()
    }
    return SCM(tables.scm.graph, mechanisms)


@pytest.mark.parametrize("coupling", ["inverse_cdf", "gumbel"])
def test_a_null_counterfactual_of_networks_returns_the_factual(tables, coupling):
    scm = controller(tables.scm.graph, hidden=(8,), coupling=coupling)
    params = scm.init(KEY)
    factual = scm.sample(params, jax.random.key(1), num=20_000)
    null = scm.counterfactual(params, jax.random.key(2), factual)
    assert is_tree_equal(null, factual)


def test_counterfactuals_averaged_over_units_have_the_law_of_do(
    tables, assert_frequencies
):
    for coupling in ("inverse_cdf", "gumbel"):
        scm = coupled(tables, coupling)
        factual = scm.sample(tables.params, jax.random.key(3), num=NUM)
        other = scm.counterfactual(
            tables.params, jax.random.key(4), factual, do={"A": 1}
        )
        assert_frequencies(tables.frequencies(other), tables.law({"A": 1}), NUM)


def test_the_couplings_are_different_counterfactual_laws(tables):
    """Three states: the same law seen and done, not the same law imagined."""
    table = np.array([[0.2, 0.5, 0.3], [0.6, 0.2, 0.2]], np.float32)
    stays = {}
    for coupling in ("inverse_cdf", "gumbel"):
        mechanism, params = categorical(table)
        mechanism = dataclasses.replace(mechanism, coupling=coupling)
        root, root_params = bernoulli(0.5)
        scm = SCM("A -> B", {"A": root, "B": mechanism})
        params = {"A": root_params, "B": params}
        factual = {"A": np.zeros(NUM, int), "B": np.full(NUM, 2)}
        other = scm.counterfactual(params, KEY, factual, do={"A": 1})
        stays[coupling] = float(np.mean(other["B"] == 2))
    # u in [.7, 1), and 2 stays where u >= .8.
    assert stays["inverse_cdf"] == pytest.approx(2 / 3, abs=5 * np.sqrt(0.25 / NUM))
    expected = gumbel_stay(table, 2)
    assert stays["gumbel"] == pytest.approx(expected, abs=5 * np.sqrt(0.25 / NUM))
    assert abs(expected - 2 / 3) > 0.05


def gumbel_stay(table, state):
    """P(state again | state before) of the Gumbel coupling, by an exponential race.

    State i arrives at E_i / p_i, E_i exponential with rate 1; the first wins. The
    winner s wins under p and under p' exactly when E_i >= E_s max(p_i / p_s,
    p'_i / p'_s) for all other i, a race of s at rate 1 against the sum of those.
    """
    odds = np.max(table / table[:, [state]], axis=0)  # 1 for the state itself
    return 1 / odds.sum() / table[0, state]


def test_a_counterfactual_with_a_fresh_law_keeps_the_abducted_noise_elsewhere(tables):
    factual = tables.scm.sample(tables.params, jax.random.key(5), num=NUM)
    table = categorical(np.full((2, 3), 1 / 3, np.float32))
    for fresh in (iv.Randomize(np.ones(3) / 3), iv.Replace(*table)):
        other = tables.scm.counterfactual(
            tables.params, jax.random.key(6), factual, do={"B": fresh}
        )
        np.testing.assert_array_equal(other["A"], factual["A"])
        again = other["B"] == factual["B"]
        # Drawn afresh: independent of what was, so one in three is the same.
        assert float(again.mean()) == pytest.approx(1 / 3, abs=5 * np.sqrt(0.23 / NUM))
        for name in ("C", "D"):  # same noise, same parents: the same value
            np.testing.assert_array_equal(other[name][again], factual[name][again])
        assert (other["C"] != factual["C"]).any()


def test_twins_share_every_noise_that_no_intervention_brings_itself(tables):
    factual, other = tables.scm.twins(tables.params, KEY, num=NUM, do={"B": 0})
    assert is_tree_equal(factual, tables.scm.sample(tables.params, KEY, num=NUM))
    done = tables.scm.sample(tables.params, KEY, num=NUM, do={"B": 0})
    assert is_tree_equal(other, done)


def test_a_twin_in_a_trial_is_assigned_whatever_it_was(tables):
    probs = np.array([0.2, 0.3, 0.5])
    factual, other = tables.scm.twins(
        tables.params, KEY, num=NUM, do={"B": iv.Randomize(probs)}
    )
    for state in range(3):
        assigned = np.asarray(other["B"])[np.asarray(factual["B"]) == state]
        found = np.bincount(assigned, minlength=3) / len(assigned)
        limit = 5 * np.sqrt(probs * (1 - probs) / len(assigned))
        assert np.all(np.abs(found - probs) < limit)


def test_twins_condition_the_factual_world(tables):
    factual, other = tables.scm.twins(
        tables.params, KEY, num=500, do={"A": 1}, given={"A": 0, "D": 1}
    )
    assert set(np.unique(factual["A"])) == {0} and set(np.unique(factual["D"])) == {1}
    assert set(np.unique(other["A"])) == {1} and set(np.unique(other["D"])) == {0, 1}


def test_one_unit_is_answered_as_one_unit(tables):
    unit = {"A": 1, "B": 2, "C": 0, "D": 1}
    other = tables.scm.counterfactual(tables.params, KEY, unit, do={"B": 2})
    assert {n: int(v) for n, v in other.items()} == unit
    assert all(v.shape == () for v in other.values())


# --- structure -----------------------------------------------------------------------


def test_extend_changes_no_other_draw(tables):
    mechanism, mechanism_params = categorical(np.full((2, 2, 2), 0.5))
    with pytest.raises(ValueError, match="in the graph's order, A, D, in which"):
        tables.scm.extend("E", parents=["D", "A"], mechanism=mechanism)
    scm = tables.scm.extend("E", parents=["A", "D"], mechanism=mechanism)
    params = tables.params | {"E": mechanism_params}
    for do in ({}, {"B": 1}):
        before = tables.scm.sample(tables.params, KEY, num=NUM, do=do)
        after = scm.sample(params, KEY, num=NUM, do=do)
        assert is_tree_equal({n: after[n] for n in tables.nodes}, before)
    assert scm.nodes == (*tables.nodes, "E")
    assert scm.parents["E"] == ("A", "D"), "parents come in the declared order"


def test_extend_changes_no_other_nodes_fresh_params():
    labels = controller(graphs.read("standard_graph"), hidden=(4,))
    scm = labels.extend("x", parents=["Male"], mechanism=AdditiveNoise(sum_of))
    before, after = labels.init(KEY), scm.init(KEY)
    assert is_tree_equal({n: after[n] for n in before}, before)


def test_draws_do_not_depend_on_the_declared_order(tables):
    graph = nx.DiGraph()
    graph.add_nodes_from("ABCD")
    graph.add_edges_from(tables.scm.graph.edges)
    other = SCM(graph, tables.scm.mechanisms)  # the parents' order is the same here
    assert is_tree_equal(
        dict(sorted(other.sample(tables.params, KEY, num=NUM).items())),
        dict(sorted(tables.scm.sample(tables.params, KEY, num=NUM).items())),
    )


def test_models_are_equal_by_value(tables):
    twin = SCM(tables.scm.graph, dict(reversed(tables.scm.mechanisms.items())))
    assert twin == tables.scm and hash(twin) == hash(tables.scm)
    assert coupled(tables, "gumbel") != tables.scm
    with pytest.raises(dataclasses.FrozenInstanceError):
        twin.graph = None


def test_discrete_nodes_without_names_get_numbers_as_states(tables):
    assert tables.scm.states("B") == ("0", "1", "2")
    assert tables.scm.discrete == tables.nodes
    scm = SCM("x -> y", {"x": AdditiveNoise(sum_of), "y": AdditiveNoise(sum_of)})
    assert scm.states("x") is None and scm.discrete == ()


def test_value_shapes_say_what_one_unit_is(tables):
    shapes = tables.scm.value_shapes(tables.params)
    assert set(shapes) == set(tables.nodes)
    assert {(s.shape, s.dtype) for s in shapes.values()} == {((), jnp.dtype("int32"))}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SCM("A -> B", {"A": Tabular(2)}), "'B' has no mechanism"),
        (lambda: SCM("A -> B", dict.fromkeys("AB", bernoulli(0.3))), "'A' is a tuple"),
        (lambda: SCM("A -> B", dict.fromkeys("AB", len)), "'A'.* no method 'init'"),
        (
            lambda: SCM("Old -> B", {"Odl": Tabular(2)}),
            "node of a mechanism 'Odl': did you mean 'Old'",
        ),
        (
            lambda: SCM("A -> B", {"A": Tabular(2), "B": Tabular(2)}),
            r"table of node 'B' is for parents with \(\) states, .* \(2,\)",
        ),
        (lambda: SCM("M ; N", {"M": Tabular(2), "N": Tabular(2)}).extend(
            "N", parents=(), mechanism=Tabular(2)), "'N' exists already"),
        (lambda: SCM("Male ; N", {"Male": Tabular(2), "N": Tabular(2)}).extend(
            "x", parents=["male"], mechanism=Tabular(2, (2,))), "mean 'Male'"),
        # crc32 of these two names is the same number.
        (
            lambda: SCM(
                "plumless ; buckeroo",
                {"plumless": Tabular(2), "buckeroo": Tabular(2)},
            ),
            "'plumless' and 'buckeroo' would share their random key",
        ),
        (lambda: SCM("M", {"Male": Tabular(3)}), "2 states, 0, 1, .* mechanism has 3"),
        (lambda: SCM("A -> B -> A", {}), "cycle: A -> B -> A"),
    ],
)  # fmt: skip
def test_models_that_do_not_fit_say_in_one_line_what_is_wrong(build, message):
    with pytest.raises(ValueError, match=message) as raised:
        build()
    assert "\n" not in str(raised.value)


def test_the_examples_run():
    result = doctest.testmod(scm_module)
    assert result.attempted and not result.failed
