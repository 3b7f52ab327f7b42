"""What the heads of an invariant classifier learn (Sauer & Geiger 2021, section 3.5).

    L = H(mean of the heads' logits, y)                                  real pictures
      + H(shape, y_s) + H(texture, y_t) + H(background, y_b)       counterfactual ones

H is the mean cross entropy over a batch, nats. A classifier of one head is the case
without the second line.
"""

from collections.abc import Mapping

import jax.numpy as jnp
import optax

from causal_jax.types import Array


def mean_logits(logits: Mapping[str, Array]) -> Array:
    """The mean of the heads' logits, [B, K]; one head is its own.

    >>> mean_logits({"shape": jnp.array([[2.0]]), "texture": jnp.array([[4.0]])})
    Array([[3.]], dtype=float32)
    """
    return sum(logits.values()) / len(logits)


def cross_entropy(logits: Array, labels: Array) -> Array:
    """Mean cross entropy, nats.

    Args:
      logits: [B, K].
      labels: int [B] in 0 .. K - 1.

    >>> round(float(cross_entropy(jnp.zeros((1, 2)), jnp.array([1]))), 4)
    0.6931
    """
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return jnp.mean(losses)


def of_parts(
    logits: Mapping[str, Array], labels: Mapping[str, Array]
) -> dict[str, Array]:
    """{head: mean cross entropy of its own label}; their sum is what is added.

    Args:
      logits: {head: [B, K]}, of counterfactual pictures.
      labels: {head: int [B]}.
    """
    return {head: cross_entropy(logits[head], labels[head]) for head in logits}
