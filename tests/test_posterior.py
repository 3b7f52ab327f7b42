"""What was not observed against enumeration; CAUSAL_JAX_SLOW=1 tries 200 networks."""

import dataclasses
import os
import warnings

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest

from causal_jax import factors, linear_gaussian, particles, posterior
from causal_jax import graph as graphs
from causal_jax.additive_noise import AdditiveNoise
from causal_jax.mechanism import Discrete
from causal_jax.networks.controller import controller
from causal_jax.queries.exact import posterior_marginals
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular

KEY = jax.random.key(0)
NUM_NETWORKS = 200 if os.environ.get("CAUSAL_JAX_SLOW") else 12
NUM_DRAWS = 100_000


# --- random networks against enumeration ---------------------------------------------


class Network:
    """A random tabular model, evidence that is possible, and the posterior."""

    def __init__(self, seed):
        self.random = random = np.random.default_rng(seed)
        num = random.integers(8, 16)
        self.names = [f"n{i}" for i in range(num)]
        self.sizes = random.choice([2, 2, 2, 3], num)
        self.tables, edges = {}, []
        for i, name in enumerate(self.names):
            num_parents = min(i, random.integers(0, 4))
            parents = np.sort(random.choice(i, num_parents, replace=False))
            edges += [(self.names[j], name) for j in parents]
            self.tables[name] = self._table(self.sizes[parents], self.sizes[i])
        graph = graphs.build(edges, nodes=self.names)
        mechanisms = {
            name: Tabular(table.shape[-1], table.shape[:-1])
            for name, table in self.tables.items()
        }
        self.scm = SCM(graph, mechanisms)
        self.params = {n: {"probs": jnp.asarray(t)} for n, t in self.tables.items()}
        self.observed = self._evidence()

    def _table(self, parent_sizes, size):
        table = self.random.dirichlet(np.full(size, 0.7), size=tuple(parent_sizes))
        kind = self.random.random(table.shape[:-1])[..., None]
        first = np.arange(size) == self.random.integers(size)
        table = np.where(kind < 0.15, first, table)  # deterministic rows
        table = np.where((kind > 0.9) & ~first, 1e-8, table)  # and nearly so
        table /= table.sum(-1, keepdims=True)
        return table.astype(np.float32)

    def _evidence(self):
        """States of some nodes, of a unit that was drawn."""
        unit = {}
        for name in self.names:
            row = self.tables[name][tuple(unit[p] for p in self.scm.parents[name])]
            row = row.astype(float) / row.sum(dtype=float)
            unit[name] = self.random.choice(len(row), p=row)
        num = self.random.integers(1, 6)
        return {n: unit[n] for n in self.random.choice(self.names, num, replace=False)}

    def posterior(self):
        """{node: P(node | observed)}, float64, from the joint table at the evidence."""
        hidden = [name for name in self.names if name not in self.observed]
        axis = {name: i for i, name in enumerate(hidden)}
        joint = np.ones([self.sizes[self.names.index(name)] for name in hidden])
        for name, table in self.tables.items():
            family = (*self.scm.parents[name], name)
            table = table.astype(float) / table.sum(-1, keepdims=True, dtype=float)
            table = table[tuple(self.observed.get(n, slice(None)) for n in family)]
            free = [n for n in family if n in axis]
            table = table.transpose(np.argsort([axis[n] for n in free]))
            shape = [1] * len(hidden)
            for n in free:
                shape[axis[n]] = self.sizes[self.names.index(n)]
            joint = joint * table.reshape(shape)
        total = joint.sum()
        return {
            name: joint.sum(tuple(i for i in range(len(hidden)) if i != axis[name]))
            / total
            for name in hidden
        }


