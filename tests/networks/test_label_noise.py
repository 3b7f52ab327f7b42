import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks.label_noise import (
    label_noise,
    noisy_labels,
    noisy_logits,
    truncated_exponential,
)

NUM = 100_000


def truncated_moments(rate, right):
    """Mean and standard deviation by quadrature, not by the sampler's formula."""
    x = np.linspace(0, right, 200_001)
    weight = np.exp(-rate * x)
    weight /= weight.sum()
    mean = (weight * x).sum()
    return mean, np.sqrt((weight * (x - mean) ** 2).sum())


@pytest.mark.parametrize(
    ("rate", "right", "published"),
    [(5, 0.2, 0.0835), (15, 0.3, 0.0632), (25, 0.2, 0.039), (50, 0.3, 0.020)],
)
def test_truncated_exponential_has_its_mean_and_support(rate, right, published):
    draws = truncated_exponential(jax.random.key(0), (NUM,), rate, right)
    mean, deviation = truncated_moments(rate, right)
    assert abs(mean - published) < 6e-4  # published to 3 digits, from draws
    assert abs(draws.mean() - mean) < 5 * deviation / NUM**0.5
    assert draws.min() >= 0
    assert draws.max() <= right


@pytest.mark.parametrize("kind", ["corrected", "reference", "discrete"])
def test_noisy_labels_stay_on_their_side(kind):
    noise = label_noise(jax.random.key(1), NUM, 2, kind=kind)
    y = noisy_labels(jnp.broadcast_to(jnp.array([0.0, 1.0]), (NUM, 2)), noise)
    assert y.shape == (NUM, 2)
    assert y[:, 0].min() >= -1e-6
    assert y[:, 0].max() <= 0.5 + 1e-6
    assert y[:, 1].min() >= 0.5 - 1e-6
    assert y[:, 1].max() <= 1 + 1e-6


def test_reference_shares_a_draw_in_a_row_and_corrected_does_not():
    labels = jnp.ones((4, 3))
    shared = noisy_labels(
        labels, label_noise(jax.random.key(2), 4, 3, kind="reference")
    )
    apart = noisy_labels(labels, label_noise(jax.random.key(2), 4, 3))
    assert (shared.std(axis=1) < 1e-6).all()
    assert (apart.std(axis=1) > 1e-4).all()


def test_discrete_gives_the_reference_values():
    labels = jnp.array([[0.0, 1.0]])
    noise = label_noise(jax.random.key(0), 1, 2, kind="discrete")
    np.testing.assert_allclose(noisy_labels(labels, noise), [[0.3, 0.7]], atol=1e-6)
    expected = -np.log(1 / (np.array([[0.3, 0.7]]) + 1e-6) - 1)
    np.testing.assert_allclose(noisy_logits(labels, noise), expected, atol=1e-5)


def test_logits_are_finite_at_the_ends():
    noise = label_noise(jax.random.key(0), 1, 2, kind="discrete")
    noise = noise._replace(away=noise.away + 0.3)
    logits = noisy_logits(jnp.array([[0.0, 1.0]]), noise)
    assert jnp.isfinite(logits).all()
    assert logits[0, 0] < -12
    assert logits[0, 1] > 12


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="corrected"):
        label_noise(jax.random.key(0), 1, 2, kind="iid")
