import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.training.image_stage import (
    FEWEST,
    flattened,
    late_decay,
    moved_average,
    pixels,
)


def test_flattened_weights_draw_combinations_as_their_power_says():
    labels = np.repeat([[0, 0], [0, 1], [1, 1]], [9000, 900, 100], axis=0)
    for power, law in ((0.0, [0.9, 0.09, 0.01]), (1.0, [1 / 3] * 3)):
        cumulated = flattened(labels, power)
        assert cumulated[-1] == pytest.approx(1, abs=1e-6)
        weights = np.diff(cumulated, prepend=0)
        found = [weights[:9000].sum(), weights[9000:9900].sum(), weights[9900:].sum()]
        np.testing.assert_allclose(found, law, atol=1e-5)


def test_rows_of_the_rarest_combinations_are_not_drawn_more_often_for_it():
    labels = np.repeat([[0, 0], [0, 1], [1, 1]], [900, FEWEST, 3], axis=0)
    weights = np.diff(flattened(labels, 1.0), prepend=0)
    each = weights[0] * 900, weights[900] * FEWEST, weights[-1] * FEWEST
    np.testing.assert_allclose(each, [1 / 2.1] * 3, rtol=1e-3)


def test_pixels_span_minus_one_to_one_and_half_are_mirrored():
    images = jnp.zeros((400, 2, 2, 3), jnp.uint8).at[:, :, 1].set(255)
    key = jax.random.key(0)
    plain = pixels(images, key, 400, flip=False)
    assert plain.min() == -1 and plain.max() == 1
    flipped = pixels(images, key, 400, flip=True)
    share = float(jnp.mean(flipped[:, 0, 0, 0] > 0))
    assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(400)
    np.testing.assert_array_equal(flipped[:, :, 0], -flipped[:, :, 1])


def test_rate_is_constant_and_falls_to_a_tenth_in_the_second_half():
    schedule = late_decay(0.2, 100)
    rates = [float(schedule(step)) for step in (0, 49, 75, 100)]
    np.testing.assert_allclose(rates, [0.2, 0.2, 0.11, 0.02], rtol=1e-5)
    assert late_decay(0.2, None) == 0.2


def test_average_is_plain_at_first_and_moving_later():
    values = [3.0, 5.0, 1.0]
    average = jnp.float32(100)
    for step, value in enumerate(values):
        average = moved_average(average, jnp.float32(value), 0.1, jnp.int32(step))
    assert float(average) == pytest.approx(3.0)
    late = moved_average(jnp.float32(2), jnp.float32(4), 0.1, jnp.int32(1000))
    assert float(late) == pytest.approx(2.2)
