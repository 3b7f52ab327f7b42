"""Masks: what is told of good, inverted, empty and repeated ones."""

import itertools

import numpy as np
import pytest

from causal_jax.metrics import masks as metrics

NUM = 200


@pytest.fixture(scope="module")
def digits():
    """Class k: a bar at row 6 + 2 k, in a random column; labels in turn."""
    random = np.random.default_rng(0)
    labels = np.arange(NUM) % 10
    masks = np.zeros((NUM, 32, 32, 1), np.float32)
    for mask, label, column in zip(
        masks, labels, random.integers(4, 18, NUM), strict=True
    ):
        mask[6 + 2 * label : 8 + 2 * label, column : column + 10] = 0.9
    masks[:, 14:18, 14:18] = 0.9  # ink in common
    return masks, labels


def read(binary):
    """Reads these bars: where most of the ink is beside the common part."""
    rows = binary[..., 0].copy()
    rows[:, 14:18, 14:18] = 0
    ink = rows.sum(2)[:, 6:26].reshape(len(rows), 10, 2).sum(2)
    return ink.argmax(1)


def test_real_digits_are_good_masks(digits):
    found = metrics.report(*digits, *digits, read_fn=read)
    assert found.diversity == pytest.approx(1)
    assert found.inverted == 0
    assert found.readability > 0.9
    assert found.mean == pytest.approx(np.mean(digits[0]), abs=1e-6)
    assert found._replace(mean=0.15).collapsed() == []


def test_inverted_masks_are_told(digits):
    masks, labels = digits
    half = np.where(np.arange(NUM)[:, None, None, None] < NUM // 2, 1 - masks, masks)
    found = metrics.report(half, labels, *digits)
    assert found.inverted == 0.5 and found.readability is None
    assert any("50% of the masks are inverted" in line for line in found.collapsed())


def test_an_inverted_mask_that_leaves_a_frame_is_told(digits):
    masks, labels = digits
    framed = np.zeros_like(masks)
    framed[:, 2:-2, 2:-2] = 1 - masks[:, 2:-2, 2:-2]
    assert metrics.report(framed, labels, *digits).inverted == 1


def test_one_mask_a_class_has_no_diversity(digits):
    masks, labels = digits
    same = masks[labels]  # the first mask of each class, again and again
    found = metrics.report(same, labels, *digits, read_fn=read)
    assert found.diversity == 0
    assert "the masks of a class differ 0.00 times" in found.collapsed()


def test_empty_masks_are_told(digits):
    masks, labels = digits
    found = metrics.report(0 * masks, labels, *digits)
    assert found.mean == 0 and found.inverted == 0
    assert "the masks' mean is 0.000" in found.collapsed()


def test_mean_distance_is_that_of_all_pairs():
    random = np.random.default_rng(1)
    rows = random.integers(0, 2, (7, 3, 4))
    pairs = [np.sum((a - b) ** 2) for a, b in itertools.combinations(rows, 2)]
    found = metrics.mean_distances(rows, np.full(7, 4))
    assert found == {4: pytest.approx(np.mean(pairs))}


def test_classes_that_cannot_be_compared_are_left_out_or_refused(digits):
    masks, labels = digits
    with pytest.raises(ValueError, match="class 3 has a single row"):
        metrics.mean_distances(masks[:1], np.array([3]))
    few = (labels < 8) | (np.cumsum(labels == 8) == 1) & (labels == 8)
    found = metrics.diversity(masks, labels, masks[few], labels[few])
    kept = labels < 8
    alike = masks[kept], labels[kept]
    assert found == pytest.approx(metrics.diversity(*alike, *alike)) == 1.0
    with pytest.raises(ValueError, match="no class has two real digits"):
        metrics.diversity(masks, labels, masks[:1], labels[:1])
