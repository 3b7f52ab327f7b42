"""The nearest training pictures: copies are found, new pictures are not."""

import numpy as np
import pytest

from causal_jax.metrics.neighbours import nearest_neighbours


def test_copies_are_found_and_new_pictures_are_not():
    rng = np.random.default_rng(0)
    training = rng.integers(0, 256, (3000, 8, 8, 3), np.uint8)  # two chunks
    held_out = rng.integers(0, 256, (20, 8, 8, 3), np.uint8)
    copies = training[[5, 2999, 17]].copy()
    found = nearest_neighbours(copies, training, held_out)
    assert found.indices.tolist() == [5, 2999, 17]
    assert found.median == 0.0
    assert found.real_median > 100.0
    assert found.copies == 1.0
    half = np.concatenate([copies, held_out[:3]])
    assert nearest_neighbours(half, training, held_out).copies == 0.5
    brute = np.sqrt(
        ((held_out[:, None].astype(float) - training[None]) ** 2).sum((2, 3, 4))
    )
    order = np.argsort(found.real_indices * 1e6 + found.real_distances)
    expected = np.argsort(brute.argmin(1) * 1e6 + brute.min(1))
    np.testing.assert_allclose(found.real_distances[order], brute.min(1)[expected])
    np.testing.assert_array_equal(found.real_indices[order], brute.argmin(1)[expected])


def test_held_out_pictures_in_an_order_are_compared_alike():
    """Of two kinds, one far noisier: those of the first kind alone would not do."""
    rng = np.random.default_rng(2)

    def pictures(num):
        deviation = np.repeat([5.0, 60.0], num // 2)[:, None, None, None]
        values = rng.normal(128, deviation, (num, 6, 6, 3))
        return values.clip(0, 255).astype(np.uint8)

    training, held_out, drawn = pictures(400), pictures(400), pictures(100)
    found = nearest_neighbours(drawn, training, held_out, num=100)
    is_noisy = found.real_distances > found.real_distances.max() / 3
    assert abs(is_noisy.mean() - 0.5) < 5 * 0.05


def test_mirrored_copies_are_found_when_asked():
    rng = np.random.default_rng(1)
    training = rng.integers(0, 256, (50, 8, 8, 3), np.uint8)
    mirrored = training[[7, 8], :, ::-1]
    assert nearest_neighbours(mirrored, training).median > 100.0
    found = nearest_neighbours(mirrored, training, mirror=True)
    assert found.indices.tolist() == [7, 8]
    assert found.median == 0.0
    with pytest.raises(ValueError, match="uint8"):
        nearest_neighbours(mirrored / 255.0, training)
    with pytest.raises(ValueError, match="one size"):
        nearest_neighbours(mirrored[:, :4], training)
