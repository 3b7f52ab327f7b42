"""The closed form, held to automatic differentiation of the loss that it is of."""

import chex
import jax
import jax.numpy as jnp
import pytest

from causal_jax.losses.adversarial import critic_loss
from causal_jax.networks.controller import mlp, mlp_init
from causal_jax.training.critic_gradient import critic_gradient


def example(sizes, num):
    critic = mlp_init(jax.random.key(0), sizes)
    for i, layer in critic.items():
        shape = layer["b"].shape
        layer["b"] = jax.random.normal(jax.random.key(int(i)), shape) / 3
    real, fake = jax.random.uniform(jax.random.key(1), (2, num, sizes[0]))
    return critic, real, fake, jax.random.uniform(jax.random.key(2), (num,))


def by_differentiation(critic, *batch, penalty_weight):
    def loss_fn(critic):
        return critic_loss(
            lambda rows: mlp(critic, rows.T)[0], *batch, penalty_weight=penalty_weight
        )

    return jax.value_and_grad(loss_fn, has_aux=True)(critic)


@pytest.mark.parametrize("sizes", [(3, 1), (4, 7, 1), (9, 15, 15, 15, 15, 15, 1)])
@pytest.mark.parametrize("penalty_weight", [0.0, 0.1, 10.0])
def test_it_is_the_gradient_of_the_loss(sizes, penalty_weight):
    with jax.enable_x64(True):
        arguments = jax.tree.map(lambda x: x.astype("float64"), example(sizes, 16))
        settings = {"penalty_weight": penalty_weight}
        found = jax.jit(critic_gradient, static_argnames=settings)(
            *arguments, **settings
        )
        expected = by_differentiation(*arguments, **settings)
        chex.assert_trees_all_close(found, expected, rtol=1e-9, atol=1e-12)
    assert len(jax.tree.leaves(found)) == 2 + 2 * (len(sizes) - 1)


def test_a_step_against_it_lowers_the_loss():
    critic, *batch = example((5, 8, 8, 1), 32)
    (before, _), gradient = critic_gradient(critic, *batch, penalty_weight=1.0)
    moved = jax.tree.map(lambda w, g: w - 1e-3 * g, critic, gradient)
    (after, _), _ = critic_gradient(moved, *batch, penalty_weight=1.0)
    assert float(after) < float(before)


@pytest.mark.parametrize("num", [2, 16, 37, 512])
def test_a_bias_that_moves_all_rows_alike_has_no_gradient(num):
    """Not even what rounding leaves of it, of which Adam would make a whole step."""
    critic, *batch = example((3, 4, 1), num)
    critic["0"]["b"] = jnp.full(4, 10.0)
    _, gradient = jax.jit(critic_gradient, static_argnames="penalty_weight")(
        critic, *batch, penalty_weight=0.1
    )
    assert all((gradient[i]["b"] == 0).all() for i in gradient)


def test_a_flat_critic_has_a_finite_gradient():
    critic, *batch = example((3, 4, 1), 5)
    flat = jax.tree.map(jnp.zeros_like, critic)
    (_, distance), gradient = critic_gradient(flat, *batch, penalty_weight=1.0)
    assert float(distance) == 0
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
