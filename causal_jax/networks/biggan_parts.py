"""The blocks of BigGAN-deep: conditional normalisation, bottlenecks, attention.

Brock et al. 2019 (arXiv 1809.11096), appendix B; attention is that of Zhang et al. 2019
(arXiv 1805.08318). SN is spectral normalisation, which every convolution and every
matrix has, cBN conditional batch normalisation; ``up`` doubles every pixel, ``down`` is
the mean of 2x2 pixels::

    cBN(x, c)  (x - mean) / sqrt(var + 1e-4) * (1 + A c) + B c
    generator      cBN relu 1x1 C/4, cBN relu up 3x3, cBN relu 3x3, cBN relu 1x1 C'
                   + up(first C' channels of x)
    discriminator  relu 1x1 C'/4, relu 3x3, relu 3x3, relu down 1x1 C'
                   + down(x), beside it 1x1 of it for the channels that are new
    attention      x + gamma * SN1x1(softmax(q^T k) v),  k and v of the maxima of 2x2
"""

from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.networks.layers import AxisName, max_pool
from causal_jax.networks.spectral_norm import SpectralConv, SpectralDense
from causal_jax.types import Array

EPSILON = 1e-4  # of normalisation, published configurations
REDUCTION = 4  # of channels within a block
MOMENTUM = 0.9  # decay of running statistics
_ON_A_LEVEL = 1e-4  # share of a step below which rounding of float32 is the reason

Statistics = Literal["table", "batch"]


class Levels(NamedTuple):
    """Where in the tables of statistics a truncation lies, between two rows.

    Attributes:
      index: the lower row, int [] or [B].
      low: its weight.
      high: the weight of the row above it.
    """

    index: Array
    low: Array
    high: Array

    def read(self, table: Array) -> Array:
        """[num_levels, C] -> [C], or [B, 1, 1, C] for a truncation per image."""
        above = jnp.minimum(self.index + 1, table.shape[0] - 1)
        low, high = (jnp.asarray(w, table.dtype)[..., None] for w in self[1:])
        row = low * table[self.index] + high * table[above]
        return row[:, None, None] if row.ndim == 2 else row


def truncation_levels(
    truncation, num_levels: int = 51, *, reference: bool = False
) -> Levels:
    """Where a truncation lies in tables for 0, 1 / (num_levels - 1), ..., 1.

    Args:
      truncation: above 0 and at most 1; a number, or one per image [B].
      num_levels: rows of the tables.
      reference: swaps the two weights, as the published PyTorch port does (on a level
        they agree). There the quotient is taken in double precision, and .58 lies just
        below level 29, thus on level 28; here that holds for Python's numbers only.

    Raises:
      ValueError: a truncation out of range (one that is traced is not looked at).

    >>> index, low, high = truncation_levels(0.25, 11)
    >>> int(index), float(low), float(high)
    (2, 0.5, 0.5)
    """
    if not isinstance(truncation, jax.core.Tracer):
        wrong = [t for t in np.ravel(truncation) if not 0 < t <= 1]
        if wrong:
            raise ValueError(f"truncation is above 0 and at most 1, not {wrong[0]:g}")
    if num_levels == 1:
        position, array = 0.0, np
    elif isinstance(truncation, int | float):
        position, array = truncation / (1 / (num_levels - 1)), np
    else:
        position, array = jnp.asarray(truncation) * (num_levels - 1), jnp
        nearest = jnp.round(position)
        on_level = jnp.abs(position - nearest) < _ON_A_LEVEL
        position = jnp.where(on_level, nearest, position)
    index = array.clip(array.floor(position), 0, num_levels - 1).astype(int)
    high = array.asarray(position - index)
    if reference:
        high = array.where(high == 0, high, 1 - high)
    return Levels(index=index, low=array.asarray(1 - high), high=high)


class Norm(nn.Module):
    """Batch normalisation; its gain and offset may hear a condition.

    Attributes:
      statistics: "table" takes mean and variance from a table with a row per level of
        truncation, the variables `means` and `vars` [num_levels, C] of the collection
        `batch_stats`, which nothing here changes. "batch" takes the batch's in training
        and running ones in evaluation.
      num_levels: rows of the table.
      axis_name: mapped axis or axes over which the batch is spread ("batch").
      spectral_norm: whether the condition's matrices are normalised.
    """

    statistics: Statistics = "table"
    num_levels: int = 51
    axis_name: AxisName = None
    spectral_norm: bool = True

    @nn.compact
    def __call__(
        self, x: Array, levels: Levels, condition: Array | None, train: bool
    ) -> Array:
        """[B, H, W, C], and [B, k] or None -> [B, H, W, C], computed in float32."""
        dtype, features = x.dtype, x.shape[-1]
        x = self._standardised(x.astype(jnp.float32), levels, train)
        if condition is None:
            scale = self.param("scale", nn.initializers.ones, (features,))
            offset = self.param("offset", nn.initializers.zeros, (features,))
            return (x * scale + offset).astype(dtype)

        def linear(name):
            layer = SpectralDense(features, False, self.spectral_norm, name=name)
            return layer(condition, train)[:, None, None]

        return (x * (1 + linear("scale")) + linear("offset")).astype(dtype)

    def _standardised(self, x: Array, levels: Levels, train: bool) -> Array:
        if self.statistics == "batch":
            norm = nn.BatchNorm(
                use_running_average=not train,
                momentum=MOMENTUM,
                epsilon=EPSILON,
                axis_name=self.axis_name or None,
                use_scale=False,
                use_bias=False,
                name="norm",
            )
            return norm(x)
        shape = (self.num_levels, x.shape[-1])
        means = self.variable("batch_stats", "means", jnp.zeros, shape)
        variances = self.variable("batch_stats", "vars", jnp.ones, shape)
        mean, variance = levels.read(means.value), levels.read(variances.value)
        return (x - mean) * jax.lax.rsqrt(variance + EPSILON)


