"""Statistics of masks: worked out by hand, and their standard errors."""

import numpy as np
import pytest

from causal_jax.metrics.mask_statistics import mask_statistics


def test_statistics_worked_out_by_hand():
    masks = np.zeros((4, 2, 2, 1))
    masks[1] = 1
    masks[2] = 0.5
    masks[3, 0] = 1
    found = mask_statistics(masks)
    # Means 0, 1, 1/2, 1/2: deviation sqrt(1/6); shares of one in four: 1/4.
    assert found.mean == pytest.approx((0.5, np.sqrt(1 / 6) / 2))
    assert found.empty == pytest.approx((0.25, 0.25))
    assert found.full == pytest.approx((0.25, 0.25))
    assert found.entropy == pytest.approx((0.25, 0.25))
    assert found.binaryness == pytest.approx((0.75, 0.25))


def test_the_entropy_of_a_quarter_is_that_of_a_coin():
    found = mask_statistics(np.full((2, 3, 3), 0.25))
    assert found.entropy.value == pytest.approx(2 - 0.75 * np.log2(3))
    assert found.binaryness.value == pytest.approx(0.5)


def test_a_standard_error_is_the_spread_of_repeated_means():
    masks = np.random.default_rng(0).beta(2, 5, (400, 50, 1, 1))
    repeated = [mask_statistics(one).mean for one in masks]
    spread = np.std([one.value for one in repeated], ddof=1)
    assert spread == pytest.approx(
        np.mean([one.standard_error for one in repeated]), rel=5 / np.sqrt(2 * 400)
    )


@pytest.mark.parametrize(
    ("masks", "bounds", "message"),
    [
        (np.zeros((2, 2)), {}, r"shape \(2, 2\): give \[N, H, W, 1\]"),
        (np.zeros((1, 2, 2)), {}, "with N at least 2"),
        (np.full((2, 2, 2), 1.5), {}, "apply a sigmoid"),
        (np.full((2, 2, 2), np.nan), {}, "apply a sigmoid"),
        (np.zeros((2, 2, 2)), {"empty": 0.95}, "0 <= empty < full <= 1"),
    ],
)
def test_wrong_masks_are_one_line(masks, bounds, message):
    with pytest.raises(ValueError, match=message) as error:
        mask_statistics(masks, **bounds)
    assert "\n" not in str(error.value)
