import jax
import numpy as np
import pytest

import causal_jax
from causal_jax import graph as graphs
from causal_jax.recipes import recipe, registry, settings
from causal_jax.recipes.labels_images import stages


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


@pytest.mark.parametrize(
    "variant", ["quicktest", "mle,quicktest", "reference,quicktest"]
)
def test_faces_labels_runs(tmp_path, variant):
    recipe.train(registry.get_config(f"faces_labels:{variant}"), tmp_path)
    scm, params = causal_jax.load(tmp_path)
    assert set(scm.sample(params, jax.random.key(0), num=2)["Bald"].tolist()) <= {0, 1}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("trainer", "magic", "trainer is one of wgan, mle, best, not 'magic'"),
        ("controller", "big", "controller is one of neural, reference, not 'big'"),
        ("num_steps", -1, "at least"),
        ("table", "none.csv", "there is no table"),
        ("holdout", -0.1, "holdout is a share, at least 0 and below 1: -0.1"),
        ("holdout", 1.0, "holdout is a share"),
        ("graph", "big_casual_graph", "did you mean 'big_causal_graph'"),
    ],
)
def test_impossible_settings_are_refused(tmp_path, key, value, message):
    config = registry.get_config("faces_labels:quicktest")
    config[key] = value
    with pytest.raises(ValueError, match=message):
        recipe.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("variant", "given", "message"),
    [
        ("", {}, "no table: give a CSV file, --config.table=FILE.csv"),
        ("", {"table": __file__}, "no graph: give a file with lines"),
        (
            "images",
            {"table": __file__, "graph": "A -> B"},
            "no pictures: give the folder .* --config.images=FOLDER",
        ),
        (
            "images",
            {"table": __file__, "graph": "A -> B", "images": "nowhere"},
            "there is no folder of pictures nowhere",
        ),
    ],
)
def test_own_data_that_is_not_named_is_one_line_with_the_flag(
    tmp_path, variant, given, message
):
    config = registry.get_config(f"table:{variant}")
    config.update(given)
    with pytest.raises(ValueError, match=message) as raised:
        recipe.train(config, tmp_path / "run")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("algorithm", "factors", "message"),
    [
        ("causal_gan", "Male=4", "label_factors are a list such as"),
        ("causal_gan", ("Hat=4",), "name 'Hat', which is no label here: give some of"),
        ("causal_gan", ("Male=2", "Male=3"), "label_factors name 'Male' twice"),
        ("causal_gan", ("Male",), "has 'Male': give a number of at least 0, such as M"),
        ("causal_gan", ("Male=-1",), "has 'Male=-1': give a number of at least 0"),
        ("causal_gan", ("Male=nan",), "has 'Male=nan': give a number of at least 0"),
        ("causal_began", ("Hat=4",), "name 'Hat', which is no label here: give some"),
    ],
)
def test_factors_of_labels_are_refused_before_anything_is_written(
    tmp_path, algorithm, factors, message
):
    config = registry.get_config(f"faces_{algorithm}:quicktest")
    with config.ignore_type():
        config.label_factors = factors
    with pytest.raises(ValueError, match=message):
        recipe.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_factors_are_the_graph_s_labels():
    config = registry.get_config("faces_causal_gan:quicktest")
    assert stages.label_factors(settings.plain(config)) is None
    config.label_factors = ("Mustache=4", "Male=0.5")
    found = stages.label_factors(settings.plain(config))
    names = list(graphs.read(config.graph))
    expected = {"Mustache": 4.0, "Male": 0.5}
    assert found == [expected.get(name, 1.0) for name in names]


def test_settings_of_another_algorithm_are_named_before_anything_is_written(tmp_path):
    config = registry.get_config("faces_causal_gan:quicktest")
    config.algorithm = "causal_began"
    message = (
        "causal_began has no setting .*'joint', .*'smoothness', .*: it has .*gammas"
    )
    with pytest.raises(ValueError, match=message) as raised:
        recipe.train(config, tmp_path / "run")
    has = str(raised.value).partition("it has")[2]
    assert "\n" not in str(raised.value) and "unseen" not in has  # it is not a setting
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "faces_causal_began:reference",
            {"decay": True},
            "halve_every or num_steps",
        ),
        ("faces_causal_began:", {"gan.label_loss": "theory"}, "not 'theory'"),
        ("faces_causal_gan:", {"gan.label_loss": "xe"}, "not 'xe'"),
        ("faces_causal_gan:", {"generator.width": 0}, "width is at least 1, not 0"),
        ("faces_causal_gan:", {"image_size": 20}, "power of two from 8 on.*not 20"),
        (
            "faces_causal_gan:",
            {"image_size": 16},
            "judge of 32 pixels; give a multiple",
        ),
        (
            "faces_causal_began:",
            {"image_size": 8, "generator.architecture": "began"},
            "power of two from 16 on, got 8",
        ),
        ("faces_causal_gan:", {"label_batch_size": -8}, "label_batch_size is at least"),
        ("faces_causal_gan:", {"hidden": (0,)}, "hidden are widths .* not .0,"),
        ("faces_causal_gan:", {"gan.average_rate": 2.0}, "average_rate is between 0"),
        ("faces_causal_began:", {"gan.average_rate": 1.5}, "average_rate is between"),
        (
            "faces_causal_gan:",
            {"trainer_settings": {"average_rate": 0.0}},
            "average_rate is above 0 and at most 1",
        ),
        (
            "faces_causal_gan:",
            {"trainer_settings": {"critic_hidden": (0,)}},
            "critic_hidden is a whole number of at least 1, not 0",
        ),
        ("faces_causal_gan:", {"gan.learning_rate": -1.0}, "learning_rate is a finite"),
        (
            "faces_causal_gan:mle",
            {"trainer_settings": {"penalty_weight": 1.0}},
            "mle has no setting 'penalty_weight': it has learning_rate$",
        ),
    ],
)
def test_impossible_settings_are_refused_before_the_label_stage(
    tmp_path, name, change, message
):
    config = registry.get_config(f"{name},quicktest")
    config.update_from_flattened_dict(change)
    with pytest.raises(ValueError, match=message):
        recipe.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_unknown_algorithm_is_refused(tmp_path):
    config = registry.get_config("faces_causal_gan:quicktest")
    config.algorithm = "began"
    message = "algorithm is one of causal_gan, causal_began, not 'began'"
    with pytest.raises(ValueError, match=message):
        recipe.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_trainer_that_held_out_rows_prefer_learns_all_rows(tmp_path):
    """Both are tried; what decided is in the metrics, and the report says it."""
    random = np.random.default_rng(0)
    a = random.integers(0, 2, 400)
    rows = np.stack([a, np.where(random.random(400) < 0.9, a, 1 - a)], -1)
    lines = ["A,B", *(f"{a},{b}" for a, b in rows)]
    (tmp_path / "own.csv").write_text("\n".join(lines) + "\n")
    config = registry.get_config("table")
    assert config.trainer == "best"
    config.table, config.graph = str(tmp_path / "own.csv"), "A -> B"
    config.num_steps, config.batch_size = 60, 64
    recipe.train(config, tmp_path / "run")
    found = recipe.evaluate(tmp_path / "run")["labels"]
    scores = found["trial_log_likelihoods"]
    assert set(scores) == {"wgan", "mle"}
    assert found["trainer"] == max(scores, key=scores.get)
    assert all(-1.4 < score < -0.8 for score in scores.values()), scores
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "held out from a trial preferred" in page


