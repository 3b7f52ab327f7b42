"""Spectral normalisation: linear layers that stretch no direction by more than 1.

Formula. Miyato et al. 2018 (arXiv 1802.05957), algorithm 1; with the weights as a
matrix W, its rows the outputs, one power iteration per training forward pass::

    v <- W^T u / max(|W^T u|, eps)
    u <- W v / max(|W v|, eps)
    the layer uses W / sigma,  sigma = u^T W v

No gradient goes through u and v. They are the collection `spectral`, beside `params`
which holds W itself: not trained, but carried on. In evaluation they stay as they are,
so that `folded` can divide once and for all.

Every layer has the switch `spectral_norm`; without it W is used as it is.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax import lax

from causal_jax.ops.convolution import conv, conv_of_doubled
from causal_jax.types import Array, Params

EPSILON = 1e-4  # of BigGAN (published configurations)
_ORTHOGONAL = nn.initializers.orthogonal()  # BigGAN, section 3


class SpectralConv(nn.Module):
    """A SAME convolution.

    Attributes:
      features: number of output channels.
      kernel_size: side of the kernel.
      doubled: whether every pixel of the image is doubled before (3x3 only).
      strides: the step along both image axes.
      use_bias: whether a bias is added.
      spectral_norm: whether the kernel is normalised, as a matrix [O, kh kw I].
      num_kept: how many of the output channels are computed; None for all.
    """

    features: int
    kernel_size: int = 3
    doubled: bool = False
    strides: int = 1
    use_bias: bool = True
    spectral_norm: bool = True
    num_kept: int | None = None

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        """[B, H, W, I] -> [B, H / strides, W / strides, O], 2 H, 2 W where it doubles.

        Computed in the type of `x`; parameters and power iterations are float32.
        """
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", _ORTHOGONAL, shape)
        kernel = normalised(self, kernel, train)[..., : self.num_kept].astype(x.dtype)
        if self.kernel_size == self.strides == 1:
            # Rows of one matrix: on a CPU up to three times as fast.
            rows = x.reshape(-1, x.shape[-1]) @ kernel[0, 0]
            y = rows.reshape(*x.shape[:-1], kernel.shape[-1])
        elif self.doubled:
            y = conv_of_doubled(x, kernel)
        else:
            y = conv(x, kernel, strides=self.strides)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y = y + bias[: self.num_kept].astype(x.dtype)
        return y


class SpectralDense(nn.Module):
    """A linear layer.

    Attributes:
      features: number of outputs.
      use_bias: whether a bias is added.
      spectral_norm: whether the matrix is normalised.
    """

    features: int
    use_bias: bool = True
    spectral_norm: bool = True

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        """[..., I] -> [..., O]."""
        shape = (x.shape[-1], self.features)
        kernel = self.param("kernel", _ORTHOGONAL, shape)
        y = x @ normalised(self, kernel, train)
        if self.use_bias:
            y = y + self.param("bias", nn.initializers.zeros, (self.features,))
        return y


class SpectralEmbed(nn.Module):
    """One vector per class, or a mixture of them.

    Attributes:
      num_classes: number of vectors.
      features: their length.
      spectral_norm: whether the matrix is normalised.
    """

    num_classes: int
    features: int
    spectral_norm: bool = True
    embedding_init: Callable = _ORTHOGONAL

    @nn.compact
    def __call__(self, labels: Array, train: bool = False) -> Array:
        """Int [...], or weights of the classes, float [..., num] -> [..., features]."""
        shape = (self.num_classes, self.features)
        embedding = self.param("embedding", self.embedding_init, shape)
        embedding = normalised(self, embedding, train)
        if jnp.issubdtype(labels.dtype, jnp.floating):
            return labels @ embedding
        return embedding[labels]


def normalised(module: nn.Module, kernel: Array, train: bool) -> Array:
    """The kernel over its largest singular value, where `module.spectral_norm` says so.

    The module's variables `u` [O] and `v` [the other axes] are moved one power
    iteration on in training (and kept where `spectral` is mutable).
    """
    if not module.spectral_norm:
        return kernel
    matrix = kernel.reshape(-1, kernel.shape[-1])  # W^T

    def random_direction():
        return _unit(jax.random.normal(module.make_rng("params"), matrix.shape[1:]))

    u = module.variable("spectral", "u", random_direction)
    v = module.variable("spectral", "v", lambda: _unit(_dot(matrix, u.value)))
    new_u, new_v = u.value, v.value
    if train and not module.is_initializing():
        fixed = lax.stop_gradient(matrix)
        new_v = _unit(_dot(fixed, new_u))
        new_u = _unit(_dot(new_v, fixed))
        if module.is_mutable_collection("spectral"):
            u.value, v.value = new_u, new_v
    return kernel / _dot(new_v, _dot(matrix, new_u))


def folded(variables: Params) -> Params:
    """Variables of the same network without spectral normalisation.

    Evaluation gives the same numbers; a network that trains further no longer keeps its
    singular values. Computed by numpy, outside of what is compiled.

    >>> layer = SpectralDense(2)
    >>> variables = layer.init(jax.random.key(0), jnp.ones(3))
    >>> plain = SpectralDense(2, spectral_norm=False).apply(
    ...     folded(variables), jnp.ones(3)
    ... )
    >>> bool(jnp.allclose(plain, layer.apply(variables, jnp.ones(3))))
    True
    """
    params = traverse_util.flatten_dict(variables["params"])
    spectral = traverse_util.flatten_dict(variables["spectral"])
    for path, kernel in params.items():
        layer = path[:-1]
        if path[-1] in ("kernel", "embedding") and (*layer, "u") in spectral:
            matrix = np.reshape(kernel, (-1, kernel.shape[-1]))
            u, v = (np.asarray(spectral[*layer, name]) for name in ("u", "v"))
            params[path] = kernel / (v @ (matrix @ u))
    rest = {k: v for k, v in variables.items() if k != "spectral"}
    return {**rest, "params": traverse_util.unflatten_dict(params)}


def _unit(x: Array) -> Array:
    return x / jnp.maximum(jnp.linalg.norm(x), EPSILON)


def _dot(a: Array, b: Array) -> Array:
    return jnp.dot(a, b, precision="highest")
