"""What was reported of values: their types, sizes, and what stands for none."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import (
    SCM,
    AdditiveNoise,
    Constant,
    Randomize,
    Replace,
    Scale,
    Shift,
    bernoulli,
    categorical,
    graph,
    linear_gaussian,
)
from causal_jax.data import csv_files
from causal_jax.linear import LinearGaussian
from causal_jax.queries import coupled, exact, laws

KEY = jax.random.key(0)


def model(text, nodes):
    mechanisms = {name: mechanism for name, (mechanism, _) in nodes.items()}
    return SCM(text, mechanisms), {name: params for name, (_, params) in nodes.items()}


@pytest.fixture
def two():
    nodes = {"A": bernoulli(0.3), "B": categorical([[0.5, 0.5], [0.2, 0.8]])}
    return model("A -> B", nodes)


# --- sizes ----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1.0, 1e4, 1e6, 1e8])
def test_evidence_below_a_wide_prior_is_all_used(width):
    """Against (C^-1 + A' R^-1 A)^-1 A' R^-1 y in float64."""
    nodes = {
        "X": linear_gaussian((), scale=width),
        "Z": linear_gaussian(),
        "U": linear_gaussian([1.0]),
        "V": linear_gaussian([1.0, 1.0], scale=0.5),
    }
    scm, params = model("X -> U; X, Z -> V", nodes)
    num, seen = 20_000, np.array([10.0, 15.0])
    factual = {name: np.full(num, x) for name, x in zip("UV", seen, strict=True)}
    found = scm.counterfactual(params, KEY, factual)
    design, precision = np.array([[1.0, 0.0], [1.0, 1.0]]), np.diag([1.0, 4.0])
    weighted = design.T @ precision
    cov = np.linalg.inv(np.diag([width**-2.0, 1.0]) + weighted @ design)
    mean = cov @ weighted @ seen
    for name, m, variance in zip("XZ", mean, np.diag(cov), strict=True):
        error = 5 * np.sqrt(variance / num)
        assert abs(float(found[name].mean()) - m) < error
        assert float(found[name].var()) == pytest.approx(variance, rel=0.06)


@pytest.mark.parametrize("unit", [1e-7, 1e-3, 1.0, 1e5])
def test_a_function_of_small_numbers_is_held_to_them(unit):
    nodes = {
        "X": linear_gaussian((), scale=unit),
        "Y": (AdditiveNoise(lambda m, x: 2 * x), {"mean": {}, "scale": jnp.array(0.0)}),
    }
    scm, params = model("X -> Y", nodes)
    found = scm.posterior(params, KEY, {"Y": np.full(256, 3 * unit)})
    np.testing.assert_allclose(found.noise["X"], 1.5, rtol=1e-4)
    same = scm.sample(params, KEY, num=500)
    np.testing.assert_allclose(
        scm.counterfactual(params, KEY, same)["Y"], same["Y"], rtol=1e-6
    )
    with pytest.raises(ValueError, match="impossible"):
        scm.counterfactual(params, KEY, {"X": unit, "Y": 9 * unit})


# --- types ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "do", "message"),
    [
        (jnp.array(3), 2.5, "'X' has values of type int32: 2.5 would be cut"),
        (jnp.array(3), [2.0, -0.5], "-0.5 would be cut"),
        (jnp.array(3), Shift(0.5), "0.5 would be cut"),
        (jnp.uint8(3), -1, "-1.0 would be cut"),
        (jnp.uint8(3), 300, "300.0 would be cut"),
        (jnp.uint8(3), Shift(-5), "of type uint8, without negative numbers: Shift"),
        (jnp.array(True), 0.3, "would be cut"),
        (jnp.array(True), Scale(0.5), "of type bool, .* Scale does not apply"),
    ],
)
def test_what_a_node_of_whole_numbers_cannot_have_is_refused(value, do, message):
    nodes = {"X": (Constant(), {"value": value}), "Y": linear_gaussian([2.0])}
    scm, params = model("X -> Y", nodes)
    with pytest.raises(ValueError, match=message):
        scm.sample(params, KEY, num=2, do={"X": do})


@dataclasses.dataclass(frozen=True)
class Count:
    """A whole number from 0 to 9."""

    def init(self, key, parents):
        return {}

    def noise(self, key, num):
        return jax.random.uniform(key, (num,))

    def apply(self, params, parents, noise):
        return (noise * 10).astype(jnp.int32)

    def abduct(self, params, parents, value, key):
        return (value + 0.5) / 10


def test_whole_numbers_stay_such_where_they_are_given():
    table = jnp.arange(10.0) ** 2  # which whole numbers alone can index
    effect = AdditiveNoise(lambda m, n: table[n]), {"mean": {}, "scale": jnp.array(1.0)}
    scm, params = model("N -> Y", {"N": (Count(), {}), "Y": effect})
    seen = scm.sample(params, KEY, num=50)
    for factual in (seen, {n: np.asarray(v, float) for n, v in seen.items()}):
        found = scm.counterfactual(params, KEY, factual)
        np.testing.assert_array_equal(found["N"], seen["N"])
        np.testing.assert_allclose(found["Y"], seen["Y"], rtol=1e-5, atol=1e-5)
    done = scm.sample(params, KEY, num=50, do={"N": 3.0})
    np.testing.assert_allclose(
        done["Y"] - table[3], seen["Y"] - table[seen["N"]], rtol=1e-5, atol=1e-5
    )
    with pytest.raises(ValueError, match="2.5 would be cut; it is no value"):
        scm.counterfactual(params, KEY, {"N": 2.5, "Y": 0.0})


def test_a_mechanism_in_a_node_s_place_has_values_of_its_shape(two):
    scm, params = two
    pair = Replace(Constant((2,)), {"value": jnp.ones(2)})
    with pytest.raises(ValueError, match=r"shape \(\), by a mechanism .* shape \(2,\)"):
        scm.sample(params, KEY, num=2, do={"A": pair})


def test_a_substituted_function_that_returns_no_state_is_refused(two):
    changed, its_params = two[0].substitute(two[1], {"A": lambda v, parents: v + 5})
    with pytest.raises(ValueError, match="returns [56] for 'A', which is no state"):
        changed.sample(its_params, KEY, num=3)


# --- what stands for no value -------------------------------------------------------


@pytest.mark.parametrize("value", [None, [None, "Low"], [float("nan"), "Low"]])
def test_no_value_is_no_state_of_its_name(two, value):
    edges, states = [("A", "B")], {"A": ("None", "Low"), "B": ("nan", "b")}
    scm, params = SCM(graph.build(edges, states=states), two[0].mechanisms), two[1]
    value = np.array(value, object)
    with pytest.raises(ValueError, match="a value of 'A' is (None|nan): give a state"):
        scm.sample(params, KEY, num=2, do={"A": value})
    done = scm.sample(params, KEY, num=2, do={"A": ["None", "Low"]})
    assert done["A"].tolist() == [0, 1]


def test_masked_values_were_not_seen(two):
    masked = np.ma.array([0, 1], mask=[False, True])
    with pytest.raises(ValueError, match="a value of 'A' is masked: leave out"):
        two[0].counterfactual(two[1], KEY, {"A": masked, "B": np.array([0, 1])})
    whole = np.ma.array([0, 1], mask=[False, False])
    found = two[0].counterfactual(two[1], KEY, {"A": whole, "B": np.array([0, 1])})
    assert found["A"].tolist() == [0, 1]


def test_an_empty_line_of_one_column_is_an_empty_cell(tmp_path):
    path = tmp_path / "table.csv"
    for text, words in (
        ("X\n1\n\n0\n1\n\n", ["1", "", "0", "1"]),
        ("X\r\n1\r\n\r\n0\r\n", ["1", "", "0"]),
        ('"X"\n"1"\n"0"\n\n\n', ["1", "0"]),
    ):
        path.write_bytes(text.encode())
        table = csv_files.read_text(path)
        column = table.column("X")
        assert [column.words[code] for code in column.codes] == words
        last = len(words) - 1
        assert table.place_fn(last) == f"table.csv, line {len(words) + 1}"


# --- functions and parameters -------------------------------------------------------


@dataclasses.dataclass
class AtLeast:
    """A policy whose instances can be neither hashed nor compared."""

    least: object

    def __call__(self, value, parents=()):
        return jnp.maximum(value, self.least)

    def decide(self, value, parents):
        return self(value)

    def is_met(self, value):
        return value >= self.least


def test_functions_are_compared_by_identity():
    scm, params = model("X;", {"X": linear_gaussian()})
    for least in (jnp.array([5.0])[0], jnp.array([7.0])[0], 9.0):
        policy = AtLeast(least)
        done = scm.sample(params, KEY, num=3, do={"X": policy})
        assert done["X"].tolist() == [float(least)] * 3
        policy.least = 11.0
        done = scm.sample(params, KEY, num=3, do={"X": policy.decide})
        assert done["X"].tolist() == [11.0] * 3
    for least in (0.5, 1.0):
        met = scm.sample(params, KEY, num=50, given={"X": AtLeast(least).is_met})
        assert least <= float(met["X"].min()) < least + 0.2


def test_an_error_in_a_condition_says_whose_it_is():
    scm, params = model("X;", {"X": linear_gaussian()})
    with pytest.raises(TypeError) as raised:
        scm.sample(params, KEY, num=2, given={"X": lambda value: None})
    assert any("In given on 'X'" in note for note in raised.value.__notes__)


def test_known_parameters_in_other_places_are_looked_at_again():
    scm, params = model("X;", {"X": linear_gaussian((), bias=-2.0, scale=1.0)})
    scm.sample(params, KEY)
    of_x = params["X"]
    exchanged = {**of_x, "bias": of_x["scale"], "scale": of_x["bias"]}
    with pytest.raises(ValueError, match="the scale of node 'X' is negative"):
        scm.sample({"X": exchanged}, KEY)


def test_a_mechanism_that_cannot_be_hashed_is_refused():
    with pytest.raises(ValueError, match="of node 'X' cannot be hashed .*list"):
        SCM("X;", {"X": AdditiveNoise(lambda params: params, shape=[3])})


# --- questions ------------------------------------------------------------------------


def test_laws_over_states_name_the_node_without_states(two):
    scm = SCM("A -> B; A -> Z", {**two[0].mechanisms, "Z": LinearGaussian(1)})
    params = {**two[1], "Z": linear_gaussian([1.0])[1]}
    unit = {"A": 0, "B": 0, "Z": 0.7}
    assert not laws.is_enumerable(scm)
    for ask in (
        lambda: laws.exact_law(scm, params),
        lambda: coupled.coupled_laws(scm, params, unit, {"A": 1}),
        lambda: coupled.laws_of_unit(scm, params, unit, {"A": 1}, KEY),
    ):
        with pytest.raises(ValueError, match="node 'Z' has no states"):
            ask()


def test_a_randomised_node_is_a_table(two):
    scm, params = two[0].substitute(two[1], {"B": Randomize([0.5, 0.5])})
    found = exact.conditional_tables(scm, params)[1]["B"]["probs"]
    np.testing.assert_allclose(found, np.full((2, 2), 0.5))


def test_particles_run_in_double_precision():
    with jax.enable_x64(True):
        cubed = AdditiveNoise(lambda m, x: x**3), {"mean": {}, "scale": jnp.array(1.0)}
        scm, params = model("X -> Y", {"X": linear_gaussian(), "Y": cubed})
        found = scm.counterfactual(params, KEY, {"Y": np.ones(300)})["X"]
        x = np.linspace(-6, 6, 20_001)
        weight = np.exp(-(x**2) / 2 - (1 - x**3) ** 2 / 2)
        mean = (weight * x).sum() / weight.sum()
        deviation = np.sqrt((weight * x**2).sum() / weight.sum() - mean**2)
        assert abs(float(found.mean()) - mean) < 5 * deviation / np.sqrt(300)
