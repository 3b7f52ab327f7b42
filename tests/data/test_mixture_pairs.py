"""Pairs: of different classes, balanced, none twice."""

import numpy as np
import pytest

from causal_jax.data.mixture_pairs import background_pairs, conflict_pairs

NAMES = ("cat", "dog", "bee", "ant")
LABELS = np.repeat(np.arange(4), (3, 9, 5, 4))


def _random(seed=0):
    return np.random.default_rng(seed)


def test_conflicts_are_balanced_over_shapes_textures_and_their_pairs():
    pairs = LABELS[conflict_pairs(LABELS, 10, _random(), names=NAMES)]
    table = np.zeros((4, 4), int)
    np.add.at(table, tuple(pairs.T), 1)
    assert (table.sum(0) == 10).all() and (table.sum(1) == 10).all()
    assert (np.diag(table) == 0).all()
    assert table[~np.eye(4, dtype=bool)].min() == 3


def test_no_pair_occurs_twice_and_pictures_are_used_alike():
    pairs = conflict_pairs(LABELS, 24, _random(), names=NAMES)
    assert len(set(map(tuple, pairs.tolist()))) == len(pairs) == 96
    for column in pairs.T:
        uses = np.bincount(column, minlength=len(LABELS))
        for label in range(4):
            own = uses[label == LABELS]
            assert own.min() >= 1 and own.max() - own.min() <= 3


def test_all_pairs_can_be_asked_for_but_not_one_more():
    labels = np.repeat(np.arange(3), 2)
    pairs = conflict_pairs(labels, 8, _random(), names="abc")
    assert len(set(map(tuple, pairs.tolist()))) == 24  # 6 * 4, all there are
    with pytest.raises(ValueError, match="asks for 5 pairs of .*, there are 4"):
        conflict_pairs(labels, 9, _random(), names="abc")


def test_backgrounds_are_of_another_picture_and_of_another_class():
    gives = np.arange(len(LABELS)) % 2 == 0
    pairs = background_pairs(LABELS, gives, 4, _random(), names=NAMES)
    objects, same, other = pairs.T
    np.testing.assert_array_equal(np.bincount(LABELS[objects]), [3, 4, 4, 4])
    assert len(set(objects)) == len(objects)
    np.testing.assert_array_equal(LABELS[objects], LABELS[same])
    assert (objects != same).all() and (LABELS[other] != LABELS[objects]).all()
    assert gives[same].all() and gives[other].all()


def test_a_seed_fixes_all():
    for draw in (
        lambda seed: conflict_pairs(LABELS, 5, _random(seed), names=NAMES),
        lambda seed: background_pairs(
            LABELS, LABELS >= 0, 5, _random(seed), names=NAMES
        ),
    ):
        np.testing.assert_array_equal(draw(1), draw(1))
        assert (draw(1) != draw(2)).any()


@pytest.mark.parametrize(
    ("labels", "gives", "num", "names", "message"),
    [
        ([0, 0], [1, 1], 1, "a", "there are 1 classes: mixing takes two"),
        ([0, 0], [1, 1], 1, "ab", "class 'b' has no picture that can be used"),
        ([0, 1, 1], [1, 1, 1], 1, "ab", "class 'a' has one usable picture"),
        ([0, 0, 1, 1], [0, 0, 1, 1], 1, "ab", "class 'a' has no picture that leaves"),
        ([0, 0, 1, 1], [1, 1, 1, 1], 0, "ab", "num=0: give at least 1"),
    ],
)
def test_classes_that_cannot_be_mixed_are_named(labels, gives, num, names, message):
    gives = np.array(gives, bool)
    with pytest.raises(ValueError, match=message) as error:
        background_pairs(np.array(labels), gives, num, _random(), names=names)
    assert "\n" not in str(error.value)
