"""Pictures as arrays: decoding, and folders of pictures with a table beside them.

Decoding follows CausalGAN (Kocaoglu et al. 2017, `data_loader.py`): central crop, then
area resize. The random horizontal flip and the scaling to [-1, 1] happen on the device.
"""

import contextlib
import functools
import io
import os
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from causal_jax.data import column_states, csv_files
from causal_jax.data.records import ImageData
from causal_jax.data.state_indices import DROP, REFUSE, Encoded, encode_columns, said
from causal_jax.data.text_columns import TextTable
from causal_jax.progress import tqdm

FILE_COLUMNS = ("image", "file", "filename", "image_id")
_SHOWN = 10  # how many offenders an error names
_SHOWN_NAME = 100  # characters of a file's name in an error message
MAX_PIXELS = 89_478_485  # Pillow's own limit: a quarter of a GiB as 8-bit RGB
# A program that Pillow would give to Ghostscript, and formats it has no decoder for.
_NO_PICTURES = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "FITS", "MPEG", "PDF"}
_USUAL = ("JPEG", "PNG")  # tried first: of a small JPEG's time 15 % was trying others
_TRIED = 20  # rows whose files are looked for, to find the column that names them

# Side of the central square that is kept, None for the largest one; or a function that
# takes height and width and returns it.
Crop = int | None | Callable[[int, int], int | None]


def encoded_png(image: np.ndarray) -> bytes:
    """A picture, uint8 [H, W] or [H, W, 3], as a PNG file's bytes.

    (tensorflow-datasets would use TensorFlow to encode it.)
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def encoded(image: np.ndarray, jpeg_quality: int | None) -> bytes:
    """A picture, uint8 [H, W, 3], as a JPEG file of quality 1 to 95, None for a PNG."""
    if jpeg_quality is None:
        return encoded_png(image)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=jpeg_quality)
    return file.getvalue()


def decode(data: bytes, *, size: int, crop: Crop = None) -> np.ndarray:
    """Decodes one encoded picture to a small square one.

    Whatever Pillow reads becomes 8-bit RGB as a viewer shows it: turned as its EXIF
    orientation says, transparent parts over white, the first frame of an animation.
    16-bit greys are scaled by 65,535; 32-bit integers and floats by the first of 1
    (floats), 255, 65,535 and 2^31 - 1 (integers) that none of their values exceeds.

    Args:
      data: a JPEG, PNG or other file that Pillow reads.
      size: side of the result in pixels.
      crop: side of the central square that is kept; None keeps the largest one. Or a
        function that takes height and width and returns one of these.

    Returns:
      uint8 [size, size, 3] in [0, 255].

    Raises:
      ValueError: not a picture, one of more than `MAX_PIXELS` pixels, or one that is
        smaller than `crop`.

    Example:
      >>> import io
      >>> file = io.BytesIO()
      >>> Image.new("RGB", (178, 218), "red").save(file, "PNG")
      >>> decode(file.getvalue(), size=2).tolist()[0]
      [[255, 0, 0], [255, 0, 0]]
    """
    image = open_rgb(data)
    crop = crop(image.height, image.width) if callable(crop) else crop
    return resized_square(image, size, crop)


def resized_square(
    image: Image.Image, size: int, crop: int | None = None
) -> np.ndarray:
    """The central square of an RGB picture, uint8 [size, size, 3]; see `decode`."""
    return np.asarray(_resized_square(_central_square(image, crop), size))


def open_rgb(data: bytes) -> Image.Image:
    """Opens one encoded picture as 8-bit RGB, at its own size; see `decode`.

    Raises:
      ValueError: not a picture, or too large a one.
    """
    return _rgb(_opened(data))


def _opened(data: bytes) -> Image.Image:
    """The picture, upright; its size is checked before its pixels are decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=_formats())
            if image.width * image.height > _max_pixels():
                raise Image.DecompressionBombError
            image.load()
            with contextlib.suppress(Exception):  # orientation that cannot be read
                ImageOps.exif_transpose(image, in_place=True)
        return image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"it has more than {_max_pixels():,} pixels and could be a "
            "decompression bomb: make it smaller"
        ) from error
    except UnidentifiedImageError as error:
        raise ValueError(
            "it is no readable picture (nothing that Pillow knows): give a PNG or JPEG"
        ) from error
    except Exception as error:  # of Pillow's decoders: many classes, many lines
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(f"it is no readable picture ({reason})") from error


