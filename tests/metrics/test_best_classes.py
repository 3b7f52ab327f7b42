"""Classes are ranked by what a masker says of their parts."""

import numpy as np
import pytest

from causal_jax.metrics import best_classes


def mask(share, inside=1.0, outside=0.0):
    """One mask of 10 x 10, object in a share of its pixels."""
    pixels = np.where(np.arange(100) < 100 * share, inside, outside)
    return pixels.reshape(1, 10, 10, 1)


@pytest.mark.parametrize(
    ("found", "score"),
    [
        (mask(0.5), 1.0),
        (mask(0.05), 0.0),  # as good as empty
        (mask(0.95), 0.0),  # as good as full
        (mask(0.5, 0.7, 0.3), 0.0),  # undecided everywhere
        (mask(0.5, 0.96, 0.04), 1.0 - 8e-5),  # 2 min(m, 1 - m) is .08 everywhere
    ],
)
def test_a_mask_is_neither_empty_nor_full_and_nearly_binary(found, score):
    assert best_classes.shape_scores(found)[0] == pytest.approx(score)


def test_shapes_are_ranked_by_how_often_they_have_a_mask_then_by_how_sharp():
    masks = [mask(0.5, 0.96, 0.04), mask(0.5), mask(0.5), mask(0.01)]
    labels = np.array([4, 9, 2, 2])
    scores = best_classes.shape_scores(np.concatenate(masks))
    assert list(best_classes.ranking(scores, labels)) == [9, 4, 2]


def test_a_background_without_an_object_is_best():
    scores = best_classes.background_scores(np.concatenate([mask(0.2), mask(0.0)]))
    assert scores.tolist() == [0.8, 1.0]


def test_a_texture_is_the_same_all_over_and_not_flat():
    rng = np.random.default_rng(0)
    texture = rng.uniform(-1, 1, (1, 10, 10, 3))
    flat = np.zeros((1, 10, 10, 3))
    score_fn = best_classes.texture_scores
    everywhere, nowhere = mask(0.0, 1.0, 0.9), mask(0.0, 1.0, 0.1)
    assert score_fn(texture, everywhere)[0] == pytest.approx(1.0)
    assert score_fn(texture, nowhere)[0] == pytest.approx(1.0)
    assert score_fn(texture, mask(0.5))[0] == pytest.approx(0.0)  # an object in it
    assert score_fn(flat, everywhere)[0] == 0.0


def test_the_best_share_of_the_classes_is_kept_at_least_one():
    scores = best_classes.PartScores(
        shape=np.arange(20.0), texture=np.zeros(20), background=-np.arange(20.0)
    )
    labels = dict.fromkeys(scores._fields, np.repeat(np.arange(10), 2))
    found = best_classes.best_classes(scores, labels, share=0.2)
    assert found == {"shape": [9, 8], "texture": [0, 1], "background": [0, 1]}
    few = best_classes.best_classes(scores, labels, share=0.01)
    assert few == {"shape": [9], "texture": [0], "background": [0]}
    for share in (0, 1.1):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            best_classes.best_classes(scores, labels, share=share)
