"""Training of a judge: it learns from arrays, and imperfect images stay readable."""

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.data import faces
from causal_jax.metrics.accuracy import balanced_accuracy
from causal_jax.networks.judge import load_judge, save_judge
from causal_jax.recipes.labels_images.faces_judge import load_faces_judge
from causal_jax.training.judge import array_batch, augment, train_judge


def test_slightly_imperfect_images_are_read():
    key_labels, key_nuisances = jax.random.split(jax.random.key(8))
    labels = jax.random.bernoulli(key_labels, 0.5, (2000, len(faces.LABELS)))
    nuisances = jax.random.uniform(key_nuisances, (2000, len(faces.NUISANCES)))
    render = jax.vmap(lambda y, u: faces.render(y, u, size=32))
    images = jax.jit(render)(labels, nuisances)
    probs = load_faces_judge().labels(augment(images, jax.random.key(9)))
    assert ((probs > 0.5) == labels).mean(0).min() >= 0.97


def test_a_judge_of_other_data_learns_from_arrays_and_survives_its_file(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.random((400, 2)) < (0.5, 0.2)
    images = rng.integers(0, 60, (400, 16, 16, 3))
    images[:, :8] += 120 * labels[:, 0, None, None, None]
    images[:, 8:] += 120 * labels[:, 1, None, None, None]
    images = images.astype(np.uint8)
    judge = train_judge(
        array_batch,
        (jnp.asarray(images[:300]), jnp.asarray(labels[:300])),
        label_names=("top", "bottom"),
        size=16,
        width=8,
        num_steps=60,
        batch_size=32,
        label_rates=labels[:300].mean(0),
    )
    probs = judge.labels(images[300:])
    assert balanced_accuracy(probs, labels[300:]).min() > 0.95
    assert judge.nuisances(images).shape == (400, 0)
    save_judge(tmp_path / "judge.npz", judge)
    again = load_judge(tmp_path / "judge.npz")
    np.testing.assert_array_equal(again.labels(images), judge.labels(images))
    assert [p.name for p in tmp_path.iterdir()] == ["judge.npz"]


def test_a_batch_holds_rows_of_the_arrays_half_of_them_mirrored():
    """Each image is its row's number to the left, 255 to the right."""
    images = np.full((50, 4, 4, 3), 255, np.uint8)
    images[:, :, :2] = np.arange(50)[:, None, None, None]
    labels = np.arange(50)[:, None] % 2
    batch = array_batch(
        (jnp.asarray(images), jnp.asarray(labels)), jax.random.key(0), 400
    )
    assert batch.nuisances.shape == (400, 0)
    is_mirrored = np.asarray(batch.images[:, 0, 0, 0] == 1)
    numbers = np.where(is_mirrored, batch.images[:, 0, 3, 0], batch.images[:, 0, 0, 0])
    rows = np.round((numbers + 1) * 127.5)
    np.testing.assert_array_equal(batch.labels[:, 0], rows % 2)
    assert abs(is_mirrored.mean() - 0.5) < 5 * 0.5 / np.sqrt(400)
