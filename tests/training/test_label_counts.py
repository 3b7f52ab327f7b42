import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.metrics import discrete
from causal_jax.networks.controller import Rows, controller, reference_controller
from causal_jax.queries import laws
from causal_jax.training import loop
from causal_jax.training.label_counts import family_counts, label_counts

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def rows(tables):
    return laws.sampled_rows(tables.scm, tables.params, KEY, 5000)


def batches(scm, rows):
    return {n: jnp.asarray(c) for n, c in family_counts(scm, rows).items()}


def test_counts_are_those_of_the_rows(tables, rows):
    counts = family_counts(tables.scm, rows)
    column = {name: i for i, name in enumerate(tables.nodes)}
    assert counts["A"].shape == (1, 1, 2) and counts["C"].shape == (1, 6, 2)
    a, b, c = (rows[:, column[name]] for name in "ABC")
    expected = np.sum((a == 1) & (b == 2) & (c == 0))
    assert counts["C"][0, 5, 0] == expected  # configuration A=1, B=2
    assert all(table.sum() == 5000 for table in counts.values())


def test_one_step_descends_the_likelihood_of_all_rows(tables, rows):
    """Loss and gradient equal those of the rows themselves."""
    scm = controller(tables.scm.graph, hidden=(4,))
    algorithm = label_counts(scm, num_steps=10)
    state = algorithm.init(KEY)
    params = algorithm.params(state)
    chex.assert_trees_all_close(params, scm.init(KEY), atol=1e-7, rtol=0)

    batch = jax.tree.map(lambda leaf: leaf, batches(scm, rows))
    new_state, info = jax.jit(algorithm.step)(state, batch, KEY)

    def loss_fn(params):
        return -jnp.mean(Rows(scm).log_prob(params, jnp.asarray(rows)))

    loss, gradients = jax.value_and_grad(loss_fn)(params)
    assert float(info.loss) == pytest.approx(float(loss), rel=1e-5)
    # Adam's first step is the rate times the gradient's sign, where it is not tiny.
    moved = jax.tree.map(lambda a, b: a - b, algorithm.params(new_state), params)
    for move, gradient in zip(
        jax.tree.leaves(moved), jax.tree.leaves(gradients), strict=True
    ):
        clear = np.abs(gradient) > 1e-5
        np.testing.assert_allclose(
            np.asarray(move)[clear], -0.01 * np.sign(gradient)[clear], rtol=0.02
        )


def test_its_optimum_is_the_table_of_the_data(tables, rows):
    scm = controller(tables.scm.graph, hidden=(16,))
    fitted = loop.fit(
        label_counts(scm, num_steps=600, learning_rate=3e-2),
        batches(scm, rows),
        key=KEY,
        num_steps=600,
        steps_per_dispatch=600,
        progress=False,
    )
    data = laws.exact_law(*laws.tabular_fit(scm, rows))
    assert discrete.tvd(laws.exact_law(scm, fitted.params), data) < 1e-3


def test_nodes_without_a_law_are_named():
    scm = reference_controller(graphs.named("male_causes_mustache"))
    with pytest.raises(ValueError, match="'Male' has no log_probs"):
        label_counts(scm, num_steps=1)


def test_a_parent_that_the_rows_do_not_support_is_taken_out():
    """B follows A and not C, whose states the rows hold in all combinations."""
    random = np.random.default_rng(0)
    a, c = random.integers(0, 2, (2, 4000))
    b = (random.random(4000) < np.where(a == 1, 0.8, 0.3)).astype(int)
    states = dict.fromkeys("ACB", (0, 1))
    graph = graphs.build([("A", "B"), ("C", "B")], nodes="ACB", states=states)
    scm = controller(graph, hidden=(8,))
    counts = batches(scm, np.stack([a, c, b], -1))
    norms = {}
    for penalty in (0.0, 3e-3):
        trained = loop.fit(
            label_counts(scm, num_steps=600, parent_penalty=penalty, weight_decay=1e-5),
            counts,
            key=KEY,
            num_steps=600,
            progress=False,
        )
        mechanism = scm.mechanisms["B"]
        norms[penalty] = mechanism.parent_norms(trained.params["B"])
        parents = jnp.int32(1), jnp.int32(0)
        law = jnp.exp(mechanism.log_probs(trained.params["B"], parents))
        # Of 1000 rows; the penalty draws the law towards even by less than .03.
        bound = 5 * np.sqrt(0.2 * 0.8 / 1000) + (0.03 if penalty else 0)
        assert discrete.tvd(np.asarray(law), np.array([0.2, 0.8])) < bound
    of_a, of_c = norms[3e-3]
    assert of_c < 0.1 * of_a
    assert of_c < 0.2 * norms[0.0][1]
