"""CelebA: its 40 attributes, its official lists, and its pictures through tfds.

CelebA (Liu et al. 2015, "Deep learning face attributes in the wild") lists -1/+1 per
attribute; here, as in CausalGAN, labels are 0/1. Pictures are cut to the central 108
pixels of the aligned 178x218 ones and resized by area (Kocaoglu et al. 2017,
`data_loader.py`); the flip happens on the device. Unlike there, splits are kept apart.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from causal_jax import archives
from causal_jax.data import images as images_lib
from causal_jax.data import tables, tfds
from causal_jax.data.celeba_graphs import ATTRIBUTES
from causal_jax.data.records import ImageData, Table
from causal_jax.graph import BINARY, suggestion

SPLITS = ("train", "validation", "test")  # 0, 1, 2 in list_eval_partition.txt

_MAX_TEXT = 256 << 20  # bytes of a list; CelebA's largest has 27 MB
ALIGNED_SHAPE = (218, 178)  # height, width of img_align_celeba
ALIGNED_CROP = 108  # CausalGAN's central crop of the aligned pictures


class Annotations(NamedTuple):
    """An official list: which picture has which attributes.

    Attributes:
      files: picture file names, row by row.
      table: the attributes, in the order of the list's header.
    """

    files: tuple[str, ...]
    table: Table


def read_attributes(path: str | os.PathLike) -> Table:
    """Reads list_attr_celeba.txt: plain, gzipped, or the one text file of a zip.

    Args:
      path: the list; its first line, the count, may be missing.

    Returns:
      A table of 0/1 labels, `values` int32 [N, 40].

    Raises:
      ValueError: what is wrong, with the line number.
    """
    return read_annotations(path).table


def read_annotations(path: str | os.PathLike) -> Annotations:
    """Like `read_attributes`, with the pictures' file names."""
    lines = read_lines(path)
    count = int(lines.pop(0)[1]) if lines and lines[0][1].isdecimal() else None
    names = _attribute_names(path, lines)
    files, rows = [], []
    code = {"-1": 0, "1": 1}
    for number, line in lines[1:]:
        file, *cells = line.split()
        _check_width(path, number, cells, len(names))
        try:
            rows.append([code[cell] for cell in cells])
        except KeyError as error:
            raise ValueError(
                f"{Path(path).name}, line {number}: {error.args[0]!r} is no attribute "
                "value; they are -1 and 1"
            ) from error
        files.append(file)
    if not rows or count not in (None, len(rows)):
        raise ValueError(
            f"{Path(path).name} holds {len(rows)} rows where its first line says "
            f"{'nothing' if count is None else count}; is it cut off?"
        )
    states = dict.fromkeys(names, BINARY)
    table = Table(names=names, states=states, values=np.array(rows, np.int32))
    return Annotations(tuple(files), table)


def read_partition(path: str | os.PathLike) -> dict[str, str]:
    """Reads list_eval_partition.txt: {file name: "train", "validation" or "test"}."""
    partition = {}
    for number, line in read_lines(path):
        cells = line.split()
        if len(cells) != 2 or cells[1] not in ("0", "1", "2"):
            raise ValueError(
                f"{Path(path).name}, line {number}: {line[:40]!r} is not a file name "
                "and 0 (train), 1 (validation) or 2 (test)"
            )
        partition[cells[0]] = SPLITS[int(cells[1])]
    return partition


