import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.networks.controller import NeuralCategorical
from causal_jax.networks.tabulated import configurations, log_table


def test_configurations_are_all_of_them_the_last_parent_fastest():
    assert configurations((2, 3)).tolist() == [
        [0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2],
    ]  # fmt: skip
    assert configurations(()).shape == (1, 0)


def test_a_table_holds_the_networks_laws():
    network = NeuralCategorical(num_states=3, parent_states=(2, 3), hidden=(6,))
    params = network.init(jax.random.key(0), ())
    table = log_table(network, params, network.parent_states)
    for row, parents in zip(table, configurations((2, 3)), strict=True):
        law = network.log_probs(params, tuple(jnp.asarray(parents)))
        np.testing.assert_allclose(row, law, atol=1e-6)
