"""Pictures as arrays: what every image reader of the library returns, and decoding.

Decoding follows CausalGAN (Kocaoglu et al. 2017, `data_loader.py`): central crop, then
area resize. The random horizontal flip and the scaling to [-1, 1] happen on the device.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from tqdm import tqdm

if TYPE_CHECKING:
    pass

_SHOWN = 3  # how many offenders an error names


def encoded_png(image: np.ndarray) -> bytes:
    """A picture, uint8 [H, W] or [H, W, 3], as a PNG file's bytes.

    (tensorflow-datasets would use TensorFlow to encode it.)
    """
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, "PNG")
    return encoded.getvalue()


def decode(data: bytes, *, size: int, crop: int | None = None) -> np.ndarray:
    """Decodes one encoded picture to a small square one.

    Args:
      data: a JPEG, PNG or other file that Pillow reads; greyscale, palette and alpha
        pictures become RGB.
      size: side of the result in pixels.
      crop: side of the central square that is kept; None keeps the largest one.

    Returns:
      uint8 [size, size, 3] in [0, 255].

    Raises:
      ValueError: not a picture, or smaller than `crop`.
    """
    try:
        image = Image.open(io.BytesIO(data)).convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a readable picture ({error})") from error
    return np.asarray(_resized(_cropped(image, crop), size))


def _cropped(image: Image.Image, crop: int | None) -> Image.Image:
    width, height = image.size
    side = min(width, height) if crop is None else crop
    if not 1 <= side <= min(width, height):
        raise ValueError(
            f"crop={crop} does not fit into a picture of {width}x{height} pixels; "
            f"use 1 to {min(width, height)}, or None for the largest square"
        )
    if (width, height) == (side, side):
        return image
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _resized(image: Image.Image, size: int) -> Image.Image:
    if image.width == size:
        return image
    # BOX is the area average; enlarging, it would only repeat pixels.
    smaller = size < image.width
    return image.resize((size, size), Image.BOX if smaller else Image.BILINEAR)


def check_size(size: int) -> None:
    """Raises ValueError unless `size` is a possible side of a picture."""
    if not isinstance(size, int | np.integer) or size < 1:
        raise ValueError(f"size={size!r} is no number of pixels; use e.g. size=64")


def with_progress(items: Iterable, *, total: int, text: str, show: bool) -> Iterator:
    """Iterates with a progress bar on stderr."""
    return iter(tqdm(items, total=total, desc=text, disable=not show, leave=False))


def find_pictures(images_dir: Path, files: Sequence[str]) -> list[Path]:
    """Returns the pictures' paths.

    Raises:
      ValueError: no such folder, or pictures that are not in it.
    """
    if not images_dir.is_dir():
        raise ValueError(f"there is no folder of pictures {images_dir}")
    paths = [images_dir / file for file in files]
    there = [path.is_file() for path in paths]
    missing = [file for file, found in zip(files, there, strict=True) if not found]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(files)} pictures are not in {images_dir}: "
            f"{_first(missing, ', ')}"
        )
    return paths


def read_pictures(
    paths: Sequence[Path], *, size: int, crop: int | None, progress: bool
) -> np.ndarray:
    """Decodes files, uint8 [N, size, size, 3] in [0, 255].

    Raises:
      ValueError: pictures that cannot be read (the first few are named).
    """
    images = np.empty((len(paths), size, size, 3), np.uint8)
    bad = []
    for i, path in enumerate(
        with_progress(paths, total=len(paths), text="reading pictures", show=progress)
    ):
        try:
            images[i] = decode(path.read_bytes(), size=size, crop=crop)
        except ValueError as error:
            bad.append(f"{path.name}: {error}")
    if bad:
        raise ValueError(
            f"{len(bad)} of {len(paths)} pictures cannot be used; {_first(bad, '; ')}"
        )
    return images


def _first(items: list[str], separator: str) -> str:
    return separator.join(items[:_SHOWN]) + (" ..." if len(items) > _SHOWN else "")
