"""Train, resume and evaluate are one for all families."""

import dataclasses
import json

import pytest
from PIL import Image

from causal_jax.recipes import recipe, registry, settings


def test_run_leaves_what_the_contract_names(run):
    for name in ("config.json", "scm.json", "metrics.jsonl", "metrics.json"):
        assert (run / name).is_file()
    assert (run / "checkpoints").is_dir()
    metrics = json.loads((run / "metrics.json").read_text())
    labels = {"tvd", "do_tvd_mean", "do_tvd_max", "floor", "trainer"}
    images = {
        "label_accuracy_mean",
        "label_accuracy_min",
        "label_accuracy_relative_mean",
        "label_accuracy_relative_min",
        "label_accuracy_over_do_mean",
        "label_accuracy_over_do_min",
        "judge_under_do",
        "unseen_accuracy",
        "unseen_together",
        "diversity",
        "frechet",
        "frechet_floor",
    }
    assert labels <= metrics["labels"].keys()
    assert images <= metrics["images"].keys()
    assert {"steps", "seconds", "seed", "config_hash"} <= metrics.keys()
    assert metrics["steps"] == {"labels": 2, "images": 2}


def test_the_receipt_names_the_runs_config_and_the_time_of_its_stages(run):
    metrics = json.loads((run / "metrics.json").read_text())
    config = settings.plain(registry.get_config("faces_causal_gan:quicktest"))
    assert recipe.open_run(run).config == config
    assert metrics["config_hash"] == settings.config_hash(config)
    assert metrics["seconds"].keys() == {"labels", "images"}
    assert all(seconds > 0 for seconds in metrics["seconds"].values())


def test_finished_run_is_not_trained_again(run):
    before = (run / "metrics.jsonl").read_text()
    seconds = recipe.train(registry.get_config("faces_causal_gan:quicktest"), run)
    assert (run / "metrics.jsonl").read_text() == before
    assert seconds.keys() == {"labels", "images"}


def test_a_config_of_any_kind_is_the_same_run(run):
    """A config file's, a command line's or a run's own."""
    before = (run / "metrics.jsonl").read_text()
    kept = json.loads((run / "config.json").read_text())
    recipe.train(kept, run)
    recipe.train(settings.plain(kept), run)
    assert (run / "metrics.jsonl").read_text() == before
    assert json.loads((run / "config.json").read_text()) == kept


def test_folder_of_another_config_is_refused(run):
    config = registry.get_config("faces_causal_gan:quicktest")
    config.seed = 1
    with pytest.raises(ValueError, match=r"another config's run \(seed 0 there, 1"):
        recipe.train(config, run)


def test_another_run_s_folder_is_refused_before_data_are_drawn(run, monkeypatch):
    known = registry.recipe_of(settings.plain(registry.get_config("faces_labels")))
    late = dataclasses.replace(known, data=lambda config: pytest.fail("data are drawn"))
    monkeypatch.setattr(registry, "recipe_of", lambda config: late)
    config = registry.get_config("faces_causal_gan:quicktest")
    config.seed = 1
    with pytest.raises(ValueError, match="another config's run"):
        recipe.train(config, run)


def test_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="no run"):
        recipe.train(registry.get_config("faces_labels:quicktest"), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_option_of_another_family_is_named(digits_run):
    with pytest.raises(ValueError, match="--judge is not for this run, mnist_cgn"):
        recipe.evaluate(digits_run, judge="judge.npz")


@pytest.mark.parametrize("function", [recipe.open_run, recipe.evaluate])
def test_a_folder_without_a_run_says_how_to_train_one(tmp_path, function):
    with pytest.raises(ValueError, match="causal-jax train --config=NAME") as raised:
        function(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("changed", ["table.csv", "graph.txt"])
def test_what_has_changed_is_neither_trained_on_nor_measured_against(changed, tmp_path):
    """The weights of one graph would answer along another: A -> B is A and B apart."""
    workdir = tmp_path / "run"
    (tmp_path / "table.csv").write_text("A,B\n" + "0,1\n1,0\n" * 20)
    (tmp_path / "graph.txt").write_text("A -> B")
    config = registry.get_config("table:mle,quicktest")
    config.table, config.graph = (str(tmp_path / n) for n in ("table.csv", "graph.txt"))
    recipe.train(config, workdir)
    recipe.evaluate(workdir)
    before = {path: path.read_bytes() for path in workdir.glob("*.*")}
    other = {"table.csv": "A,B\n" + "0,0\n1,1\n" * 20, "graph.txt": "B -> A"}
    (tmp_path / changed).write_text(other[changed])
    for again in (
        lambda: recipe.train(config, workdir),
        lambda: recipe.evaluate(workdir),
    ):
        with pytest.raises(
            ValueError, match=f"{changed} is not what .*run was trained"
        ):
            again()
    assert {path: path.read_bytes() for path in workdir.glob("*.*")} == before


def test_a_run_s_table_may_be_moved(tmp_path):
    """By its new place in the command, after which config.json says it, too."""
    workdir, table = tmp_path / "run", tmp_path / "table.csv"
    table.write_text("A,B\n" + "0,1\n1,0\n" * 20)
    config = registry.get_config("table:mle,quicktest")
    config.table, config.graph = str(table), "A -> B"
    recipe.train(config, workdir)
    config.table = str(table.rename(tmp_path / "moved.csv"))
    with pytest.raises(ValueError, match=r"trained with a file \(table\) that is not"):
        recipe.evaluate(workdir)
    recipe.train(config, workdir)
    assert recipe.evaluate(workdir)["labels"]["rows"] == 40
    table.write_text("A,B\n" + "0,0\n1,1\n" * 20)
    config.table = str(table)
    with pytest.raises(ValueError, match="table.csv is not what"):
        recipe.train(config, workdir)


def test_pictures_that_have_changed_are_neither_trained_on_nor_measured(tmp_path):
    pictures, workdir = tmp_path / "pictures", tmp_path / "run"
    pictures.mkdir()
    rows = ["file,A,B"]
    for i in range(12):
        Image.new("RGB", (8, 8), (20 * i, 0, 0)).save(pictures / f"{i}.png")
        rows.append(f"{i}.png,{i % 2},{i // 6}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    config = registry.get_config("table:mle,images,quicktest")
    config.table, config.images = str(tmp_path / "table.csv"), str(pictures)
    config.graph, config.image_size = "A -> B", 8
    recipe.train(config, workdir)
    recipe.train(config, workdir)
    Image.new("RGB", (8, 8), (0, 250, 0)).save(pictures / "3.png")
    for again in (
        lambda: recipe.train(config, workdir),
        lambda: recipe.evaluate(workdir),
    ):
        with pytest.raises(ValueError, match="pictures .* is not what .*run was train"):
            again()


def test_runs_that_are_trained_together_keep_to_their_table(tmp_path):
    for name, rows in (("a.csv", "0,1\n1,0\n"), ("b.csv", "0,0\n1,1\n")):
        (tmp_path / name).write_text("A,B\n" + rows * 20)
    config = registry.get_config("table:mle,quicktest")
    config.table, config.graph = str(tmp_path / "a.csv"), "A -> B"
    recipe.train_together([config], [tmp_path / "run"])
    assert json.loads((tmp_path / "run" / "steps.json").read_text()) == {"labels": 2}
    config.table = str(tmp_path / "b.csv")
    with pytest.raises(ValueError, match="b.csv is not what .*run was trained with"):
        recipe.train_together([config], [tmp_path / "run"])