@pytest.mark.parametrize("seed", range(NUM_NETWORKS))
def test_the_posterior_is_that_of_enumeration(seed):
    network = Network(seed)
    expected = network.posterior()
    found = posterior_marginals(network.scm, network.params, network.observed)
    assert set(found) == set(expected)
    for name, law in expected.items():
        np.testing.assert_allclose(found[name], law, atol=1e-5)
    factual = {n: np.full(NUM_DRAWS, state) for n, state in network.observed.items()}
    drawn = network.scm.counterfactual(network.params, jax.random.key(seed), factual)
    for name, law in expected.items():
        frequencies = np.bincount(drawn[name], minlength=len(law)) / NUM_DRAWS
        standard_error = np.sqrt(np.maximum(law * (1 - law), 0) / NUM_DRAWS)
        assert np.all(np.abs(frequencies - law) <= 5 * standard_error + 1e-6), name
        assert np.all(frequencies[law == 0] == 0), name
    for name, state in network.observed.items():
        np.testing.assert_array_equal(drawn[name], np.full(NUM_DRAWS, state))
    if seed % 50 == 49:
        jax.clear_caches()


def naive_bayes(num):
    """A disease of 1 % and symptoms that are right four times of five."""
    names = [f"s{i}" for i in range(num)]
    mechanisms = {"D": Tabular(2), **dict.fromkeys(names, Tabular(2, (2,)))}
    scm = SCM(graphs.read("D -> " + ", ".join(names)), mechanisms)
    symptom = {"probs": jnp.array([[0.8, 0.2], [0.2, 0.8]])}
    root = {"probs": jnp.array([0.99, 0.01])}
    return scm, {"D": root, **dict.fromkeys(names, symptom)}


@pytest.mark.parametrize("num", [2, 8, 12])
def test_many_symptoms_are_worth_what_bayes_says(num):
    scm, params = naive_bayes(num)
    expected = 0.01 * 0.8**num / (0.01 * 0.8**num + 0.99 * 0.2**num)
    unit = {name: 1 for name in scm.nodes if name != "D"}
    found = posterior_marginals(scm, params, unit)["D"]
    assert float(found[1]) == pytest.approx(expected, abs=1e-6)
    factual = {name: np.ones(20_000, int) for name in unit}
    drawn = scm.counterfactual(params, KEY, factual)["D"]
    standard_error = np.sqrt(expected * (1 - expected) / 20_000)
    assert abs(float(drawn.mean()) - expected) <= 5 * standard_error + 1e-6


def test_products_far_below_what_a_float_holds_keep_their_ratio():
    """Forty likelihoods of 1e-30 against forty of 2e-30: odds of 2^-40 times 2^40."""
    names = [f"s{i}" for i in range(40)]
    scm = SCM(
        graphs.read("D -> " + ", ".join(names)),
        {"D": Tabular(2), **dict.fromkeys(names, Tabular(2, (2,)))},
    )
    root = {"probs": jnp.array([1 - 2.0**-40, 2.0**-40])}
    table = {"probs": jnp.array([[1.0, 1e-30], [1.0, 2e-30]])}
    params = {"D": root, **dict.fromkeys(names, table)}
    found = posterior_marginals(scm, params, dict.fromkeys(names, 1))["D"]
    # Logs of 1e-30 are rounded by 4e-6, forty times.
    np.testing.assert_allclose(found, [0.5, 0.5], atol=1e-4)


# --- rare is not impossible -----------------------------------------------------------


def test_what_is_rare_is_possible_and_what_is_impossible_is_refused():
    scm, params = naive_bayes(1)
    params = params | {"D": {"probs": jnp.array([1.0, 1e-30])}}
    params["s0"] = {"probs": jnp.array([[1.0, 0.0], [0.0, 1.0]])}
    unit = scm.counterfactual(params, KEY, {"s0": 1}, do={"s0": 0})
    assert (int(unit["D"]), int(unit["s0"])) == (1, 0)
    params["D"] = {"probs": jnp.array([1.0, 0.0])}
    with pytest.raises(ValueError, match="impossible .* 's0' has probability zero"):
        scm.abduct(params, KEY, {"s0": 1})
    counts = scm.posterior(params, KEY, {"s0": np.array([0, 1, 0])})
    assert counts.possible.tolist() == [True, False, True]
    assert np.all(np.isinf(counts.effective))


