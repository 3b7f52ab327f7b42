"""VGG16's weights, as parameters of `networks.vgg.VGG16Features`.

They are not part of this library: `load` reads them from an .npz with the keys
`VGG16_0/Conv_<i>/{kernel,bias}` (HWIO) or from torchvision's state dict, a .safetensors
or .pth file with the keys `features.<place>.{weight,bias}` (OIHW). Torchvision's own
.pth is of the format before PyTorch 1.6.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from causal_jax import archives
from causal_jax.importers import weight_file
from causal_jax.networks.vgg import BLOCKS
from causal_jax.types import Array, Params

# Places of the convolutions in torchvision's `vgg16().features`.
_PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)
_MAX_BYTES = 64 << 20  # of an .npz; float64 convolutions take 61 million
_WANTED = "VGG16's convolutions"


def load(path: str | os.PathLike) -> Params:
    """Reads the weights of `VGG16Features`, {"params": ...}, float32.

    Args:
      path: an .npz, a .safetensors or a .pth, see the module.

    Raises:
      ValueError: no such file, a damaged one, or one of another network.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(
            f"there is no file {path}: give {_WANTED} as .npz, or torchvision's "
            "vgg16 state dict (.safetensors, .pth)"
        )
    try:
        if path.suffix == ".npz":
            return convert(_read_npz(path))
        return convert_torchvision(weight_file.read(path, legacy=True))
    except _MisfitError as error:
        raise ValueError(f"{path} does not hold {_WANTED}: {error}") from error


class _MisfitError(ValueError):
    """An array is missing or of another shape."""


def convert(arrays: Mapping[str, np.ndarray]) -> Params:
    """The parameters from arrays `VGG16_0/Conv_<i>/{kernel,bias}`.

    Raises:
      ValueError: an array is missing or of another shape.
    """
    params = {}
    for i, (channels, features) in enumerate(_channels_of_convolutions()):
        names = {leaf: _npz_name(i, leaf) for leaf in ("kernel", "bias")}
        params[f"conv_{i}"] = {
            "kernel": _require_array(
                arrays, names["kernel"], (3, 3, channels, features)
            ),
            "bias": _require_array(arrays, names["bias"], (features,)),
        }
    return {"params": params}


def convert_torchvision(arrays: Mapping[str, np.ndarray]) -> Params:
    """The parameters from torchvision's state dict; what else it has is left.

    Raises:
      ValueError: an array is missing or of another shape.
    """
    params = {}
    for i, (place, (channels, features)) in enumerate(
        zip(_PLACES, _channels_of_convolutions(), strict=True)
    ):
        shape = (features, channels, 3, 3)
        kernel = _require_array(arrays, f"features.{place}.weight", shape)
        params[f"conv_{i}"] = {
            "kernel": kernel.transpose(2, 3, 1, 0),
            "bias": _require_array(arrays, f"features.{place}.bias", (features,)),
        }
    return {"params": params}


def _channels_of_convolutions() -> list[tuple[int, int]]:
    """(channels in, channels out) of every convolution."""
    features = [number for block in BLOCKS for number in block]
    return list(zip([3, *features], features, strict=False))


def _require_array(arrays: Mapping[str, np.ndarray], name: str, shape: tuple) -> Array:
    if name not in arrays:
        raise _MisfitError(f"it has no {name}")
    if arrays[name].shape != shape:
        raise _MisfitError(f"{name} is {list(arrays[name].shape)}, not {list(shape)}")
    return jnp.asarray(arrays[name], jnp.float32)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        found = archives.read_arrays(path, names=_npz_names(), limit=_MAX_BYTES)
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged or no .npz ({error}): fetch it again"
        ) from error
    weight_file.require_finite(path, found)
    return found


def _npz_names() -> set[str]:
    places = range(len(_PLACES))
    return {_npz_name(i, leaf) for i in places for leaf in ("kernel", "bias")}


def _npz_name(i: int, leaf: str) -> str:
    return f"VGG16_0/Conv_{i}/{leaf}"