def labels_from_tfds(
    name: str = "celeb_a",
    split: str = "train",
    *,
    label_names: Sequence[str] | None = None,
    data_dir: str | os.PathLike | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> Table:
    """Reads the labels of a split without touching its pictures.

    Args:
      name: any data set with a feature `attributes`.
      split: as tensorflow-datasets spells it: "train", "train[:10%]".
      label_names: which attributes, in this order; None takes all.
      data_dir: the data directory; None takes $TFDS_DATA_DIR.
      limit: reads the first `limit` rows only.
      progress: shows a progress bar.

    Returns:
      The table, `values` int32 [N, n].

    Raises:
      ValueError: missing data (with the command that prepares it), split or label.
    """
    names, found = _attribute_states(name, label_names, data_dir)
    keys = [f"attributes/{n}" for n in names]
    records = tfds.Records(name, split, keys, data_dir=data_dir, limit=limit)
    rows = list(_with_progress_bar(records, "reading labels", progress))
    return _table_of_cells(names, found, rows)


def images_from_tfds(
    name: str = "celeb_a",
    split: str = "train",
    *,
    size: int = 64,
    crop: images_lib.Crop | str = "auto",
    label_names: Sequence[str] | None = None,
    data_dir: str | os.PathLike | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> ImageData:
    """Reads the pictures and labels of a split into memory.

    Args:
      name: any data set with features `image` and `attributes`.
      split: as tensorflow-datasets spells it.
      size: side of the returned pictures.
      crop: side of the central square that is kept; None keeps the largest one, "auto"
        takes 108 where the pictures are CelebA's aligned 178x218 ones and None
        elsewhere.
      label_names: which attributes, in this order; None takes all.
      data_dir: the data directory; None takes $TFDS_DATA_DIR.
      limit: reads the first `limit` examples only.
      progress: shows a progress bar.

    Returns:
      images uint8 [N, size, size, 3] in [0, 255] and their labels.

    Raises:
      ValueError: missing data (with the command that prepares it), split or label, or
        pictures too small for `crop`.
    """
    images_lib.check_size(size)
    names, found = _attribute_states(name, label_names, data_dir)
    keys = ["image", *(f"attributes/{n}" for n in names)]
    records = tfds.Records(name, split, keys, data_dir=data_dir, limit=limit)
    crop = aligned_crop if crop == "auto" else crop
    images = np.empty((len(records), size, size, 3), np.uint8)
    rows = []
    for i, (image, *row) in enumerate(
        _with_progress_bar(records, "reading pictures", progress)
    ):
        images[i] = images_lib.decode(image, size=size, crop=crop)
        rows.append(row)
    return ImageData(images, _table_of_cells(names, found, rows))


def aligned_crop(height: int, width: int) -> int | None:
    """Side of the central square that is kept of a picture; None keeps the largest.

    CelebA's aligned pictures are cut to 108 pixels, as in CausalGAN.
    """
    return ALIGNED_CROP if (height, width) == ALIGNED_SHAPE else None


def read_lines(path: str | os.PathLike) -> list[tuple[int, str]]:
    """Returns the numbered lines that are not blank, of text plain, gzipped or zipped.

    Raises:
      ValueError: no such file, not text, a damaged archive or one of several texts.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        text = _unpacked_bytes(path).decode("utf-8")
    except _NotOneTextError:
        raise
    except Exception as error:  # of a damaged archive: any class
        raise ValueError(f"{path} is damaged or not text ({error})") from error
    numbered = enumerate(text.splitlines(), start=1)
    return [(number, line.strip()) for number, line in numbered if line.strip()]


def _unpacked_bytes(path: Path) -> bytes:
    data = path.read_bytes()
    if not data.startswith(b"PK"):
        return archives.unpacked(path, data, limit=_MAX_TEXT)
    with archives.open_zip(path) as archive:
        names = [n for n in archive.namelist() if n.endswith(".txt") and "__" not in n]
        if len(names) != 1:
            raise _NotOneTextError(
                f"{path} must hold one .txt file; it holds {len(names)}"
            )
        info = archive.getinfo(names[0])
        return bytes(archives.read_member(archive, info, limit=_MAX_TEXT))


class _NotOneTextError(ValueError):
    """An archive of several texts."""


def _attribute_names(
    path: str | os.PathLike, lines: list[tuple[int, str]]
) -> tuple[str, ...]:
    names = tuple(lines[0][1].split()) if lines else ()
    if not names or set(names[1:]) & {"-1", "1"} or len(set(names)) < len(names):
        raise ValueError(
            f"{Path(path).name} has no line of attribute names; it must stand before "
            "the rows, as in the official list"
        )
    return names


def _check_width(
    path: str | os.PathLike, number: int, cells: list[str], width: int
) -> None:
    if len(cells) != width:
        raise ValueError(
            f"{Path(path).name}, line {number}: {len(cells)} values; the header names "
            f"{width} attributes"
        )


def _attribute_states(
    name: str, label_names: Sequence[str] | None, data_dir: Any
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...] | None]]:
    """Names in order, and states where the features tell them."""
    features = tfds.features(name, data_dir=data_dir)
    if "attributes" not in features:
        raise ValueError(
            f"data set {name!r} has no feature 'attributes'; "
            f"{suggestion('attributes', features)}"
        )
    attributes = features["attributes"]
    if label_names is None:
        known = [n for n in ATTRIBUTES if n in attributes]
        label_names = known + [n for n in attributes if n not in known]
    for label in label_names:
        if label not in attributes:
            raise ValueError(
                f"data set {name!r} has no label {label!r}; "
                f"{suggestion(label, attributes)}"
            )
    return tuple(label_names), {n: _feature_states(attributes[n]) for n in label_names}


def _feature_states(feature: Any) -> tuple[str, ...] | None:
    if getattr(feature, "names", None):
        return tuple(feature.names)
    return BINARY if feature.np_dtype == np.bool_ else None


def _table_of_cells(names: Sequence[str], found: dict, rows: list[list]) -> Table:
    """Values as recorded; what is no boolean goes by the rules of `tables`."""
    states = dict(found)
    values = np.empty((len(rows), len(names)), np.int32)
    for i, name in enumerate(names):
        cells = [row[i] for row in rows]
        if states[name] is None:
            states[name], cells = tables.encode([_cell_text(cell) for cell in cells])
        values[:, i] = cells
    return Table(names=tuple(names), states=states, values=values)


def _cell_text(cell: Any) -> str:
    return cell.decode("utf-8") if isinstance(cell, bytes) else str(cell)


def _with_progress_bar(records: tfds.Records, text: str, progress: bool):
    return images_lib.with_progress(
        records, total=len(records), text=text, show=progress
    )
