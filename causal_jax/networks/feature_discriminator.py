"""A discriminator of pixels and of what a fixed classifier sees in them.

Sauer et al. 2021 (arXiv 2111.01007, "projected GANs") let small discriminators read the
maps of a pretrained network instead of one large discriminator read pixels: it knows
already what tells pictures apart, so the generator learns from tens of thousands of
pictures where it would need millions. Here the network is a `ResNet`, and its classes
may be learned from the same pictures; one discriminator reads pixels still. Each judges
by itself (with the label by projection, Miyato & Koyama 2018, arXiv 1802.05637) and is
spectrally normalised, without batch statistics; ``lrelu`` has slope .2, ``/2`` is a
stride of 2::

    pixels   4 w /2, 4 2w /2, 4 4w /2, 4 4w /2, ... lrelu each, until the side is 4
    a map    1 2w, 4 4w /2 until the side is 4, 3 4w, lrelu each
    h = sum over pixels,  logit a'h + b + v_y'h

Differences from the paper: the maps are read as they are, not mixed by random
projections; labels; pixels.
"""

import flax.linen as nn
import jax.numpy as jnp

from causal_jax.networks.resnet import ResNet, normalized
from causal_jax.networks.spectral_norm import (
    SpectralConv,
    SpectralDense,
    SpectralEmbed,
)
from causal_jax.types import Array

FEATURES, FIXED = "features", "fixed"  # where the classifier's variables are
_SLOPE = 0.2  # leaky rectifier's slope below 0
_LAST_SIZE = 4  # side of the smallest image
_LARGEST = 4  # most channels, as a multiple of the width


class FeatureDiscriminator(nn.Module):
    """Judges whether images of given classes are real, several times over.

    Variables: `params`; `spectral`, the power iterations' vectors; and `features`, of
    which `fixed` are the variables of `classifier`, which nothing here changes (drawn
    at random by `init`: put trained ones in their place).

    Attributes:
      classifier: what the maps are of; one without mapped axes.
      size: side of the image.
      width: channels of the first convolution of pixels.
      num_classes: number of classes of the generator.

    >>> import jax
    >>> classifier = ResNet((1, 1), num_classes=3, width=4, stem=3)
    >>> discriminator = FeatureDiscriminator(classifier, 32, width=4, num_classes=3)
    >>> images, labels = jnp.zeros((2, 32, 32, 3)), jnp.array([0, 2])
    >>> variables = discriminator.init(jax.random.key(0), images, labels)
    >>> sorted(variables)
    ['features', 'params', 'spectral']
    >>> logits, updated = discriminator.apply(
    ...     variables, images, labels, train=True, mutable=["spectral"]
    ... )
    >>> logits.shape
    (2, 3)
    """

    classifier: ResNet
    size: int = 64
    width: int = 32
    num_classes: int = 1000

    @nn.compact
    def __call__(self, images: Array, labels: Array, train: bool = False) -> Array:
        """Judges images.

        Args:
          images: `[B, size, size, 3]` in [-1, 1].
          labels: int `[B]`, or weights of the classes, float `[B, num_classes]`.
          train: whether power iterations are done; `spectral` then changes.

        Returns:
          `[B, 1 + stages of the classifier]` logits of being real.
        """
        classifier = self.classifier.clone(parent=None)
        fixed = self.variable(
            FEATURES,
            FIXED,
            lambda: classifier.init(self.make_rng("params"), images),
        )
        maps = classifier.apply(fixed.value, normalized(images), method=ResNet.maps)
        logits = [
            _Judge(self.width, self.num_classes, name="pixels")(images, labels, train)
        ]
        for i, seen in enumerate(maps):
            x = _conv(2 * self.width, 1, 1, f"map_{i}_in", seen, train)
            judge = _Judge(4 * self.width, self.num_classes, last=3, name=f"map_{i}")
            logits.append(judge(x, labels, train))
        return jnp.stack(logits, axis=1)


class _Judge(nn.Module):
    """Strided convolutions and a projection.

    Attributes:
      width: channels of the first convolution.
      num_classes: number of classes.
      last: side of the kernel of a last convolution without a stride; 0 for none.
    """

    width: int
    num_classes: int
    last: int = 0

    @nn.compact
    def __call__(self, x: Array, labels: Array, train: bool) -> Array:
        """[B, H, W, C], [B] -> [B]."""
        i = 0
        while x.shape[1] > _LAST_SIZE:
            features = self.width if self.last else min(2**i, _LARGEST) * self.width
            x, i = _conv(features, 4, 2, f"conv_{i}", x, train), i + 1
        if self.last:
            x = _conv(self.width, self.last, 1, "conv_last", x, train)
        h = x.sum((1, 2))
        embed = SpectralEmbed(self.num_classes, h.shape[-1], name="label_vectors")
        linear = SpectralDense(1, name="linear")
        return linear(h, train)[:, 0] + jnp.sum(embed(labels, train) * h, axis=-1)


def _conv(features: int, size: int, strides: int, name: str, x: Array, train: bool):
    layer = SpectralConv(features, size, strides=strides, name=name)
    return nn.leaky_relu(layer(x, train), _SLOPE)
