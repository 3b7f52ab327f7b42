"""Proposition 3: labelers with one output a label promise each label's law, no more.

Kocaoglu et al. (2017), section 5.3: with d outputs the optimal labelers are the
posteriors of each label alone, and the generator's cost

    C(G) = KL(P_g(x) || P_r(x)) + sum_j E_g log P_g(l_j | x) / P_r(l_j | x)

cannot tell joint laws apart that agree in every P(l_j, x). Where the image determines
its labels these are enough for the joint law. A law is `[2, 2, images]`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.losses import adversarial

pytestmark = pytest.mark.usefixtures("double_precision")

NUM_IMAGES = 4
# Both labels of every cell, [cells, 2].
LABELS = np.indices((2, 2, NUM_IMAGES))[:2].reshape(2, -1).T.astype(float)


def posteriors(law):
    """P(l_j = 1 | x), [images, 2]: each label alone."""
    images = law.sum((0, 1))
    return np.stack([law[1].sum(0), law[:, 1].sum(0)], axis=-1) / images[:, None]


def logit(p):
    return np.log(p) - np.log1p(-p)


def per_cell(by_image):
    """[images, 2] -> [cells, 2]: logits depend on the image alone."""
    return jnp.tile(jnp.asarray(by_image), (4, 1))


@pytest.fixture
def cost(expectation):
    """cost(real, fake) at the optima; eq. 5 has a sum where the loss has a mean."""

    def at_the_optima(real, fake):
        images = np.log(real.sum((0, 1))) - np.log(fake.sum((0, 1)))
        total = expectation(
            fake, adversarial.generator_loss_theory, jnp.tile(images, 4)
        )
        for law, sign in ((real, 1), (fake, -1)):
            found = per_cell(logit(posteriors(law)))
            loss = expectation(fake, adversarial.cross_entropy, found, LABELS)
            total += sign * 2 * loss
        return float(total)

    return at_the_optima


def test_the_gradient_is_zero_at_the_posteriors_of_each_label(expectation):
    """Labels that depend on each other given the image do not move the optimum."""
    law = np.random.default_rng(0).dirichlet(np.full(16, 3.0)).reshape(2, 2, NUM_IMAGES)

    def loss_fn(logits):
        return expectation(law, adversarial.cross_entropy, per_cell(logits), LABELS)

    best = logit(posteriors(law))
    gradient_fn = jax.jit(jax.grad(loss_fn))
    np.testing.assert_allclose(gradient_fn(best), 0, atol=1e-6)
    assert float(jnp.abs(gradient_fn(best + 0.1)).min()) > 1e-4
    both = law[1, 1] / law.sum((0, 1))
    independent = posteriors(law).prod(-1)
    assert np.abs(both - independent).max() > 0.05, "they do depend"


def errors_of_labels(share, *, together):
    """P(l, x): labels are the image's two bits, each wrong with probability `share`.

    Wrong together, or each by itself: the same law of each label with the image.
    """
    law = np.zeros((2, 2, NUM_IMAGES))
    one_by_one = np.outer([1 - share, share], [1 - share, share])
    wrong = np.diag([1 - share, share]) if together else one_by_one
    for image in range(NUM_IMAGES):
        a, b = divmod(image, 2)
        order = np.ix_([a, 1 - a], [b, 1 - b])  # [right, wrong] of each label
        law[..., image][order] = wrong / NUM_IMAGES
    return law


@pytest.mark.parametrize("share", [0.5, 0.2, 0.01, 1e-5])
def test_joint_laws_that_agree_label_by_label_cost_the_same(cost, share):
    """And the cost is zero; they approach each other as images tell their labels."""
    together, apart = (errors_of_labels(share, together=t) for t in (True, False))
    np.testing.assert_allclose(posteriors(together), posteriors(apart), atol=1e-12)
    for real, fake in ((together, apart), (apart, together), (apart, apart)):
        assert cost(real, fake) == pytest.approx(0, abs=1e-9)
    distance = 0.5 * np.abs(together - apart).sum()
    assert distance == pytest.approx(2 * share * (1 - share), abs=1e-12)


def test_laws_that_differ_in_one_label_cost_more(cost):
    real = errors_of_labels(0.1, together=False)
    fake = errors_of_labels(0.2, together=False)
    divergence = 2 * (0.2 * np.log(0.2 / 0.1) + 0.8 * np.log(0.8 / 0.9))
    assert cost(real, fake) == pytest.approx(divergence, abs=1e-6)
