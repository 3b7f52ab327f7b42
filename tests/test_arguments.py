import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import arguments, encoding
from causal_jax import graph as graphs
from causal_jax import interventions as iv
from causal_jax.additive_noise import AdditiveNoise, Constant
from causal_jax.scm import SCM
from causal_jax.tabular import categorical

NUM = 16
KEY = jax.random.key(0)


def mean_of_mood(params, mood):
    return mood * jnp.ones(3)


@pytest.fixture(scope="module")
def mixed():
    """Weather (named states) -> mood (0/1) -> v, a vector [3]; x, a number."""
    graph = graphs.build(
        [("weather", "mood"), ("mood", "v")],
        nodes=["weather", "mood", "v", "x"],
        states={"weather": ("sun", "rain", "snow")},
    )
    weather, weather_params = categorical((0.5, 0.3, 0.2))
    mood, mood_params = categorical(((0.1, 0.9), (0.6, 0.4), (0.5, 0.5)))
    mechanisms = {
        "weather": weather,
        "mood": mood,
        "v": AdditiveNoise(mean_of_mood, (3,)),
        "x": Constant(),
    }
    scm = SCM(graph, mechanisms)
    params = scm.init(KEY) | {"weather": weather_params, "mood": mood_params}
    return scm, params


def sample(mixed, do=None, **settings):
    scm, params = mixed
    return scm.sample(params, KEY, **{"num": NUM, "do": do, **settings})


def test_states_are_set_by_name_index_or_number_and_mean_the_same(mixed):
    for value in ("snow", 2, 2.0, np.int64(2), jnp.int32(2), iv.Set("snow")):
        done = sample(mixed, {"weather": value})
        np.testing.assert_array_equal(done["weather"], np.full(NUM, 2))
        assert done["weather"].dtype == jnp.int32
    np.testing.assert_array_equal(sample(mixed, {"mood": "1"})["mood"], np.ones(NUM))
    np.testing.assert_array_equal(sample(mixed, {"mood": True})["mood"], np.ones(NUM))


@pytest.mark.parametrize(
    ("states", "true"),
    [(("True", "False"), 0), (("false", "true"), 1), (("0", "1"), 1)],
)
def test_true_is_the_state_of_that_name_or_one(states, true):
    mechanism, params = categorical((0.5, 0.5))
    scm = SCM(graphs.build(nodes=["A"], states={"A": states}), {"A": mechanism})
    for value in (True, np.bool_(True), jnp.array(True), [True] * 2):
        done = scm.sample({"A": params}, KEY, num=2, do={"A": value})
        assert done["A"].tolist() == [true, true]
    traced = jax.jit(lambda value: encoding.encode(scm, "A", value))
    assert traced(jnp.array([True, False])).tolist() == [true, 1 - true]


def test_a_truth_value_at_other_states_is_refused(mixed):
    for value in (True, [True] * NUM, jnp.array(False)):
        with pytest.raises(ValueError, match=r"truth value at 'weather' .* 0 .sun., 1"):
            sample(mixed, {"weather": value})


def test_one_value_a_unit_by_name_or_index(mixed):
    indices = np.resize([0, 2, 1], NUM)
    names = np.array(["sun", "rain", "snow"])[indices]
    for value in (indices, list(indices), names, list(names), iv.Set(names)):
        done = sample(mixed, {"weather": value})
        np.testing.assert_array_equal(done["weather"], indices)


def test_per_unit_is_recognised_by_rank_not_by_length(mixed):
    same_for_all = np.arange(3.0)  # the node's own shape, also where num is 3
    done = sample(mixed, {"v": same_for_all}, num=3)
    np.testing.assert_array_equal(done["v"], np.tile(same_for_all, (3, 1)))
    each = np.arange(9.0).reshape(3, 3)
    np.testing.assert_array_equal(sample(mixed, {"v": each}, num=3)["v"], each)
    one_unit = sample(mixed, {"v": each[:1], "weather": ["rain"]}, num=1)
    np.testing.assert_array_equal(one_unit["v"], each[:1])


def test_a_scalar_is_spread_over_a_vector_node(mixed):
    done = sample(mixed, {"v": 2.0})
    np.testing.assert_array_equal(done["v"], np.full((NUM, 3), 2.0))


@dataclasses.dataclass(frozen=True)
class Count(Constant):
    """Whole numbers, no states."""

    def apply(self, params, parents, noise):
        return params["value"].astype(jnp.int32)


def test_a_number_that_is_set_has_the_type_of_the_values_of_its_node():
    scm = SCM([["n", []]], {"n": Count()})
    for value in (2.0, [2.0, 2]):
        done = scm.sample(scm.init(KEY), KEY, num=2, do={"n": value})
        np.testing.assert_array_equal(done["n"], [2, 2])
        assert done["n"].dtype == jnp.int32


