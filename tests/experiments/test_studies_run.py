"""The two studies: their graphs, cells and pages; nothing is trained for long."""

import types

import networkx as nx
import numpy as np
import pytest

from causal_jax.data import faces
from causal_jax.queries import laws
from causal_jax.queries.positivity import left_open
from experiments import results, study, synthetic, wrong_graph


def chosen_cells(module, only):
    return study.choose(module.STUDY, types.SimpleNamespace(only=only))


def test_wirings_declare_the_truths_nodes_in_its_order():
    for graph in wrong_graph.GRAPHS.values():
        assert tuple(graph) == faces.LABELS
        assert nx.is_directed_acyclic_graph(graph)


def test_wirings_are_what_their_names_say():
    graphs = wrong_graph.GRAPHS
    true, complete = set(graphs["true"].edges), set(graphs["complete"].edges)
    assert true == set(faces.label_scm()[0].graph.edges)
    assert len(complete) == 36 and true < complete
    assert set(graphs["reverse_complete"].edges) == {(b, a) for a, b in complete}
    assert set(graphs["edge_reversed"].edges) == {(b, a) for a, b in true}
    assert not graphs["empty"].edges


def test_the_truth_is_no_distance_from_itself():
    truth = faces.label_scm()
    guessed = left_open(truth[0].graph, truth)
    found = wrong_graph.measure(truth, laws.exact_laws(*truth), guessed)
    assert found["num_identified"] == len(found["by_intervention"]) == 18
    for name in ("tvd", "do_tvd_mean", "do_tvd_max", "do_tvd_identified"):
        assert found[name] == 0


def test_histograms_equal_numpys():
    values = np.random.default_rng(0).random((500, 3), np.float32)
    expected, _ = np.histogramdd(values, bins=10, range=[(0, 1)] * 3)
    found = np.asarray(synthetic.histogram(values)).reshape(10, 10, 10)
    np.testing.assert_allclose(found, expected / 500, atol=1e-6)


@pytest.mark.parametrize(
    ("module", "named"),
    [(synthetic, "line_line, .*fc10"), (wrong_graph, "true_mle, .*, mle, wgan")],
)
def test_an_unknown_cell_names_those_there_are(module, named):
    with pytest.raises(ValueError, match=f"--only=nothing: there are {named}"):
        chosen_cells(module, "nothing")


def test_only_chooses_by_data_graph_or_trainer():
    assert len(chosen_cells(synthetic, "line")) == 6
    of_mle = [f"{graph}_mle" for graph in wrong_graph.GRAPHS]
    assert chosen_cells(wrong_graph, "mle") == of_mle
    assert chosen_cells(wrong_graph, "true_wgan") == ["true_wgan"]
    assert chosen_cells(wrong_graph, "complete_mle") == ["complete_mle"]
    assert len(chosen_cells(wrong_graph, "")) == 10


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    return tmp_path


def test_synthetic_cells_leave_rows_a_figure_and_a_table(elsewhere, monkeypatch):
    monkeypatch.setattr(synthetic, "NUM_ROWS", 100)
    monkeypatch.setattr(synthetic, "NUM_SAMPLES", 200)
    args = types.SimpleNamespace(num_seeds=2, num_steps=2)
    synthetic.run(args, "line_fc3", "collider_fc3")
    synthetic.write_pages(args)
    row = results.read("synthetic_line_fc3")
    assert (
        np.shape(row["metrics"]["tvd"]) == (2, 3) and row["metrics"]["steps"][-1] == 2
    )
    assert "| collider | " in (elsewhere / "synthetic.md").read_text()
    assert (elsewhere / "synthetic.png").is_file()


def test_wrong_graph_cells_leave_rows_a_figure_and_a_table(elsewhere, monkeypatch):
    settings = {"parent_penalty": 0.00025, "weight_decay": 1e-6}
    quick = wrong_graph.Trainer(wrong_graph.label_counts, 2, settings)
    monkeypatch.setitem(wrong_graph.TRAINERS, "mle", quick)
    args = types.SimpleNamespace(num_seeds=2)
    for cell in ("true_mle", "empty_mle"):
        wrong_graph.run(args, cell)
    wrong_graph.write_pages(args)
    page = (elsewhere / "wrong_graph.md").read_text()
    assert "`empty_mle`" in page and "mle, empty against true" in page
    assert (elsewhere / "wrong_graph.png").is_file()
    assert "group-lasso penalty on parents" in page and ": 0.00025 times" in page
    assert "weight decay of 1e-06" in page
    row = results.read("wrong_graph_true_mle")
    seen = [one["tvd"] for one in row["metrics"]["learned"]]
    assert f"| 2 | {np.mean(seen):.4f} ± {np.std(seen, ddof=1):.4f} |" in page


@pytest.mark.parametrize(
    ("graph", "more", "times", "said"),
    [
        ("complete", 0.5, 1.5, "do-TVD at most 1.5 times): met."),
        ("complete", 0.0, 1.6, "**missed**"),
        ("reverse_complete", 0.01, 5.0, "): met."),
        ("reverse_complete", 0.011, 50.0, "**missed**"),
        ("reverse_complete", -0.011, 50.0, "**missed**"),
        ("reverse_complete", 0.0, 4.9, "do-TVD at least 5 times): **missed**"),
    ],
)
def test_a_comparison_says_whether_its_goal_is_met(graph, more, times, said):
    assert said in wrong_graph.documents.verdict(graph, more, times)


def test_graphs_that_are_wrong_either_way_have_no_goal():
    assert wrong_graph.documents.verdict("empty", 0.4, 90.0) == ""
