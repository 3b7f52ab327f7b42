"""Folders of pictures whose names are their labels: the layouts of published sets.

    class_folders     ROOT/CLASS/PICTURE                   torchvision's ImageFolder
    cue_conflict      ROOT/SHAPE/SHAPE1-TEXTURE2.png       Geirhos et al. 2019
    background_sets   ROOT/VARIANT/val/00_CLASS/PICTURE    ImageNet-9, Xiao et al. 2020

Geirhos et al., arXiv 1811.12231 (stimuli `style-transfer-preprocessed-512`); Xiao et
al., arXiv 2006.09994 (`mixed_same`, `mixed_rand`, `original` and others). All return
paths and labels; `read_batches` decodes them as `images` does, with its limits.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from causal_jax.data import crops, images
from causal_jax.graph import suggestion
from causal_jax.messages import one_line

VARIANTS = ("original", "mixed_same", "mixed_rand")
NO_CLASS = -1  # of a class that a coarser set does not have
_ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"}
_NUMBERED = re.compile(r"(\d\d)_(.+)")


class LabelledPaths(NamedTuple):
    """Pictures and their classes.

    Attributes:
      paths: of N pictures, class by class, sorted.
      labels: int32 [N], indices into `names`.
      names: of the classes.
    """

    paths: tuple[Path, ...]
    labels: np.ndarray
    names: tuple[str, ...]


class CueConflicts(NamedTuple):
    """Pictures with the shape of one class and the texture of another.

    Attributes:
      paths: of N pictures, shape by shape, sorted.
      shapes: int32 [N], indices into `names`.
      textures: int32 [N], indices into `names`; equal to the shape where there is no
        conflict, which an evaluation leaves out.
      names: of the classes.
    """

    paths: tuple[Path, ...]
    shapes: np.ndarray
    textures: np.ndarray
    names: tuple[str, ...]


def class_folders(
    root: str | os.PathLike, *, names: Sequence[str] | None = None
) -> LabelledPaths:
    """Reads ROOT/CLASS/PICTURE; pictures may lie deeper.

    Args:
      root: the folder.
      names: the classes in the order of their labels, of which some may have no folder;
        None takes the folders, sorted.

    Raises:
      ValueError: no such folder, one of another layout, or a class not among `names`.
    """
    root = Path(root)
    folders = _folders(root, "ROOT/CLASS/PICTURE.png")
    names = tuple(names or [folder.name for folder in folders])
    found = [(p, _index(f.name, names, f)) for f in folders for p in _pictures(f)]
    return _labelled(found, names)


def cue_conflict(
    root: str | os.PathLike, *, names: Sequence[str] | None = None
) -> CueConflicts:
    """Reads ROOT/SHAPE/SHAPE1-TEXTURE2.png.

    Args:
      root: the folder.
      names: as in `class_folders`.

    Raises:
      ValueError: no such folder, one of another layout, a file whose name does not tell
        its shape and texture, or a class not among `names`.
    """
    root = Path(root)
    folders = _folders(root, "ROOT/SHAPE/SHAPE1-TEXTURE2.png")
    names = tuple(names or [folder.name for folder in folders])
    rows = []
    for folder in folders:
        shape = _index(folder.name, names, folder)
        for path in _pictures(folder):
            texture = _texture_in_name(path, names)
            rows.append((path, shape, names.index(texture)))
    paths, shapes, textures = zip(*rows, strict=True)
    return CueConflicts(
        paths=paths,
        shapes=np.array(shapes, np.int32),
        textures=np.array(textures, np.int32),
        names=names,
    )


def cue_conflict_name(shape: str, number: int, texture: str, other: int) -> str:
    """The place of such a picture in its set.

    >>> cue_conflict_name("cat", 3, "elephant", 1)
    'cat/cat3-elephant1.png'
    """
    return f"{shape}/{shape}{number}-{texture}{other}.png"


def background_sets(
    root: str | os.PathLike, variants: Sequence[str] = VARIANTS
) -> dict[str, LabelledPaths]:
    """Reads ROOT/VARIANT/val/00_CLASS/PICTURE: {variant: its pictures}.

    The number before a class is its label. All variants have the same classes.

    Raises:
      ValueError: no such folder, one of another layout, or a variant that is not there
        or has other classes.
    """
    root = Path(root)
    expected = "ROOT/VARIANT/val/00_CLASS/PICTURE.JPEG"
    there = [folder.name for folder in _folders(root, expected)]
    found = {}
    for variant in variants:
        if not (root / variant / "val").is_dir():
            raise ValueError(
                f"{root} has no folder {variant}/val: expected is {expected}; "
                f"{suggestion(variant, there)}"
            )
        found[variant] = _numbered_classes(root / variant / "val", expected)
    first = found[variants[0]].names
    for variant, paths in found.items():
        if paths.names != first:
            other = sorted(set(paths.names) ^ set(first)) or paths.names
            raise ValueError(
                f"{root}: {variant} and {variants[0]} have not the same classes "
                f"({other[0]!r} is in one of them): take both of one set"
            )
    return found


def read_class_map(path: str | os.PathLike, num_classes: int) -> np.ndarray:
    """Reads which coarse class a fine one belongs to (ImageNet-9's in_to_in9.json).

    Args:
      path: a JSON object {fine class: coarse class}, -1 for none.
      num_classes: of the fine ones.

    Returns:
      int32 [num_classes], `NO_CLASS` for none.

    Raises:
      ValueError: no such file, or another kind of file.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        found = json.loads(path.read_bytes())
        rows = [found[str(i)] for i in range(num_classes)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{path} is no map of {num_classes} classes ({one_line(error, limit=100)}):"
            ' give JSON, {"0": 3, "1": -1, ...}'
        ) from error
    whole = all(type(row) is int and NO_CLASS <= row < num_classes for row in rows)
    if not whole:
        raise ValueError(f"{path}: classes are whole numbers, {NO_CLASS} for none")
    return np.array(rows, np.int32)


def read_batches(
    paths: Sequence[Path], *, size: int, batch_size: int, crop: str = "centre"
) -> Iterator[np.ndarray]:
    """Decodes pictures, uint8 [B, size, size, 3]; the last batch is smaller.

    Args:
      paths: the files, in the order in which they are returned.
      size: side of the pictures, pixels.
      batch_size: B.
      crop: "centre" or "square", see `crops`.

    Raises:
      ValueError: a picture that cannot be read (it is named), or is too large.
    """
    images.check_size(size)
    for first in range(0, len(paths), batch_size):
        part = paths[first : first + batch_size]
        yield np.stack([_read(Path(path), size, crop) for path in part])


def _read(path: Path, size: int, crop: str) -> np.ndarray:
    try:
        return crops.fixed(images.open_rgb(path.read_bytes()), crop, size)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {one_line(error)}") from error


# --- what is in a folder --------------------------------------------------------------


def _folders(root: Path, expected: str) -> list[Path]:
    """The folders in a folder, sorted; hidden ones are none."""
    if not root.is_dir():
        raise ValueError(f"there is no folder {root}")
    entries = sorted(p for p in root.iterdir() if not p.name.startswith("."))
    folders = [p for p in entries if p.is_dir()]
    if not folders:
        raise ValueError(
            f"{root} holds no folder (but {len(entries)} files): expected is "
            f"{expected.replace('ROOT', str(root))}"
        )
    return folders


def _pictures(folder: Path) -> list[Path]:
    """The pictures in a folder and below, sorted."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _ENDINGS and not path.name.startswith(".")
    )
    if not found:
        raise ValueError(
            f"{folder} holds no picture (png, jpeg, ...): put some there or remove it"
        )
    return found


def _index(name: str, names: tuple[str, ...], folder: Path) -> int:
    if name not in names:
        raise ValueError(f"{folder} is named after no class: {suggestion(name, names)}")
    return names.index(name)


def _texture_in_name(path: Path, names: Sequence[str]) -> str:
    """The texture in SHAPE1-TEXTURE2; names may end in digits and hold hyphens."""
    shape = path.parent.name
    match = re.fullmatch(rf"{re.escape(shape)}\d+-(.+)", path.stem)
    named = [
        name
        for name in names
        if match and re.fullmatch(rf"{re.escape(name)}\d+", match[1])
    ]
    if not named:
        raise ValueError(
            f"{path} is not named after its shape, a number, and a texture that is "
            f"one of the classes: expected is {shape}1-{names[-1]}2{path.suffix}"
        )
    return max(named, key=len)


def _numbered_classes(folder: Path, expected: str) -> LabelledPaths:
    """The pictures below 00_dog, 01_bird, ..."""
    folders = _folders(folder, expected)
    matches = [_NUMBERED.fullmatch(one.name) for one in folders]
    for i, (one, match) in enumerate(zip(folders, matches, strict=True)):
        if not match or int(match[1]) != i:
            raise ValueError(
                f"{one} is not named {i:02}_CLASS: expected is {expected}, numbered "
                "from 00 without a gap"
            )
    found = [(path, i) for i, one in enumerate(folders) for path in _pictures(one)]
    return _labelled(found, tuple(match[2] for match in matches))


def _labelled(found: list[tuple[Path, int]], names: tuple[str, ...]) -> LabelledPaths:
    paths, labels = zip(*found, strict=True)
    return LabelledPaths(paths, np.array(labels, np.int32), names)
