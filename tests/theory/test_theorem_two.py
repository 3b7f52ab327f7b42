"""Theorems 2 and 3: the generator's cost is a divergence, with the Anti-Labeler only.

Kocaoglu et al. (2017), eq. 5: with all critics optimal,

    C(G) = E_g [log (1 - D)/D - log P_LR(l | x) + log P_LG(l | x)]
         = KL(P_g(l, x) || P_r(l, x)),

so that, given P_g(l) = P_r(l), it is minimal exactly where P_g(x | l) = P_r(x | l).
That the optima are those put in here is held in `tests/losses/test_adversarial.py`.
A law is `[2, 6]`: one binary label, six images.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.losses import adversarial

pytestmark = pytest.mark.usefixtures("double_precision")

SHAPE = (2, 6)
LABELS = np.repeat([[0.0], [1.0]], SHAPE[1], axis=1)


def random_law(seed):
    return np.random.default_rng(seed).dirichlet(np.full(12, 1.5)).reshape(SHAPE)


def posterior_logits(law):
    """logit P(l = 1 | x) of every cell, [12]."""
    return jnp.tile(jnp.log(law[1]) - jnp.log(law[0]), 2)


@pytest.fixture
def cost(expectation):
    """cost(real, fake, anti_labeler): the generator's, by the library's losses."""

    def at_the_optima(real, fake, anti_labeler=True):
        share = jnp.tile(jnp.log(real.sum(0)) - jnp.log(fake.sum(0)), 2)
        total = expectation(fake, adversarial.generator_loss_theory, share)
        label_fn, labels = adversarial.cross_entropy, LABELS.ravel()
        total += expectation(fake, label_fn, posterior_logits(real), labels)
        if anti_labeler:
            total -= expectation(fake, label_fn, posterior_logits(fake), labels)
        return total

    return at_the_optima


def kl(p, q):
    return float(np.sum(p * np.log(p / q)))


def test_the_cost_at_the_optima_is_the_divergence_of_any_two_laws(cost):
    for seed in range(20):
        real, fake = random_law(seed), random_law(100 + seed)
        assert float(cost(real, fake)) == pytest.approx(kl(fake, real), abs=1e-6)
        assert float(cost(real, real)) == pytest.approx(0, abs=1e-9)


def test_without_the_anti_labeler_it_is_not(cost):
    for seed in range(20):
        real, fake = random_law(seed), random_law(100 + seed)
        gap = float(cost(real, fake, anti_labeler=False)) - kl(fake, real)
        undecided = -float(np.sum(fake * np.log(fake / fake.sum(0))))  # H_g(l | x)
        assert gap == pytest.approx(undecided, abs=1e-6) and gap > 0.1


@pytest.fixture
def best(cost, minimise):
    """best(real, anti_labeler): P_g(l, x) of least cost whose labels are P_r(l)."""

    def law(logits, real):
        return real.sum(1, keepdims=True) * jax.nn.softmax(logits)

    def run(real, anti_labeler):
        found = minimise(
            lambda logits: cost(real, law(logits, real), anti_labeler),
            jnp.asarray(np.random.default_rng(0).normal(size=SHAPE)),
        )
        return np.asarray(law(found, real))

    return run


@pytest.mark.parametrize("seed", [0, 1])
def test_the_best_generator_draws_the_images_of_every_label(best, seed):
    real = random_law(seed)
    np.testing.assert_allclose(best(real, anti_labeler=True), real, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_without_the_anti_labeler_images_that_tell_their_label_crowd_out_others(
    best, cost, seed
):
    """Label-conditioned mode collapse: every image is kept for one label only."""
    real = random_law(seed)
    found = best(real, anti_labeler=False)
    at_best, at_truth = (float(cost(real, law, False)) for law in (found, real))
    assert at_best < at_truth - 0.05, "the truth is not the best"
    assert 0.5 * np.abs(found - real).sum() > 0.1
    # H(x | l) shrinks: fewer images a label.
    assert entropy(found) < entropy(real) - 0.05
    # Label terms are linear in P_g: all images but one at most have one label left.
    is_shared = [law.max(0) / law.sum(0) < 0.99 for law in (found, real)]
    assert is_shared[0].sum() <= 1 and is_shared[1].all()


def entropy(law):
    """H(x | l) in nats; 0 log 0 = 0."""
    conditional = law / law.sum(1, keepdims=True)
    return -float(np.sum(law * np.log(np.maximum(conditional, 1e-300))))
