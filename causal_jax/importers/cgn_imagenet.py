"""Published weights of the counterfactual generative network of natural images.

The reference code saves one state dict (cgn.pth) of five networks: three BigGAN-deep
generators under "f_shape.", "f_text." and "f_bg.", the saliency network under "u2net."
and the generator that they were trained after under "biggan_GT.", which the model does
not need. `load` gives the parameters of `networks.cgn.imagenet.scm()`.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from causal_jax.importers import biggan, state_dicts, u2net, weight_file
from causal_jax.networks.biggan import Generator
from causal_jax.networks.cgn.composition import LABELS, PARTS, SHAPE
from causal_jax.types import Params

_GENERATORS = dict(zip(PARTS, ("f_shape", "f_text", "f_bg"), strict=True))
_MASKER, _NOT_NEEDED = "u2net", "biggan_GT"


def load(
    path: str | os.PathLike, size: int = 256, *, spectral_norm: bool = False
) -> Params:
    """Reads the parameters of `networks.cgn.imagenet.scm(size=size)`, float32.

    Args:
      path: a checkpoint of the reference code, .pth or .safetensors.
      size: side of the image.
      spectral_norm: as in `importers.biggan.load`.

    Returns:
      {node: params}; labels and image have none.

    Raises:
      ValueError: no such file, one that is refused (see `weight_file`), or one of other
        networks, of which the first tensor that does not fit is named.
    """
    arrays = weight_file.read(Path(path).expanduser(), legacy=True)
    generator = Generator(size=size, spectral_norm=spectral_norm)
    try:
        return convert(arrays, generator)
    except ValueError as error:
        raise ValueError(
            f"{path} does not hold a counterfactual generative network of {size} "
            f"pixels: {error}"
        ) from error


def convert(
    arrays: Mapping[str, np.ndarray],
    generator: Generator,
    channels=u2net.CHANNELS["u2net"],
) -> Params:
    """The model's parameters from a state dict of the reference code.

    Args:
      arrays: {name: array}.
      generator: what each of the three is.
      channels: of the saliency network, see `networks.u2net.U2Net`.

    Raises:
      ValueError: an array is missing, left over or of another shape.
    """
    known = (*_GENERATORS.values(), _MASKER, _NOT_NEEDED)
    for name in arrays:
        if name.partition(".")[0] not in known:
            raise ValueError(f"it also has {name}")
    as_generator = partial(biggan.convert, generator=generator)
    generators = {
        part: {"generator": _under(arrays, name, as_generator)}
        for part, name in _GENERATORS.items()
    }
    masker = _under(arrays, _MASKER, partial(u2net.convert, channels=channels))
    generators[SHAPE] |= {"masker": masker}
    return {**dict.fromkeys((*LABELS, "image"), {}), **generators}


def _under(
    arrays: Mapping[str, np.ndarray], name: str, convert_fn: Callable[..., Params]
) -> Params:
    """The variables of the network of that name."""
    try:
        return convert_fn(state_dicts.under(arrays, f"{name}."))
    except ValueError as error:
        raise ValueError(f"under {name!r}, {error}") from error
