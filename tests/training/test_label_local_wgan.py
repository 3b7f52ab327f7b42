import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import SCM, Tabular
from causal_jax import graph as graphs
from causal_jax.networks.controller import controller, reference_controller
from causal_jax.training import loop
from causal_jax.training.label_local_wgan import even_families, label_local_wgan

SMALL = {"num_steps": 10, "batch_size": 8, "critic_hidden": (6,)}


@pytest.fixture(scope="module")
def trained(tiny_scm, tiny_rows, train_once):
    algorithm = label_local_wgan(tiny_scm, **SMALL)
    return algorithm, train_once(algorithm, tiny_rows)


def test_a_step_keeps_structure_shapes_and_dtypes(trained):
    _, (before, after, info, *_) = trained
    chex.assert_trees_all_equal_shapes_and_dtypes(before, after)
    assert all(v.shape == () and bool(jnp.isfinite(v)) for v in info)


def test_every_trained_leaf_changes(trained):
    _, (before, after, *_) = trained
    for part in ("params", "average", "critic"):
        changed = jax.tree.map(
            lambda a, b: bool((a != b).any()),
            getattr(before, part),
            getattr(after, part),
        )
        assert all(jax.tree.leaves(changed)), part


def test_what_is_sampled_from_is_the_moving_average_by_node(trained, tiny_scm):
    algorithm, (_, after, *_) = trained
    params = algorithm.params(after)
    assert list(params) == list(tiny_scm.nodes)
    chex.assert_trees_all_equal_shapes(params, tiny_scm.init(jax.random.key(0)))
    kept = sorted(float(jnp.sum(leaf)) for leaf in jax.tree.leaves(after.average))
    assert kept == pytest.approx(
        sorted(float(jnp.sum(leaf)) for leaf in jax.tree.leaves(params))
    )


def test_fresh_parameters_are_the_models_own(tiny_scm):
    algorithm = label_local_wgan(tiny_scm, **SMALL)
    key = jax.random.key(4)
    found = algorithm.params(algorithm.init(key))
    chex.assert_trees_all_close(found, tiny_scm.init(jax.random.split(key)[1]))


def test_families_keep_conditionals_and_make_their_parents_states_as_likely():
    random = np.random.default_rng(0)
    a = (random.random(20_000) < 0.02).astype(int)
    b = (random.random(20_000) < np.where(a == 1, 0.9, 0.3)).astype(int)
    scm = SCM("A -> B", {"A": Tabular(2), "B": Tabular(2, (2,))})
    families = even_families(np.stack([a, b], -1), scm)
    assert families.shape == (20_000, 2, 2)
    root = families[:, 0, 0].mean(), a.mean()
    assert abs(root[0] - root[1]) < 5 * np.sqrt(a.var() / 20_000), "as in the data"
    own, parent = families[:, 1].T
    assert abs(parent.mean() - 0.5) < 5 * np.sqrt(0.25 / 20_000)
    for state in (0, 1):
        rate, seen = own[parent == state].mean(), b[a == state].mean()
        assert abs(rate - seen) < 5 * np.sqrt(seen * (1 - seen) / 10_000)


def test_a_handful_of_rows_is_not_drawn_as_often_as_the_others():
    """One row in 50,000 is 1/50 of the smallest share: drawn 50 times as often."""
    a = np.zeros(50_000, int)
    a[7] = 1
    scm = SCM("A -> B", {"A": Tabular(2), "B": Tabular(2, (2,))})
    parent = even_families(np.stack([a, a], -1), scm)[:, 1, 1]
    expected = (1 / 50) / (1 + 1 / 50)
    assert abs(parent.mean() - expected) < 5 * np.sqrt(expected / 50_000)


def test_states_of_rare_causes_and_states_that_are_rare_there_are_learned():
    """P(A = 1) = .01, and there P(B = 2) = .05: what one critic of whole rows drops."""
    random = np.random.default_rng(0)
    a = (random.random(200_000) < 0.01).astype(int)
    rare = np.where(random.random(200_000) < 0.05, 2, 0)
    b = np.where(a == 1, rare, random.integers(0, 2, 200_000))
    rows = np.stack([a, b], -1).astype(np.int32)
    scm = SCM("A -> B", {"A": Tabular(2), "B": Tabular(3, (2,))})
    scm = controller(scm.graph)
    data = {"rows": jnp.asarray(rows), "even_families": even_families(rows, scm)}
    algorithm = label_local_wgan(scm, num_steps=1500, batch_size=256)
    params = loop.fit(
        algorithm, data, key=jax.random.key(0), num_steps=1500, progress=False
    ).params
    law = scm.mechanisms["B"].log_probs(params["B"], (jnp.int32(1),))
    counted = np.bincount(b[a == 1], minlength=3) / (a == 1).sum()
    np.testing.assert_allclose(jnp.exp(law), counted, atol=0.01)
    root = jnp.exp(scm.mechanisms["A"].log_probs(params["A"], ()))
    np.testing.assert_allclose(root[1], a.mean(), atol=0.002)


def test_the_models_gradient_is_the_natural_one():
    """A root's logits move along f - mean f, however small the state's probability."""
    scm = controller(graphs.build([], nodes=("A",), states={"A": "xyz"}))
    algorithm = label_local_wgan(
        scm, num_steps=100, batch_size=64, num_critic_steps=1, critic_learning_rate=1e-9
    )
    state = algorithm.init(jax.random.key(0))
    logits = jnp.log(jnp.array([[0.5, 0.5 - 1e-6, 1e-6]]))
    values = jnp.array([-1.0, -0.5, 1.5])
    state = state._replace(params=({"bias": logits},), critic=({"bias": values[None]},))
    batch = {"rows": jnp.full((1, 64, 1), 2)}
    _, info = algorithm.step(state, batch, jax.random.key(1))
    length = float(jnp.linalg.norm(values))
    assert float(info.gradient_norm) == pytest.approx(length, rel=1e-5)


def test_implicit_nodes_are_refused():
    scm = reference_controller("male_causes_mustache")
    with pytest.raises(ValueError, match="has no log_probs: this trainer needs"):
        label_local_wgan(scm, num_steps=1)
