import json

import jax
import numpy as np
import pytest
from PIL import Image

import causal_jax
from causal_jax import graph as graphs
from causal_jax.data import user_images
from causal_jax.data.records import ImageData, Table
from causal_jax.metrics import images as metrics_of_images
from causal_jax.recipes import recipe, registry, settings
from causal_jax.recipes.labels_images import data, measures
from causal_jax.training.unseen_combinations import unseen_pairs
from experiments import results

SPLITS = ("train", "validation")
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


@pytest.mark.parametrize(
    ("csv", "graph", "message"),
    [
        (
            "A,image\n0,0\n1,1\n",
            "A -> image",
            "label 'image' has the name of the image",
        ),
        (
            "A,A=b\nb=c,c\nd,e\n",
            '"A=b" -> A',
            "labels 'A=b' and 'A' both have 'A=b=c' as label=state: rename one",
        ),
    ],
)
def test_names_that_a_run_has_no_room_for_are_refused_with_the_data(
    tmp_path, csv, graph, message
):
    config = settings.plain(_table_config(tmp_path, csv, graph))
    with pytest.raises(ValueError, match=message) as raised:
        data.training(config)
    assert "\n" not in str(raised.value)


def test_a_label_of_one_state_is_refused_with_the_data(tmp_path):
    config = registry.get_config("networks_labels:quicktest")
    config.bif = str(tmp_path / "one.bif")
    (tmp_path / "one.bif").write_text(
        "network n { } variable A { type discrete [ 1 ] { only }; }"
        " probability ( A ) { table 1; }"
    )
    with pytest.raises(ValueError, match="label 'A' is 'only' in every row"):
        data.training(settings.plain(config))


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
        grey = np.full((40, 40, 3), (30 if i % 2 else 180) + i, np.uint8)
        Image.fromarray(grey).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{i % 2}")
    config = _table_config(tmp_path, "\n".join(lines), "Dark", "images,quicktest")
    config.images = str(folder)
    found = data.labels(settings.plain(config))
    images = [
        data.images(settings.plain(config), found.graph, s).images for s in SPLITS
    ]
    trained_on, held_out = (set(part[:, 0, 0, 0].tolist()) for part in images)
    assert len(trained_on | held_out) == 40 and not trained_on & held_out
    assert [len(part) for part in images] == [36, 4] == [len(found.rows), 4]
    assert data.num_validation(settings.plain(config)) == len(found.held_out) == 4
    recipe.train(config, tmp_path / "run")
    scm, params = causal_jax.load(tmp_path / "run")
    assert scm.sample(params, jax.random.key(0), num=2)["image"].shape[0] == 2
    monkeypatch.setattr(measures, "NUM_PER_STATE", 4)
    monkeypatch.setattr(measures, "NUM_NEIGHBOURS", 2)
    monkeypatch.setattr(metrics_of_images, "MIN_FRECHET", 2)
    measured = recipe.evaluate(tmp_path / "run")["images"]
    for name in ("unseen_accuracy", "diversity"):  # no such labels, no renderer
        assert measured[name] is None
    assert "No pictures were held out" not in (tmp_path / "run/report.html").read_text()
    assert "unseen_accuracy" not in results.filled(
        results.BARE_PAGE,
        [_row(json.loads((tmp_path / "run" / "metrics.json").read_text()))],
    )
    _hold_out_nothing(tmp_path / "run")
    measured = recipe.evaluate(tmp_path / "run")["images"]
    assert measured["frechet"] is not None  # of the last tenth
    assert "No pictures were held out" in (tmp_path / "run/report.html").read_text()


def _hold_out_nothing(workdir):
    """As runs of one's own pictures did once."""
    config = json.loads((workdir / "config.json").read_text())
    (workdir / "config.json").write_text(json.dumps(config | {"holdout": 0.0}))


@pytest.mark.parametrize(
    "graph", ["Mustache -> Male", "reverse_complete_big_causal_graph"]
)
def test_drawn_faces_have_their_labels_in_the_graphs_order(graph):
    config = registry.get_config("faces_causal_gan:quicktest")
    config.graph = graph
    config = settings.plain(config)
    named = data.labels(config).graph
    found = data.images(config, named)
    usual = data.images(config, graphs.read("big_causal_graph"))
    assert found.table.names == tuple(named)
    for name in named:
        theirs = usual.table.values[:, usual.table.names.index(name)]
        np.testing.assert_array_equal(
            found.table.values[:, found.table.names.index(name)], theirs
        )


