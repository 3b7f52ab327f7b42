"""The published weights of counterfactual generative networks, as our parameters.

The reference code (MIT licence) ships one state dict a data set, with the keys
`label_emb.weight`, `f_shape.{0,4,5,9,10}.*`, `f_text1.*` and `f_text2.*`
`{0,3,4,7,8,10,11}.*`; the number is the layer's place in its `nn.Sequential`.
Conversions: dense weights are transposed, and their outputs, read there as
[channel, row, column], put in the order [row, column, channel]; convolution kernels go
from OIHW to HWIO; the one label embedding is copied into each part.
"""

import os
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from causal_jax.importers import weight_file
from causal_jax.networks.cgn import mnist
from causal_jax.scm import SCM
from causal_jax.types import Params

# The network's name there, and the places of its linear layer, its convolutions and
# its batch normalisations.
_NETWORKS = {
    "shape": ("f_shape", 0, (4, 9), (5, 10)),
    "texture": ("f_text1", 0, (3, 7, 10), (4, 8, 11)),
    "background": ("f_text2", 0, (3, 7, 10), (4, 8, 11)),
}
_STATISTICS = (
    {"scale": "weight", "bias": "bias"},
    {
        "mean": "running_mean",
        "var": "running_var",
    },
)


def load(path: str | os.PathLike, *, shuffle: bool = True) -> tuple[SCM, Params]:
    """Reads a published checkpoint: the model and its parameters.

    Args:
      path: `cgn_<set>_MNIST/weights/ckp.pth` of the reference code, or the same state
        dict as .safetensors.
      shuffle: False leaves the shuffler out (for comparing outputs).

    Raises:
      ValueError: no such file, one that is refused (see `weight_file`), or a checkpoint
        of another architecture.
    """
    arrays = weight_file.read(path)
    try:
        return convert(arrays, shuffle=shuffle)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error


def convert(
    arrays: Mapping[str, np.ndarray], *, shuffle: bool = True
) -> tuple[SCM, Params]:
    """The model and its parameters from a state dict of the reference's `CGN`.

    Raises:
      ValueError: an array is missing, left over or of another shape.
    """
    rest = {k: v for k, v in arrays.items() if not k.endswith(".num_batches_tracked")}
    reader = _ArrayReader(rest)
    embedding = reader.take("label_emb.weight", (mnist.NUM_CLASSES, mnist.NUM_CLASSES))
    inputs, width = _input_size_and_width(rest)
    model = mnist.scm(
        width=width, noise_size=inputs - mnist.NUM_CLASSES, shuffle=shuffle
    )
    params: Params = {name: {} for name in model.nodes}
    for part in mnist.PARTS:
        params[part] = _part_params(reader, part, embedding, inputs, width)
    reader.require_empty()
    return model, params


class _ArrayReader:
    """Hands out arrays of known shapes, each once."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._rest = dict(arrays)

    def take(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name not in self._rest:
            raise ValueError(f"{_OTHER_ARCHITECTURE}: it has no {name}")
        array = self._rest.pop(name)
        if array.shape != shape:
            raise ValueError(
                f"{_OTHER_ARCHITECTURE}: {name} is {list(array.shape)}, not "
                f"{list(shape)}"
            )
        return np.asarray(array, np.float32)

    def require_empty(self) -> None:
        if self._rest:
            raise ValueError(
                f"{_OTHER_ARCHITECTURE}: it also has {next(iter(self._rest))}"
            )


_OTHER_ARCHITECTURE = (
    "is of another architecture than the MNIST CGN (give the ckp.pth of "
    "cgn_{colored,double_colored,wildlife}_MNIST)"
)


def _input_size_and_width(arrays: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """Length of the networks' input and their width, as the first layer has them."""
    weight = arrays.get("f_shape.0.weight")
    pixels = (mnist.SIZE // 4) ** 2
    if weight is None or weight.ndim != 2:
        raise ValueError(
            f"{_OTHER_ARCHITECTURE}: it has no f_shape.0.weight of two axes"
        )
    outputs, inputs = weight.shape
    if inputs <= mnist.NUM_CLASSES or outputs % (2 * pixels):
        raise ValueError(
            f"{_OTHER_ARCHITECTURE}: f_shape.0.weight is {[outputs, inputs]}, not "
            f"[{2 * pixels} times the width, {mnist.NUM_CLASSES} and the noise]"
        )
    return inputs, outputs // (2 * pixels)


def _part_params(
    reader: _ArrayReader, part: str, embedding, inputs: int, width: int
) -> Params:
    """One part's Flax collections."""
    name, linear, convs, norms = _NETWORKS[part]
    hidden = (width, 1) if part == "shape" else (2 * width, width, 3)
    params = {
        "label_embedding": {"embedding": jnp.asarray(embedding)},
        "linear": _linear_params(reader, f"{name}.{linear}", inputs, 2 * width),
    }
    statistics, channels = {}, 2 * width
    for i, (conv, norm, features) in enumerate(zip(convs, norms, hidden, strict=True)):
        kernel = reader.take(f"{name}.{conv}.weight", (features, channels, 3, 3))
        params[f"conv_{i}"] = {"kernel": jnp.asarray(kernel.transpose(2, 3, 1, 0))}
        if part != "shape" and i == len(convs) - 1:  # the only one with a bias
            bias = reader.take(f"{name}.{conv}.bias", (features,))
            params[f"conv_{i}"]["bias"] = jnp.asarray(bias)
        trained, running = (
            {
                ours: jnp.asarray(reader.take(f"{name}.{norm}.{theirs}", (features,)))
                for ours, theirs in names.items()
            }
            for names in _STATISTICS
        )
        params[f"norm_{i}"] = {"norm": trained}
        statistics[f"norm_{i}"] = {"norm": running}
        channels = features
    return {"params": params, "batch_stats": statistics}


def _linear_params(
    reader: _ArrayReader, name: str, inputs: int, channels: int
) -> Params:
    side = mnist.SIZE // 4
    outputs = channels * side**2

    def reordered(array):
        """Outputs [channel, row, column] to [row, column, channel], the last axis."""
        array = array.reshape(*array.shape[:-1], channels, side, side)
        return jnp.asarray(np.moveaxis(array, -3, -1).reshape(*array.shape[:-3], -1))

    return {
        "kernel": reordered(reader.take(f"{name}.weight", (outputs, inputs)).T),
        "bias": reordered(reader.take(f"{name}.bias", (outputs,))),
    }