def _max_pixels() -> int:
    """Pillow's limit where it is lower; it may have been lifted for other pictures."""
    return min(MAX_PIXELS, Image.MAX_IMAGE_PIXELS or MAX_PIXELS)


@functools.cache
def _formats() -> list[str]:
    """Pillow's names of the formats that are read, in the order of trying them."""
    Image.init()
    names = [name for name in Image.ID if name not in _NO_PICTURES]
    return sorted(names, key=lambda name: name not in _USUAL)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if image.has_transparency_data:
        over = image.convert("LA") if image.mode == "La" else image
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, over.convert("RGBA"))
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> np.ndarray:
    """Greys of 16 bits, 32 bits or floats as uint8 [H, W]."""
    values = np.asarray(image).astype(np.float64)
    low, high = values.min(), values.max()
    tops = {"I": (255, 65_535, 2**31 - 1), "F": (1, 255, 65_535)}
    top = next((t for t in tops.get(image.mode, (65_535,)) if high <= t), None)
    if top is None or not low >= 0:
        raise ValueError(
            f"its pixels are numbers from {low:.4g} to {high:.4g}: save it with 8 or "
            "16 bits, or as floats in [0, 1]"
        )
    return np.round(values * (255 / top)).astype(np.uint8)


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
    crop: Crop = None,
    image_column: str | None = None,
    states: Mapping[str, Sequence[str]] | None = None,
    missing: str = REFUSE,
    outside: bool = False,
    progress: bool = True,
    quiet: bool = False,
) -> ImageData:
    """Reads a folder of pictures and the table that labels them.

    Args:
      images_dir: where the pictures lie.
      csv_path: a table with a column of file names relative to `images_dir`.
      size: side of the returned pictures.
      label_names: which columns are labels; None takes all but the file names.
      crop: as in `decode`.
      image_column: the column of file names; None takes the first column that names
        files of the folder, those named image, file, filename or image_id before all
        others, and the first of these columns where none does.
      states: as in `tables.read_csv`.
      missing: as in `tables.read_csv`; rows without a file name are rows that lack a
        value.
      outside: lets the table name pictures that are not in the folder, by absolute
        paths, by `..` or by links that lead out of it.
      progress: shows a progress bar.
      quiet: does not print what was recognised in the labels.

    Returns:
      images uint8 [N, size, size, 3] in [0, 255] and the table without the file names.

    Raises:
      ValueError: missing or unreadable pictures (the first few are named), or anything
        that `tables.read_csv` refuses.
    """
    check_size(size)
    text = csv_files.read_text(Path(csv_path), label_names)
    column = image_column or _file_column(text, Path(images_dir), outside)
    names = label_names or [name for name in text.names if name != column]
    encoded = encode_columns(text, names, states, missing)
    encoded = encoded._replace(notes=()) if quiet else encoded
    if column not in (image_column, text.names[0]):
        encoded = encoded.with_note(f"column {column!r} names the pictures")
    files = _stripped_cells(text, column)[encoded.kept]
    if missing == DROP:
        encoded, files = _with_file_names(encoded, files)
    _require_file_names(text, column, files, encoded.kept)
    table = said(text.source, encoded)
    named_by = "" if image_column else column
    paths = find_pictures(
        Path(images_dir), files.tolist(), outside=outside, named_by=named_by
    )
    pictures = read_pictures(paths, size=size, crop=crop, progress=progress)
    return ImageData(images=pictures, table=table)


def named_files(
    images_dir: str | os.PathLike,
    csv_path: str | os.PathLike,
    *,
    label_names: Sequence[str] | None = None,
    image_column: str | None = None,
    outside: bool = False,
) -> tuple[str, ...]:
    """The files that a table names and a folder has; arguments as `image_folder`'s."""
    text = csv_files.read_text(Path(csv_path), label_names)
    column = image_column or _file_column(text, Path(images_dir), outside)
    cells = set(_stripped_cells(text, column))
    found = (_found(Path(images_dir), cell, outside) for cell in cells)
    return tuple({name for name in found if name is not None})


def _file_column(text: TextTable, images_dir: Path, outside: bool) -> str:
    """Which column names the pictures' files."""
    usual = [name for name in text.names if name.lower() in FILE_COLUMNS]
    usual.sort(key=lambda name: FILE_COLUMNS.index(name.lower()))
    for name in (*usual, *text.names):
        tried = text.head(_TRIED)
        cells = set(_stripped_cells(tried, name))
        if any(_found(images_dir, file, outside) is not None for file in cells):
            return name
    return (*usual, *text.names)[0]


