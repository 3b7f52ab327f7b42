"""The judge: reads faces it has never seen, and files and shapes are kept."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.data import faces
from causal_jax.metrics.accuracy import r_squared
from causal_jax.networks import judge as judges
from causal_jax.recipes.labels_images.faces_judge import (
    FACES_JUDGE,
    load_faces_judge,
)

NUM = 2000
ACCURACY = 0.995  # what every label must reach on held-out faces
SIZES = (32, 64)


@pytest.fixture(scope="module")
def judge():
    return load_faces_judge()


def draw(seed, num, size):
    """Fresh faces with independent labels: images, labels, nuisances."""
    key_labels, key_nuisances = jax.random.split(jax.random.key(seed))
    labels = jax.random.bernoulli(key_labels, 0.5, (num, len(faces.LABELS)))
    nuisances = jax.random.uniform(key_nuisances, (num, len(faces.NUISANCES)))
    render = jax.vmap(lambda y, u: faces.render(y, u, size=size))
    return jax.jit(render)(labels, nuisances), labels, nuisances


@pytest.mark.parametrize("size", SIZES)
def test_labels_and_nuisances_are_read(judge, size):
    images, labels, nuisances = draw(1000 + size, NUM, size)
    reading = judge.read(images)
    accuracy = ((reading.labels > 0.5) == labels).mean(0)
    standard_error = np.sqrt(ACCURACY * (1 - ACCURACY) / NUM)
    assert accuracy.min() >= ACCURACY - 5 * standard_error
    assert r_squared(reading.nuisances, nuisances).min() >= 0.9
    assert reading.features.shape == (NUM, 64)


@pytest.mark.parametrize("name", ("Mustache", "Bald"))
def test_labels_are_read_off_faces_that_never_occur(judge, name):
    images, _, _ = _women(name)
    probs = judge.labels(images)
    for label, value in (("Male", 0), (name, 1)):
        right = (probs[:, faces.LABELS.index(label)] > 0.5) == value
        assert right.mean() >= ACCURACY - 5 * np.sqrt(ACCURACY * (1 - ACCURACY) / 500)


def _women(name):
    scm, params = faces.scm()
    values = scm.sample(params, jax.random.key(5), num=500, do={"Male": 0, name: 1})
    return values["image"], values, params


def test_judge_is_no_better_than_chance_without_an_image(judge):
    _, labels, _ = draw(7, NUM, 32)
    for blank in (jnp.zeros, jnp.ones):
        probs = judge.labels(jnp.broadcast_to(blank((1, 32, 32, 3)), (NUM, 32, 32, 3)))
        accuracy = ((probs > 0.5) == labels).mean(0)
        assert np.abs(accuracy - 0.5).max() <= 5 * 0.5 / np.sqrt(NUM)


def test_chunks_and_types_do_not_change_a_reading(judge):
    images, _, _ = draw(10, 600, 32)  # more than one chunk, the last one padded
    reading = judge.read(images)
    alone = judge.read(images[513:516])
    for whole, part in zip(reading, alone, strict=True):
        np.testing.assert_allclose(whole[513:516], part, atol=1e-4)
    as_bytes = jnp.round((images + 1.0) * 127.5).astype(jnp.uint8)
    assert np.abs(judge.labels(as_bytes) - reading.labels).max() < 0.1
    assert ((judge.labels(as_bytes) > 0.5) == (reading.labels > 0.5)).mean() > 0.999


def test_weights_are_small_and_need_no_pickle():
    assert FACES_JUDGE.stat().st_size < 1_000_000
    with np.load(FACES_JUDGE, allow_pickle=False) as file:
        weights = [n for n in file if n.startswith("params/")]
        assert weights
        assert all(file[n].dtype == np.float16 for n in weights)


def test_names_are_those_of_the_faces(judge):
    assert judge.label_names == faces.LABELS
    assert judge.nuisance_names == faces.NUISANCES


def test_a_judge_survives_its_file(judge, tmp_path):
    judges.save_judge(tmp_path / "judge.npz", judge)
    again = judges.load_judge(tmp_path / "judge.npz")
    for field in (*judges._NAMES, *judges._NUMBERS):
        assert getattr(again, field) == getattr(judge, field)
    chex.assert_trees_all_equal(again.params, judge.params)
    assert [p.name for p in tmp_path.iterdir()] == ["judge.npz"]


def test_an_ensemble_reads_the_mean_of_its_members(judge, tmp_path):
    moved = dataclasses.replace(
        judge, params=jax.tree.map(lambda x: x * 0.9, judge.params)
    )
    both = judges.ensemble([judge, moved])
    assert (judge.num_members, both.num_members) == (1, 2)
    judges.save_judge(tmp_path / "both.npz", both)
    images, _, _ = draw(11, 20, 32)
    found = judges.load_judge(tmp_path / "both.npz").read(images)
    first, second = judge.read(images), moved.read(images)
    assert np.abs(first.labels - second.labels).max() > 0.01
    for name in ("labels", "nuisances"):
        mean = (getattr(first, name) + getattr(second, name)) / 2
        np.testing.assert_allclose(getattr(found, name), mean, atol=2e-3)  # float16
    np.testing.assert_allclose(found.features, first.features, atol=1e-5)


def test_a_judge_of_fewer_labels_reads_them_as_before(judge):
    images = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3)).astype(np.uint8)
    few = judge.of({"Mustache", "Male", "Unknown"})
    assert few.label_names == ("Male", "Mustache")
    everything, read = judge.read(images), few.read(images)
    columns = [judge.label_names.index(name) for name in few.label_names]
    np.testing.assert_allclose(read.labels, everything.labels[:, columns], atol=1e-5)
    np.testing.assert_allclose(read.nuisances, everything.nuisances, atol=1e-5)
    np.testing.assert_allclose(read.features, everything.features, atol=1e-5)


def test_judges_of_other_names_do_not_read_together(judge):
    names = judge.label_names[::-1]
    for other in ({"label_names": names}, {"version": judge.version + 1}):
        with pytest.raises(ValueError, match="same names, sizes and version"):
            judges.ensemble([judge, dataclasses.replace(judge, **other)])


def test_unreadable_shapes_are_refused(judge):
    for shape in ((2, 48, 48, 3), (2, 32, 32, 1), (32, 32, 3), (0, 32, 32, 3)):
        with pytest.raises(ValueError, match="multiple of 32"):
            judge.labels(jnp.zeros(shape))


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no judge at"):
        judges.load_judge(tmp_path / "none.npz")
    np.savez(tmp_path / "foreign.npz", a=np.zeros(3))
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 not a zip")
    for name in ("foreign.npz", "broken.npz"):
        with pytest.raises(ValueError, match="holds no judge"):
            judges.load_judge(tmp_path / name)
