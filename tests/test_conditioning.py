import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import interventions as iv
from causal_jax.additive_noise import AdditiveNoise
from causal_jax.data import faces
from causal_jax.rejection import _saturated_product
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular

NUM = 5_000
KEY = jax.random.key(0)


def is_positive(value):
    return value > 0


def no_mean(params):
    return 0.0


@pytest.fixture(scope="module")
def faces_labels():
    return faces.label_scm()


def conditioned(law, axis, state):
    keep = np.expand_dims(np.arange(law.shape[axis]) == state, [
        i for i in range(law.ndim) if i != axis
    ])  # fmt: skip
    return law * keep / (law * keep).sum()


def test_given_has_the_conditional_law(tables, assert_frequencies):
    """Also upwards: the condition is on the last node, the law on its ancestors."""
    see = tables.scm.sample(tables.params, KEY, num=NUM, given={"D": 1, "B": 2})
    law = conditioned(conditioned(tables.law(), 2, 1), 3, 2)
    assert_frequencies(tables.frequencies(see), law, NUM)


def test_given_conditions_inside_the_intervened_world(tables, assert_frequencies):
    see = tables.scm.sample(
        tables.params, KEY, num=NUM, do={"B": 1}, given={"D": 0, "A": 1}
    )
    law = conditioned(conditioned(tables.law({"B": 1}), 2, 0), 1, 1)
    assert_frequencies(tables.frequencies(see), law, NUM)


def test_given_may_name_the_intervened_node_where_the_trial_decides(
    tables, assert_frequencies
):
    probs = np.array([0.2, 0.3, 0.5])
    see = tables.scm.sample(
        tables.params, KEY, num=NUM, do={"B": iv.Randomize(probs)}, given={"B": 2}
    )
    assert_frequencies(tables.frequencies(see), tables.law({"B": 2}), NUM)


def test_given_a_predicate_on_a_number():
    scm = _one_number()
    values = scm.sample(scm.init(KEY), KEY, num=NUM, given={"x": is_positive})["x"]
    assert float(values.min()) > 0
    # The half-normal law: mean sqrt(2 / pi), variance 1 - 2 / pi.
    standard_error = np.sqrt((1 - 2 / np.pi) / NUM)
    assert abs(float(values.mean()) - np.sqrt(2 / np.pi)) < 5 * standard_error


def _one_number():
    return SCM([["x", []]], {"x": AdditiveNoise(no_mean)})


def test_one_intervention_a_unit_conditions_every_unit_in_its_own_world(
    tables, assert_frequencies
):
    states = np.resize([0, 1, 2], 3 * 900)
    see = tables.scm.sample(
        tables.params, KEY, num=len(states), do={"B": states}, given={"D": 1}
    )
    np.testing.assert_array_equal(see["B"], states)
    for state in range(3):
        law = conditioned(tables.law({"B": state}), 2, 1)
        one = {name: value[states == state] for name, value in see.items()}
        assert_frequencies(tables.frequencies(one), law, 900)


def test_the_same_key_gives_the_same_units(tables):
    draws = [
        tables.scm.sample(tables.params, KEY, num=NUM, given={"D": 1, "B": 2})
        for _ in range(2)
    ]
    for name in tables.nodes:
        np.testing.assert_array_equal(draws[0][name], draws[1][name])


def test_states_of_a_condition_are_traced(tables, count_compilations):
    def see(state):
        given = {"D": state, "A": 1}
        return tables.scm.sample(tables.params, KEY, num=777, given=given)

    assert count_compilations(lambda: see(0)) >= 1
    assert count_compilations(lambda: see(1)) == 0


