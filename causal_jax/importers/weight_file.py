"""Weight files of PyTorch by their ending: .safetensors, else what torch.save wrote.

Where a source offers both, take the .safetensors file: there is nothing in it that
could be executed, and every byte of it is accounted for.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from causal_jax.importers import safetensors_file, torch_file

SAFETENSORS = ".safetensors"
ENDINGS = (".pth", ".pt", SAFETENSORS)


def read(path: str | os.PathLike, *, legacy: bool = False) -> dict[str, np.ndarray]:
    """Reads a state dict: {name: array}.

    Args:
      path: a .safetensors file, or a file of torch.save with any other ending.
      legacy: as in `torch_file.read`.

    Raises:
      ValueError: see `safetensors_file.read` and `torch_file.read`; NaN or infinite
        values, of which every picture would be black.
    """
    is_safe = Path(path).suffix.lower() == SAFETENSORS
    found = (
        safetensors_file.read(path) if is_safe else torch_file.read(path, legacy=legacy)
    )
    require_finite(path, found)
    return found


def require_finite(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError where weights are NaN or infinite."""
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise ValueError(
                f"{path}: {name} holds values that are not finite: such weights draw "
                "and read nothing"
            )
