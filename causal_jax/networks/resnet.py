"""ResNet-18 and ResNet-50 with any number of heads.

He et al. (CVPR 2016, arXiv 1512.03385), table 1, in torchvision's layout: a bottleneck
halves the picture in its 3x3 convolution, every first block of a stage but those that
change nothing has a 1x1 convolution beside it. Names of layers are torchvision's, so
that its weights find their places (`importers.resnet`).

The invariant classifier of counterfactual generative networks (Sauer & Geiger, ICLR
2021, arXiv 2101.06046) is one such network with three heads, `ENSEMBLE`, one per label
of a counterfactual; `combined` averages their logits. There all batch normalisations
keep the statistics that they have (`train=False` in training too).

Differences. Images are [B, H, W, 3]; torchvision's weights want them as `normalized`
makes them. `small_images=True` begins with a 3x3 convolution of stride 1 and no
pooling, for pictures of 32 or 64 pixels; `stem=3` is between the two, a convolution of
3x3 with the stride and the pooling of large ones. Convolutions are the compiler's own
on a CPU too: as fast there as the library's at 64 pixels, and nine times as fast to
compile, but tens of times slower in a loop of several steps.
"""

from collections.abc import Mapping
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from causal_jax.networks.layers import (
    AxisName,
    BatchNorm,
    max_pool,
    uniform_by_fan_in,
)
from causal_jax.types import Array, Key, Params

SHAPE, TEXTURE, BACKGROUND = ENSEMBLE = ("shape", "texture", "background")
# Blocks of each stage, and whether they are bottlenecks.
BLOCKS = {"resnet18": ((2, 2, 2, 2), False), "resnet50": ((3, 4, 6, 3), True)}
EXPANSION = 4  # of a bottleneck's channels

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet in [0, 1]
_kaiming = nn.initializers.variance_scaling(2.0, "fan_out", "normal")  # torchvision's


class ResNet(nn.Module):
    """Logits of each head.

    Attributes:
      stage_sizes: number of blocks of each stage.
      is_bottleneck: whether a block is 1x1, 3x3, 1x1 rather than 3x3, 3x3.
      num_classes: length of each head's logits.
      heads: their names.
      width: channels of the first convolution, twice as many at every further stage.
      small_images: whether it begins at the pictures' own size, see the module.
      stem: side of the first convolution's kernel, where images are not small.
      axis_name: mapped axes over which the batch is spread, for training.

    >>> network = ResNet((1, 1), num_classes=5, heads=ENSEMBLE, width=4)
    >>> images = jnp.zeros((2, 32, 32, 3))
    >>> variables = jax.eval_shape(network.init, jax.random.key(0), images)
    >>> logits = jax.eval_shape(network.apply, variables, images)
    >>> {head: x.shape for head, x in logits.items()}
    {'background': (2, 5), 'shape': (2, 5), 'texture': (2, 5)}
    """

    stage_sizes: tuple[int, ...]
    is_bottleneck: bool = False
    num_classes: int = 1000
    heads: tuple[str, ...] = ("fc",)
    width: int = 64
    small_images: bool = False
    stem: int = 7
    axis_name: AxisName = None

    def setup(self):
        self.backbone = Backbone(
            self.stage_sizes,
            is_bottleneck=self.is_bottleneck,
            width=self.width,
            small_images=self.small_images,
            stem=self.stem,
            axis_name=self.axis_name,
        )
        init = uniform_by_fan_in(self.num_features)
        self.head = {
            name: nn.Dense(self.num_classes, kernel_init=init, bias_init=init)
            for name in self.heads
        }

    @property
    def num_features(self) -> int:
        """Length of what the heads read."""
        last = self.width * 2 ** (len(self.stage_sizes) - 1)
        return last * (EXPANSION if self.is_bottleneck else 1)

    def __call__(self, images: Array, *, train: bool = False) -> dict[str, Array]:
        """{head: logits [B, num_classes]}.

        Args:
          images: [B, H, W, 3].
          train: whether batch statistics are used, and their averages updated.
        """
        features = self.features(images, train=train)
        return {name: self.head[name](features) for name in self.heads}

    def features(self, images: Array, *, train: bool = False) -> Array:
        """[B, num_features], non-negative: the last maps' averages."""
        return self.backbone(images, train=train)[-1].mean((1, 2))

    def maps(self, images: Array, *, train: bool = False) -> list[Array]:
        """What each stage sees, non-negative: [B, H, W, C] each."""
        return self.backbone(images, train=train)


def resnet18(**settings) -> ResNet:
    """ResNet-18, 11,689,512 parameters; settings as `ResNet` has them.

    >>> resnet18(heads=ENSEMBLE).num_features
    512
    """
    sizes, is_bottleneck = BLOCKS["resnet18"]
    return ResNet(sizes, is_bottleneck=is_bottleneck, **settings)