def test_photographs_to_measure_against_teach_no_labels(celeba_dir):
    config = registry.get_config("celeba_causal_gan:quicktest")
    config.data_dir = str(celeba_dir)
    config = settings.plain(config)
    assert len(data.labels(config).rows) == 7  # of 12: five are held out
    alone = settings.with_keys(config, stage="labels")
    assert len(data.labels(alone).rows) == 12


LACKING = "Rain,Wet,Day\n" + "yes,1,mon\nno,NA,tue\nyes,1,\nno,0,mon\n" * 5


def test_rows_that_lack_a_value_are_dropped_where_the_config_says_so(tmp_path, capsys):
    config = settings.plain(_table_config(tmp_path, LACKING))
    assert config.missing is None and config.image_column is None
    with pytest.raises(ValueError, match="'Wet' has no value .*--config.missing=drop"):
        data.labels(config)
    found = data.labels(settings.with_keys(config, missing="drop"))
    assert len(found.rows) == 15  # a day that is missing is no matter: no node
    printed = capsys.readouterr().out
    assert printed == "table.csv: 5 of 20 rows lack a value (5 'Wet'), dropped\n"
    with pytest.raises(ValueError, match="missing is 'refuse' or 'drop', not 'mean'"):
        data.labels(settings.with_keys(config, missing="mean"))


@pytest.mark.parametrize("name", ["table.tsv", "table.txt", "table.CSV"])
def test_a_table_is_read_whatever_its_file_is_called(tmp_path, name, capsys):
    config = settings.plain(_table_config(tmp_path, ""))
    (tmp_path / name).write_text(WEATHER.replace(",", "\t"))
    config = settings.with_keys(config, table=str(tmp_path / name))
    assert len(data.labels(config).rows) == 20
    assert capsys.readouterr().out == f"{name}: tabs separate its cells\n"


def test_the_official_list_of_attributes_is_read_as_text(tmp_path):
    config = settings.plain(_table_config(tmp_path, ""))
    (tmp_path / "list.txt").write_text("2\nRain Wet\n1.jpg -1 1\n2.jpg 1  1\n")
    config = settings.with_keys(config, table=str(tmp_path / "list.txt"))
    assert data.labels(config).rows.tolist() == [[0, 1], [1, 1]]


def test_runs_of_configs_without_the_keys_read_as_before(tmp_path):
    config = settings.plain(_table_config(tmp_path, WEATHER))
    del config.missing, config.image_column
    assert len(data.labels(config).rows) == 20


def test_pictures_of_rows_that_are_dropped_are_dropped_too(tmp_path, capsys):
    """The label stage and the image stage see the same units, and say it once."""
    lines = ["Dark,first,second"]
    for i in range(6):
        grey = np.full((8, 8, 3), 40 * i, np.uint8)
        Image.fromarray(grey).save(tmp_path / f"{i}.png")
        lines.append(f"{'NA' if i == 2 else i % 2},0.png,{i}.png")
    config = _table_config(tmp_path, "\n".join(lines), "Dark", "images,quicktest")
    config.images, config.missing = str(tmp_path), "drop"
    config.image_column = "second"
    found = data.training(settings.plain(config))
    assert len(found.labels.rows) == len(found.pictures.images) == 5
    assert (found.pictures.images[:, 0, 0, 0] == [0, 40, 120, 160, 200]).all()
    assert found.pictures.labels[:, 0].tolist() == [0, 1, 1, 0, 1]
    assert capsys.readouterr().out.count("dropped") == 1
    config.image_column = None  # the first column that names files
    pictures = data.training(settings.plain(config)).pictures
    assert (pictures.images == 0).all()


