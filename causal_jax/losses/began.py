"""CausalBEGAN's losses: two errors, three margins and their controllers.

BEGAN: Berthelot, Schumm & Metz (2017, arXiv 1703.10717). CausalBEGAN: Kocaoglu et al.
(2017, arXiv 1709.02023), section 5.4. The discriminator is an autoencoder, its error
L(v) = mean |AE(v) - v| (`reconstruction_error`). With a labeler's error `label` beside
it, real images x and generated images G:

    D minimises  L(x) - c1 L(G) + label(x) - c2 label(G)
    G minimises  L(G) + c3 label(G)

    b1 = gamma1 L(x) - L(G)              c1 <- clip(c1 + lambda1 b1, 0, 1)
    b2 = gamma2 label(x) - label(G)      c2 <- clip(c2 + lambda2 b2, 0, 1)
    b3 = gamma3 max(b1, 0) - max(b2, 0)  c3 <- clip(c3 + lambda3 b3, 0, 1)

D holds b1 and b2 at zero: it works against generated images only as far as they are
better than real ones by the factor gamma. Labels weigh more in G (c3) while its images
are ahead, less while its labels are. All errors are means over the global batch, so
that N devices have the controllers of one.

The margins compare means of errors, so nothing in them asks generated images to vary:
the mean face of its labels is as easy to reconstruct as they want. `code_distance`
does: codes and labels of generated images are to have the law of those of real ones.

In the reference code (causal_began/CausalBEGAN.py) c1, c2, c3 are k_t, l_t, z_t and
gamma1, gamma2, gamma3 are gamma, gamma_label, zeta. Differences: its cross-entropy of
generated images has its arguments flipped in G's loss; here G and D read the same error
(`label_error`).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from causal_jax.types import Array

LABEL_LOSSES = ("squarediff", "absdiff", "xe")


class Errors(NamedTuple):
    """What the margins compare, means over the batch, all [] and at least 0.

    Attributes:
      real: L(x), the autoencoder's error on real images.
      fake: L(G), on generated ones.
      label_real: the labeler's error on real images.
      label_fake: on generated ones, against the labels they were asked for.
    """

    real: Array
    fake: Array
    label_real: Array
    label_fake: Array


class Margins(NamedTuple):
    """b1 of the images, b2 of the labels, b3 of the one against the other; all []."""

    b1: Array
    b2: Array
    b3: Array


class Controls(NamedTuple):
    """The weights c1, c2, c3 that hold the margins, all [] in [0, 1]."""

    c1: Array
    c2: Array
    c3: Array


def reconstruction_error(reconstructions: Array, images: Array) -> Array:
    """Mean |AE(v) - v|, both [B, H, W, 3]."""
    return jnp.mean(jnp.abs(reconstructions - images))


def label_error(
    logits: Array, codes: Array, kind: str, factors: Array | float = 1.0
) -> Array:
    """Mean error of a labeler's logits [B, d] against labels [B, d] in {0, 1}.

    Args:
      logits: of each code being 1.
      codes: encoded labels.
      kind: "squarediff" or "absdiff" of the probabilities, or "xe", in nats.
      factors: by which errors are multiplied, one for all or one a column.
    """
    if kind == "xe":
        errors = jax.nn.softplus(logits) - logits * codes
    else:
        difference = jax.nn.sigmoid(logits) - codes
        errors = difference**2 if kind == "squarediff" else jnp.abs(difference)
    return jnp.mean(errors * factors)


def code_distance(
    generated: Array,
    real: Array,
    all_generated: Array,
    all_real: Array,
    index: Array,
    *,
    num_codes: int,
) -> Array:
    """Energy distance between the laws of generated and of real codes with labels.

    2 E|X - Y| - E|X - X'| - E|Y - Y'| (Szekely & Rizzo 2013), an estimate without bias;
    the expectation is 0 if, and only if, the laws are one. Then the codes' laws given
    the labels are one, too: a label is not obeyed by a pattern that only a labeler
    reads. Codes and labels are measured in units in which real ones spread alike.

    Args:
      generated: codes, then encoded labels of this device's generated images, [B, d].
      real: of its real ones, [B, d].
      all_generated: of all devices' generated images, [N, d].
      all_real: of all devices' real ones, [N, d].
      index: where this device's are among all, [B].
      num_codes: how many of the d numbers are codes.

    Returns:
      []: the mean over devices is that of the whole batch. Gradients flow into
      `generated` and `all_generated`.
    """
    all_real = jax.lax.stop_gradient(all_real)
    variances = jnp.var(all_real, 0)
    parts = (variances[:num_codes], variances[num_codes:])
    size = jnp.concatenate([jnp.full_like(v, jnp.sqrt(2 * jnp.sum(v))) for v in parts])
    is_self = index[:, None] == jnp.arange(len(all_real))

    def distances(ours: Array, others: Array) -> Array:
        apart = (ours[:, None] - others[None]) / jnp.where(size > 0, size, 1.0)
        squares = jnp.sum(apart**2, -1)
        return jnp.sqrt(jnp.where(squares > 0, squares, 1)) * (squares > 0)

    def within(ours: Array, others: Array) -> Array:
        apart = jnp.where(is_self, 0, distances(ours, others))
        return jnp.mean(jnp.sum(apart, 1)) / max(len(others) - 1, 1)

    between = jnp.mean(distances(generated, all_real))
    return 2 * between - within(generated, all_generated) - within(real, all_real)


def margins(errors: Errors, gammas: tuple[float, float, float]) -> Margins:
    """b1, b2, b3 at these errors (paper's notation, see the module)."""
    b1 = gammas[0] * errors.real - errors.fake
    b2 = gammas[1] * errors.label_real - errors.label_fake
    b3 = gammas[2] * jax.nn.relu(b1) - jax.nn.relu(b2)
    return Margins(b1=b1, b2=b2, b3=b3)


def controlled(
    controls: Controls, margins: Margins, rates: tuple[float, float, float]
) -> Controls:
    """The controls after one step of rates lambda1, lambda2, lambda3."""

    def moved(control: Array, margin: Array, rate: float) -> Array:
        return jnp.clip(control + rate * margin, 0.0, 1.0)

    return Controls(
        c1=moved(controls.c1, margins.b1, rates[0]),
        c2=moved(controls.c2, margins.b2, rates[1]),
        c3=moved(controls.c3, margins.b3, rates[2]),
    )


def convergence(errors: Errors, margins: Margins) -> Array:
    """BEGAN's measure of the images: L(x) + |b1|; smaller is better."""
    return errors.real + jnp.abs(margins.b1)


def convergence_complete(errors: Errors, margins: Margins) -> Array:
    """CausalBEGAN's, of images and labels: L(x) + label(x) + |b1| + |b2| + |b3|."""
    return errors.real + errors.label_real + sum(map(jnp.abs, margins))


def scaled(tree: Any, weight: Array | float) -> Any:
    """`tree` itself, but gradients flowing back through it are times `weight`.

    With it one pass gives both players their gradients, as c1 does in the autoencoder.
    """

    def leaf(x: Array) -> Array:
        fixed = jax.lax.stop_gradient(x)
        return fixed + weight * (x - fixed)

    return jax.tree.map(leaf, tree)
