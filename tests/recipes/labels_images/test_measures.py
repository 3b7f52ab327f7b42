import json
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
from PIL import Image

from causal_jax.metrics import images
from causal_jax.metrics.accuracy import UnderDo
from causal_jax.queries import laws
from causal_jax.recipes import recipe, registry
from causal_jax.recipes.labels_images import data, label_measures, measures, soundness
from causal_jax.runs import folder


def test_labels_have_marginals_and_pair_tables_beside_the_truths(run):
    labels = json.loads((run / "metrics.json").read_text())["labels"]
    assert len(labels["marginals"]) == 9
    for marginal in labels["marginals"].values():
        assert marginal.keys() == {"model", "truth"}
        assert [sum(p) for p in marginal.values()] == pytest.approx([1, 1], abs=1e-5)
    distances = list(labels["largest_pair_tvds"].values())
    assert len(distances) == 36 and distances == sorted(distances, reverse=True)


def test_celeba_labels_run_from_tfds(tmp_path, celeba_dir):
    config = registry.get_config("celeba_labels:male_mustache_lipstick,quicktest")
    config.data_dir = str(celeba_dir)
    recipe.train(config, tmp_path)
    measured = measures.measure(recipe.open_run(tmp_path)).metrics["labels"]
    assert measured["rows"] == 12  # every split
    assert 0 <= measured["tvd"] <= 1


def test_all_attributes_have_pairs_and_a_held_out_likelihood(tmp_path, celeba_dir):
    config = registry.get_config("celeba_labels:complete_all,mle,quicktest")
    config.data_dir, config.hidden = str(celeba_dir), (2,)
    recipe.train(config, tmp_path)
    measured = measures.measure(recipe.open_run(tmp_path)).metrics["labels"]
    assert measured["tvd"] is None
    assert 0 < measured["pair_tvd_mean"] < 1
    largest = next(iter(measured["largest_pair_tvds"].values()))
    assert largest == pytest.approx(measured["pair_tvd_max"])
    assert measured["marginals"]["Bald"].keys() == {"model", "data"}
    assert measured["held_out_log_likelihood"] < 0
    assert measured["tree_log_likelihood"] < 0


def test_celeba_images_run_from_tfds(tmp_path, celeba_dir, monkeypatch):
    config = registry.get_config("celeba_causal_gan:quicktest")
    config.data_dir = str(celeba_dir)
    config.image_size = 32
    config.keep_every = 1
    recipe.train(config, tmp_path)
    monkeypatch.setattr(measures, "NUM_PER_STATE", 4)
    monkeypatch.setattr(measures, "NUM_OF_CURVE", 4)
    monkeypatch.setattr(measures, "NUM_NEIGHBOURS", 4)
    monkeypatch.setattr(images, "MIN_FRECHET", 2)
    metrics = recipe.evaluate(tmp_path)
    assert (tmp_path / "judge.npz").is_file()  # trained on the training split
    assert metrics["images"]["judge_accuracy"].keys() == set(
        metrics["images"]["label_accuracy"]
    )
    assert metrics["images"]["diversity"] is None
    assert metrics["images"]["variety"] is None  # of six held-out pictures
    curve = metrics["images"]["curve"]
    assert [point["step"] for point in curve] == [1, 2]
    last, whole = curve[-1]["frechet_over_floor"], metrics["images"]["frechet"]
    assert last == pytest.approx(whole / metrics["images"]["frechet_floor"])
    assert "Whether more steps would help" in (tmp_path / "report.html").read_text()


def test_accuracies_are_set_against_what_can_be_read_if_the_label_were_set():
    """A label whose reading rests on its cause may be read worse when it is set."""
    under_do = {"a": UnderDo(0.6, 0.01, 0.9), "b": UnderDo(0.8, 0.01, 1.0)}
    pictures = SimpleNamespace(judge_under_do=under_do)
    found = measures._over_do({"a": 0.66, "b": 0.6}, pictures)
    assert found["label_accuracy_over_do_mean"] == pytest.approx((1.1 + 0.75) / 2)
    assert found["label_accuracy_over_do_min"] == pytest.approx(0.75)


def test_a_label_whose_causes_leave_one_state_open_is_left_out():
    """Pictures as they are say nothing of it if it were set."""
    under_do = {"a": UnderDo(None, None, 0.0), "b": UnderDo(0.8, 0.1, 1.0)}
    pictures = SimpleNamespace(judge_under_do=under_do)
    found = measures._over_do({"a": 0.66, "b": 0.6}, pictures)
    assert found["label_accuracy_over_do_mean"] == pytest.approx(0.75)


@pytest.mark.filterwarnings("error")
def test_images_of_labels_that_no_judge_reads_are_shown_and_not_measured(tmp_path):
    rows = ["file,Hue"]
    for i in range(30):
        hue = ("red", "green", "blue")[i % 3]
        Image.new("RGB", (8, 8), hue).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{hue}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    (tmp_path / "graph.txt").write_text("Hue")
    config = registry.get_config("table:mle,images,quicktest")
    config.table, config.images = str(tmp_path / "table.csv"), str(tmp_path)
    config.graph, config.image_size = str(tmp_path / "graph.txt"), 8
    recipe.train(config, tmp_path / "run")
    assert recipe.evaluate(tmp_path / "run")["images"] is None
    page = (tmp_path / "run" / "report.html").read_text()
    assert "1 labels and images below them" in page and "What is seen" in page
    assert "a judge reads labels with two states, and none here has two" in page
    assert "not fully trained" not in page
    with pytest.raises(ValueError, match="no label of .* has two states"):
        soundness.evaluate(tmp_path / "run", num=2)
    with pytest.raises(ValueError, match="has nothing to read in .*: leave --judge"):
        recipe.evaluate(tmp_path / "run", judge="judge.npz")


def test_a_run_that_is_not_at_its_end_says_so(tmp_path):
    """On the page, and by whatever opens it."""
    (tmp_path / "table.csv").write_text("A,B\n" + "0,1\n1,0\n" * 20)
    config = registry.get_config("table:mle,quicktest")
    config.table, config.graph = str(tmp_path / "table.csv"), "A -> B"
    recipe.train(config, tmp_path / "run")
    folder.keep_num_steps(tmp_path / "run", "labels", 9)
    left = "not fully trained: 2 of 9 steps of labels"
    with pytest.warns(UserWarning, match=left):
        recipe.evaluate(tmp_path / "run")
    assert left in (tmp_path / "run" / "report.html").read_text()


def test_the_truths_law_is_in_the_order_of_the_runs_graph():
    scm, params = data.faces_truth(registry.get_config("faces_labels:quicktest"))
    names = tuple(reversed(scm.nodes))
    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from(scm.graph.edges)
    trained = SimpleNamespace(label_scm=SimpleNamespace(nodes=names))
    labels = SimpleNamespace(graph=graph, truth=(scm, params))
    found, source = label_measures.reference_laws(trained, labels)
    usual = laws.exact_laws(scm, params)
    assert source == "truth" and found.done.keys() == usual.done.keys()
    for law, expected in (
        (found.seen, usual.seen),
        (found.done["Male=1"], usual.done["Male=1"]),
    ):
        shape = (2,) * len(names)
        np.testing.assert_allclose(law.reshape(shape), expected.reshape(shape).T)
    assert not np.allclose(found.seen, usual.seen)
