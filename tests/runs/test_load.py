import jax
import numpy as np
import pytest

import causal_jax
from causal_jax import graph as graphs
from causal_jax.networks.controller import controller
from causal_jax.networks.image import ImageGenerator
from causal_jax.runs import exported, folder, load, spec


def test_load_gives_back_model_and_parameters(workdir, labels):
    scm, params = causal_jax.load(workdir)
    assert scm == labels[0]
    same = jax.tree.map(np.array_equal, params, labels[1])
    assert all(jax.tree.leaves(same))


def test_without_image_checkpoint_the_labels_are_loaded(workdir, labels):
    scm, _ = labels
    image = ImageGenerator((2, 3), resolution=16, width=4)
    full = scm.extend("image", parents=scm.nodes, mechanism=image)
    spec.save_spec(workdir, full)
    assert causal_jax.load(workdir)[0] == scm


def test_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no run"):
        causal_jax.load(tmp_path)


def test_run_without_checkpoint_is_refused(tmp_path, labels):
    spec.save_spec(tmp_path, labels[0])
    with pytest.raises(ValueError, match="no checkpoint yet"):
        causal_jax.load(tmp_path)


def test_checkpoint_of_another_model_is_refused(workdir):
    graph = graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")})
    spec.save_spec(workdir, controller(graph, hidden=(5,)))
    with pytest.raises(ValueError, match="another"):
        causal_jax.load(workdir)


def test_a_model_trained_at_once_has_one_checkpoint(tmp_path, labels):
    scm, params = labels
    spec.save_spec(tmp_path, scm)
    stage = folder.checkpoints(tmp_path, load.MODEL)
    stage.save(3, {"step": np.zeros(1)}, params)
    loaded, found = causal_jax.load(tmp_path)
    assert loaded == scm
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, found, params)))


def test_an_exported_model_and_a_run_are_told_apart(tmp_path):
    (tmp_path / "model.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match="is a file, .* causal_jax.export.load"):
        causal_jax.load(tmp_path / "model.zip")
    with pytest.raises(ValueError, match="is a folder, .* loaded by causal_jax.load"):
        exported.load(tmp_path)
