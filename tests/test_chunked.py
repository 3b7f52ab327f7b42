"""A large model chunk by chunk is the same model: bit by bit where it has states."""

from collections import Counter

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest

from causal_jax import (
    SCM,
    AdditiveNoise,
    Tabular,
    arguments,
    batches,
    chunked,
    coupling,
    graph,
    kinds,
)
from causal_jax import graph as graphs
from causal_jax import interventions as iv

KEY = jax.random.key(5)
NUM = 77


def mean(params, *parents):
    return params + 0.3 * sum(jnp.asarray(parent, float) for parent in parents)


def fresh_mean(key, parents):
    del parents
    return jax.random.normal(key)


def picture(params, *parents):
    return params + jnp.full((9, 9), mean(0.0, *parents))


def mixed_model(num_nodes=22, seed=0):
    """Tables of all sorts, numbers that may have states above them, and a picture."""
    rng = np.random.default_rng(seed)
    mechanisms, edges, num_states = {}, [], {}
    for i in range(num_nodes):
        name = f"N{i}"
        is_table = rng.random() < 0.6
        choice = list(num_states) if is_table else [f"N{j}" for j in range(i)]
        num = min(len(choice), rng.integers(0, 4))
        above = [choice[j] for j in sorted(rng.permutation(len(choice))[:num])]
        edges += [(parent, name) for parent in above]
        if is_table:
            num_states[name] = int(rng.choice([1, 2, 3, 5, 19]))
            sizes = tuple(num_states[parent] for parent in above)
            coupling = "gumbel" if rng.random() < 0.2 else "inverse_cdf"
            mechanisms[name] = Tabular(num_states[name], sizes, coupling)
        else:
            mechanisms[name] = AdditiveNoise(mean, init_fn=fresh_mean)
    edges += [("N3", "image"), ("N9", "image"), ("image", "below")]
    mechanisms["image"] = AdditiveNoise(picture, shape=(9, 9), init_fn=fresh_mean)
    mechanisms["below"] = AdditiveNoise(lambda p, x: x.mean(), init_fn=fresh_mean)
    nodes = [*(f"N{i}" for i in range(num_nodes)), "image", "below"]
    scm = SCM(graph.build(edges, nodes=nodes), mechanisms)
    return scm, scm.init(jax.random.key(seed))


@pytest.fixture(autouse=True)
def every_model_is_large(monkeypatch):
    """The plain form of sixty nodes takes half a minute to compile."""
    monkeypatch.setattr(chunked, "MIN_NODES", 10)


SCM_, PARAMS = mixed_model()
DISCRETE = [name for name in SCM_.discrete if len(SCM_.states(name)) > 2]
NUMBERS = [n for n in SCM_.nodes if not SCM_.states(n) and n not in ("image", "below")]


def uniform(name):
    num = len(SCM_.states(name))
    return iv.Randomize(jnp.full(num, 1 / num))


DOS = {
    "nothing": {},
    "everything": {
        DISCRETE[0]: uniform(DISCRETE[0]),
        DISCRETE[1]: 1,
        DISCRETE[2]: np.arange(NUM) % 2,
        NUMBERS[0]: np.linspace(0, 1, NUM),
        NUMBERS[1]: iv.Shift(2.0),
        NUMBERS[2]: lambda value, parents: 2 * value,
        NUMBERS[3]: iv.Scale(jnp.linspace(0, 2, NUM)),
        "image": 0.5,
    },
}


def parsed(do, num=NUM):
    return SCM_._parse(PARAMS, KEY, do, num)[0]


def assert_same(found, wanted):
    assert tuple(found) == SCM_.nodes
    for name in SCM_.nodes:
        assert found[name].dtype == wanted[name].dtype, name
        assert found[name].shape == wanted[name].shape, name
        if SCM_.states(name):
            np.testing.assert_array_equal(found[name], wanted[name], name)
        else:
            np.testing.assert_allclose(
                found[name], wanted[name], rtol=1e-5, atol=1e-5, err_msg=name
            )


def test_the_model_has_all_that_the_scan_knows():
    own, shapes = kinds.of_nodes(SCM_, PARAMS, {}, {})
    assert {type(kind) for kind in own.values()} == {kinds.Alike, kinds.Tables}
    tables = {
        kind.num_states for kind in own.values() if isinstance(kind, kinds.Tables)
    }
    assert tables == {2, 4, 16, 32}
    assert chunked._large_and_below(SCM_, shapes) == ["image", "below"]


@pytest.mark.parametrize("do", DOS.values(), ids=DOS)
def test_drawn_units_are_those_of_the_plain_form(do):
    do = parsed(do)
    plain = batches._sample_batch(SCM_, PARAMS, KEY, do, NUM)
    assert_same(chunked.sample(SCM_, PARAMS, KEY, do, NUM), SCM_._ordered(plain))


