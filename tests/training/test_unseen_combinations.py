import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks.image import ImageGenerator
from causal_jax.training.causal_gan import causal_gan
from causal_jax.training.unseen_combinations import (
    interaction_loss,
    squares,
    unseen_pairs,
)

# Label 0 in state 1 is never seen with label 2 in state 2; label 1 never is in state 1.
ROWS = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2], [1, 0, 0], [1, 0, 1]])
STATES = (2, 2, 3)


def test_unseen_pairs_are_states_that_occur_but_never_together():
    np.testing.assert_array_equal(unseen_pairs(ROWS, STATES), [[0, 1, 2, 2]])
    everything = np.indices(STATES).reshape(3, -1).T
    assert unseen_pairs(everything, STATES).shape == (0, 4)


def test_pairs_that_a_few_wrong_labels_show_are_unseen_too():
    """Of 1,000 rows 250 would have both if labels were independent: 5 are RARE."""
    for both, found in ((0, 1), (5, 1), (6, 0)):
        counts = [both, 500 - both, 500 - both, both]
        rows = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], counts, axis=0)
        pairs = unseen_pairs(rows, (2, 2)).tolist()
        assert ([0, 1, 1, 1] in pairs) == found


def test_squares_change_two_labels_and_nothing_else():
    pairs = jnp.broadcast_to(jnp.array([0, 1, 2, 2]), (len(ROWS), 4))
    corners = np.asarray(squares(jnp.asarray(ROWS), pairs, jnp.array(STATES)))
    assert corners.shape == (4, *ROWS.shape)
    np.testing.assert_array_equal(corners[:, :, 1], np.tile(ROWS[:, 1], (4, 1)))
    has_first, has_second = corners[:, :, 0] == 1, corners[:, :, 2] == 2
    np.testing.assert_array_equal(has_first.T, [[False, True, False, True]] * len(ROWS))
    np.testing.assert_array_equal(
        has_second.T, [[False, False, True, True]] * len(ROWS)
    )
    assert corners.max(axis=(0, 1)).tolist() == [1, 0, 2]


def test_an_additive_generator_has_no_interaction_and_others_have_theirs():
    pairs = jnp.broadcast_to(jnp.array([0, 1, 2, 2]), (len(ROWS), 4))
    corners = squares(jnp.asarray(ROWS), pairs, jnp.array(STATES)).astype(float)
    first, second = corners[..., 0] == 1, corners[..., 2] == 2

    def additive(codes):
        return 3.0 * (codes[:, 0] == 1) - 2.0 * (codes[:, 2] == 2) + codes[:, 1]

    def product(codes):
        return 0.5 * ((codes[:, 0] == 1) & (codes[:, 2] == 2))

    assert float(interaction_loss(additive, corners)) < 1e-6
    assert float(interaction_loss(product, corners)) == 0.5
    assert bool((first & second)[3].all())


def small_case():
    """A generator, a batch of random images, and the pair that it never has."""
    generator = ImageGenerator((2, 2), resolution=8, width=4, noise_size=5)
    labels = jnp.array([[0, 0], [0, 1], [1, 0], [0, 0]] * 2)
    random = np.random.default_rng(0)
    images = jnp.asarray(random.integers(0, 256, (2, 8, 8, 8, 3), dtype=np.uint8))
    batch = {"images": images, "labels": jnp.stack([labels, labels])}
    unseen = unseen_pairs(np.asarray(labels), (2, 2))
    return generator, batch, unseen


def test_training_pays_for_interaction_in_proportion_to_its_weight():
    generator, batch, unseen = small_case()
    losses = []
    for weight in (0.0, 1.0, 3.0):
        algorithm = causal_gan(
            generator, batch_size=8, additivity=weight, unseen=unseen
        )
        state = algorithm.init(jax.random.key(0))
        _, info = jax.jit(algorithm.step)(state, batch, jax.random.key(1))
        losses.append(float(info.generator_loss))
    free, once, thrice = losses
    assert once > free
    assert np.isclose(thrice - free, 3 * (once - free), rtol=1e-2)


def test_additivity_of_every_third_step_costs_three_times_as_much_there():
    generator, batch, unseen = small_case()
    losses = {}
    for weight, every in ((0.0, 1), (1.0, 1), (1.0, 3)):
        algorithm = causal_gan(
            generator,
            batch_size=8,
            additivity=weight,
            unseen_every=every,
            unseen=unseen,
        )
        state, step = algorithm.init(jax.random.key(0)), jax.jit(algorithm.step)
        for number in range(2):
            start = state._replace(step=jnp.int32(number))
            _, info = step(start, batch, jax.random.key(1))
            losses[weight, every, number] = float(info.generator_loss)
    paid = losses[1.0, 1, 0] - losses[0.0, 1, 0]
    assert paid > 5e-4
    assert np.isclose(losses[1.0, 3, 0] - losses[0.0, 1, 0], 3 * paid, rtol=1e-2)
    assert np.isclose(losses[1.0, 3, 1], losses[0.0, 1, 1], rtol=1e-5)
    with pytest.raises(ValueError, match="unseen_every is at least 1"):
        causal_gan(generator, unseen_every=0)
