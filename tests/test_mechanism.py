"""Every mechanism, by what all promise; Flax modules."""

import dataclasses
import functools
import operator
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import interventions as iv
from causal_jax.additive_noise import AdditiveNoise, Constant
from causal_jax.data import faces
from causal_jax.flax_modules import FromModule, from_module
from causal_jax.linear import LinearGaussian
from causal_jax.mechanism import Mechanism
from causal_jax.networks.cgn.composition import Uniform
from causal_jax.networks.controller import ImplicitBinary, NeuralCategorical
from causal_jax.tabular import Tabular

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
