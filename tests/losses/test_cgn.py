"""CGN's losses against numbers worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.losses import cgn


def test_least_squares_terms_are_the_worked_numbers():
    real, fake = jnp.array([1.0, 3.0]), jnp.array([0.0, 2.0])
    # Real: (0 + 4) / 2; fake: (0 + 4) / 2; half of the sum.
    assert float(cgn.discriminator_loss(real, fake)) == 2.0
    assert float(cgn.generator_loss(fake)) == 1.0  # (1 + 1) / 2


def test_entropy_of_masks_is_in_bits():
    assert float(cgn.mask_entropy(jnp.full((2, 3), 0.5))) == pytest.approx(1)
    # H2(1/4) = 2/4 + 3/4 log2(4/3) = .811278
    assert float(cgn.mask_entropy(jnp.array([0.25, 0.75]))) == pytest.approx(0.811278)
    binary = cgn.mask_entropy(jnp.array([1e-4, 0.9999]))
    assert float(binary) == pytest.approx(0.00147, abs=1e-5)


def test_entropy_pulls_a_pixel_to_its_nearer_end():
    slope = jax.grad(cgn.mask_entropy)(jnp.array([0.3, 0.7, 1e-4, 0.9999]))
    assert slope[0] > 0 > slope[1] and bool(jnp.isfinite(slope).all())


def test_border_mean_sees_the_outermost_pixels_only():
    masks = np.zeros((2, 6, 8, 1), np.float32)
    masks[:, 2:-2, 2:-2] = 1
    assert float(cgn.border_mean(masks, width=2)) == 0
    masks[0, 0, 0] = 0.5
    found = float(cgn.border_mean(masks, width=2))
    assert found == pytest.approx(0.5 / (2 * (48 - 8)))
    assert float(cgn.border_mean(np.ones_like(masks), width=2)) == 1


def test_spread_is_the_logarithm_of_the_colours_distance():
    textures = np.zeros((4, 2, 3, 3), np.float32)
    textures[1, 0] = 0.3  # half the pixels, all channels: 3/4 of a half
    textures[2, ..., 1] = -0.9  # all pixels, one channel of three: 9/10 of a third
    found = float(cgn.spread(textures, scale=0.1, least=0.1))
    assert found == pytest.approx((np.log(0.475) + np.log(0.4)) / 2, rel=1e-5)
    assert float(cgn.spread(np.ones_like(textures))) == pytest.approx(np.log(0.05))
    slopes = jax.grad(cgn.spread)(jnp.asarray(textures))
    assert bool(jnp.isfinite(slopes).all())
    assert float(slopes[1].sum()) > 0 > float(slopes[0].sum())


def test_spread_counts_a_spot_less_than_a_shift():
    spot, shift = np.zeros((2, 2, 10, 10, 3), np.float32)
    spot[0, 0, :5], shift[0] = 1.0, 0.05  # equal means
    assert float(cgn.spread(spot)) < float(cgn.spread(shift)) - 1


def test_gram_matrix_is_the_worked_one():
    # Two pixels, two channels: (1, 2) and (3, 4), over C H W = 4.
    features = jnp.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    expected = np.array([[[10.0, 14.0], [14.0, 20.0]]]) / 4
    np.testing.assert_allclose(cgn.gram(features), expected)


def test_gram_matrix_does_not_see_where_pixels_are():
    features = jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
    moved = jnp.roll(features, (1, 2), axis=(1, 2))
    np.testing.assert_allclose(cgn.gram(features), cgn.gram(moved), atol=1e-6)


def test_style_loss_weighs_each_map():
    zero, one = jnp.zeros((2, 1, 1, 1)), jnp.ones((2, 1, 1, 1))
    two = 2 * one
    # Gram matrices 1 and 4 against 0.
    assert float(cgn.style_loss([one, two], [zero, zero], [3.0, 0.5])) == 5.0
    assert float(cgn.style_loss([one, two], [zero, zero], [0.0, 1.0])) == 4.0
    with pytest.raises(ValueError, match="2 and 2 feature maps have 1 weights"):
        cgn.style_loss([one, two], [zero, zero], [1.0])
