"""U2-Net and U2-NetP: where the salient object of a picture is.

Qin et al. (Pattern Recognition 2020, arXiv 2005.09007), figure 5 and table 1: a U-Net
whose eleven stages are themselves residual U-blocks (RSU). A block of depth n, with M
channels inside and C outside, is

    y = rebnconvin(x);   h_1 = conv_1(y);   h_i = conv_i(halved h_(i-1)), i < n
    h_n = conv_n(h_(n-1)), dilated by 2;    d_(n-1) = conv_(n-1)d(h_n, h_(n-1))
    d_i = conv_id(d_(i+1) enlarged, h_i);   the block gives d_1 + y

where every conv is 3x3 with batch normalisation and ReLU. The innermost stages keep
their size and dilate by 1, 2, 4, 8 in place of halving (RSU-4F). Each decoder stage and
the innermost one give a map of one channel, and the mask is the sigmoid of their
weighted sum. Names of layers are those of the published code, so that its weights find
their places (`importers.u2net`).

Differences. Images are [B, H, W, 3]. `folded=True` is the network without batch
normalisation, which evaluation does not need (`fold`). Enlarging is bilinear with pixel
centres at halves, as the published weights were trained and exported with; the code of
counterfactual generative networks aligns corners instead (`align_corners=True`), which
is not what those weights were trained for.

Convolutions are the compiler's own on a CPU too: with as few channels as these they are
twice as fast there as the library's, and five times as fast to compile.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from causal_jax.networks.layers import AxisName, BatchNorm, max_pool
from causal_jax.networks.resnet import normalized
from causal_jax.types import Array, Params

# The stages in the order in which they run, and the depth of their blocks; a depth of 0
# is the dilated block.
STAGES = {
    **{"stage1": 7, "stage2": 6, "stage3": 5, "stage4": 4, "stage5": 0, "stage6": 0},
    **{"stage5d": 0, "stage4d": 4, "stage3d": 5, "stage2d": 6, "stage1d": 7},
}
NUM_SIDES = 6  # maps that are fused
DILATED_DEPTH = 4

# (channels inside, channels outside) of each stage. U2-Net has 44,009,869 parameters
# and U2-NetP 1,131,181.
FULL = (
    *((32, 64), (32, 128), (64, 256), (128, 512), (256, 512), (256, 512)),
    *((256, 512), (128, 256), (64, 128), (32, 64), (16, 64)),
)
SMALL = ((16, 64),) * len(STAGES)

_EPSILON = 1e-5  # of BatchNorm, see `layers.BatchNorm`


class U2Net(nn.Module):
    """A mask of what stands out.

    Attributes:
      channels: (inside, outside) of each of the `STAGES`; `FULL` is U2-Net, `SMALL` is
        U2-NetP.
      folded: whether batch normalisation is part of the convolutions (`fold`).
      align_corners: whether enlarging maps corners to corners, see the module.
      axis_name: mapped axes over which the batch is spread, for training.

    >>> network, images = U2Net(((2, 4),) * 11), jnp.zeros((1, 32, 40, 3))
    >>> variables = jax.eval_shape(network.init, jax.random.key(0), images)
    >>> jax.eval_shape(network.apply, variables, images).shape
    (1, 32, 40, 1)
    """

    channels: tuple[tuple[int, int], ...] = FULL
    folded: bool = False
    align_corners: bool = False
    axis_name: AxisName = None

    def __call__(self, images: Array, *, train: bool = False) -> Array:
        """The mask, [B, H, W, 1] in [0, 1].

        Args:
          images: [B, H, W, 3] of any height and width. The published weights were
            trained on pictures normalised as ImageNet's, see `masks`.
          train: whether batch statistics are used, and their averages updated.
        """
        return nn.sigmoid(self.logits(images, train=train)[..., :1])

    @nn.compact
    def logits(self, images: Array, *, train: bool = False) -> Array:
        """[B, H, W, 7]: the fused map, then the six that are fused, before sigmoids."""
        block = partial(self._block, train=train)
        encoded = [block("stage1", images)]
        for i in range(2, NUM_SIDES + 1):
            encoded.append(block(f"stage{i}", halved(encoded[-1])))
        decoded = [encoded.pop()]
        while encoded:
            skip = encoded.pop()
            x = jnp.concatenate([self._enlarged(decoded[-1], skip), skip], -1)
            decoded.append(block(f"stage{len(encoded) + 1}d", x))
        sides = [
            self._enlarged(nn.Conv(1, (3, 3), name=f"side{i}")(x), images)
            for i, x in enumerate(reversed(decoded), 1)
        ]
        sides = jnp.concatenate(sides, -1)
        fused = nn.Conv(1, (1, 1), name="outconv")(sides)
        return jnp.concatenate([fused, sides], -1)

    def _block(self, name: str, x: Array, train: bool) -> Array:
        inside, outside = self.channels[list(STAGES).index(name)]
        return ResidualBlock(
            depth=STAGES[name],
            inside=inside,
            outside=outside,
            folded=self.folded,
            align_corners=self.align_corners,
            axis_name=self.axis_name,
            name=name,
        )(x, train=train)

    def _enlarged(self, x: Array, like: Array) -> Array:
        return enlarged(x, like.shape[1:3], align_corners=self.align_corners)


class ResidualBlock(nn.Module):
    """A residual U-block, RSU-`depth`, or RSU-4F for a depth of 0.

    Attributes:
      depth: number of convolutions on the way in.
      inside: their channels.
      outside: channels of the result.
      folded: see `U2Net`.
      align_corners: see `U2Net`.
      axis_name: see `U2Net`.
    """

    depth: int
    inside: int
    outside: int
    folded: bool = False
    align_corners: bool = False
    axis_name: AxisName = None

    @nn.compact
    def __call__(self, x: Array, *, train: bool = False) -> Array:
        """[B, H, W, I] -> [B, H, W, outside]."""
        into, back = dilations(self.depth)
        conv = partial(self._conv, train=train)
        whole = x = conv("rebnconvin", x, self.outside, 1)
        skips = []
        for i, dilation in enumerate(into, 1):
            is_halved = self.depth and 1 < i < len(into)
            x = conv(
                f"rebnconv{i}", halved(x) if is_halved else x, self.inside, dilation
            )
            skips.append(x)
        x = skips.pop()
        for dilation in back:
            skip = skips.pop()
            x = enlarged(x, skip.shape[1:3], align_corners=self.align_corners)
            features = self.inside if skips else self.outside
            x = jnp.concatenate([x, skip], -1)
            x = conv(f"rebnconv{len(skips) + 1}d", x, features, dilation)
        return x + whole

    def _conv(
        self, name: str, x: Array, features: int, dilation: int, train: bool
    ) -> Array:
        return ConvNormRelu(features, dilation, self.folded, self.axis_name, name=name)(
            x, train=train
        )


class ConvNormRelu(nn.Module):
    """A 3x3 convolution, batch normalisation unless it is folded in, and ReLU.

    Attributes:
      features: channels of the result.
      dilation: distance between the kernel's taps.
      folded: see `U2Net`.
      axis_name: see `U2Net`.
    """

    features: int
    dilation: int = 1
    folded: bool = False
    axis_name: AxisName = None

    @nn.compact
    def __call__(self, x: Array, *, train: bool = False) -> Array:
        """[B, H, W, I] -> [B, H, W, features]."""
        dilation = (self.dilation, self.dilation)
        x = nn.Conv(self.features, (3, 3), kernel_dilation=dilation, name="conv")(x)
        if not self.folded:
            norm = BatchNorm(axis_name=self.axis_name, name="bn")
            x = norm(x, use_running_average=not train)
        return nn.relu(x)


def masks(
    network: U2Net,
    variables: Params,
    images: Array,
    *,
    size: int | None = None,
    normalize: bool = True,
) -> Array:
    """Masks of pictures in [-1, 1] by a trained network, at a size that it can read.

    Of pictures of 64 pixels the published U2-NetP finds hardly anything; enlarged to
    112 to 160 it finds as much as at 320, where it was trained.

    Args:
      network: whose variables these are.
      variables: {"params": ...}.
      images: [B, H, W, 3] in [-1, 1].
      size: height and width to which they are resized; None for as they are.
      normalize: whether the network wants ImageNet's mean and deviation; False feeds
        [-1, 1], as the code of counterfactual generative networks does.

    Returns:
      [B, H, W, 1] in [0, 1], of the pictures' own size; differentiable.

    >>> network, images = U2Net(((2, 4),) * 11), jnp.zeros((1, 32, 40, 3))
    >>> variables = jax.eval_shape(network.init, jax.random.key(0), images)
    >>> run = partial(masks, network, size=64)
    >>> jax.eval_shape(run, variables, images).shape
    (1, 32, 40, 1)
    """
    x = normalized(images) if normalize else images
    if size is not None:
        x = jax.image.resize(x, (len(x), size, size, x.shape[-1]), "bilinear")
    found = network.apply(variables, x)
    return jax.image.resize(found, (*images.shape[:3], 1), "bilinear")


def dilations(depth: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of a block's convolutions on the way in, and on the way back.

    >>> dilations(5)
    ((1, 1, 1, 1, 2), (1, 1, 1, 1))
    >>> dilations(0)
    ((1, 2, 4, 8), (4, 2, 1))
    """
    if depth:
        return (1,) * (depth - 1) + (2,), (1,) * (depth - 1)
    into = tuple(2**i for i in range(DILATED_DEPTH))
    return into, into[-2::-1]


