"""Shape bias, counted by hand."""

import numpy as np
import pytest

from causal_jax.metrics import cue_conflict
from causal_jax.metrics.shares import Share

SHAPES = np.array([0, 0, 1, 1, 2, 2])
TEXTURES = np.array([1, 2, 0, 1, 0, 1])  # the fourth is in no conflict


def test_shape_bias_is_the_shapes_share_of_the_hits():
    decisions = np.array([0, 0, 0, 1, 1, -1])  # shape, shape, texture, -, neither, none
    found = cue_conflict.cue_conflict(decisions, SHAPES, TEXTURES)
    assert found.shape_bias.value == pytest.approx(2 / 3)
    assert found.shape_accuracy.value == pytest.approx(2 / 5)
    assert found.texture_accuracy.value == pytest.approx(1 / 5)


def test_without_a_hit_there_is_no_bias():
    found = cue_conflict.cue_conflict(np.full(6, -1), SHAPES, TEXTURES)
    assert found.shape_bias == Share(value=None, error=None)
    assert found.shape_accuracy.value == 0


def test_a_coarse_class_is_decided_by_its_mean_probability():
    # Two classes of .3 against one of .35: a sum would say 0, the largest class says 1.
    class_map = np.array([0, 0, 1, -1, 3])
    logits = np.log([[0.30, 0.30, 0.35, 0.01, 0.04], [0.1, 0.1, 0.1, 0.6, 0.1 - 1e-9]])
    found = cue_conflict.coarse_decisions(logits, class_map)
    assert found[0] == 1
    assert found[1] in (0, 1)  # .6 belongs to no class


def test_logits_of_any_size_are_read():
    logits = np.array([[1e4, 0, 0]])
    assert cue_conflict.coarse_decisions(logits, np.arange(3)).tolist() == [0]