def test_a_contradiction_of_several_nodes_is_impossible():
    """Each of them alone is possible."""
    scm, params = naive_bayes(2)
    certain = {"probs": jnp.eye(2)}
    params = params | {"s0": certain, "s1": certain}
    with pytest.raises(
        ValueError, match=r"'s0', 's1' has probability zero .*unit 1, 1"
    ):
        scm.abduct(params, KEY, {"s0": np.array([0, 1]), "s1": np.array([0, 0])})


# --- which engine, and what it shares -------------------------------------------------


def test_a_pattern_is_compiled_once_whatever_the_units_are(count_compilations):
    network = Network(3)
    num = 2_500
    drawn = network.scm.sample(network.params, KEY, num=num)
    names = list(network.observed)

    def imagine(rows):
        factual = {name: np.asarray(drawn[name])[rows] for name in names}
        return network.scm.counterfactual(network.params, KEY, factual)

    assert count_compilations(lambda: imagine(np.zeros(num, int))) >= 1
    assert count_compilations(lambda: imagine(np.arange(num))) == 0
    assert count_compilations(lambda: imagine(np.arange(num) % 7)) == 0


def test_traced_units_have_the_states_of_concrete_ones(tables):
    factual = {"D": np.resize([0, 1, 1], 500), "B": np.resize([2, 0, 1, 1], 500)}
    eager = tables.scm.counterfactual(tables.params, KEY, factual)
    traced = jax.jit(lambda f: tables.scm.counterfactual(tables.params, KEY, f))(
        factual
    )
    for name in tables.nodes:
        np.testing.assert_array_equal(eager[name], traced[name])


def test_networks_are_inferred_like_the_tables_they_stand_for(tables):
    scm = controller(tables.scm.graph, hidden=(8,))
    params = scm.init(KEY)
    observed = {"D": np.array([0, 1])}
    found = posterior_marginals(scm, params, observed)
    from causal_jax.queries.exact import conditional_tables, marginal

    tabular, tabular_params = conditional_tables(scm, params)
    for state in (0, 1):
        for name in "ABC":
            law = marginal(tabular, tabular_params, [name], given={"D": state})
            np.testing.assert_allclose(found[name][state], law, atol=1e-5)


def shifted(params, state):
    return 3.0 * state


def test_a_number_below_hidden_states_is_a_likelihood():
    """D ~ (.5, .3, .2), x ~ N(3 D, 1): Bayes' rule at x = 2, and exact engines."""
    scm = SCM("D -> x", {"D": Tabular(3), "x": AdditiveNoise(shifted)})
    params = scm.init(KEY) | {"D": {"probs": jnp.array([0.5, 0.3, 0.2])}}
    law = np.array([0.5, 0.3, 0.2]) * np.exp(-0.5 * (2 - 3 * np.arange(3.0)) ** 2)
    found = posterior_marginals(scm, params, {"x": 2.0})["D"]
    np.testing.assert_allclose(found, law / law.sum(), atol=1e-6)
    counts = scm.posterior(params, KEY, {"x": np.array([2.0, 100.0])})
    assert np.all(np.isinf(counts.effective)) and np.all(counts.possible)


@dataclasses.dataclass(frozen=True)
class Logit(Discrete):
    """P(1 | x) = sigmoid(2 x), of a number."""

    num_states: int = 2
    coupling: str = "inverse_cdf"

    def init(self, key, parents):
        return {}

    def log_probs(self, params, parents):
        return jax.nn.log_sigmoid(jnp.stack([-2 * parents[0], 2 * parents[0]]))


