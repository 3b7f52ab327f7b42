"""Pictures that a user gives, at exactly the size a model draws."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

_MODES = ("RGB", "RGBA", "L", "LA", "P", "1")  # eight bits a channel or fewer
_ARRAYS = (".npy", ".npz")


def read(path: str | Path, *, size: int) -> np.ndarray:
    """Reads a picture file, or arrays of pictures, as float32 in [-1, 1].

    Args:
      path: a PNG, JPEG or other picture; or .npy or .npz (its array `image`, or its
        only one) of `[size, size, 3]` or `[N, size, size, 3]`, uint8 or float in
        [-1, 1].
      size: height and width that the model draws.

    Returns:
      `[N, size, size, 3]`; N is 1 for a picture file.

    Raises:
      ValueError: no such file, unreadable, of another size or value range.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no picture {path}")
    images = _read_arrays(path) if path.suffix in _ARRAYS else _read_picture(path)[None]
    images = images[None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[1:] != (size, size, 3) or not len(images):
        found = "x".join(map(str, images.shape[1:] if images.ndim == 4 else ()))
        raise ValueError(
            f"{path} holds pictures of {found or images.shape}, the model draws "
            f"{size}x{size}x3: crop and resize them first"
        )
    return _in_value_range(images, path)


def _read_picture(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            mode = image.mode
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is no readable picture ({error})") from error
    if mode not in _MODES:
        raise ValueError(
            f"{path} has pixels of mode {mode}: save it with 8 bits a channel"
        )
    return pixels


def _read_arrays(path: Path) -> np.ndarray:
    try:
        data = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        if path.suffix == ".npz":
            name = "image" if "image" in data.files else data.files[0]
            return data[name]
        return data
    except (OSError, ValueError, EOFError, IndexError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no readable array ({error})") from error


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
    return np.clip(images, -1.0, 1.0).astype(np.float32)
