"""Pictures that a user gives, cropped and resized as those of a training were."""

from pathlib import Path

import numpy as np

from causal_jax import archives
from causal_jax.data.images import Crop, decode

_ARRAYS = (".npy", ".npz")
# Of pictures from 0 to 1 a resizing may leave a value a little below 0.
_DARK = -0.1


def read(path: str | Path, *, size: int, crop: Crop = None) -> np.ndarray:
    """Reads a picture file, or arrays of pictures, as float32 in [-1, 1].

    Args:
      path: a PNG, JPEG or other picture, of any size, decoded as `images.decode` does;
        or .npy or .npz (its array `image`, or its only one) of `[size, size, 3]` or
        `[N, size, size, 3]`, uint8 or float in [-1, 1], with a value below -.1 (else
        they may be meant from 0 to 1).
      size: height and width that the model draws.
      crop: as in `images.decode`; what the model's training did.

    Returns:
      `[N, size, size, 3]`; N is 1 for a picture file.

    Raises:
      ValueError: no such file, unreadable, arrays of another size or value range.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no picture {path}")
    if path.suffix not in _ARRAYS:
        return _in_value_range(_read_picture(path, size, crop)[None], path)
    images = _read_arrays(path)
    images = images[None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[1:] != (size, size, 3) or not len(images):
        found = "x".join(map(str, images.shape[1:] if images.ndim == 4 else ()))
        raise ValueError(
            f"{path} holds pictures of {found or images.shape}, the model draws "
            f"{size}x{size}x3: crop and resize them first"
        )
    return _in_value_range(images, path)


def _read_picture(path: Path, size: int, crop: Crop) -> np.ndarray:
    try:
        return decode(path.read_bytes(), size=size, crop=crop)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read_arrays(path: Path) -> np.ndarray:
    try:
        if path.suffix == ".npy":
            return archives.array_of(path.read_bytes())
        found = archives.read_arrays(path)
    except Exception as error:  # of a file cut or made up: any class
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} is no readable array ({reason})") from error
    if "image" not in found and len(found) != 1:
        names = ", ".join(found) or "none"
        raise ValueError(
            f"{path} holds {len(found)} arrays ({names}): name that of the pictures "
            "'image', or save it alone"
        )
    return found["image"] if "image" in found else next(iter(found.values()))


def _in_value_range(images: np.ndarray, path: Path) -> np.ndarray:
    if images.dtype == np.uint8:
        return images.astype(np.float32) / 127.5 - 1.0
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"{path} holds {images.dtype}: give uint8, or float in [-1, 1]"
        )
    if not np.isfinite(images).all() or np.abs(images).max() > 1 + 1e-4:
        low, high = images.min(), images.max()
        raise ValueError(
            f"{path} holds values from {low:.4g} to {high:.4g}: give uint8, or float "
            "in [-1, 1]"
        )
    if images.min() > _DARK:
        raise ValueError(
            f"{path} holds floats from {images.min():.4g} to {images.max():.4g}, which "
            "are read as -1 (black) to 1: of values from 0 to 1 give 2 * image - 1, of "
            "pictures without a dark value uint8"
        )
    return np.clip(images, -1.0, 1.0).astype(np.float32)
