import dataclasses
import functools
import operator
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax import interventions as iv
from causal_jax.data import faces
from causal_jax.linear import LinearGaussian
from causal_jax.mechanism import (
    AdditiveNoise,
    Constant,
    FromModule,
    Mechanism,
    Tabular,
    bernoulli,
    categorical,
    from_module,
)
from causal_jax.networks.cgn.composition import Uniform
from causal_jax.networks.controller import ImplicitBinary, NeuralCategorical
from causal_jax.scm import SCM

NUM = 12


def weighted_sum(params, x, y):
    return params * x + y


def weight(key, parents):
    return jax.random.normal(key)


def mean_of_vector(params, x):
    return x * jnp.arange(3.0)


def scaled_by_parent(value, parents):
    return value * parents[0]


class Net(nn.Module):
    """A batched module with batch statistics."""

    @nn.compact
    def __call__(self, parents, noise, train):
        x = jnp.concatenate([*(p[:, None] for p in parents), noise], axis=-1)
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(4)(x))
        return nn.Dense(2)(nn.relu(x))


class Case(NamedTuple):
    """A mechanism and what it is tried with.

    Attributes:
      build: builds the mechanism anew: two of them must be equal.
      parents: which values its parents have, each "binary", "ternary" or "real".
      make_params: params from the mechanism, where `init` does not give them.
    """

    build: Any
    parents: tuple = ()
    make_params: Any = None


def numbers():
    return AdditiveNoise(weighted_sum, init_fn=weight)


def inner_params(**extra):
    def make(key):
        return {"inner": numbers().init(key, ()), **extra}

    return make


CASES = {
    "tabular_root": Case(lambda: Tabular(3)),
    "tabular": Case(lambda: Tabular(3, (2, 3)), ("binary", "ternary")),
    "uniform": Case(lambda: Uniform(4)),
    "tabular_gumbel": Case(lambda: Tabular(3, (2,), "gumbel"), ("binary",)),
    "neural_root": Case(lambda: NeuralCategorical(2)),
    "neural": Case(lambda: NeuralCategorical(2, (2, 3), (8,)), ("binary", "ternary")),
    "neural_gumbel": Case(
        lambda: NeuralCategorical(4, (2,), (8,), "gumbel"), ("binary",)
    ),
    "implicit": Case(lambda: ImplicitBinary(hidden=(10,)), ("binary", "binary")),
    "additive": Case(numbers, ("real", "binary")),
    "additive_vector": Case(lambda: AdditiveNoise(mean_of_vector, (3,)), ("real",)),
    "linear_root": Case(lambda: LinearGaussian()),
    "linear": Case(lambda: LinearGaussian(2), ("real", "ternary")),
    "constant": Case(lambda: Constant((2, 2))),
    "from_module": Case(lambda: FromModule(Net(), 3), ("binary", "real")),
    "from_module_normal": Case(
        lambda: from_module(Net(), noise_size=3, noise_law="normal"), ("real",)
    ),
    "renderer": Case(lambda: faces.Renderer(8), ("binary",) * 9),
    "fixed": Case(
        lambda: iv.Fixed(Tabular(3)), (), lambda key: {"value": jnp.int32(2)}
    ),
    "shifted": Case(
        lambda: iv.Shifted(numbers()), ("real", "real"), inner_params(amount=2.0)
    ),
    "scaled": Case(
        lambda: iv.Scaled(numbers()), ("real", "real"), inner_params(factor=3.0)
    ),
    "modified": Case(
        lambda: iv.Modified(numbers(), scaled_by_parent),
        ("real", "real"),
        lambda key: numbers().init(key, ()),
    ),
    "ignores_parents": Case(lambda: iv.IgnoresParents(Tabular(3)), ("binary", "real")),
}


def parent_values(kinds):
    random = np.random.default_rng(0)
    drawn = {
        "binary": lambda: jnp.asarray(random.integers(0, 2, NUM), jnp.int32),
        "ternary": lambda: jnp.asarray(random.integers(0, 3, NUM), jnp.int32),
        "real": lambda: jnp.asarray(random.normal(size=NUM), jnp.float32),
    }
    return tuple(drawn[kind]() for kind in kinds)


class Tried(NamedTuple):
    mechanism: Any
    params: Any
    parents: tuple
    noise: Any
    values: Any


@functools.cache
def try_out(name):
    case = CASES[name]
    mechanism, parents = case.build(), parent_values(case.parents)
    make = case.make_params or (
        lambda key: mechanism.init(key, jax.tree.map(lambda x: x[0], parents))
    )
    params = make(jax.random.key(0))
    noise = mechanism.noise(jax.random.key(1), NUM)
    values = jax.jit(jax.vmap(mechanism.apply, in_axes=(None, 0, 0)))(
        params, parents, noise
    )
    return Tried(mechanism, params, parents, noise, values)


@pytest.fixture
def tried(request):
    return try_out(request.param)


def over_cases(offers=lambda mechanism: True):
    """The test runs over every case whose mechanism offers something."""
    names = [name for name, case in CASES.items() if offers(case.build())]
    return pytest.mark.parametrize("tried", names, indirect=True)


def has_abduct(mechanism):
    return hasattr(mechanism, "abduct")