@pytest.mark.parametrize("do", DOS.values(), ids=DOS)
def test_units_of_given_noise_are_those_of_the_plain_form(do):
    do = parsed(do)
    model, _ = SCM_._substitute_parsed(PARAMS, do)
    noise = model.sample_noise(KEY, NUM)
    plain = batches._evaluate_batch(SCM_, PARAMS, noise, do)
    assert_same(chunked.evaluate(SCM_, PARAMS, noise, do), SCM_._ordered(plain))


def test_a_part_of_the_units_is_cut_out():
    do = parsed({DISCRETE[1]: 1})
    whole = chunked.sample(SCM_, PARAMS, KEY, do, NUM)
    part = chunked.sample(SCM_, PARAMS, KEY, do, NUM, first=5, size=9)
    assert_same(part, {name: value[5:14] for name, value in whole.items()})


def test_both_worlds_of_a_part_are_those_of_the_plain_form():
    do = {DISCRETE[0]: uniform(DISCRETE[0]), NUMBERS[1]: iv.Shift(1.0)}
    given = SCM_, PARAMS, KEY, parsed(do), 5, NUM, 9
    for found, wanted in zip(
        batches.twins_part(*given), batches._twins_part(*given), strict=True
    ):
        assert_same(found, SCM_._ordered(wanted))


def test_another_set_of_nodes_and_other_values_are_the_same_program():
    def do(name, value):
        SCM_.sample(PARAMS, KEY, num=NUM, do={name: value})
        return chunked._run._cache_size()

    own, _ = kinds.of_nodes(SCM_, PARAMS, {}, {})
    count = Counter(own.values())
    tables = [
        name
        for name in SCM_.discrete
        if isinstance(own[name], kinds.Tables) and count[own[name]] > 1
    ]
    before = do(tables[0], 0)
    assert len(tables) > 5
    assert {do(name, 0) for name in tables} == {before}


@pytest.mark.parametrize("hidden", [0, 7])
def test_abducted_noise_is_that_of_the_plain_form(monkeypatch, hidden):
    factual = SCM_.sample(PARAMS, KEY, num=NUM)
    # What lies at the end has nothing below it: its noise is the prior's.
    for name in SCM_.order[len(SCM_.order) - hidden :]:
        del factual[name]
    noise = SCM_.abduct(PARAMS, KEY, factual)
    monkeypatch.setattr(chunked, "MIN_NODES", 1000)
    plain = SCM_.abduct(PARAMS, KEY, factual)
    for name in SCM_.nodes:
        np.testing.assert_allclose(noise[name], plain[name], atol=2e-5, err_msg=name)


def test_counterfactuals_change_what_lies_below_alone():
    factual = SCM_.sample(PARAMS, KEY, num=NUM)
    again = SCM_.counterfactual(PARAMS, KEY, factual)
    assert_same(again, factual)
    name = DISCRETE[1]
    changed = SCM_.counterfactual(PARAMS, KEY, factual, do={name: 1})
    below = nx.descendants(SCM_.graph, name) | {name}
    for other in set(SCM_.nodes) - below:
        np.testing.assert_allclose(changed[other], factual[other], atol=1e-5)
    assert set(changed[name].tolist()) == {1}


def test_an_impossible_factual_is_said():
    names = [f"X{i}" for i in range(50)]
    edges = list(zip(names, names[1:], strict=False))
    mechanisms = {n: Tabular(2, (2,) if n != "X0" else ()) for n in names}
    scm = SCM(graph.build(edges), mechanisms)
    params = {n: {"probs": jnp.eye(2) if n != "X0" else jnp.ones(2) / 2} for n in names}
    factual = scm.sample(params, KEY, num=4)
    assert (factual["X0"] == factual["X49"]).all(), "every node copies the one above"
    factual["X7"] = 1 - factual["X7"]
    with pytest.raises(ValueError, match=r"'X7' has probability zero .* 4 in all"):
        scm.counterfactual(params, KEY, factual, do={"X3": 1})


def test_it_is_traced_mapped_and_differentiated():
    def total(params, value):
        drawn = SCM_.sample(params, KEY, num=5, do={NUMBERS[0]: value})
        return sum(drawn[name].sum() for name in (*NUMBERS, "image", "below"))

    def plain(params, value):
        do = {NUMBERS[0]: iv.Set(value)}
        drawn = batches._sample_batch(SCM_, params, KEY, do, 5)
        return sum(drawn[name].sum() for name in (*NUMBERS, "image", "below"))

    values = jnp.array([0.0, 1.0])
    found = jax.jit(jax.vmap(total, (None, 0)))(PARAMS, values)
    np.testing.assert_allclose(found, jax.vmap(plain, (None, 0))(PARAMS, values), 1e-4)
    gradient = jax.grad(total, argnums=1)(PARAMS, 0.5)
    np.testing.assert_allclose(gradient, jax.grad(plain, argnums=1)(PARAMS, 0.5), 1e-4)


