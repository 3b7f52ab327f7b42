import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.losses.adversarial import score_function_loss
from causal_jax.networks import controller as controllers
from causal_jax.networks.controller import controller, mlp, mlp_init
from causal_jax.training import loop
from causal_jax.training.label_wgan import REFERENCE, even_roots, label_wgan

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
    chex.assert_trees_all_equal_shapes_and_dtypes(before, after)
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


def test_even_roots_keep_conditionals_and_make_root_states_as_likely():
    random = np.random.default_rng(0)
    a = (random.random(20_000) < 0.02).astype(int)
    b = (random.random(20_000) < np.where(a == 1, 0.9, 0.3)).astype(int)
    rows = even_roots(np.stack([a, b], -1), [0])
    assert rows.shape == (20_000, 2)
    assert abs(rows[:, 0].mean() - 0.5) < 5 * np.sqrt(0.25 / 20_000)
    for state in (0, 1):
        rate, seen = rows[rows[:, 0] == state, 1].mean(), b[a == state].mean()
        assert abs(rate - seen) < 5 * np.sqrt(seen * (1 - seen) / 10_000)


def test_given_states_are_set_and_their_children_sampled(tiny_scm, tiny_rows):
    even = np.stack([np.ones(400), tiny_rows["rows"][:, 1]], -1).astype(np.int32)
    model, params = controllers.rows(tiny_scm), tiny_scm.init(jax.random.key(0))
    where = jnp.arange(400)[:, None] % 2 == jnp.array([[1, 9]])
    noise = tiny_scm.sample_noise(jax.random.key(1), 400)
    rows = np.asarray(model.sample(params, noise, given=(jnp.asarray(even), where)))
    free = np.asarray(model.sample(params, noise))
    assert (rows[1::2, 0] == 1).all()
    np.testing.assert_array_equal(rows[::2], free[::2])
    assert (rows[1::2, 1] != even[1::2, 1]).any(), "children are the model's own"


def test_children_of_rare_root_states_are_learned(tiny_scm):
    """P(A = 1) = .01 and B = 2 exactly there; without even rows: below .01."""
    random = np.random.default_rng(0)
    a = (random.random(50_000) < 0.01).astype(int)
    b = np.where(a == 1, 2, random.integers(0, 2, 50_000))
    rows = np.stack([a, b], -1).astype(np.int32)
    rates = {"learning_rate": 1e-2, "critic_learning_rate": 1e-2}
    trained = loop.fit(
        label_wgan(tiny_scm, num_steps=1200, batch_size=128, **rates),
        {"rows": jnp.asarray(rows), "even_rows": jnp.asarray(even_roots(rows, [0]))},
        key=jax.random.key(0),
        num_steps=1200,
        progress=False,
    )
    mechanism = tiny_scm.mechanisms["B"]
    law = jnp.exp(mechanism.log_probs(trained.params["B"], (jnp.int32(1),)))
    assert float(law[2]) > 0.95
