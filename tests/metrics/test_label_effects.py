"""Label effects: of features whose coefficients are known."""

import numpy as np
import pytest

from causal_jax.metrics.label_effects import FEWEST, label_effects

NUM, SIZE = 1500, 64


def drawn(seed, effect, spread=1.0, num=NUM):
    """Label a moves all features, b none; c has three states, of which one shows."""
    rng = np.random.default_rng(seed)
    labels = {
        "a": (rng.random(num) < 0.05).astype(int),
        "b": rng.integers(0, 2, num),
        "c": rng.integers(0, 3, num),
        "constant": np.zeros(num, int),
    }
    features = spread * rng.normal(size=(num, SIZE))
    features += effect * labels["a"][:, None]
    features[:, 0] += 5 * (labels["c"] == 1)
    return features, labels


def test_effects_and_variety_are_those_that_were_put_in():
    found = label_effects(*drawn(0, effect=1.0, spread=0.5), *drawn(1, effect=0.5))
    # 75 rows of the rare state: a coefficient's standard error is .12 of 4 in all.
    assert found.by_label["a"] == pytest.approx(2.0, abs=0.15)
    assert found.by_label["c"] == pytest.approx(1.0, abs=0.05)
    assert found.variety == pytest.approx(0.5, abs=0.01)
    assert "constant" not in found.by_label


def test_a_generator_that_ignores_a_label_has_no_effect_of_it():
    """Nor of one with three states, whose numbers are names."""
    real, labels = drawn(1, effect=0.5)
    blind = np.random.default_rng(2).normal(size=real.shape)
    found = label_effects(blind, labels, real, labels)
    assert found.by_label["a"] < 0.25 and found.by_label["c"] < 0.1
    only_c = np.zeros_like(real)
    only_c[:, 0] = 5 * (labels["c"] == 1)
    assert label_effects(only_c, labels, real, labels).variety < 1e-6


def test_too_few_images_say_nothing():
    features, labels = drawn(0, effect=1.0)
    few = {name: states[: FEWEST + 4] for name, states in labels.items()}
    assert label_effects(features[: FEWEST + 4], few, features, labels) is None
    still = np.zeros_like(features)
    assert label_effects(features, labels, still, labels) is None
    rare = {**labels, "a": (np.arange(NUM) < FEWEST - 1).astype(int)}
    assert "a" not in label_effects(features, rare, features, rare).by_label
