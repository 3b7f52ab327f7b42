import json
import types

import numpy as np
import pytest

from causal_jax.data.networks import read_bif
from causal_jax.recipes import recipe, registry
from causal_jax.recipes.labels_images import data
from experiments import networks_page, results, table_networks

NET = """network tiny { }
variable A { type discrete [ 2 ] { a0, a1 }; }
variable B { type discrete [ 3 ] { b0, b1, b2 }; }
variable C { type discrete [ 2 ] { c0, c1 }; }
probability ( A ) { table 0.999, 0.001; }
probability ( B | A ) { (a0) 0.5, 0.3, 0.2; (a1) 0.1, 0.2, 0.7; }
probability ( C | A, B ) {
  (a0, b0) 0.9, 0.1; (a0, b1) 0.5, 0.5; (a0, b2) 0.3, 0.7; default 0.2, 0.8;
}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "asia.bif").write_text(NET)
    return tmp_path


@pytest.mark.parametrize("variant", ["quicktest", "mle,quicktest"])
def test_a_network_is_trained_and_evaluated_like_any_data(folder, variant):
    config = registry.get_config(f"networks_labels:{variant}")
    config.bif = str(folder / "asia.bif")
    recipe.train(config, folder / "run")
    found = recipe.evaluate(folder / "run")["labels"]
    assert found["exact"] and found["rows"] == 500
    assert "B=b2" in found["by_intervention"]


def test_rows_graph_and_truth_are_the_networks(folder):
    config = registry.get_config("networks_labels:quicktest")
    config.bif = str(folder / "asia.bif")
    labels = data.labels(config)
    scm, params = read_bif(config.bif)
    assert set(labels.graph.edges) == set(scm.graph.edges)
    assert labels.truth[0] == scm
    np.testing.assert_array_equal(labels.truth[1]["C"]["probs"], params["C"]["probs"])
    config.graph = "A -> B ; C"
    assert set(data.labels(config).graph.edges) == {("A", "B")}


def test_a_config_without_its_file_says_which_flag_names_it():
    with pytest.raises(ValueError, match="--config.bif=FILE"):
        data.labels(registry.get_config("networks_labels"))


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Two steps of everything, rows somewhere else, no joint laws above 4 states."""
    monkeypatch.setattr(results, "FOLDER", tmp_path / "docs" / "results")
    monkeypatch.setattr(table_networks, "NUM_ROWS", 2000)
    monkeypatch.setattr(table_networks, "MLE", {"num_steps": 2, "learning_rate": 0.01})
    monkeypatch.setattr(table_networks, "WGAN", {"num_steps": 2, "batch_size": 8})


def run(folder, num_seeds):
    """The row of asia."""
    args = types.SimpleNamespace(networks=str(folder), num_seeds=num_seeds)
    table_networks.run(args, "asia")
    return results.read("networks_asia")


@pytest.mark.parametrize("max_joint", [4096, 4])
def test_a_row_holds_every_method_and_figure(folder, small, monkeypatch, max_joint):
    monkeypatch.setattr(table_networks, "MAX_JOINT", max_joint)
    row = run(folder, 2)
    assert row["network"]["interventions"] == 7
    assert row["network"]["rare_interventions"] == 1  # A=a1: two rows in 2000
    assert row["network"]["rare_configurations"] == 4
    assert set(row["metrics"]) == {"tabular", "mle", "wgan"}
    for figures in row["metrics"].values():
        assert all(len(figure["values"]) == 2 for figure in figures.values())
    # The reference has learned something from the rows; two steps have not.
    done = {m: f["do_tvd_mean"]["mean"] for m, f in row["metrics"].items()}
    assert done["tabular"] < 0.05 < done["mle"]
    assert row["metrics"]["tabular"]["rare_row_tvd"]["mean"] > 0.1
    json.dumps(row)


def test_the_page_says_what_is_missed(folder, small):
    page = networks_page.markdown([run(folder, 1)])
    assert "at most 1.1 times tabular: **missed** on 1 of 1: asia (" in page
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len(table) == 5 and len({line.count("|") for line in table}) == 1
    assert "`python -m experiments.table_networks --networks=DIR --only=asia" in page


def test_ratios_are_means_over_means():
    def figures(tvd, done):
        return {"tvd": {"mean": tvd}, "do_tvd_mean": {"mean": done}}

    row = {"metrics": {"tabular": figures(0.01, 0.02), "mle": figures(0.012, 0.02)}}
    assert networks_page.ratios(row, "mle") == pytest.approx((1.2, 1.0))


def test_a_missing_network_is_named(tmp_path):
    with pytest.raises(ValueError, match="no asia.bif.gz or asia.bif in"):
        table_networks.path_of("asia", str(tmp_path))
    with pytest.raises(ValueError, match="give --networks=DIR"):
        table_networks.path_of("asia", "")