def _stripped_cells(text: TextTable, name: str) -> np.ndarray:
    words, codes, _ = text.column(name)
    return np.array([word.strip() for word in words], object)[codes]


def _with_file_names(encoded: Encoded, files: np.ndarray) -> tuple[Encoded, np.ndarray]:
    """Leaves out rows that name no file."""
    named = ~_are_missing(files)
    if named.all() or not named.any():
        return encoded, files
    table = encoded.table._replace(values=encoded.table.values[named])
    note = f"{(~named).sum():,} more rows name no picture, dropped"
    return encoded._replace(table=table).with_note(note), files[named]


def _require_file_names(
    text: TextTable, column: str, files: np.ndarray, kept: np.ndarray
) -> None:
    """Raises ValueError at the first row that names no picture."""
    missing = _are_missing(files)
    if not missing.any():
        return
    first = int(missing.argmax())
    place = text.place_fn(int(np.flatnonzero(kept)[first]))
    if missing.all():
        raise ValueError(
            f"{place}: column {column!r} names no picture ({files[first]!r}), nor in "
            "any row: name the column that does, image_column= (--config.image_column)"
        )
    raise ValueError(
        f"{place}: column {column!r} names no picture ({files[first]!r}); "
        f"{missing.sum():,} of {missing.size:,} rows name none: leave them out with "
        f'missing="{DROP}" (--config.missing={DROP}), or fill them in'
    )


def _are_missing(files: np.ndarray) -> np.ndarray:
    return np.array([column_states.is_missing(file) for file in files], bool)


def find_pictures(
    images_dir: Path, files: Sequence[str], *, outside: bool = False, named_by: str = ""
) -> list[Path]:
    """Returns the pictures' paths.

    Args:
      images_dir: where they lie.
      files: their names, relative to it.
      outside: as in `image_folder`.
      named_by: the column that was taken for theirs, for the message.

    Raises:
      ValueError: no such folder, or pictures that are not in it.
    """
    if not images_dir.is_dir():
        raise ValueError(f"there is no folder of pictures {images_dir}")
    names = [_found(images_dir, file, True) or file for file in files]
    left = [] if outside else [n for n in names if not _stays_in(images_dir, n)]
    if left:
        raise ValueError(
            f"{len(left)} of {len(files)} pictures leave the folder {images_dir}: "
            f"{_first_few([*map(_shown, left)], ', ')}; put them there, or allow it "
            "with outside=True (--config.pictures_outside)"
        )
    missing = [name for name in names if not _is_picture(images_dir, name, True)]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(files)} pictures are not in {images_dir}: "
            f"{_first_few([*map(_shown, missing)], ', ')}"
            + (
                f"; they were read off column {named_by!r}, image_column= "
                "(--config.image_column) names another"
                if named_by
                else ""
            )
        )
    return [images_dir / name for name in names]


def _stays_in(images_dir: Path, file: str) -> bool:
    """Whether a file's path, links followed, does not leave the folder."""
    try:
        return (images_dir / file).resolve().is_relative_to(images_dir.resolve())
    except (OSError, ValueError, RuntimeError):  # no name at all, or a loop of links
        return True  # and no picture


def _found(images_dir: Path, file: str, outside: bool) -> str | None:
    """A picture's name as the folder has it; None where it has none.

    Accents are one character or two: a Mac's file names have two, most tables one.
    """
    forms = (unicodedata.normalize(form, file) for form in ("NFC", "NFD"))
    for name in dict.fromkeys((file, *forms)):
        if _is_picture(images_dir, name, outside):
            return name
    return None


def _is_picture(images_dir: Path, file: str, outside: bool) -> bool:
    try:
        is_file = (images_dir / file).is_file()
    except (OSError, ValueError):  # longer than a name may be, or no name at all
        return False
    return is_file and (outside or _stays_in(images_dir, file))


def _shown(file: str) -> str:
    return file if len(file) <= _SHOWN_NAME else f"...{file[-_SHOWN_NAME:]}"


def read_pictures(
    paths: Sequence[Path], *, size: int, crop: Crop, progress: bool
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
            bad.append(f"{_shown(str(path))}: {error}")
    if bad:
        raise ValueError(
            f"{len(bad)} of {len(paths)} pictures cannot be used; "
            f"{_first_few(bad, '; ')}"
        )
    return images


def _first_few(items: list[str], separator: str) -> str:
    more = len(items) - _SHOWN
    return separator.join([*items[:_SHOWN], *[f"and {more:,} more"] * (more > 0)])
