import json

import jax
import numpy as np
import pytest

import causal_jax
from causal_jax import graph as graphs
from causal_jax.networks.controller import controller, reference_controller
from causal_jax.networks.image import ImageGenerator
from causal_jax.runs import folder as workdirs


@pytest.fixture
def labels():
    graph = graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")})
    scm = controller(graph, hidden=(4,))
    return scm, scm.init(jax.random.key(0))


@pytest.fixture
def run(tmp_path, labels):
    scm, params = labels
    workdirs.save_spec(tmp_path, scm)
    workdirs.checkpoints(tmp_path, "labels").save(3, {"step": np.zeros(1)}, params)
    return tmp_path


def test_load_gives_back_model_and_parameters(run, labels):
    scm, params = causal_jax.load(run)
    assert scm == labels[0]
    same = jax.tree.map(np.array_equal, params, labels[1])
    assert all(jax.tree.leaves(same))


def test_specification_round_trips_every_mechanism(tmp_path):
    binary = graphs.named("small_causal_graph")
    image = ImageGenerator((2,) * 7, resolution=32, label_noise="corrected")
    for scm in (reference_controller(binary), controller(binary)):
        full = scm.extend("image", parents=scm.nodes, mechanism=image)
        workdirs.save_spec(tmp_path, full)
        assert workdirs.load_spec(tmp_path) == full


def test_without_image_checkpoint_the_labels_are_loaded(run, labels):
    scm, _ = labels
    image = ImageGenerator((2, 3), resolution=16, width=4)
    full = scm.extend("image", parents=scm.nodes, mechanism=image)
    workdirs.save_spec(run, full)
    assert causal_jax.load(run)[0] == scm


def test_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no run"):
        causal_jax.load(tmp_path)


def test_run_without_checkpoint_is_refused(tmp_path, labels):
    workdirs.save_spec(tmp_path, labels[0])
    with pytest.raises(ValueError, match="no checkpoint yet"):
        causal_jax.load(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("NeuralCategorical", "os.system"),
        lambda text: json.dumps({"nodes": 3}),
        lambda text: text.replace("hidden", "hiden"),
    ],
)
def test_damaged_or_foreign_specification_is_refused(run, damage):
    path = run / "scm.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(ValueError, match="damaged or is no model") as raised:
        causal_jax.load(run)
    assert "\n" not in str(raised.value)


def test_checkpoint_of_another_model_is_refused(run):
    graph = graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")})
    workdirs.save_spec(run, controller(graph, hidden=(5,)))
    with pytest.raises(ValueError, match="another"):
        causal_jax.load(run)


def test_text_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a" / "b.txt"
    workdirs.write_text(path, "one")
    with pytest.raises(TypeError):
        workdirs.write_text(path, None)
    assert path.read_text() == "one"


def test_a_model_trained_at_once_has_one_checkpoint(tmp_path, labels):
    scm, params = labels
    workdirs.save_spec(tmp_path, scm)
    stage = workdirs.checkpoints(tmp_path, workdirs.MODEL)
    stage.save(3, {"step": np.zeros(1)}, params)
    loaded, found = causal_jax.load(tmp_path)
    assert loaded == scm
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, found, params)))
