"""A run opened for imagining has an encoder of its noise."""

import shutil

import jax
import numpy as np
import pytest

from causal_jax.recipes.labels_images import imagination
from causal_jax.recipes.recipe import open_run


def test_the_encoder_is_kept_in_the_runs_folder(imagination_model):
    run = imagination_model.trained.run
    assert (run.workdir / "checkpoints" / "encoder" / "2").is_dir()
    again = imagination.open_imagination(run)
    same = jax.tree.map(np.array_equal, again.encoder, imagination_model.encoder)
    assert all(jax.tree.leaves(same))


def test_a_generator_that_trains_on_gets_another_encoder(
    imagination_model, tmp_path, monkeypatch
):
    run = imagination_model.trained.run
    workdir = tmp_path / "unfinished"
    shutil.copytree(run.workdir, workdir)
    monkeypatch.setattr(imagination, "image_step", lambda workdir: 1)
    imagination.open_imagination(open_run(workdir))
    assert (workdir / "checkpoints" / "encoder_1" / "2").is_dir()


def test_a_run_of_digits_is_refused(digits_run):
    """Its image is composed of parts: there is no generator to abduct it with."""
    with pytest.raises(ValueError, match="has no images that are drawn from labels"):
        imagination.open_imagination(open_run(digits_run))


def test_a_run_without_images_is_refused(run, tmp_path):
    workdir = tmp_path / "labels"
    shutil.copytree(run, workdir)
    shutil.rmtree(workdir / "checkpoints" / "images")
    with pytest.raises(ValueError, match="has no images"):
        imagination.open_imagination(open_run(workdir))
