"""A judge that reads each label is told from one that guesses one by another."""

from types import SimpleNamespace

import numpy as np

from causal_jax.data.composites import find_regions
from causal_jax.metrics.judge_composites import read_in_composites

NAMES = ("wide", "narrow")


def pictures(num=300):
    """`wide` lights the upper 12 rows, `narrow` the last; none is narrow alone."""
    rng = np.random.default_rng(0)
    kinds = np.array([[0, 0], [1, 0], [1, 1]])
    labels = kinds[rng.integers(0, 3, num)]
    images = rng.integers(0, 40, (num, 16, 16, 3))
    images[:, :12] += 150 * labels[:, 0, None, None, None]
    images[:, 15:] += 150 * labels[:, 1, None, None, None]
    return images.astype(np.uint8), labels


def judge(read):
    """A judge whose probabilities are `read(upper, lower)`, brightness in [0, 1]."""

    def labels(images):
        upper = np.asarray(images)[:, :12].mean((1, 2, 3)) > 90
        lower = np.asarray(images)[:, 15:].mean((1, 2, 3)) > 90
        return np.stack(read(upper, lower), 1).astype(float)

    return SimpleNamespace(label_names=NAMES, labels=labels)


HONEST = judge(lambda upper, lower: (upper, lower))
GUESSING = judge(lambda upper, lower: (upper | lower, lower))  # who is narrow is wide


def test_only_who_reads_each_label_by_itself_reads_what_never_occurs():
    images, labels = pictures()
    regions = find_regions(images, labels)
    for combination, honest, guessing in (
        ({"wide": 0, "narrow": 1}, 1.0, 0.0),
        ({"narrow": 1, "wide": 0}, 1.0, 0.0),  # the order does not matter
        ({"wide": 1, "narrow": 1}, 1.0, 1.0),
        ({"wide": 0, "narrow": 0}, None, None),  # all that are not wide are not narrow
    ):
        for reader, expected in ((HONEST, honest), (GUESSING, guessing)):
            found = read_in_composites(reader, images, labels, regions, combination)
            assert found == expected, combination


def test_too_few_pictures_say_nothing():
    images, labels = pictures()
    regions = find_regions(images, labels)
    few = images[:40], labels[:40]
    combination = {"wide": 0, "narrow": 1}
    assert read_in_composites(HONEST, *few, regions, combination) is None