def resnet50(**settings) -> ResNet:
    """ResNet-50, 25,557,032 parameters; settings as `ResNet` has them.

    >>> resnet50().num_features
    2048
    """
    sizes, is_bottleneck = BLOCKS["resnet50"]
    return ResNet(sizes, is_bottleneck=is_bottleneck, **settings)


class Backbone(nn.Module):
    """What is below the heads; attributes as `ResNet` has them."""

    stage_sizes: tuple[int, ...]
    is_bottleneck: bool = False
    width: int = 64
    small_images: bool = False
    stem: int = 7
    axis_name: AxisName = None

    @nn.compact
    def __call__(self, images: Array, *, train: bool = False) -> list[Array]:
        """[B, H, W, 3] -> each stage's [B, H', W', C]."""
        norm = partial(BatchNorm, axis_name=self.axis_name)
        if self.small_images:
            x = _conv(self.width, 3, 1, "conv1")(images)
        else:
            x = _conv(self.width, self.stem, 2, "conv1")(images)
        x = nn.relu(norm(name="bn1")(x, use_running_average=not train))
        x = x if self.small_images else max_pool(x, 3, 2, padding=1)
        maps = []
        for stage, num_blocks in enumerate(self.stage_sizes):
            for i in range(num_blocks):
                x = Block(
                    features=self.width * 2**stage,
                    strides=2 if stage and not i else 1,
                    is_bottleneck=self.is_bottleneck,
                    axis_name=self.axis_name,
                    name=f"layer{stage + 1}_{i}",
                )(x, train=train)
            maps.append(x)
        return maps


class Block(nn.Module):
    """A residual block.

    Attributes:
      features: channels of its 3x3 convolutions.
      strides: how many times smaller its result is.
      is_bottleneck: see `ResNet`.
      axis_name: see `ResNet`.
    """

    features: int
    strides: int = 1
    is_bottleneck: bool = False
    axis_name: AxisName = None

    @nn.compact
    def __call__(self, x: Array, *, train: bool = False) -> Array:
        """[B, H, W, I] -> [B, H / strides, W / strides, O], rectified."""

        def norm(name, x):
            layer = BatchNorm(axis_name=self.axis_name, name=name)
            return layer(x, use_running_average=not train)

        convs = self._convolutions()
        beside, y = x, x
        for i, (features, size, strides) in enumerate(convs, 1):
            y = _conv(features, size, strides, f"conv{i}")(y)
            y = norm(f"bn{i}", y)
            y = nn.relu(y) if i < len(convs) else y
        if beside.shape[-1] != y.shape[-1] or self.strides > 1:
            beside = _conv(y.shape[-1], 1, self.strides, "downsample_conv")(beside)
            beside = norm("downsample_bn", beside)
        return nn.relu(y + beside)

    def _convolutions(self) -> tuple[tuple[int, int, int], ...]:
        """(features, size, strides) of each."""
        if not self.is_bottleneck:
            return ((self.features, 3, self.strides), (self.features, 3, 1))
        return (
            (self.features, 1, 1),
            (self.features, 3, self.strides),
            (EXPANSION * self.features, 1, 1),
        )


def _conv(features: int, size: int, strides: int, name: str) -> nn.Conv:
    return nn.Conv(
        features,
        (size, size),
        strides=(strides, strides),
        padding=size // 2,
        use_bias=False,
        kernel_init=_kaiming,
        name=name,
    )


def normalized(images: Array) -> Array:
    """Pictures in [-1, 1] as torchvision's weights want them.

    >>> [round(x, 2) for x in normalized(jnp.zeros((1, 1, 3))).ravel().tolist()]
    [0.07, 0.2, 0.42]
    """
    mean, std = (jnp.asarray(x, images.dtype) for x in (_MEAN, _STD))
    return ((images + 1) / 2 - mean) / std


def combined(logits: Mapping[str, Array]) -> dict[str, Array]:
    """The ensemble's logits with two means: of all heads, and without the background.

    Args:
      logits: of the heads `ENSEMBLE`, [B, K] each.

    >>> heads = dict(zip(ENSEMBLE, jnp.array([[3.0], [1.0], [2.0]])))
    >>> {name: float(x[0]) for name, x in combined(heads).items() if "_" in name}
    {'shape_texture': 2.0}
    """
    return {
        **logits,
        "average": sum(logits[name] for name in ENSEMBLE) / len(ENSEMBLE),
        "shape_texture": (logits[SHAPE] + logits[TEXTURE]) / 2,
    }


def with_new_heads(network: ResNet, variables: Params, key: Key) -> Params:
    """Variables of `network`: a given backbone below heads drawn anew.

    Args:
      network: the network with the heads that are wanted.
      variables: of a network with the same backbone, whatever its heads.
      key: of the draw.
    """
    init = jax.jit(network.init)  # so that only the weights are computed
    fresh = init(key, jnp.zeros((1, 32, 32, 3)))
    backbone = variables["params"]["backbone"]
    return {**variables, "params": {**fresh["params"], "backbone": backbone}}
