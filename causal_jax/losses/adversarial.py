"""Adversarial losses: WGAN-GP for labels, GAN and labelers for images.

WGAN-GP: Gulrajani et al. (2017), eq. 3, two-sided penalty. The original label stage of
CausalGAN uses the penalty weight .1 (not the paper's 10).

CausalGAN: Kocaoglu et al. (2017), eqs. 2-5. The discriminator and both labelers are
classifiers fitted by cross-entropy:

    D  : max E_r log D(x) + E_g log(1 - D(x))
    LR : max E_r log P_LR(l | x)        optimum P_r(l | x)
    LG : max E_g log P_LG(l | x)        optimum P_g(l | x)
    G  : min E_g [ log (1 - D)/D  -  log P_LR(l | x)  +  log P_LG(l | x) ]

At the optima of D, LR and LG the generator's cost is KL(P_g(l, x) || P_r(l, x)).

Differences from the reference code (its `reference` variants are kept, by name): it
computes the label terms with the arguments of the cross-entropy flipped, so that the
Anti-Labeler's optimum is a hard 0/1 classifier instead of the posterior.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from causal_jax.types import Array


def critic_loss(
    critic_fn: Callable[[Array], Array],
    real: Array,
    fake: Array,
    mix: Array,
    *,
    penalty_weight: float,
) -> tuple[Array, Array]:
    """WGAN-GP critic loss, and the estimated Wasserstein distance it contains.

    Args:
      critic_fn: rows [N, d] -> [N], each from its own row alone.
      real: [B, d].
      fake: [B, d].
      mix: [B] in [0, 1], where between the two the gradient is penalised.
      penalty_weight: weight of the gradient penalty.
    """
    between = mix[:, None] * real + (1 - mix[:, None]) * fake
    gradients = jax.grad(lambda rows: jnp.sum(critic_fn(rows)))(between)
    # The tiny constant keeps the square root differentiable at a zero gradient.
    norms = jnp.sqrt(jnp.sum(gradients**2, axis=-1) + 1e-12)
    penalty = jnp.mean((norms - 1) ** 2)
    # In turns: where both give the same gradient, as to a bias, their sum is exactly 0,
    # of whose rounding Adam would make a whole step.
    values = critic_fn(jnp.stack([real, fake], axis=1).reshape(-1, real.shape[1]))
    signs = jnp.tile(jnp.array([1.0, -1.0]), len(real))
    distance = jnp.sum(values * signs) / len(real)
    return -distance + penalty_weight * penalty, distance


def cross_entropy(logits: Array, targets: Array, factors: Array | float = 1.0) -> Array:
    """Mean sigmoid cross-entropy; targets in [0, 1], same shape as logits.

    `factors`, one for all or one a column, multiply the cross-entropies.
    """
    return jnp.mean((jax.nn.softplus(logits) - logits * targets) * factors)


def discriminator_loss(real_logits: Array, fake_logits: Array) -> Array:
    """-E_r log D - E_g log(1 - D)."""
    return jnp.mean(jax.nn.softplus(-real_logits)) + jnp.mean(
        jax.nn.softplus(fake_logits)
    )


def generator_loss(fake_logits: Array) -> Array:
    """Non-saturating: -E_g log D. The gradient vanishes where D is fooled."""
    return jnp.mean(jax.nn.softplus(-fake_logits))


def generator_loss_theory(fake_logits: Array) -> Array:
    """E_g log((1 - D)/D) = -E_g logit D: eq. 5, the one Theorem 2 is about."""
    return -jnp.mean(fake_logits)


def flipped_cross_entropy(
    label_logits: Array, predicted_logits: Array, factors: Array | float = 1.0
) -> Array:
    """The reference code's label term: label logits as logit, prediction as target."""
    return cross_entropy(label_logits, jax.nn.sigmoid(predicted_logits), factors)
