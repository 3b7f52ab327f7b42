"""The digit classifier of the MNIST experiments of counterfactual generative networks.

Sauer & Geiger (2021), reference code `models/classifier.py`: what is trained on
counterfactual images to be invariant to colour or texture. 67,760 parameters::

    BN 3, conv5 32 relu, max 3 /2, conv3 32 relu, conv3 64 /2 relu, conv3 64 relu,
    mean of 7 x 7, linear 10

Paddings are PyTorch's; the mean is over the first 7 x 7 of 8 x 8 places, as there.
Initialisation is PyTorch's default. Difference: logits instead of their log-softmax.
"""

import flax.linen as nn
import jax.numpy as jnp

from causal_jax.networks.layers import (
    AxisName,
    BatchNorm,
    Conv,
    uniform_by_fan_in,
)
from causal_jax.ops.pooled_conv import pooled_conv
from causal_jax.types import Array, Params

_POOLED = 7  # AvgPool2d(7) of an 8 x 8 image, reference code

_FIRST = (32, 5)  # features, size
_CONVOLUTIONS = ((32, 1), (64, 2), (64, 1))  # features, strides
NUM_MAPS = 1 + len(_CONVOLUTIONS)


class DigitClassifier(nn.Module):
    """Reads a class off a 32x32 picture.

    Attributes:
      num_classes: length of the logits.
      axis_name: mapped axis or axes over which the batch is spread.
    """

    num_classes: int = 10
    axis_name: AxisName = None

    @nn.compact
    def __call__(self, images: Array, train: bool) -> Array:
        """Reads a batch.

        Args:
          images: `[B, 32, 32, 3]` in [-1, 1].
          train: whether batch statistics are used and updated.

        The four rectified feature maps are kept in the collection "maps", where it is
        mutable (`feature_maps`).

        Returns:
          `[B, num_classes]` logits.
        """
        norm = BatchNorm(self.axis_name if train else None, affine=False, name="norm")
        x = norm(images, use_running_average=not train)
        x = _FirstLayer(name="conv_0")(x)
        self._keep_map(0, x)
        for i, (features, strides) in enumerate(_CONVOLUTIONS):
            init = uniform_by_fan_in(9 * x.shape[-1])
            layer = Conv(
                features,
                3,
                strides,
                kernel_init=init,
                bias_init=init,
                padding=1,
                name=f"conv_{i + 1}",
            )
            x = nn.relu(layer(x))
            self._keep_map(i + 1, x)
        x = jnp.mean(x[:, :_POOLED, :_POOLED], axis=(1, 2))
        init = uniform_by_fan_in(x.shape[-1])
        return nn.Dense(
            self.num_classes, kernel_init=init, bias_init=init, name="linear"
        )(x)

    def _keep_map(self, index: int, x: Array) -> None:
        if not self.is_initializing():
            self.sow("maps", f"map_{index}", x)


class _FirstLayer(nn.Module):
    """Scale and shift of the normalised picture, convolution, relu and pooling."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[B, 32, 32, C] -> [B, 16, 16, 32]."""
        features, size = _FIRST
        channels = x.shape[-1]
        init = uniform_by_fan_in(size * size * channels)
        kernel = self.param("kernel", init, (size, size, channels, features))
        return pooled_conv(
            x,
            kernel,
            self.param("bias", init, (features,)),
            scale=self.param("scale", nn.initializers.ones, (channels,)),
            shift=self.param("shift", nn.initializers.zeros, (channels,)),
        )


def feature_maps(
    module: DigitClassifier, variables: Params, images: Array
) -> tuple[Array, ...]:
    """Four maps [B, H, W, C]: 16x16x32 (pooled), 16x16x32, 8x8x64, 8x8x64."""
    _, kept = module.apply(variables, images, False, mutable=["maps"])
    return tuple(kept["maps"][f"map_{i}"][0] for i in range(NUM_MAPS))
