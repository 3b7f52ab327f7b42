"""The encoder of a generator's noise: a first guess for the abduction of an image."""

import flax.linen as nn
import jax.numpy as jnp

from causal_jax.networks.layers import Conv
from causal_jax.types import Array

_LAST_SIZE = 4  # side of the smallest feature map


class NoiseEncoder(nn.Module):
    """(image, label codes) -> noise: halvings, one hidden layer, tanh.

    Nothing couples the rows of a batch, and there are no batch statistics.

    Attributes:
      noise_size: length of the noise.
      width: channels of the first layer; doubled at every halving.
      hidden: width of the layer that also sees the labels.
    """

    noise_size: int
    width: int = 32
    hidden: int = 256

    @nn.compact
    def __call__(self, images: Array, codes: Array) -> Array:
        """[B, H, H, 3] in [-1, 1], [B, d] in {0, 1} -> [B, noise_size] in (-1, 1)."""
        x, features = images, self.width
        while x.shape[1] > _LAST_SIZE:
            x = Conv(features, (4, 4), 2, kernel_init=nn.initializers.he_normal())(x)
            x = nn.leaky_relu(x, 0.2)
            features *= 2
        x = jnp.concatenate([x.reshape(x.shape[0], -1), 2 * codes - 1], axis=-1)
        x = nn.leaky_relu(nn.LayerNorm()(nn.Dense(self.hidden)(x)), 0.2)
        return jnp.tanh(nn.Dense(self.noise_size)(x))