UNIT = {"weather": "snow", "mood": 1, "v": np.ones(3), "x": 0.0}
CALLS = {
    "sample": lambda scm, *args, do: scm.sample(*args, num=23, do=do),
    "sample given": lambda scm, *args, do: scm.sample(
        *args, num=23, do=do, given={"mood": 1}
    ),
    "sample_given": lambda scm, *args, do: scm.sample_given(
        *args, num=21, do=do, given={"mood": 1}
    ),
    "twins": lambda scm, *args, do: scm.twins(*args, num=19, do=do, given={"mood": 0}),
    "counterfactual": lambda scm, *args, do: scm.counterfactual(*args, UNIT, do=do),
    "substitute": lambda scm, params, key, do: scm.substitute(params, do),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_users_write_is_parsed_once_per_call(mixed, monkeypatch, name):
    calls, parse = [], arguments.interventions

    def counted(*args, **settings):
        calls.append(args)
        return parse(*args, **settings)

    monkeypatch.setattr(arguments, "interventions", counted)
    do = {"weather": "rain", "v": iv.Shift(2.0), "mood": iv.Randomize([0.5, 0.5])}
    jax.clear_caches()  # what is traced counts too
    CALLS[name](*mixed, KEY, do=do)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("do", "message"),
    [
        ({"wether": 1}, "unknown node in do 'wether': did you mean 'weather'.* there"),
        ({"weather": "snwo"}, "'snwo' is no state of 'weather': did you mean 'snow'"),
        ({"weather": ["sun", "fog"] * 8}, "'fog' is no state of 'weather'.*sun, rain"),
        ({"weather": 3}, r"3 is no state of 'weather': .* 0 \(sun\), 1 \(rain\)"),
        ({"mood": 0.5}, "0.5 is no state of 'mood': its states are 0 to 1"),
        ({"mood": -1}, "-1 is no state"),
        ({"mood": "-1"}, "'-1' is no state.*0, 1; the -1 of a table of -1 and 1 is"),
        ({"mood": float("nan")}, "nan is no state"),
        ({"mood": [0, 1, 7, 1] * 4}, "7 is no state"),
        ({"mood": [0, 1]}, r"do on 'mood' has shape \(2,\).*\(\).*\(16,\)"),
        ({"v": np.zeros(4)}, r"do on 'v' has shape \(4,\).*\(3,\).*\(16, 3\)"),
        ({"v": np.zeros((4, 3))}, r"do on 'v' has shape \(4, 3\)"),
        ({"x": np.zeros((NUM, 1))}, r"do on 'x' has shape \(16, 1\)"),
        ({"x": "high"}, "'high' is no number: node 'x' has no states"),
        ({"mood": iv.Shift(1)}, "'mood' has states, not numbers: Shift does not"),
        ({"mood": iv.Scale(2)}, "'mood' has states, not numbers: Scale does not"),
        ({"mood": iv.Randomize(jnp.ones(3) / 3)}, r"shape \(3,\): .* its 2 states"),
        ({"mood": iv.Randomize([0.5, 0.6])}, "'mood': probabilities are >= 0 and sum"),
        ({"x": iv.Randomize([0.5, 0.5])}, "'x' has no states: Randomize"),
        ({"mood": iv.Replace(*categorical((0.5, 0.5)))}, "table of node 'mood'"),
    ],
)
def test_bad_interventions_say_in_one_line_what_is_right(mixed, do, message):
    with pytest.raises(ValueError, match=message) as raised:
        sample(mixed, do)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("factual", "message"),
    [
        ({}, "the factual is empty"),
        ({"wether": 1}, "unknown node in the factual 'wether': did you mean 'weather'"),
        ({"weather": "fog"}, "'fog' is no state of 'weather'"),
        ({"weather": "sun", "mood": [0, 1]}, "neither one unit nor one batch"),
        ({"weather": ["sun"] * 3, "mood": [0, 1]}, "neither one unit nor one batch"),
        ({"weather": [["sun"]]}, "neither one unit nor one batch"),
        ({"v": np.zeros((2, 4))}, r"'v' has shape \(4,\).*\(3,\)"),
        ({"v": np.zeros(4)}, r"'v' has shape \(4,\).*\(3,\)"),
    ],
)
def test_bad_factuals_say_in_one_line_what_is_right(mixed, factual, message):
    scm, params = mixed
    for imagine in (scm.abduct, scm.counterfactual):
        with pytest.raises(ValueError, match=message) as raised:
            imagine(params, KEY, factual)
        assert "\n" not in str(raised.value)


def test_a_factual_may_name_its_states(mixed):
    scm, params = mixed
    unit = {"weather": "snow", "mood": 1, "v": np.ones(3), "x": 0.0}
    null = scm.counterfactual(params, KEY, unit)
    assert int(null["weather"]) == 2 and null["v"].shape == (3,)


# --- keys, numbers, integer names, functions, data frames ----------------------------


@pytest.mark.parametrize(
    "key", [0, None, jnp.zeros(2), jnp.zeros((3, 2), jnp.uint32), "seed"]
)
def test_a_key_that_is_none_is_refused(mixed, key):
    scm, params = mixed
    with pytest.raises(ValueError, match=r"give one random key, jax.random.key\(0\)"):
        scm.sample(params, key, num=1)
    with pytest.raises(ValueError, match="give one random key"):
        scm.counterfactual(params, key, {"mood": 1})


