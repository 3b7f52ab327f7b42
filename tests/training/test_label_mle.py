import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.metrics import discrete
from causal_jax.networks.controller import controller, reference_controller
from causal_jax.networks.controller import rows as controller_rows
from causal_jax.queries import laws
from causal_jax.training.label_mle import label_mle
from causal_jax.training.loop import fit


@pytest.fixture(scope="module")
def trained(tiny_scm, tiny_rows, train_once):
    algorithm = label_mle(tiny_scm, num_steps=10, batch_size=32)
    return algorithm, train_once(algorithm, tiny_rows)


def test_a_step_keeps_structure_shapes_and_dtypes(trained):
    _, (before, after, info, *_) = trained
    chex.assert_trees_all_equal_shapes_and_dtypes(before, after)
    assert info.loss.shape == () and float(info.loss) > 0


def test_every_trained_leaf_changes(trained):
    _, (before, after, *_) = trained
    for a, b in zip(
        jax.tree.leaves(before.params), jax.tree.leaves(after.params), strict=True
    ):
        assert a.size == 0 or bool((a != b).any())


def test_steps_compile_once(trained, count_compilations):
    *_, prepare = trained[1]
    again = prepare(2, jax.random.key(9))
    assert count_compilations(again) == 0


def test_the_loss_is_the_negative_log_likelihood_of_a_row(tiny_scm, tiny_rows):
    """At zero weights every law is uniform: log 2 + log 3."""
    algorithm = label_mle(tiny_scm, num_steps=1, batch_size=16)
    state = algorithm.init(jax.random.key(0))
    zeros = jax.tree.map(jnp.zeros_like, state.params)
    step = jax.vmap(algorithm.step, axis_name="device", in_axes=(None, 0, None))
    batch = {"rows": jnp.asarray(tiny_rows["rows"][None, :16])}
    _, info = step(state._replace(params=zeros), batch, jax.random.key(1))
    assert float(info.loss[0]) == pytest.approx(np.log(6), abs=1e-5)


def test_many_nodes_have_the_likelihood_of_their_rows():
    """A model of 60 nodes is trained by groups of equal mechanisms."""
    names = [f"X{i}" for i in range(60)]
    states = {name: "01" if i % 3 else ("x", "y", "z") for i, name in enumerate(names)}
    edges = [*zip(names, names[1:], strict=False), *zip(names, names[9:], strict=False)]
    scm = controller(graphs.build(edges, states=states), hidden=(4,))
    algorithm = label_mle(scm, num_steps=5, batch_size=16)
    state = algorithm.init(jax.random.key(0))
    params = algorithm.params(state)
    chex.assert_trees_all_close(params, scm.init(jax.random.key(0)), atol=1e-6)
    drawn = scm.sample(params, jax.random.key(1), num=16)
    rows = jnp.stack([drawn[name] for name in scm.nodes], -1)
    after, info = jax.jit(algorithm.step)(state, {"rows": rows}, jax.random.key(2))
    expected = -jnp.mean(controller_rows(scm).log_prob(params, rows))
    assert float(info.loss) == pytest.approx(float(expected), rel=1e-5)
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state.params, after.params)
    assert all(jax.tree.leaves(moved))


def test_a_short_run_reaches_the_true_laws(tables):
    """Seen and done, one node with three states: right graph, right law."""
    num = 50_000
    values = tables.scm.sample(tables.params, jax.random.key(1), num=num)
    rows = np.stack([np.asarray(values[n]) for n in tables.nodes], -1)
    scm = controller(tables.scm.graph, hidden=(16,))
    algorithm = label_mle(scm, num_steps=600, batch_size=512, learning_rate=2e-2)
    result = fit(
        algorithm,
        {"rows": rows},
        key=jax.random.key(0),
        num_steps=600,
        progress=False,
        steps_per_dispatch=300,
    )
    found = discrete.compare(
        laws.model_laws(scm, result.params, jax.random.key(2)),
        laws.exact_laws(tables.scm, tables.params),
    )
    before = discrete.tvd(
        laws.exact_law(scm, scm.init(jax.random.key(0))), tables.law().ravel()
    )
    assert before > 0.1
    assert found.exact
    assert found.tvd < 0.02 and found.do_tvd_max < 0.03


def test_a_wrong_graph_can_match_what_is_seen_and_miss_what_is_done():
    """A -> B against B -> A: both fit the joint, one gets do(A) wrong."""
    right = graphs.build([("A", "B")], states=dict.fromkeys("AB", "01"))
    wrong = graphs.build([("B", "A")], nodes="AB", states=dict.fromkeys("AB", "01"))
    rows = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], [40, 10, 10, 40], axis=0)
    seen = laws.empirical_law(rows, (2, 2))
    truth = laws.tabular_fit(controller(right), rows)
    done = laws.exact_law(*truth, {"A": 1})
    for graph, misses in [(right, False), (wrong, True)]:
        model = laws.tabular_fit(controller(graph), rows)
        assert discrete.tvd(laws.exact_law(*model), seen) < 1e-6
        gap = discrete.tvd(laws.exact_law(*model, {"A": 1}), done)
        assert (gap > 0.25) if misses else (gap < 1e-6)


def test_nodes_without_a_likelihood_say_how_to_train_them():
    scm = reference_controller(graphs.named("M"))
    with pytest.raises(ValueError, match="needs nodes with log_prob.*trainer=wgan"):
        label_mle(scm, num_steps=1)
