"""The discriminators of counterfactual generative networks on the MNIST variants.

Sauer & Geiger (2021), reference code `models/discriminator.py`. Both read an image with
its label and give one unbounded number (least-squares GAN). ``lrelu`` has slope .2::

    Linear  [pixels, label embedding 10] -> w lrelu, w drop lrelu, w drop lrelu, 1
    Conv    [image, label embedding 1 as a channel] -> 3 w, 3 2w, 4 4w /2, 4 4w /2, each
            BN lrelu, without padding or bias; mean of 3 x 3, 1

2,104,421 and 413,642 parameters at the widths of the reference, 512 and 32. They always
train, as there: dropout and batch statistics also when they score for the generator.
Difference: dropout is drawn by `dropout`, so that N devices draw what one would.

Both are told the label as one input among thousands, and learn it late. The following
judges label and image by an inner product
(Miyato & Koyama 2018, arXiv 1802.05637), and its convolutions overlap and are flattened
instead of averaged, so that it sees where a stroke is::

    Projection  4 w /2, 4 2w /2, 4 4w /2, each lrelu; 8w drop lrelu: h;  a'h + v_y'h
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from causal_jax.networks.layers import AxisName, BatchNorm, Conv, uniform_by_fan_in
from causal_jax.types import Array, Key

_SLOPE = 0.2  # leaky rectifier's slope below 0, reference code
_DROPPED = 0.4  # share of hidden units, reference code
_DEVIATION = 0.02  # of the convolutional one's initial weights, reference code
_NUM_CLASSES = 10


class LinearDiscriminator(nn.Module):
    """Three hidden layers; the reference's for coloured and double-coloured digits.

    Attributes:
      width: units of each hidden layer.
    """

    width: int = 512

    def dropout(self, key: Key, num: int) -> Array:
        """Factors of the hidden units of two layers, 0 or 1 / .6, [num, 2, width]."""
        kept = jax.random.bernoulli(key, 1 - _DROPPED, (num, 2, self.width))
        return kept / (1 - _DROPPED)

    @nn.compact
    def __call__(self, images: Array, labels: Array, dropout: Array) -> Array:
        """[B, 32, 32, 3], int [B], [B, 2, width] -> [B]."""
        embedded = _label_embedding(_NUM_CLASSES)(labels)
        x = jnp.concatenate([images.reshape(images.shape[0], -1), embedded], axis=-1)
        x = nn.leaky_relu(_pytorch_dense(x, self.width, "linear_0"), _SLOPE)
        for i in range(2):
            x = _pytorch_dense(x, self.width, f"linear_{i + 1}") * dropout[:, i]
            x = nn.leaky_relu(x, _SLOPE)
        return _pytorch_dense(x, 1, "linear_3")[:, 0]


class ConvDiscriminator(nn.Module):
    """Four convolutions; the reference's for wildlife.

    Attributes:
      width: channels of the first convolution.
      axis_name: mapped axis or axes over which the batch is spread.
    """

    width: int = 32
    axis_name: AxisName = None

    def dropout(self, key: Key, num: int) -> Array:
        """It has none: [num, 0]."""
        del key
        return jnp.zeros((num, 0))

    @nn.compact
    def __call__(self, images: Array, labels: Array, dropout: Array) -> Array:
        """[B, 32, 32, 3], int [B], [B, 0] -> [B]."""
        del dropout
        embedded = _label_embedding(1)(labels)[:, None, None]
        channel = jnp.broadcast_to(embedded, (*images.shape[:-1], 1))
        x = jnp.concatenate([images, channel], axis=-1)
        normal = nn.initializers.normal(_DEVIATION)
        for i, (features, size, strides) in enumerate(
            ((1, 3, 1), (2, 3, 1), (4, 4, 2), (4, 4, 2))
        ):
            x = Conv(
                features * self.width,
                size,
                strides,
                use_bias=False,
                kernel_init=normal,
                padding=0,
                name=f"conv_{i}",
            )(x)
            norm = BatchNorm(self.axis_name, _around_one, name=f"norm_{i}")
            x = nn.leaky_relu(norm(x, use_running_average=False), _SLOPE)
        x = jnp.mean(x[:, :3, :3], axis=(1, 2))
        return nn.Dense(1, use_bias=False, kernel_init=normal, name="read_out")(x)[:, 0]


class ProjectionDiscriminator(nn.Module):
    """Convolutions and an inner product with the label's vector; the default.

    Attributes:
      width: channels of the first convolution.
    """

    width: int = 32

    def dropout(self, key: Key, num: int) -> Array:
        """Factors of the hidden units, 0 or 1 / .6, [num, 8 width]."""
        kept = jax.random.bernoulli(key, 1 - _DROPPED, (num, 8 * self.width))
        return kept / (1 - _DROPPED)

    @nn.compact
    def __call__(self, images: Array, labels: Array, dropout: Array) -> Array:
        """[B, 32, 32, 3], int [B], [B, 8 width] -> [B]."""
        x = images
        for i, times in enumerate((1, 2, 4)):
            x = Conv(times * self.width, 4, 2, name=f"conv_{i}")(x)
            x = nn.leaky_relu(x, _SLOPE)
        x = _pytorch_dense(x.reshape(x.shape[0], -1), 8 * self.width, "hidden")
        x = nn.leaky_relu(x * dropout, _SLOPE)
        normal = nn.initializers.normal((8 * self.width) ** -0.5)
        vectors = nn.Embed(
            _NUM_CLASSES, 8 * self.width, embedding_init=normal, name="label_vectors"
        )
        return _pytorch_dense(x, 1, "read_out")[:, 0] + jnp.sum(
            vectors(labels) * x, axis=-1
        )


def _around_one(key: Key, shape, dtype=jnp.float32) -> Array:
    return 1 + _DEVIATION * jax.random.normal(key, shape, dtype)


def _label_embedding(size: int) -> nn.Embed:
    normal = nn.initializers.normal(1.0)  # PyTorch's
    return nn.Embed(_NUM_CLASSES, size, embedding_init=normal, name="label_embedding")


def _pytorch_dense(x: Array, features: int, name: str) -> Array:
    init = uniform_by_fan_in(x.shape[-1])
    return nn.Dense(features, kernel_init=init, bias_init=init, name=name)(x)
