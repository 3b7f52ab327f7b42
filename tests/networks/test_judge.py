"""The judge: reads faces it has never seen, and files and shapes are kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.data import faces
from causal_jax.networks import judge as judges

NUM = 2000
ACCURACY = 0.995  # what every label must reach on held-out faces
SIZES = (32, 64)


@pytest.fixture(scope="module")
def judge():
    return judges.load_faces_judge()


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
    assert judges.r_squared(reading.nuisances, nuisances).min() >= 0.9
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


def test_slightly_imperfect_images_are_read(judge):
    images, labels, _ = draw(8, NUM, 32)
    probs = judge.labels(judges.augment(images, jax.random.key(9)))
    assert ((probs > 0.5) == labels).mean(0).min() >= 0.97


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
    assert judges.FACES_JUDGE.stat().st_size < 1_000_000
    with np.load(judges.FACES_JUDGE, allow_pickle=False) as file:
        weights = [n for n in file if n.startswith("params/")]
        assert weights
        assert all(file[n].dtype == np.float16 for n in weights)


def test_names_are_those_of_the_faces(judge):
    assert judge.label_names == faces.LABELS
    assert judge.nuisance_names == faces.NUISANCES


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


def test_a_judge_of_other_data_learns_from_arrays_and_survives_its_file(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.random((400, 2)) < (0.5, 0.2)
    images = rng.integers(0, 60, (400, 16, 16, 3))
    images[:, :8] += 120 * labels[:, 0, None, None, None]
    images[:, 8:] += 120 * labels[:, 1, None, None, None]
    images = images.astype(np.uint8)
    judge = judges.train_judge(
        judges.array_batch,
        (jnp.asarray(images[:300]), jnp.asarray(labels[:300])),
        label_names=("top", "bottom"),
        size=16,
        width=8,
        num_steps=60,
        batch_size=32,
        label_rates=labels[:300].mean(0),
    )
    probs = judge.labels(images[300:])
    assert judges.balanced_accuracy(probs, labels[300:]).min() > 0.95
    assert judge.nuisances(images).shape == (400, 0)
    judges.save_judge(tmp_path / "judge.npz", judge)
    again = judges.load_judge(tmp_path / "judge.npz")
    np.testing.assert_array_equal(again.labels(images), judge.labels(images))
    assert [p.name for p in tmp_path.iterdir()] == ["judge.npz"]


def test_balanced_accuracy_weighs_both_states_alike():
    labels = np.array([[1], [0], [0], [0]])
    always_zero = np.zeros((4, 1))
    assert judges.balanced_accuracy(always_zero, labels) == 0.5
    assert judges.balanced_accuracy(labels, labels) == 1.0
