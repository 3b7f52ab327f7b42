"""CausalGAN's image networks: a DCGAN whose generator also hears the labels.

CausalGAN (Kocaoglu et al., ICLR 2018, arXiv 1709.02023), appendix and the reference
code's ``causal_dcgan/models.py``; the architecture is DCGAN's (Radford et al. 2016,
arXiv 1511.06434): 5x5 kernels, stride 2, SAME, twice the channels at half the size::

    Generator       [z, label logits] -> 4 x 4 x 8w -> ... -> 64 x 64 x 3, tanh
    Discriminator   w (no norm), 2w =: h1, minibatch features, 4w, 8w, linear 1
    Labeler         w (no norm), 2w, 4w, 8w, linear n    (Anti-Labeler: the same)
    NoiseEstimator  h1 -> w (no norm), 2w, 4w, 8w, linear 100, tanh

At 32 pixels each has one scale less: the generator starts from 4 x 4 x 4w, the
others end at 4w.

Initialisation is the reference's: convolutions truncated normal of scale .02, the
rest normal of scale .02, biases 0.

Differences from the reference code. Evaluation uses running statistics (there, always
those of the batch at hand, so that a sample depends on its neighbours). Resolution
and width are separate (there, one number is both). Batch statistics and minibatch
features can span units and devices (`axis_name`). Transposed kernels are not turned
(see `convolution.conv_transpose`), which is the same law of initial weights. The frozen
random first layer (`stab_proj`, off by default there) is left out.

Every module takes one unit without its batch axis too, as `jax.vmap` gives it, with
`axis_name` naming the mapped axis.
"""

import flax.linen as nn
import jax.numpy as jnp

from causal_jax.networks.layers import (
    AxisName,
    BatchNorm,
    Conv,
    ConvTranspose,
    MinibatchFeatures,
)

_KERNEL_SIZE = 5  # reference code, every layer
_STRIDES = 2  # reference code, every layer
_SLOPE = 0.2  # leaky rectifier's slope below 0, reference code
_FIRST_SIZE = 4  # side of the generator's first and the encoders' last image
_NORMAL = nn.initializers.normal(0.02)  # reference code: linear and transposed
_TRUNCATED = nn.initializers.truncated_normal(0.02)  # reference code: convolutions


class Generator(nn.Module):
    """Draws an image from noise and labels.

    Attributes:
      resolution: side of the image, a power of two from 8 on (32 or 64 in use).
      width: channels before the last layer; each scale below has twice as many.
      axis_name: mapped axis or axes over which the batch is spread.
    """

    resolution: int = 64
    width: int = 64
    axis_name: AxisName = None

    @nn.compact
    def __call__(self, z, label_features, train):
        """Generates images.

        Args:
          z: `[B, 100]` noise, uniform in [-1, 1] in the reference.
          label_features: `[B, n]` label logits (see `label_noise.noisy_logits`).
          train: whether batch statistics are used and updated.

        Returns:
          `[B, resolution, resolution, 3]` in [-1, 1].
        """
        num_scales = _num_scales(self.resolution)
        features = self.width * 2 ** (num_scales - 1)
        x = jnp.concatenate([z, label_features], axis=-1)
        x = nn.Dense(_FIRST_SIZE**2 * features, kernel_init=_NORMAL, name="linear")(x)
        x = x.reshape(*x.shape[:-1], _FIRST_SIZE, _FIRST_SIZE, features)
        x = nn.relu(self._norm_of_scale(0, train)(x))
        for scale in range(1, num_scales):
            features //= 2
            x = _doubling_conv(features, f"deconv_{scale}")(x)
            x = nn.relu(self._norm_of_scale(scale, train)(x))
        return jnp.tanh(_doubling_conv(3, f"deconv_{num_scales}")(x))

    def _norm_of_scale(self, scale, train):
        """The scale's normalisation, as a function of the image."""
        norm = BatchNorm(self.axis_name, name=f"norm_{scale}")
        return lambda x: norm(x, use_running_average=not train)


