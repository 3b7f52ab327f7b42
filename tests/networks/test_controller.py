import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.additive_noise import AdditiveNoise
from causal_jax.networks import controller as controllers
from causal_jax.networks.controller import (
    ImplicitBinary,
    NeuralCategorical,
    controller,
    reference_controller,
)
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular

KEY = jax.random.key(0)


def no_mean(params):
    return 0.0


@pytest.fixture(scope="module")
def categorical_model():
    """Three nodes; the middle one has three states."""
    graph = graphs.build(
        [("A", "B"), ("B", "C"), ("A", "C")],
        states={"A": "01", "B": ("low", "mid", "high"), "C": "01"},
    )
    scm = controller(graph, hidden=(8,))
    return scm, scm.init(KEY)


@pytest.mark.parametrize(
    ("graph", "count"),
    [("big_causal_graph", 5_189), ("complete_big_causal_graph", 5_409)],
)
def test_the_reference_controller_has_the_original_parameter_count(graph, count):
    scm = reference_controller(graphs.named(graph))
    params = jax.eval_shape(scm.init, KEY)
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params)) == count


def test_a_state_is_seen_as_a_label_or_one_hot():
    assert controllers.encode_state(jnp.int32(1), 2).tolist() == [1.0]
    assert controllers.encode_state(jnp.int32(1), 3).tolist() == [0.0, 1.0, 0.0]


def test_mlp_is_affine_maps_with_leaky_relus_between():
    params = controllers.mlp_init(KEY, (2, 3, 1))
    x = np.array([0.3, -0.7], np.float32)
    hidden = x @ np.asarray(params["0"]["w"]) + 0.5
    expected = np.where(hidden > 0, hidden, 0.2 * hidden) @ np.asarray(params["1"]["w"])
    params["0"]["b"] = jnp.full(3, 0.5)
    np.testing.assert_allclose(controllers.mlp(params, x), expected, rtol=1e-5)


def test_fresh_weights_are_glorot_uniform():
    w = controllers.mlp_init(KEY, (100, 200))["0"]["w"]
    limit = math.sqrt(6 / 300)
    assert float(jnp.abs(w).max()) <= limit
    assert float(w.var()) == pytest.approx(limit**2 / 3, rel=0.05)


def test_row_log_probs_are_a_law_and_factorise(categorical_model):
    scm, params = categorical_model
    rows = np.array(list(itertools.product((0, 1), (0, 1, 2), (0, 1))), np.int32)
    log_probs = controllers.rows(scm).log_prob(params, rows)
    assert float(jnp.exp(log_probs).sum()) == pytest.approx(1, abs=1e-5)
    a, b, c = map(jnp.int32, rows[7])
    by_hand = (
        scm.mechanisms["A"].log_prob(params["A"], (), a)
        + scm.mechanisms["B"].log_prob(params["B"], (a,), b)
        + scm.mechanisms["C"].log_prob(params["C"], (a, b), c)
    )
    assert float(log_probs[7]) == pytest.approx(float(by_hand), abs=1e-5)


def test_relaxed_rows_round_to_labels_at_roots():
    """Children differ: in training they see sigmoids, in evaluation labels."""
    scm = reference_controller("male_ind_mustache")
    params, noise = scm.init(KEY), scm.sample_noise(KEY, 200)
    model = controllers.rows(scm)
    assert not model.explicit
    relaxed = model.relaxed(params, noise)
    assert bool(((relaxed > 0) & (relaxed < 1)).all())
    values = jax.vmap(scm.evaluate, in_axes=(None, 0))(params, noise)
    for i, name in enumerate(scm.nodes):
        np.testing.assert_array_equal(relaxed[:, i] > 0.5, values[name])


def test_a_relaxed_child_sees_its_relaxed_parent():
    scm = reference_controller("male_causes_mustache")
    params, noise = scm.init(KEY), scm.sample_noise(KEY, 4)
    relaxed = controllers.rows(scm).relaxed(params, noise)
    male = relaxed[0, 0]
    child = scm.mechanisms["Mustache"].relaxed(
        params["Mustache"], (male,), noise["Mustache"][0]
    )
    assert float(relaxed[0, 1]) == pytest.approx(float(child), abs=1e-6)
    assert 0 < float(male) < 1


def numeric():
    return SCM([["x", []]], {"x": AdditiveNoise(no_mean)})


def mixed():
    return SCM("A ; B", {"A": ImplicitBinary(), "B": NeuralCategorical()})


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: controllers.rows(numeric()), "'x' has no states: only labels"),
        (lambda: controllers.rows(mixed()), "every node must have log_prob, or every"),
        (lambda: controller("A -> B"), "'A' has no states: labels are"),
        (
            lambda: SCM("A -> B", {"A": Tabular(3), "B": ImplicitBinary()}),
            "'B': the reference controller is for binary labels",
        ),
    ],
)
def test_label_models_that_do_not_fit_say_what_is_wrong(build, message):
    with pytest.raises(ValueError, match=message):
        build()