def test_keys_of_both_kinds_are_accepted(mixed):
    scm, params = mixed
    assert scm.sample(params, jax.random.PRNGKey(0), num=2)["mood"].shape == (2,)


@pytest.mark.parametrize("num", [0, -3, 2.5, True, "7", None])
def test_a_number_of_units_below_one_is_refused(mixed, num):
    with pytest.raises(ValueError, match="give how many units to draw, at least 1"):
        sample(mixed, num=num)


@pytest.fixture(scope="module")
def doses():
    """Dose, whose states are named "1", "2", "3" -> Out, which tells the state."""
    graph = graphs.build([("Dose", "Out")], states={"Dose": "123", "Out": "01"})
    dose, dose_params = categorical((0.2, 0.3, 0.5))
    out, out_params = categorical(((0.9, 0.1), (0.5, 0.5), (0.1, 0.9)))
    scm = SCM(graph, {"Dose": dose, "Out": out})
    return scm, {"Dose": dose_params, "Out": out_params}


@pytest.mark.parametrize("value", [1, 3, 0, np.int32(1), [1] * NUM, iv.Set(2), 2.0])
def test_a_bare_integer_is_refused_where_names_are_other_integers(doses, value):
    with pytest.raises(ValueError, match="'Dose' could be a state's name") as raised:
        sample(doses, {"Dose": value})
    assert "jnp.array(" in str(raised.value) and "\n" not in str(raised.value)
    if np.ndim(value) == 0 and not isinstance(value, iv.Set):
        with pytest.raises(ValueError, match="could be a state's name"):
            sample(doses, given={"Dose": value})


def test_strings_are_names_and_arrays_are_indices(doses):
    scm, params = doses
    for value in ("1", np.array(0), jnp.array(0), np.zeros(NUM, int), ["1"] * NUM):
        assert set(sample(doses, {"Dose": value})["Dose"].tolist()) == {0}
    drawn = scm.sample(params, KEY, num=NUM)  # goes back in as it is
    again = scm.counterfactual(params, KEY, drawn, do={"Dose": drawn["Dose"]})
    for name in scm.nodes:
        np.testing.assert_array_equal(again[name], drawn[name])


def test_a_function_returns_a_state(mixed):
    with pytest.raises(ValueError, match="returns 3 for 'weather', which is no state"):
        sample(mixed, {"weather": lambda value, parents: value + 3 - value})
    with pytest.raises(ValueError, match=r"returns float32\[\], .* return the same"):
        sample(mixed, {"weather": lambda value, parents: value / 2})
    with pytest.raises(ValueError, match=r"returns int32\[2\]"):
        sample(mixed, {"weather": lambda value, parents: jnp.zeros(2, int)})
    done = sample(mixed, {"weather": lambda value, parents: jnp.minimum(value + 1, 2)})
    assert int(done["weather"].max()) <= 2


def test_a_number_is_never_nan(mixed):
    with pytest.raises(ValueError, match="a value of 'x' is NaN"):
        sample(mixed, {"x": float("nan")})


class Frame:
    """What data frames have in common: columns by name."""

    def __init__(self, columns):
        self.columns, self._values = list(columns), columns

    def __getitem__(self, name):
        return self._values[name]


def test_a_data_frame_is_a_factual_and_numbers_in_it_are_no_indices(doses):
    scm, params = doses
    frame = Frame({"Dose": ["1", "3"], "Out": ["1", "0"]})
    found = scm.counterfactual(params, KEY, frame)
    assert found["Dose"].tolist() == [0, 2] and found["Out"].tolist() == [1, 0]
    with pytest.raises(ValueError, match="could be a state's name"):
        scm.counterfactual(params, KEY, Frame({"Dose": [1, 3]}))
    with pytest.raises(ValueError, match="factual is a list: give {node: value} or"):
        scm.counterfactual(params, KEY, [1, 2])


def test_pandas_frames_and_rows_are_read(doses):
    pandas = pytest.importorskip("pandas")
    scm, params = doses
    frame = pandas.DataFrame({"Dose": ["1", "3"], "Out": ["1", "0"]})
    assert scm.counterfactual(params, KEY, frame)["Dose"].tolist() == [0, 2]
    assert int(scm.counterfactual(params, KEY, frame.iloc[1])["Dose"]) == 2
    assert sample(doses, {"Dose": pandas.Series(["2"] * NUM)})["Dose"][0] == 1


def test_a_function_s_truth_value_is_no_index_of_named_states(mixed):
    with pytest.raises(ValueError, match="returns a truth value for 'weather'"):
        sample(mixed, {"weather": lambda value, parents: value == value})
    done = sample(mixed, {"mood": lambda value, parents: parents[0] == parents[0]})
    assert set(done["mood"].tolist()) == {1}  # states "0" and "1"


def test_what_replaces_a_mechanism_has_its_parameters_checked(mixed):
    coin = categorical((0.5, 0.5))[0]
    per_cent = {"probs": jnp.array([30.0, 70.0])}
    with pytest.raises(ValueError, match="'mood' sums to 100.* divide by 100"):
        sample(mixed, {"mood": iv.Replace(coin, per_cent)})
