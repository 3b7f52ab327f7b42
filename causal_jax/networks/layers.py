"""Flax layers: convolutions, batch normalisation, minibatch features.

Minibatch features: Salimans et al. 2016 (arXiv 1606.03498), section 3.2, as used
by CausalGAN (arXiv 1709.02023) in its discriminator. Difference from the
reference code: the rows of other devices can be counted in, and the tensor of
all pairwise differences is never formed.
"""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from causal_jax.networks.convolution import conv, conv_transpose

AxisName = str | Sequence[str] | None


class Conv(nn.Module):
    """A SAME convolution with bias, fast on the CPU.

    Attributes:
      features: number of output channels.
      kernel_size: side of the kernel, or `(height, width)`.
      strides: the step along both image axes.
      use_bias: whether a bias is added.
      kernel_init: initialiser of the `[kh, kw, I, O]` kernel.
      bias_init: initialiser of the `[O]` bias.
    """

    features: int
    kernel_size: int | tuple[int, int] = 3
    strides: int = 1
    use_bias: bool = True
    kernel_init: Callable = nn.initializers.lecun_normal()
    bias_init: Callable = nn.initializers.zeros

    @nn.compact
    def __call__(self, x):
        """Maps `[..., H, W, I]` to `[..., H / strides, W / strides, features]`."""
        return _convolved(self, conv, x)


class ConvTranspose(nn.Module):
    """A SAME transposed convolution with bias, fast on the CPU.

    Attributes:
      features: number of output channels.
      kernel_size: side of the kernel, or `(height, width)`.
      strides: the factor along both image axes.
      use_bias: whether a bias is added.
      kernel_init: initialiser of the `[kh, kw, I, O]` kernel.
      bias_init: initialiser of the `[O]` bias.
    """

    features: int
    kernel_size: int | tuple[int, int] = 4
    strides: int = 2
    use_bias: bool = True
    kernel_init: Callable = nn.initializers.lecun_normal()
    bias_init: Callable = nn.initializers.zeros

    @nn.compact
    def __call__(self, x):
        """Maps `[..., H, W, I]` to `[..., H * strides, W * strides, features]`."""
        return _convolved(self, conv_transpose, x)


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last, and over named axes.

    Attributes:
      axis_name: mapped axis or axes (as "unit", "device") over which the batch is
        spread; their statistics are averaged, so that N devices equal one.
      scale_init: initialiser of the `[C]` scale.
    """

    axis_name: AxisName = None
    scale_init: Callable = nn.initializers.ones

    @nn.compact
    def __call__(self, x, *, use_running_average):
        """Normalises `[..., C]`, updating `batch_stats` unless told to use them."""
        norm = nn.BatchNorm(
            momentum=0.9,  # decay of the reference code's moving averages
            epsilon=1e-5,  # that of the reference code
            axis_name=_axis_names(self.axis_name) or None,
            scale_init=self.scale_init,
            name="norm",
        )
        return norm(x, use_running_average=use_running_average)


class MinibatchFeatures(nn.Module):
    """How close each row is to the others of its batch, by learned distances.

    `o_i[k] = 1/N sum_{j != i} exp(-|| M_i[k] - M_j[k] ||_1)`, `M = dense(x)`.

    Attributes:
      num_kernels: number of distances (300 in the reference).
      kernel_dim: dimension in which each distance is taken (50 in the reference).
      axis_name: mapped axis or axes over which the batch is spread; the rows along
        them are gathered and counted.
      kernel_init: initialiser of the dense layer's `[F, num_kernels * kernel_dim]`.
    """

    num_kernels: int = 300
    kernel_dim: int = 50
    axis_name: AxisName = None
    kernel_init: Callable = nn.initializers.normal(0.02)  # the reference's

    @nn.compact
    def __call__(self, x):
        """Maps `[B, F]` (or one unit's `[F]`) to `[B, num_kernels]` in [0, 1)."""
        width = self.num_kernels * self.kernel_dim
        rows = nn.Dense(width, kernel_init=self.kernel_init, name="dense")(x)
        rows = rows.reshape(-1, self.num_kernels, self.kernel_dim)
        axis_name = None if self.is_initializing() else self.axis_name
        others, index = gather_rows(rows, axis_name)
        features = row_closeness(rows, others, index)
        return features.reshape(*x.shape[:-1], self.num_kernels)


def gather_rows(rows, axis_name):
    """Gathers the rows that other units and devices hold.

    Args:
      rows: `[B, ...]` rows of this unit or device.
      axis_name: a mapped axis, several, or None.

    Returns:
      `(others, index)`: `[N, ...]` all rows and `[B]` where `rows` are among them.
    """
    index = jnp.arange(rows.shape[0])
    for name in _axis_names(axis_name):
        index = index + lax.axis_index(name) * rows.shape[0]
        rows = lax.all_gather(rows, name, tiled=True)
    return rows, index


def row_closeness(rows, others, index):
    """Mean of `exp(-L1 distance)` to the other rows, one distance a kernel.

    The pairwise tensor `[B, N, K, D]` is never formed: one kernel's `[B, N]` at a
    time, recomputed in the backward pass.

    Args:
      rows: `[B, K, D]` the rows asked about.
      others: `[N, K, D]` all rows.
      index: `[B]` place of each row among the others; it does not count itself.

    Returns:
      `[B, K]` in [0, 1): the sum over the others divided by `N`.
    """
    not_self = index[:, None] != jnp.arange(others.shape[0])

    @jax.checkpoint
    def one_kernel(carry, pair):
        a, b = pair  # [D, B], [D, N]: the long axis last, for vector instructions
        distance = jnp.abs(a[:, :, None] - b[:, None, :]).sum(0)
        return carry, jnp.where(not_self, jnp.exp(-distance), 0).sum(1)

    pairs = rows.transpose(1, 2, 0), others.transpose(1, 2, 0)
    _, closeness = lax.scan(one_kernel, None, pairs)
    return closeness.T / others.shape[0]


def _axis_names(axis_name):
    """The named axes as a tuple, empty for None."""
    if axis_name is None:
        return ()
    return (axis_name,) if isinstance(axis_name, str) else tuple(axis_name)


def _convolved(module, conv_fn, x):
    """Makes the weights of `module` and applies `conv_fn` to `[..., H, W, I]`."""
    size = module.kernel_size
    size = (size, size) if isinstance(size, int) else tuple(size)
    shape = (*size, x.shape[-1], module.features)
    kernel = module.param("kernel", module.kernel_init, shape)
    y = conv_fn(x.reshape(-1, *x.shape[-3:]), kernel, strides=module.strides)
    if module.use_bias:
        y = y + module.param("bias", module.bias_init, (module.features,))
    return y.reshape(*x.shape[:-3], *y.shape[1:])