def test_pairs_that_no_picture_shows_are_trained_on_as_composites(monkeypatch):
    """Rows are added for them, and only for them; they count as seen then."""
    rng = np.random.default_rng(0)
    rows = np.array([[0, 0], [1, 0], [1, 1]])[rng.integers(0, 3, 400)]
    shown = rng.integers(0, 40, (400, 16, 16, 3))
    shown[:, 8:] += 150 * rows[:, 0, None, None, None]
    shown[:, 2:5, 6:10] += 150 * rows[:, 1, None, None, None]
    names = ("Male", "Mustache")
    table = Table(names, dict.fromkeys(names, ("0", "1")), rows)
    pictures = ImageData(shown.astype(np.uint8), table)
    monkeypatch.setattr(data, "images", lambda config, graph: pictures)
    config = registry.get_config("faces_causal_gan:quicktest")
    plain = data.training(settings.plain(config)).pictures
    assert plain is pictures and len(unseen_pairs(rows, (2, 2))) == 1
    config.composites, config.seed = ("Mustache",), 3  # one data set for all seeds
    found = data.training(settings.plain(config)).pictures
    values = found.table.values
    assert len(found.images) == len(values) > 400
    np.testing.assert_array_equal(found.images[:400], pictures.images)
    assert (values[400:] == (0, 1)).all()
    assert len(unseen_pairs(values, (2, 2))) == 0
    config.seed = 4
    again = data.training(settings.plain(config)).pictures
    np.testing.assert_array_equal(found.images, again.images)
    config.composites = ("Hat",)
    monkeypatch.setattr(data, "images", lambda *_: pytest.fail("pictures are read"))
    with pytest.raises(ValueError, match="'Hat', which is no label here: give some of"):
        data.training(settings.plain(config))


def test_composites_are_of_the_pairs_with_a_label_that_is_named(monkeypatch):
    """A mustache on a woman, baldness of a man: only the latter is asked for."""
    rng = np.random.default_rng(0)
    rows = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]])
    rows = rows[rng.integers(0, 4, 800)]
    shown = rng.integers(0, 40, (800, 16, 16, 3))
    shown[:, 8:] += 150 * rows[:, 0, None, None, None]
    shown[:, 1:4, 1:5] += 150 * rows[:, 1, None, None, None]
    shown[:, 1:4, 10:14] += 150 * rows[:, 2, None, None, None]
    names = ("Male", "Mustache", "Bald")
    table = Table(names, dict.fromkeys(names, ("0", "1")), rows)
    pictures = ImageData(shown.astype(np.uint8), table)
    monkeypatch.setattr(data, "images", lambda config, graph: pictures)
    config = registry.get_config("faces_causal_gan:quicktest")
    config.composites = ("Bald",)
    made = data.training(settings.plain(config)).pictures.table.values[800:]
    assert len(made) > 20 and (made[:, 2] == 1).all() and (made[:, 0] == 1).all()
    config.composites = ("Mustache", "Bald")
    made = data.training(settings.plain(config)).pictures.table.values[800:]
    assert ((made[:, 0] == 0) & (made[:, 1] == 1)).any()


def test_composites_of_three_states_are_refused_before_anything_is_written(tmp_path):
    lines = ["sky,file", *(f"{i % 3},{i}.png" for i in range(9))]
    for i in range(9):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / f"{i}.png")
    config = _table_config(tmp_path, "\n".join(lines), "sky", "images,quicktest")
    config.images, config.composites = str(tmp_path), ("sky",)
    with pytest.raises(ValueError, match="one here has 3: give --config.composites"):
        recipe.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_given_picture_keeps_what_training_kept(tmp_path):
    """Of CelebA's aligned pictures the central 108 pixels, of others what fits."""
    pixels = np.zeros((218, 178, 3), np.uint8)
    pixels[55:163, 35:143] = 200  # the central 108 of 218 x 178
    Image.fromarray(pixels).save(tmp_path / "aligned.png")
    for name, is_cut in (("celeba_causal_gan", True), ("faces_causal_gan", False)):
        config = settings.plain(registry.get_config(f"{name}:quicktest"))
        found = user_images.read(
            tmp_path / "aligned.png", size=64, crop=data.crop(config)
        )
        assert (found.min() > 0) == is_cut
    config = settings.with_keys(config, dataset="celeb_a", images=str(tmp_path))
    assert data.crop(config) is None
    aligned = data.crop(settings.with_keys(config, images=""))
    assert aligned(218, 178) == 108 and aligned(64, 64) is None


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