def has_law_over_states(mechanism):
    states = getattr(mechanism, "num_states", None)
    return bool(states) and hasattr(mechanism, "log_prob")


@pytest.mark.parametrize("name", CASES)
def test_a_mechanism_is_frozen_hashable_and_equal_by_value(name):
    one, other = CASES[name].build(), CASES[name].build()
    assert isinstance(one, Mechanism)
    assert one == other and hash(one) == hash(other)
    field = dataclasses.fields(one)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(one, field, None)


def test_different_mechanisms_are_not_equal():
    built = [case.build() for case in CASES.values()]
    assert len(set(built)) == len(built)


@over_cases()
def test_noise_has_a_leading_axis_of_units(tried):
    for num in (1, NUM):
        noise = tried.mechanism.noise(jax.random.key(2), num)
        assert {leaf.shape[0] for leaf in jax.tree.leaves(noise)} == {num}


@over_cases()
def test_vmapped_apply_equals_unit_apply(tried):
    apply = jax.jit(tried.mechanism.apply)
    for i in range(3):
        parents, noise = jax.tree.map(
            operator.itemgetter(i), (tried.parents, tried.noise)
        )
        unit = apply(tried.params, parents, noise)
        assert unit.dtype == tried.values.dtype
        np.testing.assert_allclose(unit, tried.values[i], rtol=1e-5, atol=1e-5)


@over_cases(has_abduct)
def test_abduct_then_apply_returns_the_value(tried):
    mechanism = tried.mechanism

    def again(parents, value, key):
        noise = mechanism.abduct(tried.params, parents, value, key)
        return mechanism.apply(tried.params, parents, noise), noise

    keys = jax.random.split(jax.random.key(3), NUM)
    values, noise = jax.jit(jax.vmap(again))(tried.parents, tried.values, keys)
    np.testing.assert_allclose(values, tried.values, rtol=1e-5, atol=1e-5)
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), noise)
    assert shapes == jax.tree.map(lambda x: (x.shape, x.dtype), tried.noise)


@over_cases(has_law_over_states)
def test_log_probs_of_all_states_sum_to_one(tried):
    mechanism = tried.mechanism
    states = jnp.arange(mechanism.num_states)
    parents = jax.tree.map(lambda x: x[0], tried.parents)
    logs = [mechanism.log_prob(tried.params, parents, state) for state in states]
    assert float(jnp.sum(jnp.exp(jnp.stack(logs)))) == pytest.approx(1, abs=1e-5)


def test_which_mechanisms_offer_abduction_and_a_law():
    without = {name for name, case in CASES.items() if not has_abduct(case.build())}
    assert without == {
        *("from_module", "from_module_normal", "renderer"),
        *("fixed", "shifted", "scaled", "modified"),
    }
    explicit = {n for n, case in CASES.items() if has_law_over_states(case.build())}
    assert {"tabular", "neural", "neural_gumbel", "ignores_parents"} < explicit


def test_wrappers_get_their_params_by_substitution_only():
    with pytest.raises(NotImplementedError, match="substitution"):
        iv.Fixed(Tabular(2)).init(jax.random.key(0), ())


# --- states and their noise -------------------------------------------------------

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


# --- numbers ------------------------------------------------------------------------


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


# --- flax modules -------------------------------------------------------------------


@pytest.fixture(scope="module")
def module():
    mechanism, parents = FromModule(Net(), 3), parent_values(("binary", "real"))
    params = mechanism.init(jax.random.key(0), jax.tree.map(lambda x: x[0], parents))
    return mechanism, params, parents, mechanism.noise(jax.random.key(1), NUM)


def test_a_vmapped_mechanism_equals_the_batched_module_in_evaluation(module):
    mechanism, params, parents, noise = module
    vmapped = jax.vmap(mechanism.apply, in_axes=(None, 0, 0))(params, parents, noise)
    batched = mechanism.module.apply(params, parents, noise, train=False)
    np.testing.assert_allclose(vmapped, batched, rtol=1e-5, atol=1e-6)


def test_apply_train_updates_the_statistics_and_nothing_else(module):
    mechanism, params, parents, noise = module
    values, updated = mechanism.apply_train(params, parents, noise)
    assert values.shape == (NUM, 2)
    assert jax.tree.structure(updated) == jax.tree.structure(params)
    assert jax.tree.all(
        jax.tree.map(lambda a, b: (a == b).all(), params["params"], updated["params"])
    )
    moved = jax.tree.map(
        lambda a, b: bool((a != b).any()), params["batch_stats"], updated["batch_stats"]
    )
    assert all(jax.tree.leaves(moved))


@pytest.mark.parametrize(
    ("law", "low", "high"), [("uniform", -1, 1), ("normal", -6, 6)]
)
def test_noise_of_a_module_has_the_law_it_says(law, low, high):
    noise = FromModule(Net(), 5, law).noise(jax.random.key(0), 4000)
    variance = {"uniform": 1 / 3, "normal": 1.0}[law]
    assert low <= float(noise.min()) and float(noise.max()) <= high
    assert abs(float(noise.mean())) < 5 * np.sqrt(variance / noise.size)
    assert float(noise.var()) == pytest.approx(variance, rel=0.05)


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
