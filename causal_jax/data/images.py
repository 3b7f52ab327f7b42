"""Pictures as arrays: decoding, and folders of pictures with a table beside them.

Decoding follows CausalGAN (Kocaoglu et al. 2017, `data_loader.py`): central crop, then
area resize. The random horizontal flip and the scaling to [-1, 1] happen on the device.
"""

import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from causal_jax.data import tables
from causal_jax.data.records import ImageData

FILE_COLUMNS = ("image", "file", "filename", "image_id")
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
    return np.asarray(_resized_square(_central_square(image, crop), size))


def _central_square(image: Image.Image, crop: int | None) -> Image.Image:
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


def _resized_square(image: Image.Image, size: int) -> Image.Image:
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


def image_folder(
    images_dir: str | os.PathLike,
    csv_path: str | os.PathLike,
    *,
    size: int,
    label_names: Sequence[str] | None = None,
    crop: int | None = None,
    image_column: str | None = None,
    states: Mapping[str, Sequence[str]] | None = None,
    progress: bool = True,
) -> ImageData:
    """Reads a folder of pictures and the table that labels them.

    Args:
      images_dir: where the pictures lie.
      csv_path: a table with a column of file names relative to `images_dir`.
      size: side of the returned pictures.
      label_names: which columns are labels; None takes all but the file names.
      crop: side of the central square that is kept; None keeps the largest one.
      image_column: the column of file names; None takes a column named image, file,
        filename or image_id, else the first.
      states: as in `tables.read_csv`.
      progress: shows a progress bar.

    Returns:
      images uint8 [N, size, size, 3] in [0, 255] and the table without the file names.

    Raises:
      ValueError: missing or unreadable pictures (the first few are named), or anything
        that `tables.read_csv` refuses.
    """
    check_size(size)
    rows = tables.read_rows(csv_path)
    at = _file_column(rows, image_column)
    labels = [name for i, name in enumerate(rows.names) if i != at]
    names = labels if label_names is None else label_names
    table = tables.encode_rows(rows, names, states)
    paths = find_pictures(Path(images_dir), [row[at] for row in rows.cells])
    pictures = read_pictures(paths, size=size, crop=crop, progress=progress)
    return ImageData(images=pictures, table=table)


def _file_column(rows: tables.TextRows, image_column: str | None) -> int:
    """Which column names the pictures' files."""
    if image_column is not None:
        return rows.position(image_column)
    lowered = [name.lower() for name in rows.names]
    return next((lowered.index(n) for n in FILE_COLUMNS if n in lowered), 0)


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
            f"{_first_few(missing, ', ')}"
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
            f"{len(bad)} of {len(paths)} pictures cannot be used; "
            f"{_first_few(bad, '; ')}"
        )
    return images


def _first_few(items: list[str], separator: str) -> str:
    return separator.join(items[:_SHOWN]) + (" ..." if len(items) > _SHOWN else "")
