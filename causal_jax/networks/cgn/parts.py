"""The networks of a counterfactual generative network: masks and textures.

Sauer & Geiger (ICLR 2021, arXiv 2101.06046) and the reference code's `models/cgn.py`;
convolutions are 3x3, ``up`` doubles every pixel, IN is instance and BN batch norm::

    [noise, label embedding] -> linear -> 8 x 8 x 2w
    Shape    IN, up conv w BN lrelu, IN, up conv 1 BN lrelu, IN
    Texture  up conv 2w BN lrelu, up conv w BN lrelu, conv 3 BN tanh

`networks.cgn.mnist` makes mechanisms of them.
"""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from causal_jax.networks.layers import AxisName, BatchNorm, Conv, UpsampledConv
from causal_jax.types import Array, Key

SIZE = 32  # side of the image
NUM_CLASSES = 10

_FIRST_SIZE = SIZE // 4
_SLOPE = 0.2  # leaky rectifier's slope below 0, reference code
_EPSILON = 1e-5  # of instance normalisation, PyTorch's default


class _PartNetwork(nn.Module):
    """What the shape's and the textures' networks share.

    Attributes:
      width: channels of the last hidden layer.
      init_kind: law of the kernels' initial weights, "orthogonal" or "normal".
      init_scale: its gain or standard deviation; also the deviation of batch
        normalisation's scales about 1. Biases start at 0 (the reference's `init_net`).
      axis_name: device axis over which batch statistics are taken.
      num_classes: number of labels.
    """

    width: int = 32
    init_kind: Literal["orthogonal", "normal"] = "orthogonal"
    init_scale: float = 0.1
    axis_name: AxisName = None
    num_classes: int = NUM_CLASSES

    @property
    def kernel_init(self):
        """Initialiser of kernels."""
        kinds = {
            "orthogonal": nn.initializers.orthogonal,
            "normal": nn.initializers.normal,
        }
        return kinds[self.init_kind](self.init_scale)

    def norm_scale_init(self, key: Key, shape, dtype=jnp.float32) -> Array:
        """Initialiser of batch normalisation's scales."""
        return 1 + self.init_scale * jax.random.normal(key, shape, dtype)

    def first(self, z: Array, labels: Array) -> Array:
        """[B, k] noise, [B] labels or [B, C] weights of them -> [B, 8, 8, 2 width]."""
        embedding = nn.Embed(
            self.num_classes,
            self.num_classes,
            embedding_init=nn.initializers.normal(1.0),  # PyTorch's
            name="label_embedding",
        )
        if jnp.issubdtype(jnp.result_type(labels), jnp.floating):
            embedded = labels @ embedding.embedding
        else:
            embedded = embedding(labels)
        x = jnp.concatenate([z, embedded], axis=-1)
        features = 2 * self.width
        dense = nn.Dense(
            _FIRST_SIZE**2 * features, kernel_init=self.kernel_init, name="linear"
        )
        return dense(x).reshape(-1, _FIRST_SIZE, _FIRST_SIZE, features)

    def norm(self, x: Array, index: int, train: bool) -> Array:
        """Batch normalisation."""
        layer = BatchNorm(
            self.axis_name if train else None,
            self.norm_scale_init,
            name=f"norm_{index}",
        )
        return layer(x, use_running_average=not train)

    def doubled(self, x: Array, features: int, index: int, train: bool) -> Array:
        """[B, H, W, C] -> [B, 2 H, 2 W, features]."""
        x = UpsampledConv(features, self.kernel_init, name=f"conv_{index}")(x)
        return nn.leaky_relu(self.norm(x, index, train), _SLOPE)


class ShapeNetwork(_PartNetwork):
    """Noise and label to a mask before it is cut: zero mean, unit variance."""

    @nn.compact
    def __call__(self, z: Array, labels: Array, train: bool) -> Array:
        """[B, k] noise, int [B] labels -> [B, 32, 32, 1]."""
        x = standardised(self.first(z, labels))
        x = standardised(self.doubled(x, self.width, 0, train))
        return standardised(self.doubled(x, 1, 1, train))


class TextureNetwork(_PartNetwork):
    """Noise and label to a texture, before it is shifted.

    Attributes:
      norm_output: batch normalisation before tanh, as in the reference. It gives unit
        variance to what should be constant: of ten black backgrounds the least black
        one may become white.
    """

    norm_output: bool = True

    @nn.compact
    def __call__(self, z: Array, labels: Array, train: bool) -> Array:
        """[B, k] noise, int [B] labels -> [B, 32, 32, 3] in (-1, 1)."""
        x = self.first(z, labels)
        x = self.doubled(x, 2 * self.width, 0, train)
        x = self.doubled(x, self.width, 1, train)
        x = Conv(3, 3, kernel_init=self.kernel_init, name="conv_2")(x)
        return jnp.tanh(self.norm(x, 2, train) if self.norm_output else x)


def standardised(x: Array) -> Array:
    """Zero mean and unit variance of each image and channel (instance norm)."""
    centred = x - jnp.mean(x, axis=(-3, -2), keepdims=True)
    variance = jnp.mean(centred**2, axis=(-3, -2), keepdims=True)
    return centred * jax.lax.rsqrt(variance + _EPSILON)


def shifted(images: Array, offsets: Array) -> Array:
    """Cyclic shifts, one an image: [B, H, W, C] cut at offsets, int [B, 2]."""

    def shift(image, offset):
        return jnp.roll(image, -offset, axis=(0, 1))

    return jax.vmap(shift)(images, offsets)