def test_hidden_states_below_an_observed_number_are_exact():
    """x -> D -> E, x = .3 and E = 1 observed: Bayes' rule."""
    mechanisms = {"x": AdditiveNoise(nothing), "D": Logit(), "E": Tabular(2, (2,))}
    scm = SCM("x -> D -> E", mechanisms)
    table = np.array([[0.9, 0.1], [0.3, 0.7]])
    params = scm.init(KEY) | {"E": {"probs": jnp.asarray(table)}}
    prior = 1 / (1 + np.exp(-2 * np.array([0.3, -1.0])))
    weights = np.stack([(1 - prior) * 0.1, prior * 0.7], 1)
    expected = weights / weights.sum(1, keepdims=True)
    unit = {"x": np.array([0.3, -1.0]), "E": np.array([1, 1])}
    found = posterior_marginals(scm, params, unit)["D"]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    again = scm.counterfactual(params, KEY, unit)
    np.testing.assert_array_equal(again["E"], unit["E"])


def test_marginals_of_many_units_are_those_of_each(tables):
    """More units than a block holds, of few kinds."""
    num = 3_000
    observed = {"D": np.arange(num) % 2, "B": np.arange(num) % 3}
    found = posterior_marginals(tables.scm, tables.params, observed)
    for i in (0, 1, num - 1):
        unit = {name: int(states[i]) for name, states in observed.items()}
        one = posterior_marginals(tables.scm, tables.params, unit)
        for name in "AC":
            np.testing.assert_allclose(found[name][i], one[name], atol=1e-6)


def test_no_units_are_no_error(tables):
    none = {"D": np.zeros(0, int)}
    assert posterior_marginals(tables.scm, tables.params, none)["A"].shape == (0, 2)
    assert tables.scm.counterfactual(tables.params, KEY, none)["A"].shape == (0,)
    scm, params = two_numbers()
    assert scm.counterfactual(params, KEY, {"Y": np.zeros(0)})["X"].shape == (0,)


def test_independent_groups_are_inferred_one_by_one():
    parts = ["A -> B", "x -> y", "u -> v"]
    root, below = linear_gaussian(), linear_gaussian([1.0])
    scm = SCM(
        graphs.read(" ; ".join(parts)),
        {"A": Tabular(2), "B": Tabular(2, (2,)), "x": root[0], "y": below[0]}
        | {"u": AdditiveNoise(nothing), "v": AdditiveNoise(same)},
    )
    groups = factors.groups(scm, {"B", "y", "v"})
    engines = {group.hidden: posterior.engine(scm, group) for group in groups}
    assert engines == {("A",): "tables", ("x",): "linear", ("u",): "particles"}
    params = scm.init(KEY)
    counts = scm.posterior(params, KEY, {"B": 1, "y": 0.5, "v": 0.5})
    assert 256 <= float(counts.effective[0]) < np.inf


def nothing(params):
    return 0.0


def same(params, x):
    return x


def twice(params, x):
    return 2 * x


# --- particles ------------------------------------------------------------------------


def two_numbers():
    scm = SCM("X -> Y", {"X": AdditiveNoise(nothing), "Y": AdditiveNoise(twice)})
    return scm, scm.init(KEY)


def test_rounds_go_on_until_enough_particles_count():
    """X | Y = 7 is N(14/5, 1/5), which one particle in a thousand comes near."""
    scm, params = two_numbers()
    num = 3_000
    factual = {"Y": np.full(num, 7.0)}
    counts = scm.posterior(params, KEY, factual)
    effective = np.asarray(counts.effective)
    assert (effective >= particles.EFFECTIVE).all() and np.all(counts.possible)
    drawn = np.asarray(scm.counterfactual(params, KEY, factual)["X"])
    # Every 256 units have particles of their own.
    together = effective[::256].sum()
    standard_error = np.sqrt(0.2 * (1 / together + 1 / num))
    assert abs(drawn.mean() - 2.8) < 5 * standard_error
    assert len(np.unique(drawn)) > num / 2
    assert 0.1 < drawn.var() < 0.3


