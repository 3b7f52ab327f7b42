"""The digit classifier of the MNIST experiments of counterfactual generative networks.

Sauer & Geiger (2021), reference code `models/classifier.py`: what is trained on
counterfactual images to be invariant to colour or texture. 67,760 parameters::

    BN 3, conv5 32 relu, max 3 /2, conv3 32 relu, conv3 64 /2 relu, conv3 64 relu,
    mean of 7 x 7, linear 10

Paddings are PyTorch's; the mean is over the first 7 x 7 of 8 x 8 places, as there.
Initialisation is PyTorch's default. Difference: logits instead of their log-softmax.
"""

import math

import flax.linen as nn
import jax.numpy as jnp

from causal_jax.networks.layers import (
    AxisName,
    BatchNorm,
    Conv,
    max_pool,
    uniform_by_fan_in,
)
from causal_jax.types import Array, Params

_POOLED = 7  # AvgPool2d(7) of an 8 x 8 image, reference code

_CONVOLUTIONS = ((32, 5, 1), (32, 3, 1), (64, 3, 2), (64, 3, 1))
NUM_MAPS = len(_CONVOLUTIONS)


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
        norm = BatchNorm(self.axis_name if train else None, name="norm")
        x = norm(images, use_running_average=not train)
        for i, (features, size, strides) in enumerate(_CONVOLUTIONS):
            x = nn.relu(_conv(x, features, size, strides, f"conv_{i}"))
            if not self.is_initializing():
                self.sow("maps", f"map_{i}", x)
            if i == 0:
                x = max_pool(x, 3, 2, padding=1)
        x = jnp.mean(x[:, :_POOLED, :_POOLED], axis=(1, 2))
        init = uniform_by_fan_in(x.shape[-1])
        return nn.Dense(
            self.num_classes, kernel_init=init, bias_init=init, name="linear"
        )(x)


def _conv(x: Array, features: int, size: int, strides: int, name: str) -> Array:
    init = uniform_by_fan_in(math.prod((size, size, x.shape[-1])))
    return Conv(
        features,
        size,
        strides,
        kernel_init=init,
        bias_init=init,
        padding=size // 2,
        name=name,
    )(x)


def feature_maps(
    module: DigitClassifier, variables: Params, images: Array
) -> tuple[Array, ...]:
    """Four maps [B, H, W, C]: 32x32x32, 16x16x32, 8x8x64, 8x8x64."""
    _, kept = module.apply(variables, images, False, mutable=["maps"])
    return tuple(kept["maps"][f"map_{i}"][0] for i in range(NUM_MAPS))
