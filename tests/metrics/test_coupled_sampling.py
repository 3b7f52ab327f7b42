import itertools

import jax
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.metrics import coupled_sampling, discrete
from causal_jax.queries import exact, laws
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular

NUM = 40_000


def near(params, share):
    """Tables moved a little towards uniform ones."""
    return {
        name: {"probs": (1 - share) * p["probs"] + share / p["probs"].shape[-1]}
        for name, p in params.items()
    }


def exact_distances(scm, truth, params):
    """The same means, from exact marginals."""

    def mean_tvd(do):
        families = [(*scm.parents[n], n) for n in scm.nodes if len(scm.parents[n]) > 1]
        asked = [*itertools.combinations(scm.nodes, 2), *families]
        return np.mean(
            [
                discrete.tvd(
                    exact.marginal(scm, truth, nodes, do=do).ravel(),
                    exact.marginal(scm, params, nodes, do=do).ravel(),
                )
                for nodes in asked
            ]
        )

    done = [{n: v} for n, v in laws.single_interventions(scm)]
    return mean_tvd(None), np.array([mean_tvd(do) for do in done])


def test_equal_models_are_at_distance_zero(tables):
    reference = coupled_sampling.Reference(tables.scm, tables.params, num=1000)
    found = reference.distances(tables.params)
    assert found.seen == 0 and found.done.max() == 0 and len(found.done) == 9


@pytest.mark.parametrize("share", [0.3, 0.01])
def test_distances_are_those_of_the_exact_tables(tables, share):
    """A node's draws differ with at most the share: five standard errors of that."""
    params = near(tables.params, share)
    reference = coupled_sampling.Reference(tables.scm, tables.params, num=NUM)
    found = reference.distances(params)
    seen, done = exact_distances(tables.scm, tables.params, params)
    standard_error = np.sqrt(2 * share / NUM)
    assert abs(found.seen - seen) < 5 * standard_error
    assert np.all(np.abs(found.done - done) < 5 * standard_error)


def test_noise_shrinks_with_the_distance(tables):
    """A hundredth of the distance: the spread over seeds is at most a fifth."""
    spreads = []
    for share in (0.3, 0.003):
        params = near(tables.params, share)
        found = [
            coupled_sampling.Reference(tables.scm, tables.params, num=2000, seed=s)
            .distances(params)
            .seen
            for s in range(20)
        ]
        spreads.append(np.std(found))
    assert spreads[1] < spreads[0] / 5


def test_do_changes_only_descendants(tables):
    """A wrong table of D alone, which has no children: do(D) makes the model right."""
    wrong = tables.params | {"D": near(tables.params, 0.5)["D"]}
    reference = coupled_sampling.Reference(tables.scm, tables.params, num=5000)
    found = reference.distances(wrong)
    by_name = zip(laws.single_interventions(tables.scm), found.done, strict=True)
    for (name, _), distance in by_name:
        assert (distance == 0) == (name == "D")


def test_tables_with_zeros_and_many_states_are_drawn_right():
    """The reference's own pair counts against the exact pair laws."""
    graph = graphs.build(
        [("A", "B"), ("A", "C"), ("B", "C")], states=dict.fromkeys("ABC", "012345")
    )
    random = np.random.default_rng(0)
    shapes = {"A": (), "B": (6,), "C": (6, 6)}
    scm = SCM(graph, {n: Tabular(6, shape) for n, shape in shapes.items()})
    params = {}
    for name, shape in shapes.items():
        probs = random.dirichlet(np.full(6, 0.3), size=shape)
        probs[..., 5] = 0
        probs[..., 0] += 1e-3
        params[name] = {"probs": probs / probs.sum(-1, keepdims=True)}
    uniform = {n: {"probs": np.full_like(p["probs"], 1 / 6)} for n, p in params.items()}
    reference = coupled_sampling.Reference(scm, params, num=NUM)
    found = reference.distances(uniform)
    seen, done = exact_distances(scm, params, uniform)
    # A mean of table TVDs of independent units, each of at most 216 cells.
    limit = 5 * np.sqrt(1 / NUM) + np.sqrt(216 / NUM) / 4
    assert abs(found.seen - seen) < limit
    assert np.all(np.abs(found.done - done) < limit)


def test_laws_do_not_depend_on_the_order_of_declaration():
    graph = graphs.build([("B", "A")], nodes=("A", "B"), states={"A": "01", "B": "01"})
    scm = SCM(graph, {"A": Tabular(2, (2,)), "B": Tabular(2)})
    params = scm.init(jax.random.key(0))
    other = near(params, 0.5)
    found = coupled_sampling.Reference(scm, params, num=NUM).distances(other)
    seen, done = exact_distances(scm, params, other)
    assert abs(found.seen - seen) < 5 * np.sqrt(1 / NUM)
    assert np.all(np.abs(found.done - done) < 5 * np.sqrt(1 / NUM))
