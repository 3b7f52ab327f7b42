"""Flax layers: convolutions, batch normalisation, minibatch features.

Minibatch features: Salimans et al. 2016 (arXiv 1606.03498), section 3.2, as used
by CausalGAN (arXiv 1709.02023) in its discriminator. Difference from the
reference code: the rows of other devices can be counted in, and the tensor of
all pairwise differences is never formed.
"""

import functools
from collections.abc import Callable, Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from causal_jax.ops.constant_channels import conv_of_constant
from causal_jax.ops.convolution import conv, conv_of_doubled, conv_transpose

AxisName = str | Sequence[str] | None


class Conv(nn.Module):
    """A convolution with bias, fast on the CPU; SAME unless a padding is given.

    Attributes:
      features: number of output channels.
      kernel_size: side of the kernel, or `(height, width)`.
      strides: the step along both image axes.
      use_bias: whether a bias is added.
      kernel_init: initialiser of the `[kh, kw, I, O]` kernel.
      bias_init: initialiser of the `[O]` bias.
      padding: zeros on every side as PyTorch counts them, 0 for VALID; None for SAME.
        (With strides SAME pads less before than after, PyTorch as much.)
    """

    features: int
    kernel_size: int | tuple[int, int] = 3
    strides: int = 1
    use_bias: bool = True
    kernel_init: Callable = nn.initializers.lecun_normal()
    bias_init: Callable = nn.initializers.zeros
    padding: int | None = None

    @nn.compact
    def __call__(self, x, constant=None):
        """Maps `[..., H, W, I]` to `[..., H / strides, W / strides, features]`.

        Args:
          x: the image.
          constant: `[..., C]` further channels, the same at all pixels, which cost next
            to nothing; the kernel's last ones.

        Raises:
          ValueError: there are such channels and a padding that is not SAME.
        """
        if self.padding is None:
            return _apply_convolution(self, conv, x, constant)
        if constant is not None:
            raise ValueError("constant channels go with padding None, which is SAME")
        return _apply_convolution(self, partial(padded_conv, padding=self.padding), x)


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
        return _apply_convolution(self, conv_transpose, x)


class UpsampledConv(nn.Module):
    """A SAME 3x3 convolution, without bias, of the image with every pixel doubled.

    Attributes:
      features: number of output channels.
      kernel_init: initialiser of the `[3, 3, I, O]` kernel.
    """

    features: int
    kernel_init: Callable = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x):
        """Maps `[B, H, W, I]` to `[B, 2 H, 2 W, features]`."""
        shape = (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        return conv_of_doubled(x, kernel)


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last, and over named axes.

    Attributes:
      axis_name: mapped axis or axes (as "unit", "device") over which the batch is
        spread; their statistics are averaged, so that N devices equal one.
      scale_init: initialiser of the `[C]` scale.
      affine: whether there are a scale and a bias.
    """

    axis_name: AxisName = None
    scale_init: Callable = nn.initializers.ones
    affine: bool = True

    @nn.compact
    def __call__(self, x, *, use_running_average):
        """Normalises `[..., C]`, updating `batch_stats` unless told to use them."""
        norm = nn.BatchNorm(
            momentum=0.9,  # decay of the reference code's moving averages
            epsilon=1e-5,  # that of the reference code
            axis_name=_axis_names(self.axis_name) or None,
            scale_init=self.scale_init,
            use_scale=self.affine,
            use_bias=self.affine,
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


def padded_conv(x, kernel, *, strides=1, padding=0):
    """Convolves with `padding` zeros on every side, by a SAME convolution.

    SAME is what `convolution.conv` is fast at: the image is padded so that some of its
    outputs are the ones asked for, and the others are cut off.

    Args:
      x: `[B, H, W, I]` input.
      kernel: `[kh, kw, I, O]` weights, at least `strides` wide.
      strides: the step along both image axes.
      padding: zeros before and after each image axis.

    Returns:
      `[B, (H + 2 padding - kh) // strides + 1, ..., O]`.
    """
    if strides == 1 and all(taps == 2 * padding + 1 for taps in kernel.shape[:2]):
        return conv(x, kernel)
    pads, starts, limits = [], [], []
    for size, taps in zip(x.shape[1:3], kernel.shape[:2], strict=True):
        before = (taps - strides) // 2  # SAME's, of a multiple of the strides
        shift = -before % strides
        whole = size + 2 * padding
        total = -(-(whole + shift) // strides) * strides
        pads.append((padding + shift, total - shift - padding - size))
        starts.append((before + shift) // strides)
        limits.append(starts[-1] + (whole - taps) // strides + 1)
    y = conv(jnp.pad(x, ((0, 0), *pads, (0, 0))), kernel, strides=strides)
    return y[:, starts[0] : limits[0], starts[1] : limits[1]]


def max_pool(x, size, strides, padding=0):
    """Maximum of windows, padded by `padding` on every side: `[B, H, W, C]`.

    By shifted slices, axis by axis: on a CPU their gradient is far cheaper than a
    window's (of equal maxima each gets a share, where PyTorch takes the first).
    """
    for axis in (1, 2):
        pads = [(0, 0)] * 4
        pads[axis] = (padding, padding)
        x = jnp.pad(x, pads, constant_values=-jnp.inf) if padding else x
        num = (x.shape[axis] - size) // strides + 1
        x = functools.reduce(
            jnp.maximum,
            (
                lax.slice_in_dim(x, i, i + (num - 1) * strides + 1, strides, axis)
                for i in range(size)
            ),
        )
    return x


def uniform_by_fan_in(fan_in):
    """PyTorch's default for kernels and biases: uniform within `1 / sqrt(fan_in)`."""
    limit = fan_in**-0.5

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return init


def _axis_names(axis_name):
    """The named axes as a tuple, empty for None."""
    if axis_name is None:
        return ()
    return (axis_name,) if isinstance(axis_name, str) else tuple(axis_name)


def _apply_convolution(module, conv_fn, x, constant=None):
    """Makes the weights of `module` and applies `conv_fn` to `[..., H, W, I]`."""
    size = module.kernel_size
    size = (size, size) if isinstance(size, int) else tuple(size)
    channels = x.shape[-1]
    total = channels + (0 if constant is None else constant.shape[-1])
    shape = (*size, total, module.features)
    kernel = module.param("kernel", module.kernel_init, shape)
    y = conv_fn(
        x.reshape(-1, *x.shape[-3:]), kernel[:, :, :channels], strides=module.strides
    )
    if constant is not None:
        y = y + conv_of_constant(
            constant.reshape(-1, constant.shape[-1]),
            kernel[:, :, channels:],
            size=x.shape[-3:-1],
            strides=module.strides,
        )
    if module.use_bias:
        y = y + module.param("bias", module.bias_init, (module.features,))
    return y.reshape(*x.shape[:-3], *y.shape[1:])
