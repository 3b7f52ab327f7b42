import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from causal_jax import graph as graphs
from causal_jax.losses.adversarial import critic_loss
from causal_jax.networks import controller
from causal_jax.networks.controller import reference_controller
from causal_jax.training.label_wgan import REFERENCE, label_wgan

SMALL = {"num_steps": 10, "batch_size": 8, "critic_hidden": (6,)}


@pytest.fixture(scope="module")
def implicit_scm():
    return reference_controller(graphs.named("male_causes_mustache"))


@pytest.fixture(scope="module")
def trained(implicit_scm, tiny_rows, train_once):
    algorithm = label_wgan(implicit_scm, **SMALL)
    rows = {"rows": np.minimum(tiny_rows["rows"], 1)}
    return algorithm, train_once(algorithm, rows)


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


def test_the_reference_settings_are_settings(implicit_scm):
    algorithm = label_wgan(implicit_scm, num_steps=10, **REFERENCE)
    assert algorithm.batch_shape == (21, 16)


def test_explicit_nodes_are_refused(tiny_scm):
    with pytest.raises(ValueError, match="needs implicit nodes"):
        label_wgan(tiny_scm, num_steps=1)


def test_a_step_is_the_algorithm_leaf_by_leaf(implicit_scm):
    """Gulrajani et al. (2017), algorithm 1."""
    num, size, rate = 3, 8, 1e-3
    settings = {"learning_rate": rate, "critic_learning_rate": rate, "decay": False}
    algorithm = label_wgan(
        implicit_scm, num_steps=2, batch_size=size, num_critic_steps=num, **settings
    )
    state, key = algorithm.init(jax.random.key(0)), jax.random.key(1)
    shape = (num, size, len(implicit_scm.nodes))
    rows = jax.random.bernoulli(key, 0.5, shape).astype(float)
    found, info = jax.jit(algorithm.step)(state, {"rows": rows}, key)

    key_noise, key_mix = jax.random.split(key)
    drawn = implicit_scm.sample_noise(key_noise, (num + 1) * size)
    parts = [
        {name: x[i * size : (i + 1) * size] for name, x in drawn.items()}
        for i in range(num + 1)
    ]
    mix = jax.random.uniform(key_mix, (num, size))
    relaxed = controller.rows(implicit_scm).relaxed
    adam = optax.adam(rate, 0.5, 0.9)

    def loss_fn(critic, *batch):
        return critic_loss(
            lambda rows: controller.mlp(critic, rows.T)[0], *batch, penalty_weight=0.1
        )[0]

    critic, moments, losses = state.critic, adam.init(state.critic), []
    for i in range(num):
        batch = rows[i], relaxed(state.params, parts[i]), mix[i]
        loss, gradients = jax.value_and_grad(loss_fn)(critic, *batch)
        updates, moments = adam.update(gradients, moments)
        critic = optax.apply_updates(critic, updates)
        losses.append(float(loss))

    def model_loss(params):
        return -controller.mlp(critic, relaxed(params, parts[num]).T).mean()

    gradients = jax.grad(model_loss)(state.params)
    updates, _ = adam.update(gradients, adam.init(state.params))
    params = optax.apply_updates(state.params, updates)
    assert float(info.critic_loss) == pytest.approx(np.mean(losses), rel=1e-4)
    # Gradients of biases may cancel, and Adam steps as far for what rounding leaves.
    weights = [{i: c[i]["w"] for i in c} for c in (found.critic, critic)]
    chex.assert_trees_all_close(*weights, atol=1e-5)
    chex.assert_trees_all_close(found.params, params, atol=1e-5)
    chex.assert_trees_all_close(found.critic_optimizer[0].nu, moments[0].nu, atol=1e-7)
