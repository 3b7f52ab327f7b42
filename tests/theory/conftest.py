"""What the theorems' tests share: double precision, exact sums, a convex minimiser."""

import jax
import jax.numpy as jnp
import optax
import pytest


@pytest.fixture
def double_precision():
    """The theorems hold to 1e-6 and better only in float64."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def expectation():
    """expectation(law, loss_fn, *arguments): E_law of a loss that averages over rows.

    Every cell of the law is one row: the sum is exact, and the loss is the library's.
    Arguments are `[cells, ...]`.
    """

    def sum_over_cells(law, loss_fn, *arguments):
        cells = jax.vmap(lambda *cell: loss_fn(*(value[None] for value in cell)))
        return jnp.sum(jnp.asarray(law).ravel() * cells(*map(jnp.asarray, arguments)))

    return sum_over_cells


@pytest.fixture(scope="session")
def minimise():
    """minimise(loss_fn, start, num_steps): the minimiser, by L-BFGS."""

    def run(loss_fn, start, num_steps=200):
        optimizer = optax.lbfgs()
        value_and_grad = optax.value_and_grad_from_state(loss_fn)

        def step(carry, _):
            x, state = carry
            value, gradient = value_and_grad(x, state=state)
            updates, state = optimizer.update(
                gradient, state, x, value=value, grad=gradient, value_fn=loss_fn
            )
            return (optax.apply_updates(x, updates), state), None

        start = (start, optimizer.init(start))
        return jax.lax.scan(step, start, length=num_steps)[0][0]

    return run
