"""Composites: where a label shows is found, and a region brings what shows in it."""

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.data import composites
from causal_jax.training.judge import composed, composite_batch, label_rates
from causal_jax.training.unseen_combinations import unseen_pairs


def drawn(num=400, seed=0):
    """Label 0 lights the upper half, label 1 the rest; they nearly always agree."""
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


def with_a_spot(num=400, seed=0):
    """As `drawn`, and label 2 colours 4 x 4 pixels of the upper half."""
    images, labels = drawn(num, seed)
    third = np.random.default_rng(seed + 1).integers(0, 2, num)
    images[:, 4:8, 6:10, 0] = 40 + 150 * third[:, None, None]
    return images, np.concatenate([labels, third[:, None]], 1)


def test_local_is_what_shows_in_few_pixels():
    regions = composites.find_regions(*with_a_spot())
    np.testing.assert_array_equal(regions.local, [2])
    mask = np.asarray(regions.masks[2])
    assert mask[4:8, 6:10].min() > 0.4 and mask[5:7, 7:9].min() > 0.8
    assert (mask > 0.01).sum() <= 10 * 10 and mask.max() <= 1
    # Its effect lies in the spot, and labels 0 and 1 show in their halves evenly.
    brought = np.asarray(regions.brought)
    np.testing.assert_allclose(brought[2, 2], mask[4:8, 6:10].mean(), atol=0.01)
    np.testing.assert_allclose(brought[2, 0], mask[:8].mean(), atol=0.05)
    np.testing.assert_allclose(brought[2, 1], mask[8:].mean(), atol=0.01)


def test_a_composite_has_the_label_of_the_pixels_that_show_it():
    """The spot's own brightness tells what it shows, whosever it is."""
    images, labels = with_a_spot()
    regions = composites.find_regions(images, labels)
    real = jnp.asarray(images[:64], jnp.float32)
    given = jnp.asarray(labels[:64], jnp.float32)
    made, said = composites.mixed(real, given, regions, jax.random.key(1), share=1.0)
    spots = np.asarray(made[:, 5:7, 7:9, 0]).mean((1, 2)) > 115
    np.testing.assert_array_equal(said[:, 2], spots)
    assert (said[:, 2] != given[:, 2]).sum() >= 16
    np.testing.assert_allclose(made[:, 12:], real[:, 12:])
    moved = np.abs(said[:, :2] - given[:, :2])
    assert (moved <= regions.brought[2, :2] + 1e-6).all() and moved.max() > 0.1
    same, kept = composites.mixed(real, given, regions, jax.random.key(1), share=0.0)
    np.testing.assert_array_equal(same, real)
    np.testing.assert_array_equal(kept, given)


def test_what_no_picture_shows_is_composed_as_often_as_independence_has_it():
    images, labels = with_a_spot(num=1000)
    labels[:, 2] &= labels[:, 1]  # no spot without label 1
    images[:, 4:8, 6:10, 0] = 40 + 150 * labels[:, 2, None, None]
    pairs = unseen_pairs(labels, (2, 2, 2))
    assert pairs.tolist() == [[1, 0, 2, 1]]
    made, said = composites.unseen_composites(images, labels, pairs, seed=0)
    assert (said[:, 1:] == (0, 1)).all() and made.dtype == np.uint8
    expected = labels[:, 2].mean() * (labels[:, 1] == 0).sum()
    assert len(made) == len(said) == round(expected)
    assert (made[:, 5:7, 7:9, 0].mean((1, 2)) > 115).all()  # the giver's spot
    assert (made[:, 12:].mean((1, 2, 3)) < 90).all()  # the receiver's lower half
    row = np.flatnonzero(labels[:, 1] == 0)[0]
    wrong = labels.copy()
    wrong[row, 2] = 1  # says both, and is taken for no giver
    marked = images.copy()
    marked[row] = 255
    others, _ = composites.unseen_composites(marked, wrong, pairs, seed=0)
    assert (others[:, 5:7, 7:9, 1] < 255).all()
    again, _ = composites.unseen_composites(images, labels, pairs, seed=0)
    other, _ = composites.unseen_composites(images, labels, pairs, seed=1)
    np.testing.assert_array_equal(made, again)
    assert (made != other).any()
    none, nothing = composites.unseen_composites(images, labels, pairs[:0], seed=0)
    assert none.shape == (0, 16, 16, 3) and nothing.shape == (0, 3)


def test_who_has_no_giver_like_them_is_replaced():
    """Label 3 shows in the spot, too: givers are like receivers in it."""
    images, labels = with_a_spot(num=1000)
    labels[:, 2] &= labels[:, 1]
    shade = np.random.default_rng(2).integers(0, 2, 1000)
    shade &= ~labels[:, 2]  # no giver has it
    images[:, 4:8, 6:10, 0] = 40 + 100 * labels[:, 2, None, None]
    images[:, 4:8, 6:10, 0] += 60 * shade[:, None, None].astype(np.uint8)
    labels = np.concatenate([labels, shade[:, None]], 1)
    pairs = np.array([[1, 0, 2, 1]])
    made, said = composites.unseen_composites(images, labels, pairs, seed=0)
    expected = labels[:, 2].mean() * (labels[:, 1] == 0).sum()
    assert len(made) == round(expected) and (said[:, 3] == 0).all()
    few = np.flatnonzero(labels[:, 2])[composites._GIVERS - 1 :]
    kept = np.setdiff1d(np.arange(1000), few)
    made, _ = composites.unseen_composites(images[kept], labels[kept], pairs, seed=0)
    assert len(made) == 0  # four pictures are not pasted into all others


def test_a_pair_of_which_neither_label_is_local_is_not_composed():
    images, labels = drawn()
    pairs = np.array([[0, 0, 1, 1]])
    made, _ = composites.unseen_composites(images, labels, pairs, seed=0)
    assert len(made) == 0


def test_where_no_label_is_local_pictures_stay_as_they_are():
    images, labels = drawn(64)
    regions = composites.find_regions(images, labels)
    assert len(regions.local) == 0
    real, given = jnp.asarray(images, jnp.float32), jnp.asarray(labels, jnp.float32)
    made, said = composites.mixed(real, given, regions, jax.random.key(1), share=1.0)
    np.testing.assert_array_equal(made, real)
    np.testing.assert_array_equal(said, given)


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
    data = composed(*with_a_spot(num=3000))
    batch = composite_batch(data, jax.random.key(0), 32)
    assert batch.images.shape == (32, 16, 16, 3) and batch.nuisances.shape == (32, 0)
    assert batch.labels.min() >= 0 and batch.labels.max() <= 1
    is_between = (batch.labels > 0.01) & (batch.labels < 0.99)
    assert is_between.any()
