"""The mathematics of the losses, on alphabets small enough to write everything down.

A "unit" is a pair (label l, image x) of two finite alphabets; P_r and P_g are random
joint laws over them. Every expectation is an exact sum.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from causal_jax.losses import adversarial

NUM_LABELS, NUM_IMAGES = 2, 5


@pytest.fixture(scope="module", autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def laws():
    """P_r and P_g over (l, x), float64 [2, 5]; positive everywhere."""
    random = np.random.default_rng(0)
    draw = [random.dirichlet(np.full(10, 2.0)).reshape(2, 5) for _ in range(2)]
    assert min(law.min() for law in draw) > 1e-3
    return draw


def logit(p):
    return np.log(p) - np.log1p(-p)


def weighted(loss_fn, law, *arguments):
    """E_law of a loss that averages over its arguments: one call a cell, then a sum."""
    cells = jax.vmap(lambda *cell: loss_fn(*(c[None] for c in cell)))
    flat = [jnp.asarray(a).ravel() for a in arguments]
    return jnp.sum(jnp.asarray(law).ravel() * cells(*flat))


def minimise(loss_fn, start, num_steps=400):
    """The minimiser of a convex function, by L-BFGS."""
    optimizer = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss_fn)

    def step(carry, _):
        x, state = carry
        value, gradient = value_and_grad(x, state=state)
        updates, state = optimizer.update(
            gradient, state, x, value=value, grad=gradient, value_fn=loss_fn
        )
        return (optax.apply_updates(x, updates), state), value

    (x, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), length=num_steps)
    return x


def label_values():
    """[2, 5]: the label of every cell."""
    return np.repeat(np.arange(NUM_LABELS, dtype=float)[:, None], NUM_IMAGES, axis=1)


def test_the_optimal_discriminator_is_the_share_of_real(laws):
    real, fake = (law.sum(0) for law in laws)

    def loss_fn(logits):
        none = jnp.full(1, -1e9)  # its term vanishes: softplus(-1e9) = 0
        per_real = jax.vmap(lambda z: adversarial.discriminator_loss(z[None], none))(
            logits
        )
        per_fake = jax.vmap(lambda z: adversarial.discriminator_loss(-none, z[None]))(
            logits
        )
        return jnp.sum(real * per_real) + jnp.sum(fake * per_fake)

    found = jax.nn.sigmoid(minimise(loss_fn, jnp.zeros(NUM_IMAGES)))
    np.testing.assert_allclose(found, real / (real + fake), atol=1e-6)


@pytest.mark.parametrize("which", ["labeler", "anti_labeler"])
def test_optimal_labelers_are_the_posteriors_of_their_laws(laws, which):
    law = laws[0] if which == "labeler" else laws[1]

    def loss_fn(logits):
        every = jnp.broadcast_to(logits, law.shape)
        return weighted(adversarial.cross_entropy, law, every, label_values())

    found = jax.nn.sigmoid(minimise(loss_fn, jnp.zeros(NUM_IMAGES)))
    np.testing.assert_allclose(found, law[1] / law.sum(0), atol=1e-6)


def generator_cost(laws, *, anti_labeler: bool):
    """E_g[log((1 - D)/D) - log P_LR(l|x) + log P_LG(l|x)] at the optima."""
    real, fake = laws
    labels, p_real, p_fake = label_values(), real.sum(0), fake.sum(0)
    discriminator = np.broadcast_to(logit(p_real / (p_real + p_fake)), fake.shape)
    labeler = np.broadcast_to(logit(real[1] / p_real), fake.shape)
    anti = np.broadcast_to(logit(fake[1] / p_fake), fake.shape)
    cost = weighted(adversarial.generator_loss_theory, fake, discriminator)
    cost += weighted(adversarial.cross_entropy, fake, labeler, labels)
    if anti_labeler:
        cost -= weighted(adversarial.cross_entropy, fake, anti, labels)
    return float(cost)


def test_theorem_2_the_generators_cost_is_a_kl_divergence(laws):
    real, fake = laws
    divergence = float(np.sum(fake * np.log(fake / real)))
    found = generator_cost(laws, anti_labeler=True)
    assert found == pytest.approx(divergence, abs=1e-6)


def test_without_the_anti_labeler_the_cost_is_no_divergence(laws):
    real, fake = laws
    divergence = float(np.sum(fake * np.log(fake / real)))
    without = generator_cost(laws, anti_labeler=False)
    conditional = -np.sum(fake * np.log(fake / fake.sum(0)))  # H_g(l | x)
    assert without == pytest.approx(divergence + conditional, abs=1e-6)
    assert conditional > 0.1
    # At P_g = P_r the divergence is zero, the cost without it is not.
    assert generator_cost((real, real), anti_labeler=True) == pytest.approx(0, abs=1e-6)
    assert generator_cost((real, real), anti_labeler=False) > 0.1


def test_the_flipped_label_loss_is_minimal_at_a_hard_classifier(laws):
    """Defect of the reference: label logits as logits, the prediction as the target."""
    law = laws[1]
    label_logits = np.where(label_values() == 1, 3.0, -3.0)  # of labels near 0 and 1

    def loss_fn(logits):
        every = jnp.broadcast_to(logits, law.shape)
        return weighted(adversarial.flipped_cross_entropy, law, label_logits, every)

    posterior = law[1] / law.sum(0)
    hard = np.where(posterior > 0.5, 30.0, -30.0)
    soft = logit(posterior)
    assert float(loss_fn(hard)) < float(loss_fn(soft)) - 1e-3
    # It is linear in the prediction: the gradient never turns, wherever one stands.
    for scale in (0.1, 1.0, 5.0):
        gradient = jax.grad(loss_fn)(jnp.asarray(soft * scale))
        np.testing.assert_array_equal(np.sign(gradient), -np.sign(posterior - 0.5))


def test_cross_entropy_is_the_bernoulli_likelihood():
    logits, targets = jnp.array([0.3, -2.0, 20.0]), jnp.array([1.0, 0.25, 1.0])
    p = 1 / (1 + np.exp(-np.asarray(logits)))
    expected = -np.mean(
        np.asarray(targets) * np.log(p) + (1 - np.asarray(targets)) * np.log1p(-p)
    )
    found = float(adversarial.cross_entropy(logits, targets))
    assert found == pytest.approx(expected, abs=1e-9)
    assert np.isfinite(float(adversarial.cross_entropy(jnp.array([-800.0]), 1.0)))


def test_generator_losses_are_log_d_and_log_odds():
    logits = jnp.array([0.5, -1.5])
    p = 1 / (1 + np.exp(-np.asarray(logits)))
    assert float(adversarial.generator_loss(logits)) == pytest.approx(-np.log(p).mean())
    theory = float(adversarial.generator_loss_theory(logits))
    assert theory == pytest.approx(np.mean(np.log((1 - p) / p)))


# --- WGAN-GP ------------------------------------------------------------------------


def test_the_penalty_is_two_sided_around_slope_one():
    rows = jnp.zeros((4, 2))
    mix = jnp.full(4, 0.5)
    for slope in (0.0, 0.5, 1.0, 3.0):
        loss, distance = adversarial.critic_loss(
            lambda x, slope=slope: slope * x[:, 0], rows, rows, mix, penalty_weight=0.1
        )
        assert float(distance) == 0.0
        assert float(loss) == pytest.approx(0.1 * (slope - 1) ** 2, abs=1e-6)


def test_the_penalty_is_taken_between_real_and_fake():
    real, fake = jnp.array([[1.0], [1.0]]), jnp.array([[-1.0], [3.0]])
    mix = jnp.array([0.25, 0.75])
    between = np.array([0.25 - 0.75, 0.75 + 0.25 * 3])
    loss, distance = adversarial.critic_loss(
        lambda rows: rows[:, 0] ** 2, real, fake, mix, penalty_weight=10.0
    )
    assert float(distance) == pytest.approx(1.0 - 5.0)
    penalty = np.mean((2 * np.abs(between) - 1) ** 2)
    assert float(loss) == pytest.approx(4.0 + 10 * penalty, abs=1e-6)


def test_the_loss_of_a_batch_is_that_of_its_rows():
    real, fake = jax.random.normal(jax.random.key(0), (2, 5, 3))
    mix = jax.random.uniform(jax.random.key(1), (5,))

    def judged(rows):
        return jnp.tanh(rows @ jnp.array([1.0, -2.0, 0.5])) + rows[..., 0] ** 2

    loss, distance = adversarial.critic_loss(judged, real, fake, mix, penalty_weight=3)
    penalties, distances = [], []
    for r, f, m in zip(real, fake, mix, strict=True):
        slope = jax.grad(judged)(m * r + (1 - m) * f)
        penalties.append((float(jnp.linalg.norm(slope)) - 1) ** 2)
        distances.append(float(judged(r) - judged(f)))
    assert float(distance) == pytest.approx(np.mean(distances), rel=1e-5)
    expected = 3 * np.mean(penalties) - np.mean(distances)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("num", [2, 16, 37, 512])
def test_a_bias_that_moves_all_rows_alike_has_no_gradient(num):
    """Not even what rounding leaves of it, of which Adam would make a whole step."""
    rows = jax.random.uniform(jax.random.key(num), (2, num, 3))
    weights = jax.random.normal(jax.random.key(1), (2, 3, 3)) / 3

    def loss_fn(biases):
        def judged(x):
            hidden = jax.nn.leaky_relu(x @ weights[0] + biases["hidden"], 0.2)
            return hidden @ weights[1][0] + biases["last"]

        mix = jnp.full(num, 0.3)
        return adversarial.critic_loss(judged, *rows, mix, penalty_weight=0.1)[0]

    biases = {"hidden": jnp.full(3, 10.0), "last": jnp.float32(0)}
    gradients = jax.jit(jax.grad(loss_fn))(biases)
    assert all((gradient == 0).all() for gradient in gradients.values())


def test_a_flat_critic_has_a_finite_gradient():
    def loss_fn(w):
        rows = jnp.ones((2, 3))
        return adversarial.critic_loss(
            lambda x: x @ w, rows, rows, jnp.ones(2), penalty_weight=1.0
        )[0]

    assert bool(jnp.isfinite(jax.grad(loss_fn)(jnp.zeros(3))).all())
