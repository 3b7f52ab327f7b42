import chex
import jax
import numpy as np
import pytest

from causal_jax.mechanism import Tabular
from causal_jax.networks.controller import NeuralCategorical, Rows, controller
from causal_jax.networks.tabulated import Tabulated, configurations, tabulated
from causal_jax.queries import laws

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def models(tables):
    scm = controller(tables.scm.graph, hidden=(6,))
    return scm, tabulated(scm)


def test_configurations_are_all_of_them_the_last_parent_fastest():
    assert configurations((2, 3)).tolist() == [
        [0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2],
    ]  # fmt: skip
    assert configurations(()).shape == (1, 0)


def test_laws_parameters_and_draws_are_the_networks_own(models):
    scm, tables = models
    params = scm.init(KEY)
    chex.assert_trees_all_equal(params, tables.init(KEY))
    np.testing.assert_allclose(
        laws.exact_law(scm, params), laws.exact_law(tables, params), atol=1e-6
    )
    noise = scm.sample_noise(KEY, 500)
    np.testing.assert_array_equal(
        Rows(scm).sample(params, noise), Rows(tables).sample(params, noise)
    )


def test_gradients_of_the_likelihood_are_the_networks_own(models):
    scm, tables = models
    params = scm.init(KEY)
    rows = laws.sampled_rows(scm, params, KEY, 300)
    gradients = [
        jax.grad(lambda p, m=m: Rows(m).log_prob(p, rows).mean())(params)
        for m in (scm, tables)
    ]
    chex.assert_trees_all_close(*gradients, atol=1e-6, rtol=0)


def test_large_tables_and_other_mechanisms_stay_as_they_are(tables):
    scm = controller(tables.scm.graph)
    kinds = {
        n: type(m) for n, m in tabulated(scm, max_configurations=2).mechanisms.items()
    }
    assert kinds["C"] is NeuralCategorical  # 2 x 3 configurations
    assert kinds["B"] is Tabulated
    assert all(type(m) is Tabular for m in tabulated(tables.scm).mechanisms.values())