def fold(variables: Mapping[str, Any]) -> Params:
    """The same network without batch normalisation, for `U2Net(folded=True)`.

    kernel * s and (bias - mean) * s + shift, with s = scale / sqrt(var + 1e-5).

    Args:
      variables: {"params", "batch_stats"} of `U2Net(folded=False)`.

    Returns:
      {"params": ...}, of which evaluation gives the same masks.
    """
    return {"params": _folded(variables["params"], variables["batch_stats"])}


def _folded(params: Mapping[str, Any], statistics: Mapping[str, Any]) -> Params:
    if "bn" not in params:
        return {
            name: _folded(branch, statistics[name]) if name in statistics else branch
            for name, branch in params.items()
        }
    conv, norm, running = params["conv"], params["bn"]["norm"], statistics["bn"]["norm"]
    # In float64: the folded weights are as exact as float32 can say them.
    wide = partial(np.asarray, dtype=np.float64)
    scale = wide(norm["scale"]) / np.sqrt(wide(running["var"]) + _EPSILON)
    bias = (wide(conv["bias"]) - wide(running["mean"])) * scale + wide(norm["bias"])
    kernel = wide(conv["kernel"]) * scale
    return {
        "conv": {
            "kernel": jnp.asarray(kernel, jnp.float32),
            "bias": jnp.asarray(bias, jnp.float32),
        }
    }


