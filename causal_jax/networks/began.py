"""CausalBEGAN's networks: generator, autoencoder and labeler, ELU throughout.

BEGAN (Berthelot et al. 2017, arXiv 1703.10717), figure 1, as CausalBEGAN (Kocaoglu et
al. 2017, arXiv 1709.02023) uses it: 3x3 kernels, Glorot, nothing normalised, width n::

    Decoder      FC 8 x 8 x n -> {conv n, conv n, nearest x2 but last} ... -> conv 3
    Encoder      conv n -> {conv i n, conv i n, stride 2 but last}, i = 1 ... -> FC
    Generator    Decoder of [labels, z];  no tanh
    Autoencoder  Decoder of (Encoder to a code of 64)
    Labeler      an Encoder to the label logits, its weights its own

At 64 pixels, width 128 and nine labels these have 1,790,339, 13,405,379 and 9,886,473
parameters. Resolution and width are arguments here; at 32 pixels each has one scale
less. The arrays are NHWC everywhere (there, NCHW on GPUs, with other weights).

`compact=True` gives small networks for a CPU: every 4x4 layer halves or doubles the
side, channels double as it halves. (3x3 layers at full resolution are what costs.)

An `Autoencoder` that is given labels is conditional, which the original's is not: the
decoder hears them beside the code, so that its error is of an image *with its labels*.
"""

import flax.linen as nn
import jax.numpy as jnp

from causal_jax.networks.layers import Conv, ConvTranspose
from causal_jax.types import Array

_GLOROT = nn.initializers.glorot_uniform()  # the reference code's, every layer
_FIRST_SIZE = 8  # side of the smallest feature map; reference code
_COMPACT_FIRST_SIZE = 4  # that of the compact networks


def _num_halvings(side: int, first_size: int) -> int:
    """How often `side` is halved to reach the smallest feature map; raises if not."""
    num = (side // first_size).bit_length() - 1
    if num < 1 or first_size * 2**num != side:
        raise ValueError(
            f"image sides must be a power of two from {2 * first_size} on, got {side}"
        )
    return num


def _glorot_conv(features: int, strides: int = 1) -> nn.Module:
    return Conv(features, 3, strides, kernel_init=_GLOROT)


def _nearest_doubled(x: Array) -> Array:
    """Twice the side, each pixel four times."""
    return jnp.repeat(jnp.repeat(x, 2, axis=-3), 2, axis=-2)


class Encoder(nn.Module):
    """An image to a vector.

    Attributes:
      num_outputs: length of the vector.
      width: channels of the first layer.
      compact: see the module.
    """

    num_outputs: int
    width: int = 128
    compact: bool = False

    @nn.compact
    def __call__(self, images: Array) -> Array:
        """[B, H, H, 3] -> [B, num_outputs], linear."""
        x = self._encode_compact(images) if self.compact else self._encode_full(images)
        x = x.reshape(*x.shape[:-3], -1)
        return nn.Dense(self.num_outputs, kernel_init=_GLOROT)(x)

    def _encode_full(self, x: Array) -> Array:
        num_scales = _num_halvings(x.shape[-2], _FIRST_SIZE) + 1
        x = nn.elu(_glorot_conv(self.width)(x))
        for scale in range(1, num_scales + 1):
            x = nn.elu(_glorot_conv(self.width * scale)(x))
            x = nn.elu(_glorot_conv(self.width * scale)(x))
            if scale < num_scales:
                x = nn.elu(_glorot_conv(self.width * scale, strides=2)(x))
        return x

    def _encode_compact(self, x: Array) -> Array:
        for scale in range(_num_halvings(x.shape[-2], _COMPACT_FIRST_SIZE)):
            x = nn.elu(Conv(self.width * 2**scale, 4, 2, kernel_init=_GLOROT)(x))
        return x


class Decoder(nn.Module):
    """A vector to an image, values not bounded.

    Attributes:
      resolution: side of the image.
      width: channels of the last hidden layer.
      compact: see the module.
    """

    resolution: int = 64
    width: int = 128
    compact: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[B, k] -> [B, resolution, resolution, 3]."""
        return self._decode_compact(x) if self.compact else self._decode_full(x)

    def _first_map(self, x: Array, size: int, features: int) -> Array:
        x = nn.Dense(size**2 * features, kernel_init=_GLOROT)(x)
        return x.reshape(*x.shape[:-1], size, size, features)

    def _decode_full(self, x: Array) -> Array:
        num_doublings = _num_halvings(self.resolution, _FIRST_SIZE)
        x = self._first_map(x, _FIRST_SIZE, self.width)
        for scale in range(num_doublings + 1):
            x = nn.elu(_glorot_conv(self.width)(x))
            x = nn.elu(_glorot_conv(self.width)(x))
            x = _nearest_doubled(x) if scale < num_doublings else x
        return _glorot_conv(3)(x)

    def _decode_compact(self, x: Array) -> Array:
        num_doublings = _num_halvings(self.resolution, _COMPACT_FIRST_SIZE)
        features = self.width * 2 ** (num_doublings - 1)
        x = self._first_map(x, _COMPACT_FIRST_SIZE, features)
        for _ in range(num_doublings - 1):
            features //= 2
            x = ConvTranspose(features, 4, 2, kernel_init=_GLOROT)(nn.elu(x))
        return ConvTranspose(3, 4, 2, kernel_init=_GLOROT)(nn.elu(x))


class Generator(nn.Module):
    """Draws an image from noise and labels.

    Attributes:
      resolution: side of the image.
      width: channels.
      axis_name: not used: nothing is normalised, so no batch is spread.
    """

    resolution: int = 64
    width: int = 128
    axis_name: str | None = None

    @nn.compact
    def __call__(self, z: Array, codes: Array, train: bool) -> Array:
        """[B, noise], [B, d] in {0, 1} -> [B, side, side, 3], about [-1, 1]."""
        del train
        x = jnp.concatenate([codes, z], axis=-1)
        return Decoder(self.resolution, self.width)(x)


class Autoencoder(nn.Module):
    """The discriminator: an image through a short code, and back.

    Attributes:
      resolution: side of the image.
      width: channels.
      code_size: length of the code.
      compact: see the module.
    """

    resolution: int = 64
    width: int = 128
    code_size: int = 64
    compact: bool = False

    def setup(self):
        self.encoder = Encoder(self.code_size, self.width, self.compact)
        self.decoder = Decoder(self.resolution, self.width, self.compact)

    def __call__(self, images: Array, labels: Array | None = None) -> Array:
        """[B, H, H, 3] and, where conditional, labels [B, d] in {0, 1} -> images."""
        x = self.encoder(images)
        if labels is not None:
            x = jnp.concatenate([2 * labels - 1, x], axis=-1)
        return self.decoder(x)

    def encode(self, images: Array) -> Array:
        """[B, H, H, 3] -> their code, [B, code_size]."""
        return self.encoder(images)


def critics(generator, width: int | None = None) -> tuple[Autoencoder, Encoder]:
    """Autoencoder and labeler that fit an `image.ImageGenerator`.

    Args:
      generator: its resolution and, if None, its width are theirs, codes are as long as
        its noise, and where its architecture is not "began" they are compact.
      width: base number of channels.
    """
    width = width or generator.width
    compact = generator.architecture != "began"
    autoencoder = Autoencoder(
        generator.resolution, width, generator.noise_size, compact
    )
    return autoencoder, Encoder(generator.num_outputs, width, compact)