def test_inside_jit_the_counts_are_returned(tables):
    @jax.jit
    def see(state):
        return tables.scm.sample_given(
            tables.params, KEY, num=50, do={"A": 0}, given={"A": state}
        )

    met, unmet = see(0), see(1)
    assert int(met.filled) == 50 and set(np.unique(met.values["A"])) == {0}
    assert int(unmet.filled) == 0 and int(unmet.drawn) == 50
    with pytest.raises(ValueError, match="inside jit use sample_given"):
        jax.jit(lambda s: tables.scm.sample(tables.params, KEY, num=5, given={"A": s}))(
            0
        )


def test_inside_jit_the_counts_of_rejection_are_returned(tables):
    @jax.jit
    def see(state):
        given = {"A": state, "B": is_zero}
        return tables.scm.sample_given(
            tables.params, KEY, num=50, do={"A": 0}, given=given, max_draws=5000
        )

    met, unmet = see(0), see(1)
    assert int(met.filled) == 50 and set(np.unique(met.values["B"])) == {0}
    assert int(unmet.filled) == 0 and int(unmet.drawn) >= 5000


def is_zero(value):
    return value == 0


def test_counts_of_rejection_are_those_of_the_conditions_rate(tables):
    given = {"B": is_zero}
    result = tables.scm.sample_given(tables.params, KEY, num=NUM, given=given)
    rate = tables.law()[..., 0].sum()
    drawn = int(result.drawn)
    assert int(result.filled) == NUM
    # The last round is drawn as a whole, so up to one round more than needed.
    assert NUM / rate * 0.9 < drawn < NUM / rate * 1.1 + NUM
    assert result.values["B"].shape == (NUM,)


def test_an_exact_condition_fills_every_row_and_draws_no_more(tables):
    result = tables.scm.sample_given(tables.params, KEY, num=NUM, given={"B": 0})
    assert int(result.filled) == int(result.drawn) == NUM
    np.testing.assert_array_equal(result.values["B"], np.zeros(NUM))


def test_a_predicate_never_met_says_its_acceptance_rate(faces_labels):
    scm, params = faces_labels
    given = {"Male": is_zero, "Mustache": is_positive}
    with pytest.raises(ValueError, match="met by 0 of 20,480 .*rate 0.*10 were asked"):
        scm.sample(params, KEY, num=10, given=given, max_draws=20_000)


def test_a_condition_of_probability_zero_says_so(faces_labels):
    scm, params = faces_labels
    given = {"Male": 0, "Mustache": 1}
    with pytest.raises(ValueError, match="Male=0, Mustache=1 has probability zero"):
        scm.sample(params, KEY, num=10, given=given)
    with pytest.raises(ValueError, match="has probability zero"):
        scm.twins(params, KEY, num=10, do={"Male": 1}, given=given)
    result = scm.sample_given(params, KEY, num=10, given=given)
    assert int(result.filled) == 0


def test_a_condition_nearly_never_met_is_drawn_exactly(faces_labels):
    scm, params = faces_labels
    given = {"Bald": 1, "Mustache": 1, "Wearing_Lipstick": 1, "Narrow_Eyes": 1}
    seen = scm.sample(params, KEY, num=10, given=given)
    for name in given:
        np.testing.assert_array_equal(seen[name], np.ones(10))


def test_a_condition_of_one_in_a_hundred_million_is_drawn_exactly(assert_frequencies):
    """Eagerly and traced: P(A | C = 1) by hand, P(C = 1) = 1e-8."""
    scm = SCM(
        "A -> B -> C", {"A": Tabular(2), "B": Tabular(2, (2,)), "C": Tabular(2, (2,))}
    )
    params = {
        "A": {"probs": jnp.array([0.3, 0.7])},
        "B": {"probs": jnp.array([[1 - 1e-4, 1e-4], [1 - 4e-4, 4e-4]])},
        "C": {"probs": jnp.array([[1.0, 0.0], [1 - 1e-4, 1e-4]])},
    }
    weights = np.array([0.3 * 1e-4, 0.7 * 4e-4])

    def see(state):
        return scm.sample_given(params, KEY, num=NUM, given={"C": state})

    for result in (see(1), jax.jit(see)(1)):
        assert int(result.filled) == NUM
        np.testing.assert_array_equal(result.values["C"], np.ones(NUM))
        found = np.bincount(result.values["A"], minlength=2) / NUM
        assert_frequencies(found, weights / weights.sum(), NUM)