def test_edges_by_numpy_are_those_that_are_compiled():
    rng = np.random.default_rng(0)
    laws = rng.dirichlet(np.full(9, 0.1), 500).astype(np.float32)
    laws[::7, 3] = 0
    laws[::11, 5] = 1e-40  # a denormal is zero to XLA
    laws[1, :] = np.eye(9)[4]
    ours, _ = kinds.Tables(16, 4).stacked([({"probs": row}, None) for row in laws])
    theirs = jax.vmap(coupling.upper_edges)(jnp.asarray(laws))
    np.testing.assert_array_equal(ours[:, :8], theirs)
    assert (ours[:, 8:] == 1).all()


def test_unit_axes_are_part_of_the_plan():
    one, each = parsed({NUMBERS[0]: 1.0}), parsed({NUMBERS[0]: np.zeros(NUM)})
    shapes = SCM_.value_shapes(PARAMS)
    assert arguments.unit_axes(one, shapes) != arguments.unit_axes(each, shapes)
    programs = [chunked._planned(SCM_, PARAMS, do, NUM).program for do in (one, each)]
    assert programs[0] != programs[1]


def test_parameters_may_be_plain_numbers():
    names = [f"X{i}" for i in range(12)]
    mechanism = AdditiveNoise(mean)
    scm = SCM(
        graph.build(list(zip(names, names[1:], strict=False))),
        dict.fromkeys(names, mechanism),
    )
    params = {name: {"mean": float(i), "scale": 0} for i, name in enumerate(names)}
    drawn = scm.sample(params, KEY, num=2)
    assert drawn["X2"].tolist() == pytest.approx([2.3, 2.3])  # 2 + .3 * (1 + .3 * 0)


def test_places_that_are_not_used_leave_gradients_finite():
    """A spare place that read zeros would have an infinite slope."""
    root = AdditiveNoise(lambda p: p)
    child = AdditiveNoise(lambda p, x: p * jnp.log(x))
    names = [f"X{i}" for i in range(11)]
    scm = SCM(
        graph.build([("X0", name) for name in names[1:4]], nodes=names),
        {n: child if n in names[1:4] else root for n in names},
    )
    params = {n: {"mean": jnp.float32(2.0), "scale": jnp.float32(0.0)} for n in names}

    def total(params):
        return sum(scm.sample(params, KEY, num=3)[n].mean() for n in names[1:4])

    gradient = jax.grad(total)(params)
    assert gradient["X0"]["mean"] == pytest.approx(3.0)  # three times 2 / 2
    assert [float(gradient[n]["mean"]) for n in names[1:4]] == pytest.approx(
        [np.log(2.0)] * 3, rel=1e-5
    )


def test_given_on_many_nodes_draws_from_the_exact_posterior():
    """A chain of 60: what is above a finding, by products of its tables."""
    names = [f"X{i}" for i in range(60)]
    edges = list(zip(names, names[1:], strict=False))
    states = [2 + i % 3 for i in range(60)]
    mechanisms = {
        name: Tabular(k, (j,))
        for name, j, k in zip(names[1:], states, states[1:], strict=False)
    } | {names[0]: Tabular(states[0])}
    scm = SCM(graphs.build(edges), mechanisms)
    params = scm.init(KEY)
    tables = [np.asarray(params[name]["probs"], float) for name in names]
    num = 4000
    drawn = scm.sample(params, jax.random.key(3), num=num, given={"X40": 1})
    assert (drawn["X40"] == 1).all()
    below = np.eye(states[40])[1]  # P(X40 = 1 | X_i), backward along the chain
    for i in range(39, 34, -1):
        below = tables[i + 1] @ below
        above = tables[0]
        for table in tables[1 : i + 1]:
            above = above @ table
        expected = above * below / (above @ below)
        found = np.bincount(drawn[names[i]], minlength=states[i]) / num
        error = np.sqrt(expected * (1 - expected) / num)
        assert (np.abs(found - expected) <= 5 * error + 1e-6).all()
    traced = jax.jit(lambda key: scm.sample_given(params, key, num=50, given={"X9": 1}))
    again = scm.sample_given(params, KEY, num=50, given={"X9": 1})
    for name in names:
        np.testing.assert_array_equal(traced(KEY).values[name], again.values[name])
