import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import causal_jax
from experiments import evaluate, evaluation, results, stages
from experiments.configs import (
    celeba_causal_gan,
    celeba_labels,
    faces_causal_gan,
    faces_labels,
    table,
)

ROOT = Path(__file__).resolve().parents[2]


def _table_config(tmp_path, csv, graph="Rain -> Wet", variant="quicktest"):
    (tmp_path / "table.csv").write_text(csv)
    (tmp_path / "graph.txt").write_text(graph)
    config = table.get_config(variant)
    config.table = str(tmp_path / "table.csv")
    config.graph = str(tmp_path / "graph.txt")
    return config


def _row(metrics):
    """A row of the results table with these metrics."""
    texts = dict.fromkeys(("cell", "command", "revision", "hardware"), "")
    return {**texts, "seconds": {}, "metrics": metrics}


WEATHER = "Rain,Wet,Day\n" + "yes,1,mon\nno,0,tue\nyes,1,wed\nno,1,mon\n" * 5


def test_run_leaves_what_the_contract_names(run):
    for name in ("config.json", "scm.json", "metrics.jsonl", "metrics.json"):
        assert (run / name).is_file()
    assert (run / "checkpoints").is_dir()
    metrics = json.loads((run / "metrics.json").read_text())
    labels = {"tvd", "do_tvd_mean", "do_tvd_max", "floor", "trainer"}
    images = {
        "label_accuracy_mean",
        "label_accuracy_min",
        "unseen_accuracy",
        "diversity",
        "frechet",
        "frechet_floor",
    }
    assert labels <= metrics["labels"].keys()
    assert images <= metrics["images"].keys()
    assert {"steps", "seconds", "seed", "config_hash"} <= metrics.keys()
    assert metrics["steps"] == {"labels": 2, "images": 2}


def test_report_is_one_self_contained_page(run):
    page = (run / "report.html").read_text()
    assert "http://" not in page and "https://" not in page
    assert page.count("data:image/png;base64,") >= 9
    for words in ("Do against see", "twins", "causal graph", "Training"):
        assert words in page


def test_labels_have_marginals_and_pair_tables_beside_the_truths(run):
    labels = json.loads((run / "metrics.json").read_text())["labels"]
    assert len(labels["marginals"]) == 9
    for marginal in labels["marginals"].values():
        assert marginal.keys() == {"model", "truth"}
        assert [sum(p) for p in marginal.values()] == pytest.approx([1, 1], abs=1e-5)
    distances = list(labels["largest_pair_tvds"].values())
    assert len(distances) == 36 and distances == sorted(distances, reverse=True)
    details = (run / "report.html").read_text().split("<details>")[1]
    details = details.split("</details>")[0]
    worst = next(iter(labels["largest_pair_tvds"])).replace(", ", " and ")
    assert f"<h3>{worst}: TVD {distances[0]:.4f}</h3>" in details
    assert details.count("<table>") == 36 and ">truth</th>" in details


def test_loaded_model_sees_does_and_imagines(run):
    scm, params = causal_jax.load(run)
    key = jax.random.key(0)
    seen = scm.sample(params, key, num=3)
    done = scm.sample(params, key, num=3, do={"Mustache": 1})
    assert seen["image"].shape == (3, 32, 32, 3)
    np.testing.assert_array_equal(seen["Male"], done["Male"])
    labels = {name: seen[name] for name in scm.discrete}
    changed = scm.counterfactual(params, key, labels, do={"Smiling": 1})
    np.testing.assert_array_equal(changed["Male"], seen["Male"])


def test_finished_run_is_not_trained_again(run):
    before = (run / "metrics.jsonl").read_text()
    stages.train(faces_causal_gan.get_config("quicktest"), run)
    assert (run / "metrics.jsonl").read_text() == before


def test_folder_of_another_config_is_refused(run):
    config = faces_causal_gan.get_config("quicktest")
    config.seed = 1
    with pytest.raises(ValueError, match=r"another config's run \(seed 0 there, 1"):
        stages.train(config, run)


def test_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="no run"):
        stages.train(faces_labels.get_config("quicktest"), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    "variant", ["quicktest", "mle,quicktest", "reference,quicktest"]
)
def test_faces_labels_runs(tmp_path, variant):
    stages.train(faces_labels.get_config(variant), tmp_path)
    scm, params = causal_jax.load(tmp_path)
    assert set(scm.sample(params, jax.random.key(0), num=2)["Bald"].tolist()) <= {0, 1}


def test_random_tables_differ_by_their_seed():
    laws = []
    for seed in (0, 1):
        config = faces_labels.get_config("random,quicktest")
        config.table_seed = seed
        laws.append(stages.data.faces_truth(config)[1]["Male"]["probs"])
    assert not np.allclose(*laws)


def test_celeba_labels_run_from_tfds(tmp_path, celeba_dir):
    config = celeba_labels.get_config("male_mustache_lipstick,quicktest")
    config.data_dir = str(celeba_dir)
    stages.train(config, tmp_path)
    measured = evaluation.label_metrics(evaluation.open_run(tmp_path))
    assert measured["rows"] == 12  # every split
    assert 0 <= measured["tvd"] <= 1


