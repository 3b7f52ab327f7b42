"""Definition 1: a network a node and independent noise is a causal generative model.

Kocaoglu et al. (2017), section 3. What `tests/test_scm.py` holds of a small table is
held here of the label networks: explicit ones against their own exact laws, and the
original's implicit ones, which have no law to write down, against what is seen of them.
"""

import itertools

import jax
import networkx as nx
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.metrics import discrete
from causal_jax.networks.controller import ImplicitBinary, controller
from causal_jax.queries import laws
from causal_jax.scm import SCM

NUM = 20_000
NUM_NODES = 5


@pytest.fixture(scope="module")
def model():
    """Five labels of CausalGAN, by networks whose laws are far from even."""
    edges = "Young, Male -> Mustache, Smiling ; Young, Smiling -> Mouth"
    graph = graphs.read(f"Young ; Male ; {edges}")
    scm = controller(
        graphs.with_states(graph, dict.fromkeys(graph, graphs.BINARY)), hidden=(8,)
    )
    params = scm.init(jax.random.key(0))
    roots = {"Young": {"bias": np.full(1, 0.4)}, "Male": {"bias": np.full(1, -0.2)}}
    return scm, jax.tree.map(lambda leaf: 2.0 * leaf, params | roots)


def cube(law):
    """A law over the labels, one axis a node."""
    return law.reshape((2,) * NUM_NODES)


def marginal(law, axis):
    return cube(law).sum(tuple(i for i in range(NUM_NODES) if i != axis))


def is_state(axis, state):
    """Where the label of this axis has the state; broadcasts against a cube."""
    shape = [2 if i == axis else 1 for i in range(NUM_NODES)]
    return np.arange(2).reshape(shape) == state


def test_do_samples_match_the_truncated_factorisation_at_every_node(
    model, assert_frequencies
):
    scm, params = model
    for i, (name, state) in enumerate(laws.single_interventions(scm)):
        key = jax.random.key(i)
        rows = laws.sampled_rows(scm, params, key, NUM, {name: state})
        law = laws.exact_law(scm, params, {name: state})
        found = laws.empirical_law(rows, (2,) * NUM_NODES)
        assert_frequencies(found, law, NUM)


def test_do_leaves_the_marginals_of_all_but_descendants_unchanged(model):
    scm, params = model
    seen = laws.exact_law(scm, params)
    for name, state in laws.single_interventions(scm):
        done = laws.exact_law(scm, params, {name: state})
        below = nx.descendants(scm.graph, name) | {name}
        for axis, other in enumerate(scm.nodes):
            gap = np.abs(marginal(done, axis) - marginal(seen, axis)).max()
            assert (gap > 1e-4) if other in below else (gap < 1e-6), (name, other)


def test_do_on_a_root_equals_conditioning_and_on_others_it_does_not(model):
    scm, params = model
    seen = cube(laws.exact_law(scm, params))
    for name, state in laws.single_interventions(scm):
        given = np.where(is_state(scm.nodes.index(name), state), seen, 0)
        done = cube(laws.exact_law(scm, params, {name: state}))
        distance = discrete.tvd(given / given.sum(), done)
        assert (distance > 0.01) if scm.parents[name] else (distance < 1e-6), name


def test_what_is_done_follows_from_what_is_seen_by_adjusting_for_parents(model):
    """P(all | do(x)) = P(all) / P(x | pa) where x is met: Pearl (2009), 3.2.3."""
    scm, params = model
    seen = cube(laws.exact_law(scm, params))
    for name, state in laws.single_interventions(scm):
        axis = scm.nodes.index(name)
        kept = {axis, *(scm.nodes.index(p) for p in scm.parents[name])}
        others = tuple(i for i in range(NUM_NODES) if i not in kept)
        family = seen.sum(others, keepdims=True)
        propensity = family / family.sum(axis, keepdims=True)
        adjusted = np.where(is_state(axis, state), seen / propensity, 0)
        done = cube(laws.exact_law(scm, params, {name: state}))
        np.testing.assert_allclose(adjusted, done, atol=1e-6)


def test_mechanisms_of_the_original_keep_their_laws_under_every_intervention():
    """P(x_i | pa_i, do(x_j)) = P(x_i | pa_i), from two independent samples."""
    graph = graphs.named("Male_Young_Eyeglasses_complete")
    scm = SCM(graph, {name: ImplicitBinary(hidden=(10,)) for name in graph})
    params = jax.tree.map(lambda leaf: 1.5 * leaf, scm.init(jax.random.key(1)))
    seen = laws.sampled_rows(scm, params, jax.random.key(2), NUM)
    compared = 0
    for i, (name, state) in enumerate(laws.single_interventions(scm)):
        key = jax.random.key(3 + i)
        done = laws.sampled_rows(scm, params, key, NUM, {name: state})
        assert (done[:, scm.nodes.index(name)] == state).all()
        for other in set(scm.nodes) - {name}:
            columns = [scm.nodes.index(n) for n in (*scm.parents[other], other)]
            for states in itertools.product((0, 1), repeat=len(columns) - 1):
                (p, n), (q, m) = (
                    share(rows[:, columns], states) for rows in (seen, done)
                )
                if min(n, m) > 100:
                    pooled = (p * n + q * m) / (n + m)
                    limit = 5 * np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
                    assert abs(p - q) <= limit, (name, state, other, states)
                    compared += 1
    assert compared >= 12


def share(rows, states):
    """P(last column = 1 | the others are `states`), and of how many rows it is."""
    met = (rows[:, :-1] == states).all(-1)
    return (rows[met, -1].mean() if met.any() else 0.0), met.sum()
