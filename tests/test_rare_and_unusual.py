"""Legal but unusual models and questions: answers are right, or refused in one line.

Each right value is computed here by hand or by enumeration.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import (
    SCM,
    AdditiveNoise,
    Replace,
    Shift,
    Tabular,
    bernoulli,
    categorical,
    graph,
    linear_gaussian,
)
from causal_jax.additive_noise import Constant
from causal_jax.data import tables
from causal_jax.mechanism import Discrete
from causal_jax.queries import bounds, coupled, exact, laws

KEY = jax.random.key(0)
NUM = 40_000


def pair(first, second, **of_graph):
    """A -> B of two (mechanism, params)."""
    mechanisms = {"A": first[0], "B": second[0]}
    scm = SCM(graph.build([("A", "B")], **of_graph), mechanisms)
    return scm, {"A": first[1], "B": second[1]}


# --- rare states ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("if_one", "if_zero"), [(1e-4, 2e-6), (1e-5, 1e-6), (1e-5, 9e-6), (4e-6, 8e-7)]
)
def test_a_unit_in_a_rare_state_has_its_exact_counterfactual(if_one, if_zero):
    """P(B = 1 had A been 0 | A = 1, B = 1): one uniform above both edges."""
    table = categorical([[1 - if_zero, if_zero], [1 - if_one, if_one]])
    scm, params = pair(bernoulli(0.5), table)
    spacing = 2.0**-24  # edges of states are whole spacings of float32
    widths = [spacing * round(p / spacing) for p in (if_zero, if_one)]
    units = {"A": np.ones(NUM, int), "B": np.ones(NUM, int)}
    found = scm.counterfactual(params, KEY, units, do={"A": 0})["B"].mean()
    expected = widths[0] / widths[1]
    assert abs(found - expected) < 5 * np.sqrt(0.25 / NUM) + spacing / widths[1]
    again = scm.counterfactual(params, KEY, units)
    assert (again["B"] == 1).all()


@dataclasses.dataclass(frozen=True)
class Learned(Discrete):
    """A law that a network could have: of `params["logits"]`."""

    num_states: int = 2
    coupling: str = "inverse_cdf"

    def init(self, key, parents):
        return {"logits": jnp.zeros((2, 2))}

    def log_probs(self, params, parents):
        return jax.nn.log_softmax(params["logits"][parents[0].astype(jnp.int32)])


def test_a_learned_law_loses_little_of_a_rare_state():
    """It stays a hair off its edges, a sixty-fourth of the state at most."""
    table = np.array([[1 - 1e-6, 1e-6], [1 - 1e-5, 1e-5]])
    learned = Learned(), {"logits": jnp.log(jnp.array(table))}
    scm, params = pair(bernoulli(0.5), learned)
    units = {"A": np.ones(NUM, int), "B": np.ones(NUM, int)}
    found = scm.counterfactual(params, KEY, units, do={"A": 0})["B"].mean()
    assert abs(found - 0.1) < 0.03
    assert (scm.counterfactual(params, KEY, units)["B"] == 1).all()


@pytest.mark.parametrize("row", [[1.0, 1e-4], [0.9998, 1e-4], [1e-4, 1.0]])
def test_rows_of_few_digits_have_one_law_for_all_engines(row):
    state = int(np.argmin(row))
    scm = SCM([["A", []]], {"A": categorical(row)[0]})
    params = {"A": categorical(row)[1]}
    exactly = exact.marginal(scm, params, ["A"])[state]
    assert exactly == pytest.approx(1e-4 / sum(row), rel=1e-5)
    num = 2_000_000
    share = (np.asarray(scm.sample(params, KEY, num=num)["A"]) == state).mean()
    assert abs(share - exactly) < 5 * np.sqrt(exactly / num)


def test_in_float64_a_state_of_hardly_any_probability_is_still_possible():
    with jax.enable_x64(True):
        rare, same = categorical([1, 1e-50]), categorical([[1, 0], [0, 1]])
        scm, params = pair(rare, same)
        unit = {"A": 1, "B": 1}
        again = scm.counterfactual(params, KEY, unit)
        assert {name: int(again[name]) for name in unit} == unit
        drawn = scm.sample(params, KEY, num=3, given={"B": 1})
        assert (drawn["B"] == 1).all()


@pytest.mark.parametrize("prior", [1e-5, 1e-4, 0.3])
def test_a_rare_cause_beside_a_hidden_number_is_found(prior):
    """Y = 8 B + .2 X + noise: the posterior odds of B have a closed form."""
    coin, normal = bernoulli(prior), linear_gaussian()
    effect = linear_gaussian([8.0, 0.2])
    scm = SCM(
        graph.build([("B", "Y"), ("X", "Y")], nodes=["B", "X", "Y"]),
        {"B": coin[0], "X": normal[0], "Y": effect[0]},
    )
    params = {"B": coin[1], "X": normal[1], "Y": effect[1]}
    for y in (8.0, 4.3):
        odds = prior / (1 - prior) * np.exp((y**2 - (y - 8) ** 2) / (2 * 1.04))
        expected = odds / (1 + odds)
        units = {"Y": np.full(2000, y)}
        for seed in range(2):
            found = scm.counterfactual(params, jax.random.key(seed), units)["B"].mean()
            # Units share particles, 256 of them effective.
            error = np.sqrt(expected * (1 - expected) / 256) + 1e-3
            assert abs(float(found) - expected) < 5 * error, (prior, y, seed)


# --- models ---------------------------------------------------------------------------


@pytest.mark.parametrize("num", [49, 50])  # a loop over nodes, and chunks
def test_what_replaces_a_mechanism_fits_the_graph_in_every_way(num):
    names = ["D", "E", "Y", *(f"f{i}" for i in range(num - 3))]
    coin, odds = bernoulli(0.5)
    number, law = linear_gaussian(scale=0.0)
    both, weights = linear_gaussian([1.0, 1.0], scale=0.0)
    mechanisms = dict.fromkeys(names, coin) | {"D": number, "E": number, "Y": both}
    params = dict.fromkeys(names, odds) | {"D": law, "E": law, "Y": weights}
    scm = SCM(graph.build([("D", "Y"), ("E", "Y")], nodes=names), mechanisms)
    one = Replace(*linear_gaussian([3.0], scale=0.0))
    with pytest.raises(ValueError, match="weights for 1 parents, but 2 parents"):
        scm.sample(params, KEY, num=2, do={"Y": one})
    with pytest.raises(ValueError, match="which has 2 states, by a mechanism of 3"):
        scm.sample(
            params, KEY, num=2, do={"f0": Replace(*categorical([0.2, 0.3, 0.5]))}
        )


def test_fifty_nodes_below_one_large_root():
    names = [f"c{i}" for i in range(50)]
    total = AdditiveNoise(lambda weight, x: (weight * x).sum())
    scm = SCM(
        graph.build([("root", name) for name in names], nodes=["root", *names]),
        {"root": Constant((100,)), **dict.fromkeys(names, total)},
    )
    own = {"mean": jnp.array(1.0), "scale": jnp.array(0.0)}
    params = {"root": {"value": jnp.ones(100)}, **dict.fromkeys(names, own)}
    drawn = scm.sample(params, KEY, num=2)
    np.testing.assert_allclose(drawn["c49"], 100)


def test_a_deterministic_node_in_small_units_is_read_exactly():
    scm, params = pair(bernoulli(0.5), linear_gaussian([1e-6], scale=0.0))
    found = exact.posterior_marginals(scm, params, {"B": 1e-6})["A"]
    np.testing.assert_allclose(found, [0, 1], atol=1e-6)
    normal, law = linear_gaussian(), linear_gaussian([1e-7], scale=0.0)
    scm, params = pair(normal, law)
    with pytest.raises(ValueError, match="impossible"):
        scm.counterfactual(params, KEY, {"A": 1.0, "B": 5e-7})


def test_a_law_of_a_table_s_subclass_is_its_own():
    @dataclasses.dataclass(frozen=True)
    class Flipped(Tabular):
        def probs(self, params, parents):
            return super().probs(params, parents)[::-1]

    table = np.array([[0.9, 0.1], [0.2, 0.8]])
    flipped = Flipped(2, (2,)), {"probs": jnp.array(table)}
    plain = categorical(table[:, ::-1])
    unit, do = {"A": 0, "B": 1}, {"A": 1}
    for query in (bounds.label_bounds, coupled.coupled_laws):
        ours, theirs = (
            query(*pair(bernoulli(0.5), second), unit, do)["B"]
            for second in (flipped, plain)
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    with pytest.raises(ValueError, match="node 'B' has no table"):
        exact.marginal(*pair(bernoulli(0.5), flipped), ["B"])


def test_parameters_are_looked_at_by_every_query():
    scm, params = pair(bernoulli(0.3), categorical([[0.9, 0.1], [0.2, 0.8]]))
    wrong = {**params, "B": {"probs": params["B"]["probs"].T}}
    unit, do = {"A": 0, "B": 0}, {"A": 1}
    for ask in (
        lambda: exact.posterior_marginals(scm, wrong, {"B": 0}),
        lambda: bounds.label_bounds(scm, wrong, unit, do),
        lambda: coupled.coupled_laws(scm, wrong, unit, do),
        lambda: laws.exact_law(scm, wrong),
        lambda: laws.exact_laws(scm, wrong),
    ):
        with pytest.raises(ValueError, match="transpose it"):
            ask()


# --- names and arguments --------------------------------------------------------------


def test_a_number_that_is_another_state_s_name_is_refused():
    root = categorical([0.2, 0.3, 0.5])
    labels = graph.build([], nodes=["A"], states={"A": ("1.0", "2.0", "3.0")})
    scm = SCM(labels, {"A": root[0]})
    params = {"A": root[1]}
    with pytest.raises(ValueError, match="could be a state's name"):
        scm.sample(params, KEY, num=2, do={"A": 2.0})
    assert (scm.sample(params, KEY, num=2, do={"A": "2.0"})["A"] == 1).all()


def test_interventions_that_read_alike_are_refused():
    states = {"A": ("B=0", "z"), "A=B": ("0", "1")}
    nodes = {"A": bernoulli(0.3), "A=B": bernoulli(0.9)}
    scm = SCM(
        graph.build([], nodes=list(nodes), states=states),
        {name: mechanism for name, (mechanism, _) in nodes.items()},
    )
    with pytest.raises(ValueError, match="A=B=0 could be a state of 'A' or of 'A=B'"):
        laws.exact_laws(scm, {name: own for name, (_, own) in nodes.items()})


def test_shapes_that_no_node_has_are_refused():
    number = linear_gaussian([2.0])
    scm, params = pair((Constant((3,)), {"value": jnp.arange(3.0)}), number)
    with pytest.raises(ValueError, match="a linear-Gaussian node is a number"):
        scm.sample(params, KEY, num=1)
    with pytest.raises(ValueError, match="give {'value': an array of shape \\(3,\\)}"):
        scm.sample({**params, "A": {"value": jnp.zeros(2)}}, KEY, num=1)
    with pytest.raises(ValueError, match="weights are one number per parent"):
        linear_gaussian(2.0)
    with pytest.raises(ValueError, match="needs the params 'weights', 'bias'"):
        scm.sample({**params, "B": None}, KEY, num=1)
    coin, odds = pair(bernoulli(0.5), categorical([[1.0, 0.0], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="table of node 'A' is no array"):
        coin.sample({**odds, "A": {"probs": [0.5, 0.5]}}, KEY, num=1)


def test_bytes_of_a_picture_are_refused():
    """They would be read as numbers of another range, without a word."""
    shade = AdditiveNoise(lambda _, a: a * jnp.ones((2, 2, 3)), shape=(2, 2, 3))
    own = {"mean": (), "scale": jnp.array(0.1)}
    scm, params = pair(bernoulli(0.5), (shade, own))
    unit = {"A": 1, "B": np.full((2, 2, 3), 255, np.uint8)}
    with pytest.raises(ValueError, match="holds bytes, the model's values are floats"):
        scm.counterfactual(params, KEY, unit)
    unit["B"] = unit["B"] / 127.5 - 1
    np.testing.assert_allclose(scm.counterfactual(params, KEY, unit)["B"], 1, rtol=1e-5)


def test_bounds_of_arguments_are_kept():
    scm, params = pair(linear_gaussian(), linear_gaussian([1.0]))
    with pytest.raises(ValueError, match="max_draws is at least 1, not 0"):
        scm.sample(params, KEY, num=1, given={"B": lambda b: b > 0}, max_draws=0)
    with pytest.raises(ValueError, match="at most 2,147,483,647 are drawn at once"):
        scm.sample(params, KEY, num=10**12)
    with pytest.raises(ValueError, match="holds a NaN where numbers are needed"):
        scm.sample(params, KEY, num=1, do={"A": Shift(np.nan)})
    coins = pair(bernoulli(0.5), categorical([[0.9, 0.1], [0.2, 0.8]]))
    with pytest.raises(ValueError, match="the factual does not say 'B'"):
        coupled.coupled_laws(*coins, {"A": 0}, {"A": 1})


# --- files ----------------------------------------------------------------------------


def test_a_table_that_two_separators_fit_is_refused(tmp_path):
    path = tmp_path / "decimal_commas.csv"
    path.write_text("Income, annual;Job\n1,5;x\n2,5;y\n")
    with pytest.raises(ValueError, match="separated by ',' or ';', which both make 2"):
        tables.read_csv(path)
    path.write_text('"Income, annual";Job\n"1,5";x\n"2,5";y\n')
    assert tables.read_csv(path).names == ("Income, annual", "Job")


def test_states_and_columns_that_repeat_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("A,B\n0,1\n1,0\n")
    with pytest.raises(ValueError, match="states of 'A' repeat one: 1, 0, 1"):
        tables.read_csv(path, states={"A": ("1", "0", "1")})
    with pytest.raises(ValueError, match="columns name 'A' twice"):
        tables.read_csv(path, columns=["A", "A"])
    assert tables.read_csv(path, states={"A": (1, 0)}).states["A"] == ("1", "0")


def test_a_subgraph_without_braces_is_no_node():
    with pytest.raises(ValueError, match="`subgraph` without braces"):
        graph.read("digraph { subgraph s {A B} subgraph s -> C }")
    assert list(graph.read('digraph { "subgraph" -> C }')) == ["subgraph", "C"]
