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
    np.testing.assert_allclose(found.real_distances, brute.min(1))
    np.testing.assert_array_equal(found.real_indices, brute.argmin(1))


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
