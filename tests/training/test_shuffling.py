import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.training import parallel, shuffling
from causal_jax.training.algorithm import Algorithm


@pytest.mark.parametrize(("num_rows", "size"), [(10, 4), (64, 64), (7, 3), (5, 12)])
def test_every_row_once_an_epoch(num_rows, size):
    num_epochs = 6
    steps = num_epochs * num_rows // size
    rows = jax.vmap(lambda t: shuffling.rows(jax.random.key(3), t, (size,), num_rows))(
        jnp.arange(steps)
    ).ravel()
    whole = len(rows) // num_rows
    assert whole >= 2
    orders = np.asarray(rows[: whole * num_rows]).reshape(whole, num_rows)
    np.testing.assert_array_equal(
        np.sort(orders, axis=1), np.tile(np.arange(num_rows), (whole, 1))
    )
    assert any((orders[0] != order).any() for order in orders[1:])


def test_permutations_are_even():
    """Each row is equally often at each place, and beside each other row."""
    num, size = 20_000, 6
    keys = jax.random.bits(jax.random.key(0), (num, 1, shuffling._FEISTEL_ROUNDS))
    places = jnp.arange(size)
    orders = jax.vmap(
        lambda key: shuffling.permuted(places, jnp.tile(key, (size, 1)), size)
    )(keys)
    orders = np.asarray(orders)
    bound = 5 * np.sqrt((1 / size) * (1 - 1 / size) / num)
    shares = np.stack([np.mean(orders == row, axis=0) for row in range(size)])
    assert np.abs(shares - 1 / size).max() < bound
    pair = np.zeros((size, size))
    np.add.at(pair, (orders[:, 0], orders[:, 1]), 1 / num)
    even = (1 - np.eye(size)) / (size * (size - 1))
    assert np.abs(pair - even).max() < 5 * np.sqrt(even.max() / num)


def test_a_late_step_does_not_overflow():
    num_rows, size, step = 100_000, 64, 2_000_000_000
    rows = shuffling.rows(jax.random.key(0), jnp.int32(step), (size,), num_rows)
    assert len(set(np.asarray(rows).tolist())) == size
    assert int(rows.min()) >= 0 and int(rows.max()) < num_rows


def test_an_algorithm_in_epochs_reads_every_row():
    def step(state, batch, key):
        del key
        return state.at[batch["row"]].add(1), {}

    algorithm = Algorithm(
        init=lambda key: jnp.zeros(12, jnp.int32),
        step=step,
        params=lambda state: state,
        batch_shape=(4,),
        in_epochs=True,
    )
    data, state = {"row": jnp.arange(12)}, algorithm.init(jax.random.key(0))
    for index in range(6):
        state, _ = parallel.one_step(algorithm, data, jax.random.key(1), state, index)
    np.testing.assert_array_equal(state, np.full(12, 2))