def test_settings_of_one_trainer_are_refused_where_two_are_tried():
    config = registry.get_config("table")
    config.table, config.graph = __file__, "A -> B"
    config.trainer_settings = {"learning_rate": 1e-3}
    with pytest.raises(ValueError, match="trainer_settings are of one trainer"):
        recipe.train(config, "nowhere")


def test_runs_that_try_two_trainers_are_not_trained_together(tmp_path):
    (tmp_path / "own.csv").write_text("A,B\n" + "0,0\n1,1\n" * 20)
    config = registry.get_config("table")
    config.table, config.graph = str(tmp_path / "own.csv"), "A -> B"
    with pytest.raises(ValueError, match="tries two trainers .* train them in turn"):
        recipe.train_together([config], [tmp_path / "run"])


def test_runs_that_differ_in_more_than_the_seed_are_not_trained_together(tmp_path):
    configs = [registry.get_config("faces_labels:quicktest") for _ in range(2)]
    configs[1].seed, configs[1].num_rows = 1, 400
    folders = [tmp_path / "0", tmp_path / "1"]
    with pytest.raises(ValueError, match="have one num_rows, not 500 and 400: train"):
        recipe.train_together(configs, folders)
    assert not any(folder.exists() for folder in folders)


def test_settings_that_turn_a_law_around_or_are_not_used_are_refused(tmp_path):
    config = registry.get_config("faces_causal_gan:quicktest")
    config.flatten = 1.5
    with pytest.raises(ValueError, match="flatten is between 0 and 1, not 1.5"):
        recipe.train(config, tmp_path / "run")
    (tmp_path / "own.csv").write_text("A,B\n0,0\n")
    config = registry.get_config("table:images,quicktest")
    config.table, config.graph = str(tmp_path / "own.csv"), "A -> B"
    config.images, config.num_images = str(tmp_path), 1000
    with pytest.raises(ValueError, match="all that the table names are read: give 0"):
        recipe.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ("Level=low,high", "states are a list such as"),
        (("Level",), "has 'Level': give a column and its different states"),
        (("Level=low,hi\ngh",), "give a column and its different states"),
        (("Level=low,low",), "give a column and its different states"),
        (("Level=low,high", "Level=high,low"), "states name 'Level' twice"),
        (("Leval=low,high",), "column in --config.states"),
    ],
)
def test_orders_of_states_are_refused_before_anything_is_written(
    tmp_path, states, message
):
    path = tmp_path / "table.csv"
    path.write_text("Level,Ill\nlow,no\nhigh,yes\nmedium,no\n")
    config = registry.get_config("table:mle")
    config.table, config.graph = str(path), "Level -> Ill"
    with config.ignore_type():
        config.states = states
    with pytest.raises(ValueError, match=message):
        recipe.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_model_has_the_order_and_the_coupling_that_a_config_declares(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("Level,Ill\nlow,no\nhigh,yes\nmedium,no\n")
    config = registry.get_config("table:mle,quicktest")
    config.table, config.graph = str(path), "Level -> Ill"
    config.states, config.coupling = ('Level=low,"medium",high',), "gumbel"
    recipe.train(config, tmp_path / "run")
    scm, params = causal_jax.load(tmp_path / "run")
    assert scm.states("Level") == ("low", "medium", "high")
    assert {m.coupling for m in scm.mechanisms.values()} == {"gumbel"}
    assert scm.sample(params, jax.random.key(0), num=3)["Level"].shape == (3,)
    config.coupling = "copula"
    with pytest.raises(ValueError, match="coupling is one of inverse_cdf, gumbel"):
        recipe.train(config, tmp_path / "other")
