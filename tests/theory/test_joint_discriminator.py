"""The discriminator that reads labels: what `Readings.logits` can and cannot say.

Its optimum is logit D(x, l) = log P_r(l, x) / P_g(l, x), at which the discriminator
alone carries Theorem 2 of Kocaoglu et al. (2017): no labeler is needed. The form

    real(x) + sum_j (2 l_j - 1) joint_j(x)

holds that optimum where labels are independent given the image, under both laws, or
where the image determines them; an interaction of labels given the image it misses.
A law is `[states of l_1, states of l_2, images]`; a cell of it is one row.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.losses import adversarial
from causal_jax.networks.image import ImageGenerator, Readings

pytestmark = pytest.mark.usefixtures("double_precision")

NUM_IMAGES = 4


def cells(states):
    """Codes `[cells, d]` and the image `[cells]` of every cell."""
    grid = np.indices((*states, NUM_IMAGES)).reshape(len(states) + 1, -1)
    encode = jax.vmap(ImageGenerator(states).encode)
    return encode(tuple(jnp.asarray(grid[:-1]))), grid[-1]


def logits(real, joint, states):
    """The library's logits of every cell, from real [images] and joint [images, d]."""
    codes, image = cells(states)
    real, joint = jnp.asarray(real)[image], jnp.asarray(joint)[image]
    return Readings(real, joint, joint, joint, None).logits(codes)


def discriminator_loss(found, p_real, p_fake):
    """E_r and E_g of the library's loss of one real and one generated image.

    The other image of a pair is one that D is sure of: it costs nothing.
    """
    sure = jnp.full(1, 1e9)
    loss_fn = adversarial.discriminator_loss
    on_real = jax.vmap(lambda logit: loss_fn(logit[None], -sure))(found)
    on_fake = jax.vmap(lambda logit: loss_fn(sure, logit[None]))(found)
    return jnp.sum(p_real.ravel() * on_real + p_fake.ravel() * on_fake)


def bayes_loss(p_real, p_fake):
    """The least loss of any discriminator: log 4 - 2 JSD(P_r, P_g)."""
    total = p_real + p_fake
    met = [(p[p > 0], total[p > 0]) for p in (p_real, p_fake)]
    return float(sum(np.sum(p * np.log(both / p)) for p, both in met))


def conditionally_independent(states, seed):
    """P(x) prod_j P(l_j | x) and its factors' tables [images, states]."""
    random = np.random.default_rng(seed)
    images = random.dirichlet(np.full(NUM_IMAGES, 3.0))
    first, second = (random.dirichlet(np.full(k, 2.0), NUM_IMAGES) for k in states)
    return np.einsum("x,xa,xb->abx", images, first, second), images, (first, second)


def optimum(real, fake):
    """real(x) and joint(x) of the optimal discriminator, written down."""
    _, p_images, p_tables = real
    _, q_images, q_tables = fake
    offset, parts = np.log(p_images / q_images), []
    for p, q in zip(p_tables, q_tables, strict=True):
        ratio = np.log(p / q)  # [images, states]
        if ratio.shape[1] == 2:  # one code: 0 or 1
            offset = offset + ratio.mean(1)
            parts.append((ratio[:, 1:] - ratio[:, :1]) / 2)
        else:  # one-hot: every other state's code takes its part away
            offset = offset + ratio.sum(1) / 2
            parts.append(ratio / 2)
    return offset, np.concatenate(parts, axis=1)


@pytest.mark.parametrize("states", [(2, 2), (2, 3)])
def test_labels_independent_given_the_image_are_judged_exactly(states):
    real, fake = (conditionally_independent(states, seed) for seed in (0, 1))
    found = logits(*optimum(real, fake), states)
    expected = np.log(real[0] / fake[0]).ravel()
    np.testing.assert_allclose(found, expected, atol=1e-9)
    share = real[0] / (real[0] + fake[0])
    np.testing.assert_allclose(jax.nn.sigmoid(found), share.ravel(), atol=1e-9)


@pytest.mark.parametrize("states", [(2, 2), (2, 3)])
def test_there_the_gradient_of_its_loss_is_zero(states):
    real, fake = (conditionally_independent(states, seed) for seed in (0, 1))
    best = tuple(map(jnp.asarray, optimum(real, fake)))

    def loss_fn(best):
        return discriminator_loss(logits(*best, states), real[0], fake[0])

    loss, gradients = jax.jit(jax.value_and_grad(loss_fn))(best)
    assert float(loss) == pytest.approx(bayes_loss(real[0], fake[0]), abs=1e-9)
    for gradient in gradients:
        np.testing.assert_allclose(gradient, 0, atol=1e-9)


def test_labels_that_the_image_determines_are_judged_in_the_limit():
    """Wrong labels of an image are surely generated, whatever the right ones cost."""
    states = (2, 2)
    fake = conditionally_independent(states, 1)[0]
    labels = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])  # of each image
    images = np.arange(NUM_IMAGES)
    real = np.zeros((2, 2, NUM_IMAGES))
    real[labels[:, 0], labels[:, 1], images] = [0.1, 0.2, 0.3, 0.4]
    at_truth = np.log([0.1, 0.2, 0.3, 0.4] / fake[labels[:, 0], labels[:, 1], images])
    excess = []
    for steep in (1.0, 5.0, 25.0):
        found = logits(at_truth - 2 * steep, steep * (2 * labels - 1), states)
        loss = float(discriminator_loss(found, real, fake))
        excess.append(loss - bayes_loss(real, fake))
    assert excess[0] > excess[1] > excess[2] > -1e-9
    assert excess[2] < 1e-9


def test_an_interaction_of_labels_given_the_image_is_missed(minimise):
    """Real labels agree, generated ones do not care: no sum of two parts tells them."""
    agree, any_two = np.eye(2) * 0.8 / 2 + 0.1 / 2, np.full((2, 2), 0.25)
    images = np.full(NUM_IMAGES, 1 / NUM_IMAGES)
    real, fake = (law[:, :, None] * images for law in (agree, any_two))

    def loss_fn(free):
        found = logits(free[:, 0], free[:, 1:], (2, 2))
        return discriminator_loss(found, real, fake)

    start = jnp.asarray(np.random.default_rng(0).normal(size=(NUM_IMAGES, 3)))
    found = minimise(loss_fn, start)
    np.testing.assert_allclose(found, 0, atol=1e-5)
    assert float(loss_fn(found)) == pytest.approx(np.log(4), abs=1e-9)
    assert bayes_loss(real, fake) < np.log(4) - 0.05


def test_the_joint_discriminator_alone_makes_the_cost_the_divergence(expectation):
    for seed in range(10):
        real, fake = (
            conditionally_independent((2, 3), seed + offset) for offset in (0, 100)
        )
        found = logits(*optimum(real, fake), (2, 3))
        cost = expectation(fake[0], adversarial.generator_loss_theory, found)
        divergence = np.sum(fake[0] * np.log(fake[0] / real[0]))
        assert float(cost) == pytest.approx(divergence, abs=1e-6)


def test_the_default_generator_loss_is_least_at_the_real_law(expectation):
    """E_g log(1 + P_g / P_r) is an f-divergence, and log 2 where the laws are equal."""
    for seed in range(10):
        real, fake = (
            conditionally_independent((2, 3), seed + offset) for offset in (0, 100)
        )
        for other, least in ((fake, False), (real, True)):
            found = logits(*optimum(real, other), (2, 3))
            cost = float(expectation(other[0], adversarial.generator_loss, found))
            if least:
                assert cost == pytest.approx(np.log(2), abs=1e-9)
            else:
                assert cost > np.log(2) + 0.01
