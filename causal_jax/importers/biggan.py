"""BigGAN-deep's published weights, as variables of `networks.biggan.Generator`.

They are not part of this library: `load` reads the state dict of the PyTorch port,
`pytorch_model.bin` of biggan-deep-{128,256,512} (of the format before PyTorch 1.6), or
the same names as .safetensors. Conversions: matrices are transposed, kernels go from
OIHW to HWIO, and so does the order within the power iteration's `weight_v`. Spectral
normalisation is divided out, or kept to be trained on.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from causal_jax.importers import weight_file
from causal_jax.networks import spectral_norm as spectral
from causal_jax.networks.biggan import Generator
from causal_jax.networks.biggan_layouts import GENERATORS, PUBLISHED_SIZES
from causal_jax.types import Params

# Their name of each of our variables; a module's own come first.
_LEAVES = {
    "embedding": "weight",
    "kernel": "weight_orig",
    "u": "weight_u",
    "v": "weight_v",
    "bias": "bias",
    "means": "running_means",
    "vars": "running_vars",
    "gamma": "gamma",
    "scale": "weight",
    "offset": "bias",
}
_ATTENTION = {
    "query": "snconv1x1_theta",
    "key": "snconv1x1_phi",
    "value": "snconv1x1_g",
    "out": "snconv1x1_o_conv",
}


def load(
    path: str | os.PathLike, size: int = 256, *, spectral_norm: bool = False
) -> Params:
    """Reads the variables of `Generator(size=size, spectral_norm=spectral_norm)`.

    Args:
      path: `pytorch_model.bin` of biggan-deep-<size>, or a .safetensors file.
      size: side of the image, 128, 256 or 512.
      spectral_norm: keeps weights and power iterations apart, to train on as the port
        does; otherwise the weights are divided by their norms.

    Returns:
      {"params": ..., "batch_stats": ...} and, if kept, "spectral", float32.

    Raises:
      ValueError: no such size or file, one that is refused (see `weight_file`), or one
        of another network, of which the first tensor that does not fit is named.
    """
    if size not in PUBLISHED_SIZES:
        sizes = ", ".join(map(str, PUBLISHED_SIZES))
        raise ValueError(f"BigGAN-deep was published for sizes {sizes}, not {size}")
    generator = Generator(size=size, spectral_norm=spectral_norm)
    arrays = weight_file.read(Path(path).expanduser(), legacy=True)
    try:
        return convert(arrays, generator)
    except ValueError as error:
        raise ValueError(f"{path} does not hold BigGAN-deep-{size}: {error}") from error


def convert(arrays: Mapping[str, np.ndarray], generator: Generator) -> Params:
    """The generator's variables from a state dict of the port.

    Args:
      arrays: {name: array}.
      generator: the network, with the tables of statistics (`statistics="table"`).

    Raises:
      ValueError: an array is missing, left over or of another shape.
    """
    rest, found = dict(arrays), {}
    for path, name, shape, kernel_shape in _places(generator):
        if name not in rest:
            raise ValueError(f"it has no {name}")
        array = rest.pop(name)
        wanted = shape[::-1] if len(shape) != 4 else (*shape[:1:-1], *shape[:2])
        wanted = shape if path[0] == "batch_stats" else wanted
        if array.shape != wanted:
            raise ValueError(f"{name} is {list(array.shape)}, not {list(wanted)}")
        found[path] = np.float32(_in_our_order(array, path, kernel_shape))
    if rest:
        raise ValueError(f"it also has {next(iter(rest))}")
    variables = traverse_util.unflatten_dict(found)
    if not generator.spectral_norm:
        variables = spectral.folded(variables)
    return jax.tree.map(jnp.asarray, variables)


def _places(generator: Generator) -> Iterator[tuple]:
    """(our path, their name, our shape, the kernel's beside it), in network order."""
    variables = _variables(generator)
    for module, prefix in _modules(generator):
        for path, shape in variables.items():
            if path[1 : len(module) + 1] == module:
                inner = path[len(module) + 1 : -1]
                name = ".".join((prefix, *inner, _LEAVES[path[-1]]))
                kernel = variables.get(("params", *path[1:-1], "kernel"), ())
                yield path, name, shape, kernel


def _variables(generator: Generator) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Shapes of the generator's variables, spectral normalisation kept."""
    kept = generator.clone(spectral_norm=True)
    z, labels = jnp.zeros((1, generator.noise_size)), jnp.zeros(1, jnp.int32)
    shapes = jax.eval_shape(kept.init, jax.random.key(0), z, labels)
    flat = traverse_util.flatten_dict(shapes)
    order = {"params": 0, "spectral": 1, "batch_stats": 2}
    return {p: flat[p].shape for p in sorted(flat, key=lambda p: order[p[0]])}


def _modules(generator: Generator) -> Iterator[tuple[tuple[str, ...], str]]:
    """(path of our module, name of theirs), in the network's order."""
    yield ("label_embedding",), "embeddings"
    yield ("linear",), "generator.gen_z"
    layout, place = generator.layout or GENERATORS[generator.size], 0
    for i in range(len(layout.blocks)):
        if i == layout.attention:
            prefix = f"generator.layers.{place}"
            for ours, theirs in _ATTENTION.items():
                yield ("attention", ours), f"{prefix}.{theirs}"
            yield ("attention", "gamma"), prefix
            place += 1
        for j in range(4):
            yield (f"block_{i}", f"norm_{j}"), f"generator.layers.{place}.bn_{j}"
            yield (f"block_{i}", f"conv_{j}"), f"generator.layers.{place}.conv_{j}"
        place += 1
    yield ("norm",), "generator.bn"
    yield ("to_rgb",), "generator.conv_to_rgb"


def _in_our_order(array: np.ndarray, path: tuple, kernel_shape: tuple) -> np.ndarray:
    """Axes of a kernel or matrix, or the entries of `v` beside a kernel."""
    if path[0] == "batch_stats":
        return array
    if path[-1] == "v" and len(kernel_shape) == 4:
        height, width, channels, _ = kernel_shape
        return array.reshape(channels, height, width).transpose(1, 2, 0).ravel()
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
