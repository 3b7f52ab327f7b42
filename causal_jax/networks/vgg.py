"""VGG16's first ten convolutions: the features of the style loss.

Simonyan & Zisserman (2015, arXiv 1409.1556), configuration D; the outputs before its
first four poolings, relu1_2, relu2_2, relu3_3 and relu4_3 (the reference code of
counterfactual generative networks runs the last block too and does not use it). Its
inputs are pictures in [-1, 1] as they are, without ImageNet's normalisation, as there.

The weights are not part of this library: `importers.vgg` reads them from other people's
files.
"""

import flax.linen as nn

from causal_jax.networks.layers import Conv, max_pool
from causal_jax.types import Array

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512))


class VGG16Features(nn.Module):
    """Four feature maps of a picture.

    Attributes:
      num_blocks: how many of the four blocks are run.

    >>> import jax
    >>> network, images = VGG16Features(), jax.numpy.zeros((1, 32, 32, 3))
    >>> params = jax.eval_shape(network.init, jax.random.key(0), images)
    >>> [x.shape[1:] for x in jax.eval_shape(network.apply, params, images)]
    [(32, 32, 64), (16, 16, 128), (8, 8, 256), (4, 4, 512)]
    """

    num_blocks: int = 4

    @nn.compact
    def __call__(self, images: Array) -> tuple[Array, ...]:
        """[B, H, W, 3] -> [B, H / 2^k, W / 2^k, C_k] for each block k, rectified."""
        maps, x, index = [], images, 0
        for block in BLOCKS[: self.num_blocks]:
            x = max_pool(x, 2, 2) if maps else x
            for features in block:
                x = nn.relu(Conv(features, name=f"conv_{index}")(x))
                index += 1
            maps.append(x)
        return tuple(maps)
