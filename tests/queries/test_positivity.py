import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.data import faces
from causal_jax.queries import laws
from causal_jax.queries.positivity import left_open, left_open_by_laws
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular, categorical


def truth(share_of_b_without_a):
    """A -> B <- nothing else; C <- B; P(A = 1) = .3."""
    tables = {
        "A": (0.7, 0.3),
        "B": ((1 - share_of_b_without_a, share_of_b_without_a), (0.5, 0.5)),
        "C": ((0.9, 0.1), (0.2, 0.8)),
    }
    pairs = {name: categorical(np.array(table)) for name, table in tables.items()}
    scm = SCM("A -> B -> C", {name: pair[0] for name, pair in pairs.items()})
    return scm, {name: pair[1] for name, pair in pairs.items()}


def binary(text):
    graph = graphs.read(text)
    return graphs.with_states(graph, dict.fromkeys(graph, graphs.BINARY))


def test_a_positive_law_leaves_nothing_open():
    masses = left_open(binary("A -> B; A, B -> C"), truth(0.1))
    assert len(masses) == 6 and not any(masses.values())


def test_what_is_left_open_is_the_mass_of_parents_never_seen_together():
    """B = 1 never without A: under do(B = 1) the .7 without A have no data for C."""
    masses = left_open(binary("A -> B; A, B -> C"), truth(0.0))
    assert masses.pop("B=1") == pytest.approx(0.7, abs=1e-6)
    assert not any(masses.values())


def test_the_true_graph_of_the_faces_leaves_nothing_open():
    model = faces.label_scm()
    assert not any(left_open(model[0].graph, model).values())


def test_a_table_leaves_open_what_no_row_of_it_says():
    """Of those with A = 0, a share of .4, nobody has B = 1."""
    random = np.random.default_rng(0)
    a = (random.random(5000) < 0.6).astype(int)
    b = (random.random(5000) < 0.5 * a).astype(int)
    c = (random.random(5000) < 0.2 + 0.3 * a + 0.3 * b).astype(int)
    rows = np.stack([a, b, c], -1).astype(np.int32)
    scm = SCM(
        "A -> B; A, B -> C",
        {"A": Tabular(2), "B": Tabular(2, (2,)), "C": Tabular(2, (2, 2))},
    )
    done = laws.exact_laws(*laws.tabular_fit(scm, rows))
    known = done._replace(seen=laws.empirical_law(rows, (2, 2, 2)))
    found = left_open_by_laws(scm.graph, scm, known)
    assert found["B=1"] == pytest.approx((a == 0).mean(), abs=1e-6)
    assert found["B=0"] == found["A=0"] == found["A=1"] == found["C=1"] == 0