# --- halving and enlarging ------------------------------------------------------------


def halved(x: Array) -> Array:
    """Largest of each 2x2 block; a last odd row or column is a block of its own.

    >>> halved(jnp.arange(9.0).reshape(1, 3, 3, 1))[0, :, :, 0].tolist()
    [[4.0, 5.0], [7.0, 8.0]]
    """
    odd = [(0, size % 2) for size in x.shape[1:3]]
    if any(map(any, odd)):
        x = jnp.pad(x, ((0, 0), *odd, (0, 0)), constant_values=-jnp.inf)
    return max_pool(x, 2, 2)


def enlarged(x: Array, size: tuple[int, int], *, align_corners: bool = False) -> Array:
    """Bilinear interpolation, [B, h, w, C] to [B, *size, C], as PyTorch's.

    Args:
      x: what is enlarged.
      size: the new height and width, at least the old ones.
      align_corners: whether corners stay corners; otherwise pixels are squares, and the
        outermost ones reach beyond their centres.

    >>> enlarged(jnp.array([0.0, 1.0]).reshape(1, 1, 2, 1), (1, 4)).ravel().tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    for axis, num in zip((1, 2), size, strict=True):
        if num == x.shape[axis]:
            continue
        if num == 2 * x.shape[axis] and not align_corners:
            x = _doubled(x, axis)
            continue
        weights = _bilinear_weights(x.shape[axis], num, align_corners)
        x = jnp.tensordot(x, weights.astype(x.dtype), (axis, 0), precision="highest")
        x = jnp.moveaxis(x, -1, axis)
    return x


def _doubled(x: Array, axis: int) -> Array:
    """A product with a matrix of two numbers a row costs more than the convolutions."""
    num = x.shape[axis]
    first, last = (lax.slice_in_dim(x, i, i + 1, axis=axis) for i in (0, num - 1))
    before = jnp.concatenate([first, lax.slice_in_dim(x, 0, num - 1, axis=axis)], axis)
    behind = jnp.concatenate([lax.slice_in_dim(x, 1, num, axis=axis), last], axis)
    both = [0.75 * x + 0.25 * before, 0.75 * x + 0.25 * behind]
    shape = (*x.shape[:axis], 2 * num, *x.shape[axis + 1 :])
    return jnp.stack(both, axis + 1).reshape(shape)


def _bilinear_weights(num_in: int, num_out: int, align_corners: bool) -> np.ndarray:
    """[num_in, num_out]: how much of each old place is in each new one."""
    places = np.arange(num_out)
    if align_corners:
        places = places * (num_in - 1) / max(num_out - 1, 1)
    else:
        places = np.clip((places + 0.5) * num_in / num_out - 0.5, 0, num_in - 1)
    distances = np.abs(places - np.arange(num_in)[:, None])
    return np.maximum(0, 1 - distances)
