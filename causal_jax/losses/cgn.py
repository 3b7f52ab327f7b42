"""Losses of counterfactual generative networks on the MNIST variants.

Sauer & Geiger (2021), section 3.2 and the reference code's `shared/losses.py`; D judges
composite images x with their labels (least squares, Mao et al. 2017):

    D  : min [ E_r (D(x) - 1)^2 + E_g D(x)^2 ] / 2
    G  : min E_g (D(x) - 1)^2 + a E H2(m) + sum_l w_l E |Gram_l(x_g) - Gram_l(x_r)|

H2 is the entropy of a mask's pixel in bits, so masks become binary; Gram_l are the
products of a feature map's channels (Gatys et al. 2016), so images get the data's
textures, whatever their class. The paper calls the last a perceptual loss; the
reference's content weights are 0.
"""

from collections.abc import Sequence

import jax.numpy as jnp

from causal_jax.types import Array

# The reference multiplies each layer's squared weight by this.
STYLE_SCALE = 5000.0


def discriminator_loss(real: Array, fake: Array) -> Array:
    """Half of E_r (D - 1)^2 + E_g D^2, from judgements [B]."""
    return (jnp.mean((real - 1) ** 2) + jnp.mean(fake**2)) / 2


def generator_loss(fake: Array) -> Array:
    """E_g (D - 1)^2, from judgements [B]."""
    return jnp.mean((fake - 1) ** 2)


def mask_entropy(masks: Array) -> Array:
    """Mean entropy of a pixel in bits, in [0, 1]; masks of any shape in (0, 1)."""
    return -jnp.mean(masks * jnp.log2(masks) + (1 - masks) * jnp.log2(1 - masks))


def border_mean(masks: Array, *, width: int = 4) -> Array:
    """Mean of the masks [B, H, W, 1] over their outermost pixels, in [0, 1].

    Not in the paper: an object does not touch the picture's edge. Nothing else says
    which of the two textures is the object's, and without it single classes come out
    inverted, the background drawn by the mask. MNIST keeps 4 of 28 pixels free; of a
    narrower border an inverted mask may leave just that, as a dark frame.
    """
    inner = jnp.sum(masks[:, width:-width, width:-width])
    _, height, columns, _ = masks.shape
    pixels = height * columns - (height - 2 * width) * (columns - 2 * width)
    return (jnp.sum(masks) - inner) / (len(masks) * pixels)


def spread(textures: Array, *, scale: float = 0.02, least: float = 0.05) -> Array:
    """How far apart the colours of two textures of one class are, mean logarithm.

    After Mao et al. 2019 (arXiv 1903.05628), whose mode-seeking term is the reciprocal
    of a distance. A smooth discriminator cannot see that a class's colour varies a
    little, and pulls all its textures to one.

    The distance is |mean_p d_p / (|d_p| + scale)|, a mean over the channels, d_p the
    difference of the textures at pixel p: a spot counts little however bright it is.

    Args:
      textures: [B, H, W, C]; rows 2 i and 2 i + 1 are of one class.
      scale: the difference from which on a pixel counts half, of colours in [-1, 1].
      least: what is added to a distance.
    """
    differences = textures[::2] - textures[1::2]
    bounded = differences / (jnp.abs(differences) + scale)
    distances = jnp.mean(jnp.abs(jnp.mean(bounded, axis=(1, 2))), axis=-1)
    return jnp.mean(jnp.log(distances + least))


def gram(features: Array) -> Array:
    """Products of channels, [B, H, W, C] -> [B, C, C], over the map's C H W numbers."""
    products = jnp.einsum("bhwc,bhwd->bcd", features, features)
    return products / features[0].size


def style_loss(
    fake: Sequence[Array], real: Sequence[Array], weights: Sequence[float]
) -> Array:
    """Weighted mean absolute differences of Gram matrices, row by row.

    Args:
      fake: feature maps of generated images, each [B, H, W, C].
      real: the same of as many real ones; row i is compared with row i.
      weights: one per feature map (the reference's are `STYLE_SCALE` w^2); maps of
        weight 0 are not looked at.

    Raises:
      ValueError: the numbers of maps and weights differ.
    """
    if not len(fake) == len(real) == len(weights):
        raise ValueError(
            f"{len(fake)} and {len(real)} feature maps have {len(weights)} weights: "
            "give one per map"
        )
    total = jnp.zeros(())
    for a, b, weight in zip(fake, real, weights, strict=True):
        if weight:
            total += weight * jnp.mean(jnp.abs(gram(a) - gram(b)))
    return total
