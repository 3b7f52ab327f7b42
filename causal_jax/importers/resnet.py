"""Weights of ResNet-18 and ResNet-50, as variables of `networks.resnet.ResNet`.

They are torchvision's state dicts, with keys as `layer1.0.conv1.weight` and
`fc.weight` (files as resnet50-11ad3fa6.pth), or the same as .safetensors. The network
has one head, "fc", of as many classes as the file has; `networks.resnet.with_new_heads`
puts others in its place.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from causal_jax.graph import suggestion
from causal_jax.importers import state_dicts, weight_file
from causal_jax.importers.state_dicts import MisfitError
from causal_jax.networks.resnet import BLOCKS, ResNet
from causal_jax.types import Params

_DOWNSAMPLE = {"downsample_conv": "downsample.0", "downsample_bn": "downsample.1"}


def load(
    path: str | os.PathLike, size: str = "resnet50", *, prefix: str = ""
) -> Params:
    """Reads the variables of `resnet18()` or `resnet50()`, float32.

    Args:
      path: a .pth or .safetensors file.
      size: "resnet18" or "resnet50".
      prefix: what stands before the names, as "module.".

    Returns:
      {"params": {"backbone": ..., "head_fc": ...}, "batch_stats": ...}.

    Raises:
      ValueError: no such file, a damaged one, or one of another network; it names the
        first tensor that does not fit.
    """
    if size not in BLOCKS:
        raise ValueError(f"there is no ResNet {size!r}: {suggestion(size, BLOCKS)}")
    path = Path(path).expanduser()
    sizes, is_bottleneck = BLOCKS[size]
    try:
        arrays = state_dicts.under(weight_file.read(path, legacy=True), prefix)
        return convert(arrays, ResNet(sizes, is_bottleneck=is_bottleneck))
    except MisfitError as error:
        raise ValueError(f"{path} does not hold {size}: {error}") from error


def convert(arrays: Mapping[str, np.ndarray], network: ResNet) -> Params:
    """The variables from a state dict of torchvision's `ResNet`.

    Args:
      arrays: {name: tensor}.
      network: of one head, "fc"; its number of classes is read from the file.

    Raises:
      ValueError: a tensor is missing, left over or of another shape.
    """
    bias = arrays.get("fc.bias")
    if bias is None or bias.ndim != 1:
        raise MisfitError("it has no fc.bias of one axis")
    network = network.clone(num_classes=len(bias), heads=("fc",))
    return state_dicts.converted(arrays, network, _layer_name)


def _layer_name(path: tuple[str, ...]) -> str:
    """Torchvision's name of a layer.

    >>> _layer_name(("backbone", "layer1_0", "downsample_bn", "norm"))
    'layer1.0.downsample.1'
    """
    path = tuple(name for name in path if name not in ("backbone", "norm"))
    if path == ("head_fc",):
        return "fc"
    names = (_DOWNSAMPLE.get(name, name) for name in path)
    return ".".join(re.sub(r"^layer(\d+)_", r"layer\1.", name) for name in names)
