"""Composites: where a label shows is found, and a region brings what shows in it."""

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.data import composites
from causal_jax.training.judge import composed, composite_batch, label_rates


def drawn(num=400, seed=0):
    """Label 0 lights the upper half, label 1 the lower; they nearly always agree."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 2, num)
    second = np.where(rng.random(num) < 0.05, 1 - first, first)
    labels = np.stack([first, second], 1)
    images = rng.integers(0, 40, (num, 16, 16, 3))
    images[:, :8] += 150 * labels[:, 0, None, None, None]
    images[:, 8:] += 150 * labels[:, 1, None, None, None]
    return images.astype(np.uint8), labels


def test_each_of_two_labels_that_go_together_has_its_own_pixels():
    maps = composites.effect_maps(*drawn())
    np.testing.assert_allclose(maps.sum((1, 2)), 1, rtol=1e-5)
    assert maps[0, :8].sum() > 0.99 and maps[1, 8:].sum() > 0.99


def test_a_label_that_shows_nowhere_or_never_changes_is_everywhere_alike():
    images, labels = drawn()
    constant = np.ones((len(labels), 1), labels.dtype)
    maps = composites.effect_maps(images, np.concatenate([labels, constant], 1))
    expected = composites.effect_maps(images, labels)
    np.testing.assert_allclose(maps[:2], expected, atol=1e-6)
    np.testing.assert_allclose(maps[2], 1 / 256, rtol=1e-6)
    grey = composites.effect_maps(np.full_like(images, 7), labels)
    np.testing.assert_allclose(grey, 1 / 256, rtol=1e-6)


def test_ranks_are_the_effect_of_all_pixels_as_strong():
    regions = composites.find_regions(*drawn())
    effects, ranks = map(np.asarray, regions)
    for effect, rank in zip(effects, ranks, strict=True):
        for pixel in ((0, 0), (3, 9), (12, 5)):
            more = effect[effect > 1.001 * effect[pixel]].sum()  # mirrored: ties
            as_much = effect[effect >= 0.999 * effect[pixel]].sum()
            assert more - 1e-5 < rank[pixel] < as_much + 1e-5


def test_a_composite_has_the_label_of_the_pixels_that_show_it():
    """The halves' own brightness tells what a half shows, whosever it is."""
    images, labels = drawn()
    regions = composites.find_regions(images, labels)
    real = jnp.asarray(images[:64], jnp.float32)
    given = jnp.asarray(labels[:64], jnp.float32)
    made, said = composites.mixed(real, given, regions, jax.random.key(1), share=1.0)
    halves = np.stack([made[:, :8].mean((1, 2, 3)), made[:, 8:].mean((1, 2, 3))], 1)
    np.testing.assert_allclose(said, (halves - 19.5) / 150, atol=0.05)
    assert (np.abs(said[:, 0] - said[:, 1]) > 0.5).sum() >= 5  # seldom in the data
    same, kept = composites.mixed(real, given, regions, jax.random.key(1), share=0.0)
    np.testing.assert_array_equal(same, real)
    np.testing.assert_array_equal(kept, given)


def test_a_batch_of_composites_draws_rare_combinations_more_often():
    images, labels = drawn(num=3000)
    data = composed(images, labels)
    differ = labels[:, 0] != labels[:, 1]
    weights = np.diff(np.asarray(data.cumulated), prepend=0)
    counts = np.array([(labels == row).all(1).sum() for row in labels])
    np.testing.assert_allclose(
        weights, counts**-0.5 / (counts**-0.5).sum(), rtol=2e-3, atol=1e-6
    )
    assert weights[differ].sum() > 2 * differ.mean()
    np.testing.assert_allclose(label_rates(data), weights @ labels, rtol=1e-5)
    batch = composite_batch(data, jax.random.key(0), 32)
    assert batch.images.shape == (32, 16, 16, 3) and batch.nuisances.shape == (32, 0)
    assert batch.labels.min() >= 0 and batch.labels.max() <= 1
    is_between = (batch.labels > 0.01) & (batch.labels < 0.99)
    assert is_between.any()
