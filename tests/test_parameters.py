"""What cannot be a model's parameters is refused before anything is drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import (
    SCM,
    AdditiveNoise,
    Tabular,
    graph,
    linear_gaussian,
    parameters,
)

KEY = jax.random.key(0)
MODEL = SCM("X -> Y", {"X": Tabular(2), "Y": Tabular(3, (2,))})
GOOD = {
    "X": {"probs": jnp.array([0.5, 0.5])},
    "Y": {"probs": jnp.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])},
}
REFUSED = {
    "per cent": ("X", [30.0, 70.0], "'X' sums to 100.* divide by 100"),
    "negative": ("X", [-0.5, 1.5], "'X' has entries that are negative"),
    "not a number": ("X", [np.nan, 1.0], "parameter of node 'X' is NaN"),
    "infinite": ("X", [np.inf, 0.0], "negative, infinite"),
    "states": ("X", [0.2, 0.3, 0.5], r"shape \(3,\), it needs \(2,\)"),
    "parents": ("Y", [0.7, 0.2, 0.1], r"shape \(3,\), it needs \(2, 3\)"),
    "too little": ("X", [0.33, 0.33], "sums to 0.66, not to one"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_table_that_is_no_law_is_refused(kind):
    name, probs, message = REFUSED[kind]
    params = GOOD | {name: {"probs": jnp.array(probs)}}
    with pytest.raises(ValueError, match=message) as raised:
        MODEL.sample(params, KEY, num=3)
    assert "\n" not in str(raised.value)


def test_a_transposed_table_is_told_from_a_wrong_one():
    """As pgmpy writes them: a column per configuration of the parents."""
    scm = SCM("X -> Y", {"X": Tabular(2), "Y": Tabular(2, (2,))})
    columns = jnp.array([[0.9, 0.2], [0.1, 0.8]])
    params = {"X": GOOD["X"], "Y": {"probs": columns}}
    with pytest.raises(ValueError, match="'Y' sums to (1.1|0.9), .* transpose it"):
        scm.sample(params, KEY, num=3)
    scm.sample(params | {"Y": {"probs": columns.T}}, KEY, num=3)


@pytest.mark.parametrize("call", ["sample", "twins", "counterfactual", "abduct"])
def test_every_question_looks_at_the_parameters(call):
    arguments = {
        "sample": {},
        "twins": {"do": {"X": np.array(1)}},
        "counterfactual": {"factual": {"X": 0, "Y": 0}},
        "abduct": {"factual": {"X": 0, "Y": 0}},
    }[call]
    with pytest.raises(ValueError, match="no entry for node 'Y'"):
        getattr(MODEL, call)({"X": GOOD["X"]}, KEY, **arguments)


def test_other_containers_and_missing_tables_are_refused():
    with pytest.raises(ValueError, match="params is a list: give"):
        MODEL.sample([GOOD], KEY, num=1)
    with pytest.raises(ValueError, match="the table of node 'X' is missing"):
        MODEL.sample(GOOD | {"X": jnp.array([0.5, 0.5])}, KEY, num=1)


def test_a_scale_is_not_negative():
    scm = SCM(graph.build([], nodes=["X"]), {"X": AdditiveNoise(lambda params: 0.0)})
    with pytest.raises(ValueError, match="scale of node 'X' is negative"):
        scm.sample({"X": {"mean": {}, "scale": jnp.array(-1.0)}}, KEY, num=1)
    with pytest.raises(ValueError, match="'X' needs the params 'mean' and 'scale'"):
        scm.sample({"X": {"scale": jnp.array(1.0)}}, KEY, num=1)


def test_numpy_arrays_that_were_changed_are_looked_at_again():
    probs = np.array([0.5, 0.5])
    params = GOOD | {"X": {"probs": probs}}
    MODEL.sample(params, KEY, num=1)
    probs[0] = 5.0
    with pytest.raises(ValueError, match="sums to 5.5"):
        MODEL.sample(params, KEY, num=1)


def test_an_array_is_looked_at_once_for_each_mechanism(monkeypatch):
    looked_at = []
    check = Tabular.check_params
    monkeypatch.setattr(
        Tabular,
        "check_params",
        lambda self, name, params: (looked_at.append(name), check(self, name, params)),
    )
    params = {name: {"probs": table["probs"] * 1.0} for name, table in GOOD.items()}
    for _ in range(3):
        parameters.require_params(MODEL, params)
    assert looked_at == ["X", "Y"]
    swapped = SCM("X -> Y", {"X": Tabular(3), "Y": Tabular(2, (3,))})
    with pytest.raises(ValueError, match=r"shape \(2, 3\), it needs \(3,\)"):
        parameters.require_params(swapped, {"X": params["Y"], "Y": params["X"]})


def test_traced_parameters_are_trusted():
    tables = {"probs": GOOD["Y"]["probs"] * 1.0}  # constants that no call has seen

    @jax.jit
    def draw(probs):
        params = {"X": {"probs": probs}, "Y": tables}
        return MODEL.sample(params, KEY, num=2)["X"]

    assert draw(jnp.array([0.0, 1.0])).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weights": jnp.array([1.0, 2.0])}, r"'weights' of node 'Y' has shape \(2,\)"),
        ({"bias": jnp.array([1.0, 5.0])}, r"'bias' of node 'Y' has shape \(2,\)"),
        ({"scale": jnp.array(-1.0)}, "scale of node 'Y' is negative"),
    ],
)
def test_a_linear_node_has_one_weight_per_parent(wrong, message):
    (x, x_params), (y, y_params) = linear_gaussian(), linear_gaussian([2.0])
    scm = SCM("X -> Y", {"X": x, "Y": y})
    with pytest.raises(ValueError, match=message):
        scm.sample({"X": x_params, "Y": y_params | wrong}, KEY, num=1)
    without = {name: y_params[name] for name in ("weights", "scale")}
    with pytest.raises(ValueError, match="'bias' of node 'Y' has shape None"):
        scm.sample({"X": x_params, "Y": without}, KEY, num=1)