def test_units_of_their_own_evidence_are_inferred_each():
    scm, params = two_numbers()
    y = np.random.default_rng(0).normal(0, np.sqrt(5), 300).astype(np.float32)
    drawn = np.asarray(scm.counterfactual(params, KEY, {"Y": y})["X"])
    z = (drawn - 0.4 * y) / np.sqrt(0.2)  # X | Y ~ N(2 Y / 5, 1/5)
    assert abs(z.mean()) < 5 / np.sqrt(300) and abs(z.var() - 1) < 5 * np.sqrt(2 / 300)


def test_what_particles_never_come_near_is_refused_but_not_called_impossible():
    scm, params = two_numbers()
    with pytest.raises(
        ValueError, match="too rarely .*effective.* observe X, or raise"
    ):
        scm.abduct(params, KEY, {"Y": 60.0}, num_particles=10_000)
    counts = scm.posterior(params, KEY, {"Y": 60.0}, num_particles=10_000)
    assert float(counts.effective[0]) < particles.EFFECTIVE
    assert bool(counts.possible[0])


def test_too_entangled_a_network_warns_and_is_inferred_by_particles(monkeypatch):
    scm, params = naive_bayes(3)
    monkeypatch.setattr(posterior, "MAX_BUCKET", 1)
    factual = {"s0": np.ones(2_000, int), "s1": np.ones(2_000, int)}
    with pytest.warns(UserWarning, match="table of .* weighed or rejected") as raised:
        drawn = scm.counterfactual(params, KEY, factual)["D"]
    assert "\n" not in str(raised[0].message)
    expected = 0.01 * 0.64 / (0.01 * 0.64 + 0.99 * 0.04)
    variance = expected * (1 - expected)
    standard_error = np.sqrt(variance * (1 / 256 / 7 + 1 / 2_000))  # 7 times 256 units
    assert abs(float(drawn.mean()) - expected) < 5 * standard_error


def test_too_entangled_a_condition_warns_and_is_met_by_rejection(monkeypatch):
    scm, params = naive_bayes(3)
    monkeypatch.setattr(posterior, "MAX_BUCKET", 1)
    with pytest.warns(UserWarning, match="table of .* weighed or rejected"):
        result = scm.sample_given(params, KEY, num=500, given={"s0": 1, "s1": 1})
    assert int(result.filled) == 500 < int(result.drawn)


def test_what_was_inferred_by_particles_can_be_differentiated():
    """By the scale of Y at its abducted noise: the particles themselves are held."""
    scm, params = two_numbers()

    def y_of(shift):
        other = scm.counterfactual(params, KEY, {"Y": 2.0}, do={"X": shift})
        return other["Y"]

    assert float(jax.grad(y_of)(1.0)) == pytest.approx(2.0)

    def noise_of(scale):
        changed = params | {"Y": params["Y"] | {"scale": scale}}
        return scm.abduct(changed, KEY, {"Y": 2.0})["Y"]

    assert np.isfinite(jax.grad(noise_of)(1.0))


def test_what_fits_does_not_warn():
    scm, params = naive_bayes(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scm.counterfactual(params, KEY, {"s0": 1})


def test_a_group_is_the_nodes_that_an_observation_joins(tables):
    scm = SCM(
        "A -> C ; B -> C ; D -> E",
        {n: Tabular(2) for n in "ABD"}
        | {"C": Tabular(2, (2, 2)), "E": Tabular(2, (2,))},
    )
    assert factors.groups(scm, {"A", "D"}) == ()
    (group,) = factors.groups(scm, {"C"})
    assert group.hidden == ("A", "B") and group.below == ("C",)
    (group,) = factors.groups(scm, {"B", "C"})
    assert group.hidden == ("A",) and set(group.evidence) == {"B", "C"}
    assert nx.is_directed_acyclic_graph(scm.graph)
