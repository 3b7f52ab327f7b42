"""A run's own judge: an ensemble, kept, and gone on with where it was interrupted."""

from dataclasses import replace
from types import SimpleNamespace

import chex
import jax
import networkx as nx
import numpy as np
import pytest

from causal_jax.data.records import ImageData, Table
from causal_jax.networks.judge import load_judge, save_judge
from causal_jax.recipes.labels_images import measures, own_judge

NAMES = ("bright", "second")


@pytest.fixture
def pictures():
    """16 pictures of 16 pixels with two labels."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, (16, 2))
    table = Table(names=NAMES, states=dict.fromkeys(NAMES, ("0", "1")), values=values)
    return ImageData(rng.integers(0, 255, (16, 16, 16, 3)).astype(np.uint8), table)


def test_an_interrupted_ensemble_is_gone_on_with(tmp_path, pictures, monkeypatch):
    run = SimpleNamespace(workdir=tmp_path, config=SimpleNamespace(num_steps=100))
    labels = SimpleNamespace(graph=nx.path_graph(NAMES, nx.DiGraph))
    monkeypatch.setattr(own_judge, "JUDGE_STEPS", 1)
    train, seeds = own_judge.train_judge, []

    def interrupted(*arguments, seed, **settings):
        if len(seeds) == 1:
            raise KeyboardInterrupt
        seeds.append(seed)
        return train(*arguments, seed=seed, **settings)

    monkeypatch.setattr(own_judge, "train_judge", interrupted)
    with pytest.raises(KeyboardInterrupt):
        own_judge.trained_judge(run, labels, pictures, None)
    assert [p.name for p in tmp_path.iterdir()] == [".judge.member0.npz"]
    first = load_judge(tmp_path / ".judge.member0.npz")

    def recorded(*arguments, seed, **settings):
        seeds.append(seed)
        return train(*arguments, seed=seed, **settings)

    monkeypatch.setattr(own_judge, "train_judge", recorded)
    judge = own_judge.trained_judge(run, labels, pictures, None)
    assert seeds == [0, 1, 2] and judge.num_members == 3
    assert [p.name for p in tmp_path.iterdir()] == ["judge.npz"]
    np.testing.assert_array_equal(
        judge.features(pictures.images), first.features(pictures.images)
    )
    again = own_judge.trained_judge(run, labels, pictures, None)
    assert seeds == [0, 1, 2] and again.num_members == 3


def test_a_runs_judge_of_an_earlier_version_is_trained_anew(tmp_path, pictures, capsys):
    run = SimpleNamespace(workdir=tmp_path, config=SimpleNamespace(num_steps=2))
    labels = SimpleNamespace(graph=nx.path_graph(NAMES, nx.DiGraph))
    judge = own_judge.trained_judge(run, labels, pictures, None)
    old = replace(judge, version=0, params=jax.tree.map(np.zeros_like, judge.params))
    save_judge(tmp_path / "judge.npz", old)
    again = own_judge.trained_judge(run, labels, pictures, None)
    assert "is trained anew" in capsys.readouterr().out
    chex.assert_trees_all_equal(again.params, judge.params)
    save_judge(tmp_path / "named.npz", old)  # one that is named is taken as it is
    named = own_judge.trained_judge(run, labels, pictures, tmp_path / "named.npz")
    assert named.version == 0


def test_labels_with_two_states_are_judged_in_pictures_of_any_size(tmp_path, pictures):
    """At 8 pixels the network has no convolution; three states are no yes or no."""
    table = pictures.table
    states = {"bright": ("0", "1"), "second": ("0", "1", "2")}
    small = ImageData(pictures.images[:, :8, :8], table._replace(states=states))
    run = SimpleNamespace(workdir=tmp_path, config=SimpleNamespace(num_steps=2))
    labels = SimpleNamespace(graph=nx.path_graph(NAMES, nx.DiGraph))
    judge = own_judge.trained_judge(run, labels, small, None)
    assert judge.label_names == ("bright",) and judge.num_stages == 0
    assert judge.labels(small.images).shape == (16, 1)
    rows = measures.judged_rows(judge, small)
    np.testing.assert_array_equal(rows[:, 0], table.values[:, 0])
    other = small.table._replace(names=("a", "b"))
    with pytest.raises(ValueError, match="the judge reads 'bright'"):
        measures.judged_rows(judge, ImageData(small.images, other))
    three = table._replace(states=dict.fromkeys(NAMES, ("0", "1", "2")))
    run.workdir = tmp_path / "none"
    with pytest.raises(ValueError, match="no label has two states"):
        own_judge.trained_judge(run, labels, ImageData(small.images, three), None)


def test_a_judge_that_is_named_and_not_there_is_not_trained(tmp_path, pictures):
    run = SimpleNamespace(workdir=tmp_path, config=SimpleNamespace(num_steps=2))
    labels = SimpleNamespace(graph=nx.path_graph(NAMES, nx.DiGraph))
    with pytest.raises(ValueError, match="there is no judge at .*nmaed.npz"):
        own_judge.trained_judge(run, labels, pictures, tmp_path / "nmaed.npz")
    assert not list(tmp_path.iterdir())
