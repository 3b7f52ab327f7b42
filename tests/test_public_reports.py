"""Laws that users of other libraries reported as wrong, asked of this one.

Each test is one public report, put anew as a small model of our own; the right value is
computed beside it, by hand or by enumeration. Reports about drawn and imagined units
stand in `test_public_reports_of_units`, about files and counts in `..._of_files` and
`..._of_counts`.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import categorical
from causal_jax.queries import exact, laws

KEY = jax.random.key(0)
NUM = 20_000


def enumerated(tables, parents, nodes, *, do=None, given=None):
    """P(nodes | do, given): the truncated factorisation, written out in numpy."""
    do, given = do or {}, given or {}
    sizes = {name: np.shape(table)[-1] for name, table in tables.items()}
    law = np.zeros([sizes[name] for name in nodes])
    for states in itertools.product(*map(range, sizes.values())):
        unit = dict(zip(sizes, states, strict=True))
        if any(unit[name] != state for name, state in {**given, **do}.items()):
            continue
        law[tuple(unit[name] for name in nodes)] += np.prod(
            [
                np.asarray(table)[(*(unit[p] for p in parents[name]), unit[name])]
                for name, table in tables.items()
                if name not in do
            ]
        )
    return law / law.sum()


# A loop without directions: Cloud above Sprinkler and Rain, both above Wet.
LAWN = {
    "Cloud": [0.6, 0.4],
    "Sprinkler": [[0.3, 0.7], [0.8, 0.2]],
    "Rain": [[0.9, 0.1], [0.25, 0.75]],
    "Wet": [[[1.0, 0.0], [0.2, 0.8]], [[0.15, 0.85], [0.05, 0.95]]],
}
ABOVE = {
    "Cloud": (),
    "Sprinkler": ("Cloud",),
    "Rain": ("Cloud",),
    "Wet": ("Sprinkler", "Rain"),
}
LAWN_EDGES = [(parent, name) for name, parents in ABOVE.items() for parent in parents]


def test_do_and_evidence_below_another_branch(network, assert_frequencies):
    """Kind: P(Y | do(X), Z) where the evidence Z is no part of the adjustment set.

    Source: pgmpy, issue 3543, "CausalInference.query() incorrect when evidence lies
    outside the adjustment set or do-targets are causally related",
    https://github.com/pgmpy/pgmpy/issues/3543
    Right: the truncated factorisation summed over all 16 combinations; the second
    question sets two nodes of which one is the other's parent.
    """
    scm, params = network(LAWN, edges=LAWN_EDGES)
    for nodes, do, given in (
        (["Wet"], {"Sprinkler": 1}, {"Rain": 1}),
        (["Cloud"], {"Sprinkler": 1}, {"Wet": 1}),
        (["Wet"], {"Cloud": 0, "Sprinkler": 1}, {}),
    ):
        found = exact.marginal(scm, params, nodes, do=do, given=given)
        right = enumerated(LAWN, ABOVE, nodes, do=do, given=given)
        np.testing.assert_allclose(found, right, rtol=1e-6)
    drawn = scm.sample(params, KEY, num=NUM, do={"Sprinkler": 1}, given={"Wet": 1})
    right = enumerated(LAWN, ABOVE, ["Cloud"], do={"Sprinkler": 1}, given={"Wet": 1})
    assert_frequencies(np.mean(drawn["Cloud"]), right[1], NUM)


def test_evidence_below_what_is_done(network):
    """Kind: do() with evidence on a descendant of both the cause and the effect.

    Source: pgmpy, issue 1701, "do operator on evidence",
    https://github.com/pgmpy/pgmpy/issues/1701
    Right: with X -> Y -> Z, X -> Z and U -> X, U -> Y: sum over U of
    P(U) P(Y | x, U) P(z | x, Y), normalised over Y: U keeps its prior under do.
    """
    above = {"U": (), "X": ("U",), "Y": ("U", "X"), "Z": ("X", "Y")}
    tables = {
        "U": [0.3, 0.7],
        "X": [[0.9, 0.1], [0.2, 0.8]],
        "Y": [[[0.8, 0.2], [0.5, 0.5]], [[0.4, 0.6], [0.1, 0.9]]],
        "Z": [[[0.7, 0.3], [0.6, 0.4]], [[0.2, 0.8], [0.9, 0.1]]],
    }
    edges = [(p, name) for name, parents in above.items() for p in parents]
    scm, params = network(tables, edges=edges)
    prior_y = 0.3 * np.array([0.5, 0.5]) + 0.7 * np.array([0.1, 0.9])
    right = prior_y * np.array([0.8, 0.1])
    found = exact.marginal(scm, params, ["Y"], do={"X": 1}, given={"Z": 1})
    np.testing.assert_allclose(found, right / right.sum(), rtol=1e-6)


def test_doing_an_effect_leaves_its_causes_alone(network):
    """Kind: P(A | do(C)) at a collider A -> C <- B is P(A), not an error, nor P(A | C).

    Source: pgmpy, issue 1491, "Problems with causal inference in simple models for some
    queries", https://github.com/pgmpy/pgmpy/issues/1491
    Right: P(A) = .2; given C = 1 it is .2 (.4 * .3 + .6 * .9) / P(C = 1) = .132 / .268.
    """
    table = [[[0.9, 0.1], [0.8, 0.2]], [[0.7, 0.3], [0.1, 0.9]]]
    scm, params = network(
        {"A": [0.8, 0.2], "B": [0.4, 0.6], "C": table}, edges=[("A", "C"), ("B", "C")]
    )
    done = exact.marginal(scm, params, ["A"], do={"C": 1})
    seen = exact.marginal(scm, params, ["A"], given={"C": 1})
    np.testing.assert_allclose(done, [0.8, 0.2], rtol=1e-6)
    below_one = 0.2 * (0.4 * 0.3 + 0.6 * 0.9)
    both = below_one + 0.8 * (0.4 * 0.1 + 0.6 * 0.2)
    np.testing.assert_allclose(seen[1], below_one / both, rtol=1e-6)


def test_a_state_named_like_another_states_index(network):
    """Kind: evidence "2" turned into an index twice, and so into another state.

    Source: pgmpy, issue 1877, "Incorrect sampling when the state names of a variable
    overlap with the state numbers", https://github.com/pgmpy/pgmpy/issues/1877
    Right: Y copies X, so given X = "2" every unit has the state named "2" in both.
    """
    states = {"X": ("2", "0", "1"), "Y": ("1", "2", "0")}
    copies = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]  # Y's state has the name of X's
    scm, params = network(
        {"X": [0.2, 0.3, 0.5], "Y": copies}, edges=[("X", "Y")], states=states
    )
    drawn = scm.sample(params, KEY, num=200, given={"X": "2"})
    assert {states["X"][i] for i in np.asarray(drawn["X"])} == {"2"}
    assert {states["Y"][i] for i in np.asarray(drawn["Y"])} == {"2"}
    for state in ("0", "1", "2"):
        law = exact.marginal(scm, params, ["Y"], given={"X": state})
        assert law.tolist() == [float(name == state) for name in states["Y"]]
    with pytest.raises(ValueError, match="could be a state's name"):
        scm.sample(params, KEY, num=1, given={"X": 2})


def test_evidence_that_is_a_number_and_no_index(network):
    """Kind: states named 2 and 3, evidence B = 3 read as an index out of range.

    Source: pgmpy, issue 1071, "Wrong index for evidence in inference",
    https://github.com/pgmpy/pgmpy/issues/1071
    Right: by Bayes P(A = "2" | B = "3") = .6 * .25 / (.6 * .25 + .4 * .5) = 3 / 7.
    """
    two = ("2", "3")
    scm, params = network(
        {"A": [0.6, 0.4], "B": [[0.75, 0.25], [0.5, 0.5]]},
        edges=[("A", "B")],
        states={"A": two, "B": two},
    )
    law = exact.marginal(scm, params, ["A"], given={"B": "3"})
    np.testing.assert_allclose(law, [3 / 7, 4 / 7], rtol=1e-6)
    for wrong in (3, np.int64(3), 7):
        with pytest.raises(
            ValueError, match=r"could be a state's name.* 0 \(2\), 1 \(3\)"
        ):
            exact.marginal(scm, params, ["A"], given={"B": wrong})


def test_marginals_in_a_loop_without_directions(network):
    """Kind: belief propagation that is not exact where two paths meet.

    Source: pomegranate, issue 816, "BayesianNetwork predicts different values
    (Sprinkler example in bayesserver.com)",
    https://github.com/jmschrei/pomegranate/issues/816
    Right: the product of the four tables, summed over all 16 combinations.
    """
    scm, params = network(LAWN, edges=LAWN_EDGES)
    for name in LAWN:
        for given in ({}, {"Wet": 0}, {"Wet": 1}):
            found = exact.marginal(scm, params, [name], given=given)
            right = enumerated(LAWN, ABOVE, [name], given=given)
            np.testing.assert_allclose(found, right, rtol=1e-6, atol=1e-9)


def test_the_probability_of_a_part_of_a_unit_is_a_sum(network):
    """Kind: a unit observed in part was given the probability one.

    Source: pomegranate, issue 591, "Wrong probability outcome with unobserved
    variable", https://github.com/jmschrei/pomegranate/issues/591
    Right: P(X = 1) = .3 * .8 + .7 * .1 = .31, and the two states sum to one.
    """
    scm, params = network(
        {"Z": [0.3, 0.7], "X": [[0.2, 0.8], [0.9, 0.1]]}, edges=[("Z", "X")]
    )
    np.testing.assert_allclose(exact.marginal(scm, params, ["X"]), [0.69, 0.31])
    joint = laws.exact_law(scm, params).reshape(2, 2)
    np.testing.assert_allclose(joint.sum(0), [0.69, 0.31], rtol=1e-6)


def test_a_table_of_zeros_and_ones_is_inferred_through(network):
    """Kind: a division by zero where a state is certain.

    Source: pomegranate, issue 199, "Divide by Zero during model.predict()",
    https://github.com/jmschrei/pomegranate/issues/199
    Right: Alarm = Fire or Test, so without an alarm neither; with one
    P(Fire) = .1 / (1 - .9 * .8) = .1 / .28, and Fire = Test = 0 is impossible.
    """
    either = [[[1, 0], [0, 1]], [[0, 1], [0, 1]]]
    scm, params = network(
        {"Fire": [0.9, 0.1], "Test": [0.8, 0.2], "Alarm": either},
        edges=[("Fire", "Alarm"), ("Test", "Alarm")],
    )
    quiet = exact.marginal(scm, params, ["Fire", "Test"], given={"Alarm": 0})
    np.testing.assert_array_equal(quiet, [[1, 0], [0, 0]])
    loud = exact.marginal(scm, params, ["Fire"], given={"Alarm": 1})
    np.testing.assert_allclose(loud[1], 0.1 / 0.28, rtol=1e-6)
    with pytest.raises(
        ValueError, match="Fire=0, Test=0, Alarm=1 has probability zero"
    ):
        nothing = {"Fire": 0, "Test": 0, "Alarm": 1}
        exact.marginal(scm, params, ["Fire"], given=nothing)
    with pytest.raises(ValueError, match="factual is impossible .*'Alarm'"):
        scm.counterfactual(params, KEY, nothing, do={"Fire": 1})


def test_the_order_of_declared_parents_is_the_order_of_a_tables_axes(
    network, assert_frequencies
):
    """Kind: a table whose parents are not in the alphabet's order is read transposed.

    Source: sorobn, issue 19, "CPT's require parent nodes in alphabetic order",
    https://github.com/MaxHalford/sorobn/issues/19
    Right: the axes of the table are (Zinc, Acid); P(Out = 1 | Zinc = 0, Acid = 1) = .3.
    """
    table = [[[0.9, 0.1], [0.7, 0.3]], [[0.5, 0.5], [0.2, 0.8]]]
    scm, params = network(
        {"Zinc": [0.5, 0.5], "Acid": [0.5, 0.5], "Out": table},
        edges=[("Acid", "Out"), ("Zinc", "Out")],
    )
    assert scm.parents["Out"] == ("Zinc", "Acid")
    for do, prob in (({"Zinc": 0, "Acid": 1}, 0.3), ({"Acid": 0, "Zinc": 1}, 0.5)):
        found = exact.marginal(scm, params, ["Out"], do=do)
        np.testing.assert_allclose(found[1], prob, rtol=1e-6)
        assert_frequencies(
            np.mean(scm.sample(params, KEY, num=NUM, do=do)["Out"]), prob, NUM
        )


def test_a_negative_probability_is_refused(network):
    """Kind: rows that sum to one are taken for laws though an entry is negative.

    Source: pgmpy, issue 3050, "fix: check_model accepts negative probability values in
    CPDs", https://github.com/pgmpy/pgmpy/issues/3050
    Right: [-.25, 1.25] is no law: it is refused, by its node, before anything is drawn.
    """
    with pytest.raises(ValueError, match="entries that are negative"):
        categorical([[-0.25, 1.25], [0.5, 0.5]])
    scm, params = network({"A": [0.5, 0.5], "B": [[0.1, 0.9]] * 2}, edges=[("A", "B")])
    params["B"] = {"probs": jnp.array([[-0.25, 1.25], [0.5, 0.5]])}
    with pytest.raises(ValueError, match="'B' has entries that are negative"):
        scm.sample(params, KEY, num=3)