class GeneratorBlock(nn.Module):
    """The generator's residual bottleneck.

    Attributes:
      features: number of output channels, at most those of the input.
      up: whether the image doubles its side.
      statistics: as the other settings those of its `Norm`s.
      num_levels: see `Norm`.
      axis_name: see `Norm`.
      spectral_norm: whether all its matrices and kernels are normalised.
    """

    features: int
    up: bool
    statistics: Statistics = "table"
    num_levels: int = 51
    axis_name: AxisName = None
    spectral_norm: bool = True

    @nn.compact
    def __call__(
        self, x: Array, levels: Levels, condition: Array, train: bool
    ) -> Array:
        """[B, H, W, C], Levels, [B, k] -> [B, H', W', features]."""
        hidden, y = x.shape[-1] // REDUCTION, x
        for i, (features, size, up) in enumerate(
            (
                (hidden, 1, False),
                (hidden, 3, self.up),
                (hidden, 3, False),
                (self.features, 1, False),
            )
        ):
            norm = Norm(
                self.statistics,
                self.num_levels,
                self.axis_name,
                self.spectral_norm,
                name=f"norm_{i}",
            )
            conv = SpectralConv(
                features, size, up, spectral_norm=self.spectral_norm, name=f"conv_{i}"
            )
            y = conv(nn.relu(norm(y, levels, condition, train)), train)
        x = x[..., : self.features]
        return y + (doubled(x) if self.up else x)


class DiscriminatorBlock(nn.Module):
    """The discriminator's residual bottleneck.

    Attributes:
      features: number of output channels, at least those of the input.
      down: whether the image halves its side.
      spectral_norm: whether its kernels are normalised.
    """

    features: int
    down: bool
    spectral_norm: bool = True

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """[B, H, W, C] -> [B, H', W', features]."""

        def conv(features, size, name):
            layer = SpectralConv(
                features, size, spectral_norm=self.spectral_norm, name=name
            )
            return lambda value: layer(value, train)

        hidden, y = self.features // REDUCTION, x
        for i, size in enumerate((1, 3, 3)):
            y = conv(hidden, size, f"conv_{i}")(nn.relu(y))
        y, x = nn.relu(y), halved(x) if self.down else x
        y = conv(self.features, 1, "conv_3")(halved(y) if self.down else y)
        num_new = self.features - x.shape[-1]
        if num_new:
            x = jnp.concatenate([x, conv(num_new, 1, "shortcut")(x)], axis=-1)
        return y + x


class SelfAttention(nn.Module):
    """Every pixel looks at every 2x2 block of pixels.

    Attributes:
      spectral_norm: whether its kernels are normalised.
    """

    spectral_norm: bool = True

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """[B, H, W, C] -> [B, H, W, C]; C at least 8, H and W even."""
        channels = x.shape[-1]

        def conv(features, name, value):
            layer = SpectralConv(
                features,
                1,
                use_bias=False,
                spectral_norm=self.spectral_norm,
                name=name,
            )
            return layer(value, train)

        def as_rows(value):
            return value.reshape(value.shape[0], -1, value.shape[-1])

        queries = as_rows(conv(channels // 8, "query", x))
        keys = as_rows(max_pool(conv(channels // 8, "key", x), 2, 2))
        values = as_rows(max_pool(conv(channels // 2, "value", x), 2, 2))
        scores = jnp.einsum("bqc,bkc->bqk", queries, keys)
        weights = nn.softmax(scores.astype(jnp.float32)).astype(x.dtype)
        seen = jnp.einsum("bqk,bkc->bqc", weights, values)
        seen = seen.reshape(*x.shape[:-1], channels // 2)
        gamma = self.param("gamma", nn.initializers.zeros, (1,))
        return x + gamma.astype(x.dtype) * conv(channels, "out", seen)


def doubled(x: Array) -> Array:
    """Every pixel doubled: [B, H, W, C] -> [B, 2 H, 2 W, C]."""
    num, height, width, channels = x.shape
    shape = (num, height, 2, width, 2, channels)
    x = jnp.broadcast_to(x[:, :, None, :, None], shape)
    return x.reshape(num, 2 * height, 2 * width, channels)


def halved(x: Array) -> Array:
    """Means of 2x2 pixels: [B, H, W, C] -> [B, H / 2, W / 2, C]."""
    num, height, width, channels = x.shape
    return x.reshape(num, height // 2, 2, width // 2, 2, channels).mean((2, 4))