def test_a_rare_condition_is_met_in_every_units_own_world(assert_frequencies):
    """P(B | do(A = a), C = 1), P(C = 1) about 1e-8: by hand, eagerly and traced."""
    nodes = {"A": Tabular(2), "B": Tabular(2, (2,)), "C": Tabular(2, (2, 2))}
    scm = SCM("A -> B ; A, B -> C", nodes)
    rare = 1e-8 * np.array([[1.0, 3.0], [2.0, 1.0]])
    b = np.array([[0.6, 0.4], [0.2, 0.8]])
    params = {
        "A": {"probs": jnp.array([0.5, 0.5])},
        "B": {"probs": jnp.asarray(b)},
        "C": {"probs": jnp.asarray(np.stack([1 - rare, rare], -1))},
    }
    states = np.resize([0, 1], 2 * NUM)

    def see(states):
        do = {"A": states}
        return scm.sample_given(params, KEY, num=2 * NUM, do=do, given={"C": 1})

    for result in (see(states), jax.jit(see)(states)):
        assert int(result.filled) == 2 * NUM
        np.testing.assert_array_equal(result.values["A"], states)
        np.testing.assert_array_equal(result.values["C"], np.ones(2 * NUM))
        for a in (0, 1):
            law = b[a] * rare[a] / (b[a] * rare[a]).sum()
            of_a = np.asarray(result.values["B"])[states == a]
            assert_frequencies(np.bincount(of_a, minlength=2) / NUM, law, NUM)


def test_max_draws_may_be_of_any_size(tables):
    for most in (3_000_000_000, 10**15):
        seen = tables.scm.sample(
            tables.params, KEY, num=9, given={"A": is_positive}, max_draws=most
        )
        np.testing.assert_array_equal(seen["A"], np.ones(9))


def test_more_draws_than_an_int32_holds_are_said_as_many_as_it_holds():
    most = 2**31 - 1
    assert int(_saturated_product(jnp.int32(5), 4096)) == 5 * 4096
    assert int(_saturated_product(jnp.int32(10**6), 4096)) == most
    assert int(_saturated_product(jnp.full(3, 2**30, jnp.int32), 64)) == most


@pytest.mark.parametrize(
    ("do", "given", "message"),
    [
        ({"B": 1}, {"B": 2}, "contradict each other on 'B'.*never 2"),
        ({"B": [1, 2] * 2500}, {"B": 2}, "contradict each other on 'B'"),
        ({}, {"BB": 2}, "unknown node in given 'BB': did you mean 'B'"),
        ({}, {"B": "two"}, "'two' is no state of 'B'"),
        ({}, {"B": 3}, "3 is no state of 'B'"),
        ({}, {"B": [0, 1]}, "given on 'B' takes one state, not an array"),
    ],
)
def test_bad_conditions_say_in_one_line_what_is_right(tables, do, given, message):
    with pytest.raises(ValueError, match=message) as raised:
        tables.scm.sample(tables.params, KEY, num=NUM, do=do, given=given)
    assert "\n" not in str(raised.value)


def test_equality_with_a_number_is_never_met_and_says_so():
    scm = _one_number()
    with pytest.raises(ValueError, match="'x': it has no states.*predicate"):
        scm.sample(scm.init(KEY), KEY, given={"x": 0.5})


def test_do_and_given_on_one_node_agree_where_they_say_the_same(tables):
    see = tables.scm.sample(tables.params, KEY, num=NUM, do={"B": 1}, given={"B": 1})
    np.testing.assert_array_equal(see["B"], jnp.ones(NUM))