def test_all_attributes_have_pairs_and_a_held_out_likelihood(tmp_path, celeba_dir):
    config = celeba_labels.get_config("complete_all,mle,quicktest")
    config.data_dir, config.hidden = str(celeba_dir), (2,)
    stages.train(config, tmp_path)
    measured = evaluation.label_metrics(evaluation.open_run(tmp_path))
    assert measured["tvd"] is None
    assert 0 < measured["pair_tvd_mean"] < 1
    largest = next(iter(measured["largest_pair_tvds"].values()))
    assert largest == pytest.approx(measured["pair_tvd_max"])
    assert measured["marginals"]["Bald"].keys() == {"model", "data"}
    assert measured["held_out_log_likelihood"] < 0
    assert measured["tree_log_likelihood"] < 0


def test_celeba_images_run_from_tfds(tmp_path, celeba_dir, monkeypatch):
    config = celeba_causal_gan.get_config("quicktest")
    config.data_dir = str(celeba_dir)
    config.image_size = 32
    stages.train(config, tmp_path)
    monkeypatch.setattr(evaluation, "NUM_PER_STATE", 4)
    monkeypatch.setattr(evaluation, "NUM_NEIGHBOURS", 4)
    metrics = evaluate.evaluate(tmp_path)
    assert (tmp_path / "judge.npz").is_file()  # trained on the training split
    assert metrics["images"]["judge_accuracy"].keys() == set(
        metrics["images"]["label_accuracy"]
    )
    assert metrics["images"]["diversity"] is None


def test_missing_data_names_the_command_that_prepares_it(tmp_path):
    config = celeba_labels.get_config("quicktest")
    config.data_dir = str(tmp_path / "nothing")
    with pytest.raises(ValueError, match="experiments.prepare --dataset=celeb_a"):
        stages.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_own_table_with_categories_is_learned(tmp_path):
    graph = "Rain -> Wet\nDay"
    config = _table_config(tmp_path, WEATHER, graph, "mle,quicktest")
    config.num_steps, config.batch_size = 300, 64
    stages.train(config, tmp_path / "run")
    scm, params = causal_jax.load(tmp_path / "run")
    assert scm.states("Rain") == ("no", "yes")
    assert scm.states("Day") == ("mon", "tue", "wed")
    wet = scm.sample(params, jax.random.key(0), num=500, do={"Rain": "yes"})["Wet"]
    assert wet.mean() > 0.9  # it was always wet when it rained
    assert evaluate.evaluate(tmp_path / "run")["images"] is None


def test_own_pictures_are_learned_and_measured(tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    folder.mkdir()
    lines = ["file,Dark"]
    for i in range(40):
        grey = np.full((40, 40, 3), 30 if i % 2 else 220, np.uint8)
        Image.fromarray(grey).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{i % 2}")
    config = _table_config(tmp_path, "\n".join(lines), "Dark", "images,quicktest")
    config.images = str(folder)
    stages.train(config, tmp_path / "run")
    scm, params = causal_jax.load(tmp_path / "run")
    assert scm.sample(params, jax.random.key(0), num=2)["image"].shape[0] == 2
    monkeypatch.setattr(evaluation, "NUM_PER_STATE", 4)
    monkeypatch.setattr(evaluation, "NUM_NEIGHBOURS", 2)
    measured = evaluate.evaluate(tmp_path / "run")["images"]
    for name in ("unseen_accuracy", "diversity"):  # no such labels, no renderer
        assert measured[name] is None
    assert "unseen_accuracy" not in results.markdown(
        [_row(json.loads((tmp_path / "run" / "metrics.json").read_text()))]
    )


@pytest.mark.parametrize(
    ("csv", "graph", "message"),
    [
        (WEATHER, "Rain -> Wett", "Wett"),
        (WEATHER, "Rain -> Wet -> Rain", "cycle: Rain -> Wet -> Rain"),
        (WEATHER.replace("yes,1,mon", "yes,,mon", 1), "Rain -> Wet", "empty"),
        (WEATHER, "Rain => Wet", "cannot be read"),
    ],
)
def test_bad_own_data_is_one_line_and_leaves_nothing(tmp_path, csv, graph, message):
    config = _table_config(tmp_path, csv, graph)
    with pytest.raises(ValueError, match=message) as raised:
        stages.train(config, tmp_path / "run")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("trainer", "magic", "trainer is wgan or mle"),
        ("controller", "big", "controller is neural or reference"),
        ("num_steps", -1, "at least"),
        ("table", "none.csv", "there is no table"),
        ("graph", "big_casual_graph", "did you mean 'big_causal_graph'"),
    ],
)
def test_impossible_settings_are_refused(tmp_path, key, value, message):
    config = faces_labels.get_config("quicktest")
    config[key] = value
    with pytest.raises(ValueError, match=message):
        stages.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_hash_names_the_config_and_not_where_data_lies():
    one, other = (faces_labels.get_config("quicktest") for _ in range(2))
    other.data_dir = "elsewhere"
    assert stages.config_hash(one) == stages.config_hash(other)
    other.seed = 5
    assert stages.config_hash(one) != stages.config_hash(other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.sede=1"], 'Did you mean "seed"'),
        (["stray"], "'stray' is no flag"),
        (["--config.trainer=magic"], "trainer is wgan or mle"),
    ],
)
def test_command_line_mistakes_are_one_line(tmp_path, arguments, message):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "experiments.train",
            "--config=experiments/configs/faces_labels.py:quicktest",
            f"--workdir={tmp_path / 'run'}",
            *arguments,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
