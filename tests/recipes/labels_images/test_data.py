import json

import jax
import numpy as np
import pytest
from PIL import Image

import causal_jax
from causal_jax.recipes import recipe, registry, settings
from causal_jax.recipes.labels_images import data, measures
from experiments import results

WEATHER = "Rain,Wet,Day\n" + "yes,1,mon\nno,0,tue\nyes,1,wed\nno,1,mon\n" * 5


def _table_config(tmp_path, csv, graph="Rain -> Wet", variant="quicktest"):
    (tmp_path / "table.csv").write_text(csv)
    (tmp_path / "graph.txt").write_text(graph)
    config = registry.get_config(f"table:{variant}")
    config.table = str(tmp_path / "table.csv")
    config.graph = str(tmp_path / "graph.txt")
    return config


def _row(metrics):
    """A row of the results table with these metrics."""
    texts = dict.fromkeys(("cell", "command", "revision", "hardware"), "")
    return {**texts, "seconds": {}, "metrics": metrics}


def test_random_tables_differ_by_their_seed():
    laws = []
    for seed in (0, 1):
        config = registry.get_config("faces_labels:random,quicktest")
        config.table_seed = seed
        laws.append(data.faces_truth(settings.plain(config))[1]["Male"]["probs"])
    assert not np.allclose(*laws)


def test_missing_data_names_the_command_that_prepares_it(tmp_path):
    config = registry.get_config("celeba_labels:quicktest")
    config.data_dir = str(tmp_path / "nothing")
    with pytest.raises(ValueError, match="causal-jax prepare --dataset=celeb_a"):
        recipe.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_own_table_with_categories_is_learned(tmp_path):
    graph = "Rain -> Wet\nDay"
    config = _table_config(tmp_path, WEATHER, graph, "mle,quicktest")
    config.num_steps, config.batch_size = 300, 64
    recipe.train(config, tmp_path / "run")
    scm, params = causal_jax.load(tmp_path / "run")
    assert scm.states("Rain") == ("no", "yes")
    assert scm.states("Day") == ("mon", "tue", "wed")
    wet = scm.sample(params, jax.random.key(0), num=500, do={"Rain": "yes"})["Wet"]
    assert wet.mean() > 0.9  # it was always wet when it rained
    assert recipe.evaluate(tmp_path / "run")["images"] is None


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
    recipe.train(config, tmp_path / "run")
    scm, params = causal_jax.load(tmp_path / "run")
    assert scm.sample(params, jax.random.key(0), num=2)["image"].shape[0] == 2
    monkeypatch.setattr(measures, "NUM_PER_STATE", 4)
    monkeypatch.setattr(measures, "NUM_NEIGHBOURS", 2)
    measured = recipe.evaluate(tmp_path / "run")["images"]
    for name in ("unseen_accuracy", "diversity"):  # no such labels, no renderer
        assert measured[name] is None
    assert "unseen_accuracy" not in results.filled(
        results.BARE_PAGE,
        [_row(json.loads((tmp_path / "run" / "metrics.json").read_text()))],
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
        recipe.train(config, tmp_path / "run")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()