class Discriminator(nn.Module):
    """Tells data from generated images.

    Attributes:
      width: channels of the first layer.
      minibatch_features: whether each image also sees how close the rest of its
        batch is. The logit then depends on the batch, in evaluation too.
      num_kernels: number of minibatch features (300 in the reference).
      kernel_dim: dimension of each one's distance (50 in the reference).
      axis_name: mapped axis or axes over which the batch is spread.
    """

    width: int = 64
    minibatch_features: bool = True
    num_kernels: int = 300
    kernel_dim: int = 50
    axis_name: AxisName = None

    @nn.compact
    def __call__(self, image, train):
        """Judges images.

        Args:
          image: `[B, H, H, 3]` in [-1, 1], H a power of two.
          train: whether batch statistics are used and updated.

        Returns:
          `(logit, h1)`: `[B]` logits of being data and `[B, H/4, H/4, 2 * width]`,
          the second layer, from which the noise is estimated.
        """
        num_scales = _num_scales(image.shape[-2])
        h1 = _apply_scales(image, self.width, range(2), train, self.axis_name)
        x, scales, closeness = h1, range(2, num_scales), None
        if self.minibatch_features:
            closeness = self._closeness_in_batch(h1, train)
        if self.minibatch_features and not scales:
            channels = closeness[..., None, None, :]
            channels = jnp.broadcast_to(channels, (*h1.shape[:-1], self.num_kernels))
            x = jnp.concatenate([h1, channels], axis=-1)
        x = _apply_scales(x, self.width, scales, train, self.axis_name, closeness)
        return _last_layer(1, x)[..., 0], h1

    def _closeness_in_batch(self, h1, train):
        """`[B, num_kernels]`, by two more layers and the distances between images."""
        x = nn.leaky_relu(_halving_conv(self.width, "minibatch_conv_0")(h1), _SLOPE)
        x = _flattened(_halving_conv(self.width, "minibatch_conv_1")(x))
        return MinibatchFeatures(
            self.num_kernels,
            self.kernel_dim,
            axis_name=self.axis_name if train else None,
            kernel_init=_NORMAL,
            name="minibatch_features",
        )(x)


class Labeler(nn.Module):
    """Reads labels off images: CausalGAN's Labeler, and its Anti-Labeler.

    Attributes:
      num_labels: number of labels `n`.
      width: channels of the first layer.
      axis_name: mapped axis or axes over which the batch is spread.
    """

    num_labels: int
    width: int = 64
    axis_name: AxisName = None

    @nn.compact
    def __call__(self, image, train):
        """Maps images `[B, H, H, 3]` in [-1, 1] to label logits `[B, n]`.

        Args:
          image: `[B, H, H, 3]` in [-1, 1], H a power of two.
          train: whether batch statistics are used and updated.

        Returns:
          `[B, n]` logits of each label being 1.
        """
        scales = range(_num_scales(image.shape[-2]))
        x = _apply_scales(image, self.width, scales, train, self.axis_name)
        return _last_layer(self.num_labels, x)


class NoiseEstimator(nn.Module):
    """Estimates a generated image's noise from the discriminator's second layer.

    Attributes:
      noise_size: number of noise variables.
      width: channels of the first layer.
      axis_name: mapped axis or axes over which the batch is spread.
    """

    noise_size: int = 100
    width: int = 64
    axis_name: AxisName = None

    @nn.compact
    def __call__(self, h1, train):
        """Estimates the noise.

        Args:
          h1: `[B, H/4, H/4, C]`, second value of the `Discriminator`.
          train: whether batch statistics are used and updated.

        Returns:
          `[B, noise_size]` in [-1, 1].
        """
        # Down to one pixel: two scales further than a network ending at 4 x 4.
        scales = range(_num_scales(h1.shape[-2] * _FIRST_SIZE))
        x = _apply_scales(h1, self.width, scales, train, self.axis_name)
        return jnp.tanh(_last_layer(self.noise_size, x))


def _num_scales(resolution):
    """How often 4 is doubled to reach the resolution; raises if it is not."""
    scales = (resolution // _FIRST_SIZE).bit_length() - 1
    if scales < 1 or _FIRST_SIZE * 2**scales != resolution:
        raise ValueError(
            f"image sides must be a power of two from 8 on, got {resolution}"
        )
    return scales


def _halving_conv(features, name):
    return Conv(features, _KERNEL_SIZE, _STRIDES, kernel_init=_TRUNCATED, name=name)


def _doubling_conv(features, name):
    return ConvTranspose(
        features, _KERNEL_SIZE, _STRIDES, kernel_init=_NORMAL, name=name
    )


def _last_layer(features, x):
    """The last layer, on the flattened image."""
    return nn.Dense(features, kernel_init=_NORMAL, name="linear")(_flattened(x))


def _flattened(x):
    """`[..., H, W, C]` to `[..., H * W * C]`."""
    return x.reshape(*x.shape[:-3], -1)


def _apply_scales(x, width, scales, train, axis_name, constant=None):
    """Halves the image once a scale; the first scale is not normalised.

    Args:
      x: `[..., H, W, C]` image.
      width: channels of scale 0; scale `i` has `width * 2**i`.
      scales: which scales to apply.
      train: whether batch statistics are used and updated.
      axis_name: mapped axis or axes over which the batch is spread.
      constant: `[..., C]` further channels of the image, the same at all pixels.

    Returns:
      `[..., H / 2**s, W / 2**s, C']` after `s` scales.
    """
    for scale in scales:
        x = _halving_conv(width * 2**scale, f"conv_{scale}")(x, constant)
        constant = None
        if scale > 0:
            norm = BatchNorm(axis_name, name=f"norm_{scale}")
            x = norm(x, use_running_average=not train)
        x = nn.leaky_relu(x, _SLOPE)
    return x
