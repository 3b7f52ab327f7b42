import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.losses.adversarial import score_function_loss
from causal_jax.networks import controller as controllers
from causal_jax.networks.controller import controller, mlp, mlp_init
from causal_jax.training.label_wgan import REFERENCE, label_wgan

SMALL = {"num_steps": 10, "batch_size": 8, "critic_hidden": (6,)}


@pytest.fixture(scope="module", params=["explicit", "implicit"])
def trained(request, tiny_scm, tiny_rows, train_once):
    if request.param == "explicit":
        algorithm = label_wgan(tiny_scm, **SMALL)
    else:
        graph = graphs.named("male_causes_mustache")
        algorithm = label_wgan(controllers.reference_controller(graph), **SMALL)
        tiny_rows = {"rows": np.minimum(tiny_rows["rows"], 1)}
    return algorithm, train_once(algorithm, tiny_rows)


def test_a_step_keeps_structure_shapes_and_dtypes(trained):
    _, (before, after, info, *_) = trained
    assert jax.tree.structure(before) == jax.tree.structure(after)
    shapes = [[(x.shape, x.dtype) for x in jax.tree.leaves(s)] for s in (before, after)]
    assert shapes[0] == shapes[1]
    assert all(v.shape == () and bool(jnp.isfinite(v)) for v in info)


def test_every_trained_leaf_changes(trained):
    _, (before, after, *_) = trained
    # The critic's last bias cancels in the distance: it has no gradient.
    last = str(len(before.critic) - 1)
    for part in ("params", "average", "critic"):
        changed = jax.tree_util.tree_map_with_path(
            lambda path, a, b: (jax.tree_util.keystr(path), bool((a != b).any())),
            getattr(before, part),
            getattr(after, part),
        )
        pairs = jax.tree.leaves(changed, is_leaf=lambda x: isinstance(x, tuple))
        sizes = [leaf.size for leaf in jax.tree.leaves(getattr(before, part))]
        unchanged = [
            name for (name, moved), size in zip(pairs, sizes, strict=True)
            if size and not moved
        ]  # fmt: skip
        assert set(unchanged) <= ({f"['{last}']['b']"} if part == "critic" else set())


def test_steps_compile_once(trained, count_compilations):
    *_, prepare = trained[1]
    again = prepare(2, jax.random.key(9))
    assert count_compilations(again) == 0


def test_a_step_depends_on_its_number_and_the_runs_key(trained):
    _, (_, after, _, run, _) = trained
    again, other = run(0, jax.random.key(1))[0], run(2, jax.random.key(1))[0]
    same = jax.tree.map(lambda a, b: bool((a == b).all()), after, again)
    assert all(jax.tree.leaves(same))
    differs = jax.tree.map(
        lambda a, b: bool((a != b).any()), after.params, other.params
    )
    assert any(jax.tree.leaves(differs))


def test_what_is_sampled_from_is_the_moving_average(trained):
    algorithm, (before, after, *_) = trained
    assert algorithm.params(after) is after.average
    biggest = [
        float(jnp.abs(a - b).max())
        for a, b in zip(
            jax.tree.leaves(after.average), jax.tree.leaves(before.average), strict=True
        )
        if a.size
    ]
    assert 0 < max(biggest) < 2 * 0.01 * 2 * 2e-3 * 1.5, "one hundredth of the way"


def test_the_reference_settings_are_settings(tiny_scm):
    algorithm = label_wgan(tiny_scm, num_steps=10, **REFERENCE)
    assert algorithm.batch_shape == (21, 16)


def test_the_label_models_gradient_is_unbiased():
    """grad E_g f by sampled rows against the exact one over all 12 rows."""
    graph = graphs.build(
        [("A", "B"), ("A", "C"), ("B", "C")],
        states={"A": "01", "B": ("x", "y", "z"), "C": "01"},
    )
    scm = controller(graph, hidden=(3,))
    model, params = controllers.rows(scm), scm.init(jax.random.key(0))
    critic = mlp_init(jax.random.key(1), (5, 8, 1))
    rows = jnp.array(list(itertools.product((0, 1), (0, 1, 2), (0, 1))))
    rewards = mlp(critic, model.encode(rows))[:, 0] * 5

    def cost(params):
        return -jnp.sum(jnp.exp(model.log_prob(params, rows)) * rewards)

    exact = jax.grad(cost)(params)
    num, batch = 1_000, 16

    def estimate(key):
        sampled = model.sample(params, scm.sample_noise(key, batch))
        values = mlp(critic, model.encode(sampled))[:, 0] * 5
        return jax.grad(
            lambda p: score_function_loss(
                model.log_prob(p, sampled), values, jnp.mean(values)
            )
        )(params)

    found = jax.jit(jax.vmap(estimate))(jax.random.split(jax.random.key(2), num))
    clear = 0
    for draws, expected in zip(
        jax.tree.leaves(found), jax.tree.leaves(exact), strict=True
    ):
        # The batch mean holds the row it is subtracted from: (1 - 1/B) of the gradient.
        expected = expected * (1 - 1 / batch)
        error = np.abs(draws.mean(0) - expected)
        standard_error = draws.std(0) / np.sqrt(num)
        assert np.all(error <= 5 * standard_error + 1e-7)
        clear += int(np.sum(np.abs(expected) > 10 * standard_error))
    assert clear > 5, "gradients far from zero are among those compared"
