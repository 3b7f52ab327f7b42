"""Drawn and imagined units that users of other libraries reported as wrong.

See `test_public_reports`.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import causal_jax
from causal_jax import SCM, AdditiveNoise, Randomize, Shift, Tabular
from causal_jax.mechanism import Discrete

KEY = jax.random.key(0)
NUM = 20_000
FEW = 4_000


def test_a_soft_intervention_has_the_law_that_was_asked_for(
    network, assert_frequencies
):
    """Kind: X is drawn with given probabilities, not with their product with P(X).

    Source: pgmpy, issue 2864, "simulate() returns wrong distribution for soft virtual
    interventions", https://github.com/pgmpy/pgmpy/issues/2864
    Right: P(X = 1) = .65 whatever D is; P(Y = 1) = .35 * .9 + .65 * .25 = .4775.
    """
    scm, params = network(
        {
            "D": [0.5, 0.5],
            "X": [[0.9, 0.1], [0.7, 0.3]],
            "Y": [[0.1, 0.9], [0.75, 0.25]],
        },
        edges=[("D", "X"), ("X", "Y")],
    )
    drawn = scm.sample(params, KEY, num=NUM, do={"X": Randomize([0.35, 0.65])})
    assert_frequencies(np.mean(drawn["X"]), 0.65, NUM)
    assert_frequencies(np.mean(drawn["Y"]), 0.4775, NUM)
    agree = np.asarray(drawn["X"]) == np.asarray(drawn["D"])
    assert_frequencies(np.mean(agree), 0.5, NUM)


def test_impossible_evidence_ends_in_a_line(network):
    """Kind: drawing until evidence of probability zero is met, without an end.

    Source: pgmpy, issue 1599, "My for-loop (made to predict data from evidence) stops
    after 584 iterations", https://github.com/pgmpy/pgmpy/issues/1599
    Right: B is 1 only where A is 1, so (A, B) = (0, 1) has probability zero.
    """
    tables = {"A": [0.5, 0.5], "B": [[1, 0], [0.5, 0.5]]}
    scm, params = network(tables, edges=[("A", "B")])
    with pytest.raises(ValueError) as raised:
        scm.sample(params, KEY, num=2, given={"A": 0, "B": 1}, max_draws=10_000)
    assert "A=0, B=1" in str(raised.value) and "\n" not in str(raised.value)


def test_rare_evidence_is_drawn_from(network, assert_frequencies):
    """Kind: evidence so rare that rejection keeps nothing.

    Source: pgmpy, issue 3552, "[ENH] Add Likelihood Weighting (Importance Sampling) to
    ApproxInference", https://github.com/pgmpy/pgmpy/issues/3552
    Right: P(Leak | Sensor) = 2e-7 * .9 / (2e-7 * .9 + (1 - 2e-7) * 1e-7) = .6429.
    """
    tables = {"Leak": [1 - 2e-7, 2e-7], "Sensor": [[1 - 1e-7, 1e-7], [0.1, 0.9]]}
    scm, params = network(tables, edges=[("Leak", "Sensor")])
    drawn = scm.sample(params, KEY, num=FEW, given={"Sensor": 1})
    assert_frequencies(np.mean(drawn["Leak"]), 1.8 / (1.8 + 1), FEW)
    assert np.all(np.asarray(drawn["Sensor"]) == 1)


def test_asking_twice_gives_the_same_answer(network):
    """Kind: the same question gives other values in every call, seed or not.

    Source: dowhy, issue 1307, "Interventional samples gives inconsistent results.",
    https://github.com/py-why/dowhy/issues/1307
    Right: equal to the bit in a second call and under jit; in a counterfactual what is
    not below the intervention stays as it was.
    """
    scm, params = network(
        {
            "Cloud": [0.6, 0.4],
            "Rain": [[0.9, 0.1]] * 2,
            "Wet": [[0.8, 0.2], [0.1, 0.9]],
        },
        edges=[("Cloud", "Rain"), ("Rain", "Wet")],
    )
    first = scm.sample(params, KEY, num=50, do={"Rain": 1})
    again = scm.sample(params, KEY, num=50, do={"Rain": 1})
    jitted = jax.jit(lambda p, key: scm.sample(p, key, num=50, do={"Rain": 1}))
    for other in (again, jitted(params, KEY)):
        for name in scm.nodes:
            np.testing.assert_array_equal(first[name], other[name])
    dry = {"Rain": 0}
    one, two = (scm.counterfactual(params, KEY, first, do=dry) for _ in range(2))
    for name in scm.nodes:
        np.testing.assert_array_equal(one[name], two[name])
        assert name in ("Rain", "Wet") or np.array_equal(one[name], first[name])


def test_the_order_of_columns_is_kept_by_transforms(network):
    """Kind: a jitted function gets its dict of columns sorted by name.

    Source: jax, issue 8419, "Jit not preserving dictionary key order inputs in Python
    3.", https://github.com/jax-ml/jax/issues/8419
    Right: (Zinc, Acid) = (0, 1) gives Out = 1 surely and (1, 0) gives 0, in whatever
    order a dict names them; values come back in the graph's order.
    """
    table = np.zeros((2, 2, 2))
    table[:, :, 0] = [[1, 0], [1, 1]]
    table[:, :, 1] = 1 - table[:, :, 0]
    scm, params = network(
        {"Zinc": [0.5, 0.5], "Acid": [0.5, 0.5], "Out": table},
        edges=[("Zinc", "Out"), ("Acid", "Out")],
    )
    zinc, acid = jnp.array([0, 1]), jnp.array([1, 0])
    for do in ({"Zinc": zinc, "Acid": acid}, {"Acid": acid, "Zinc": zinc}):
        out = scm.sample(params, KEY, num=2, do=do)
        assert tuple(out) == ("Zinc", "Acid", "Out")
        assert out["Out"].tolist() == [1, 0]
        jitted = jax.jit(lambda do: scm.sample(params, KEY, num=2, do=do)["Out"])
        assert jitted(do).tolist() == [1, 0]
    mapped = jax.vmap(lambda do: scm.sample(params, KEY, do=do)["Out"][0])
    assert mapped({"Acid": acid, "Zinc": zinc}).tolist() == [1, 0]


def test_imagining_a_categorical_node(network, assert_frequencies):
    """Kind: counterfactuals of categorical nodes end in an AttributeError.

    Source: dowhy, issue 1146, "Counterfactual Reasoning with Categorical Variables",
    https://github.com/py-why/dowhy/issues/1146
    Right: with X = 0 the states of Y are [0, .2), [.2, .7), [.7, 1), with X = 1 they
    are [0, .6), [.6, .9), [.9, 1): of [.2, .7) the share .8 becomes 0, the rest stays.
    Under Gumbel noise Y stays 1 where 1 also beats state 0 with its weight times 5 =
    (.6 / .2) / (.3 / .5), which 0 gained on it: 1 / (5 * .2 + .5 + .3) = 5 / 9.
    """
    tables = {"X": [0.5, 0.5], "Y": [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]}
    scm, params = network(tables, edges=[("X", "Y")])
    seen = {"X": np.zeros(NUM, int), "Y": np.ones(NUM, int)}
    imagined = np.asarray(scm.counterfactual(params, KEY, seen, do={"X": 1})["Y"])
    assert_frequencies(np.mean(imagined == 0), 0.8, NUM)
    assert not np.any(imagined == 2)
    stable = SCM(scm.graph, {"X": Tabular(2), "Y": Tabular(3, (2,), "gumbel")})
    imagined = np.asarray(stable.counterfactual(params, KEY, seen, do={"X": 1})["Y"])
    assert set(imagined) == {0, 1}
    assert_frequencies(np.mean(imagined == 0), 4 / 9, NUM)


@dataclasses.dataclass(frozen=True)
class Logit(Discrete):
    """P(1 | x) = 1 / (1 + exp(x)), below a number x."""

    num_states: int = 2
    coupling: str = "inverse_cdf"

    def init(self, key, parents):
        return {}

    def log_probs(self, params, parents):
        return jax.nn.log_sigmoid(jnp.stack([parents[0], -parents[0]]))


def test_imagined_states_are_states(assert_frequencies):
    """Kind: a binary effect of a number became -1 in a counterfactual.

    Source: dowhy, issue 1241, "Counterfactual Samples giving invalid values of effect
    in dowhy gcm", https://github.com/py-why/dowhy/issues/1241
    Right: P(1 | x) is 1/2 at x = 0 and 1/4 at x = log 3, where state 1 is [3/4, 1):
    half of the units with state 1 keep it, and no unit with state 0 gets it.
    """
    scm = SCM("x -> Pain", {"x": AdditiveNoise(lambda params: 0.0), "Pain": Logit()})
    params = {"x": {"mean": {}, "scale": jnp.ones(())}, "Pain": {}}
    seen = {"x": jnp.zeros(NUM), "Pain": jnp.arange(NUM) % 2}
    imagined = scm.counterfactual(params, KEY, seen, do={"x": Shift(np.log(3.0))})
    pain = np.asarray(imagined["Pain"])
    assert set(pain) == {0, 1} and not pain[::2].any()
    assert_frequencies(np.mean(pain[1::2]), 0.5, NUM // 2)
    np.testing.assert_allclose(imagined["x"], np.log(3.0), rtol=1e-6)


def linear(*weights):
    """A node that is a weighted sum of its parents plus standard normal noise."""

    def mean(params, *parents):
        return sum((w * p for w, p in zip(weights, parents, strict=True)), 0.0)

    return AdditiveNoise(mean), {"mean": {}, "scale": jnp.ones(())}


def test_a_unit_keeps_its_noise_where_its_cause_is_set():
    """Kind: abduction in the model whose equation was replaced already.

    Source: pathmc, issue 29, "Unit-level counterfactual API",
    https://github.com/pymc-labs/pathmc/issues/29
    Right: with H = 2 X + u and Y = 3 X - H + v the unit X = 1, H = 1, Y = 4 has v = 2;
    had H been 3, Y = 3 - 3 + 2 = 2 (the mean of Y under do is 3 E[X] - 3 = -3).
    """
    nodes = {"X": linear(), "H": linear(2.0), "Y": linear(3.0, -1.0)}
    scm = SCM("X -> H ; X, H -> Y", {name: m for name, (m, _) in nodes.items()})
    params = {name: p for name, (_, p) in nodes.items()}
    unit = {"X": 1.0, "H": 1.0, "Y": 4.0}
    imagined = scm.counterfactual(params, KEY, unit, do={"H": 3.0})
    assert [float(imagined[name]) for name in "XHY"] == [1.0, 3.0, 2.0]
    done = scm.sample(params, KEY, num=NUM, do={"H": 3.0})["Y"]
    assert abs(float(done.mean()) + 3) < 5 * np.sqrt((9 + 1) / NUM)


def test_what_the_untreated_would_have_been(network, assert_frequencies):
    """Kind: the twin of a factual world, whose functions were mixed up.

    Source: credici, issue 20, "Wrong SE in twin graph",
    https://github.com/IDSIA/credici/issues/20
    Right: P(Y under do(X = 1) | X = 0) is the sum over U of P(U | X = 0) P(Y | 1, U):
    P(U = 1 | X = 0) = .3 * .2 / (.3 * .2 + .7 * .6) = .125; .875 * .3 + .125 * .8.
    """
    tables = {
        "U": [0.7, 0.3],
        "X": [[0.6, 0.4], [0.2, 0.8]],
        "Y": [[[0.9, 0.1], [0.7, 0.3]], [[0.6, 0.4], [0.2, 0.8]]],
    }
    scm, params = network(tables, edges=[("U", "X"), ("U", "Y"), ("X", "Y")])
    seen, twin = scm.twins(params, KEY, num=NUM, do={"X": 1}, given={"X": 0})
    assert not np.any(seen["X"]) and np.all(twin["X"])
    assert_frequencies(np.mean(twin["Y"]), 0.875 * 0.3 + 0.125 * 0.8, NUM)
    again, same = scm.twins(params, KEY, num=NUM, do={"X": 0}, given={"X": 0})
    np.testing.assert_array_equal(again["Y"], same["Y"])


def test_hidden_causes_are_imagined_jointly(network, assert_frequencies):
    """Kind: the causes' posteriors are put back one by one, as if independent.

    Source: Gaia, pull request 534, "docs(specs): causal extensions", review comment on
    abduction, https://github.com/SiliconEinstein/Gaia/pull/534
    Right: E = A or B was seen to be 1, A and B were not: (0, 0) is impossible, and
    P(0, 1) = .7 * .6 / .72, P(1, 0) = .3 * .4 / .72; had A been 0, E is B.
    """
    either = [[[1, 0], [0, 1]], [[0, 1], [0, 1]]]
    tables = {"A": [0.7, 0.3], "B": [0.4, 0.6], "E": either}
    scm, params = network(tables, edges=[("A", "E"), ("B", "E")])
    seen = {"E": np.ones(FEW, int)}
    units = scm.counterfactual(params, KEY, seen)
    a, b = np.asarray(units["A"]), np.asarray(units["B"])
    assert np.all(np.asarray(units["E"]) == 1) and np.all(a + b > 0)
    assert_frequencies(np.mean((a == 0) & (b == 1)), 0.42 / 0.72, FEW)
    assert_frequencies(np.mean((a == 1) & (b == 0)), 0.12 / 0.72, FEW)
    imagined = scm.counterfactual(params, KEY, seen, do={"A": 0})
    np.testing.assert_array_equal(imagined["E"], imagined["B"])
    assert_frequencies(np.mean(imagined["E"]), 0.6 / 0.72, FEW)


def test_a_hidden_cause_in_a_linear_chain():
    """Kind: the mean of a cause given its effect's effect, in a linear-Gaussian chain.

    Source: py-bbn, issue 5, "Linear Gaussian Inference on Evidence",
    https://github.com/vangj/py-bbn/issues/5
    Right: a ~ N(0, 1), b = 3 a + N(0, 1), d = 2 b + N(0, 1): var d = 41, cov(a, d) = 6,
    so given d = 82 (13 standard deviations) a ~ N(12, 1 - 36 / 41).
    """
    node = causal_jax.linear_gaussian
    nodes = {"a": node(), "b": node([3.0]), "d": node([2.0])}
    scm = SCM("a -> b -> d", {name: m for name, (m, _) in nodes.items()})
    params = {name: p for name, (_, p) in nodes.items()}
    units = scm.counterfactual(params, KEY, {"d": np.full(NUM, 82.0)})
    a, variance = np.asarray(units["a"]), 1 - 36 / 41
    assert abs(a.mean() - 12) < 5 * np.sqrt(variance / NUM)
    assert abs(a.var() - variance) < 5 * variance * np.sqrt(2 / NUM)
    np.testing.assert_allclose(units["d"], 82.0, rtol=1e-4)


def test_a_rare_hidden_cause_is_found(network, assert_frequencies):
    """Kind: sampling that misses a rare cause which the evidence all but proves.

    Source: pgmpy, issue 1715, "results of Using gibss sampling method to approximately
    infer in bayesian network seems wrong", https://github.com/pgmpy/pgmpy/issues/1715
    Right: by Bayes P(Burglar | both neighbours call), the alarm summed over:
    1e-5 * q(.95) / (1e-5 * q(.95) + (1 - 1e-5) * q(1e-6)) = .8412 where
    q(p) = p * .9 * .7 + (1 - p) * .001 * .0005.
    """
    scm, params = network(
        {
            "Burglar": [1 - 1e-5, 1e-5],
            "Alarm": [[1 - 1e-6, 1e-6], [0.05, 0.95]],
            "John": [[0.999, 0.001], [0.1, 0.9]],
            "Mary": [[0.9995, 0.0005], [0.3, 0.7]],
        },
        edges=[("Burglar", "Alarm"), ("Alarm", "John"), ("Alarm", "Mary")],
    )

    def both_call(alarm):
        return alarm * 0.9 * 0.7 + (1 - alarm) * 0.001 * 0.0005

    burglar, nobody = 1e-5 * both_call(0.95), (1 - 1e-5) * both_call(1e-6)
    seen = {"John": np.ones(FEW, int), "Mary": np.ones(FEW, int)}
    units = scm.counterfactual(params, KEY, seen, do={"John": 0})
    assert_frequencies(np.mean(units["Burglar"]), burglar / (burglar + nobody), FEW)
