"""Runs written by an earlier version still load, sample alike and resume.

`old_runs.zip` holds two small runs of version 0.1.0 before the rooms were rebuilt
(revision 3ce5a8b): labels (`faces_labels:mle` over three nodes, 20 steps) and digits
(`mnist_cgn:quicktest`, width 2, without the training state), and what that version
sampled from them.
"""

import csv
import json
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest

import causal_jax
from causal_jax.recipes import recipe

ARCHIVE = Path(__file__).with_name("old_runs.zip")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("old")
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return folder


def test_an_old_label_run_samples_the_same_rows(runs):
    with pytest.warns(UserWarning, match="20 was not verified: its run was begun"):
        scm, params = causal_jax.load(runs / "labels")
    values = scm.sample(params, jax.random.key(5), num=20, do={"Smiling": 1})
    with (runs / "labels_done.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == list(scm.nodes) == ["Male", "Smiling", "Bald"]
    found = [[scm.states(n)[int(v)] for n, v in zip(header, unit, strict=True)]
             for unit in zip(*(values[n] for n in header), strict=True)]  # fmt: skip
    assert found == rows


def test_an_old_digit_run_draws_the_same_pictures(runs):
    with pytest.warns(UserWarning, match="2 was not verified"):
        scm, params = causal_jax.load(runs / "cgn")
    values = scm.sample(params, jax.random.key(5), num=2, do={"texture_label": 3})
    with np.load(runs / "cgn_done.npz") as before:
        assert set(before.files) == set(scm.nodes)
        levels = np.round((np.asarray(values["image"]) + 1) * 127.5)
        # Rounding may differ between machines, by one level.
        assert np.abs(levels - before["image"].astype(float)).max() <= 1
        np.testing.assert_array_equal(values["texture_label"], 3)
        np.testing.assert_array_equal(values["shape_label"], before["shape_label"])


def test_an_old_run_resumes_as_it_was_configured(runs):
    """Its config.json is the same configuration, so the finished run trains no more."""
    kept = json.loads((runs / "labels" / "config.json").read_text())
    run = recipe.open_run(runs / "labels")
    steps = (runs / "labels" / "checkpoints" / "labels" / "20").stat().st_mtime_ns
    with pytest.warns(UserWarning, match="20 was not verified"):
        seconds = recipe.train(run.config, runs / "labels")
    assert seconds.keys() == {"labels"}
    assert json.loads((runs / "labels" / "config.json").read_text()) == kept
    after = (runs / "labels" / "checkpoints" / "labels" / "20").stat().st_mtime_ns
    assert after == steps
