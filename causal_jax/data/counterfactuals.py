"""Counterfactual pictures on disk: a tensorflow-datasets set with all three labels.

What the reference code keeps of a counterfactual is the picture and its shape's label;
here the foreground's and the background's labels stay beside it, so that classifiers of
any of the three learn from the same set. Pictures have 8 bits.
"""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from causal_jax.data import tfds
from causal_jax.data.digits import NUM_CLASSES
from causal_jax.data.images import encoded, with_progress
from causal_jax.data.mnist import SIZE

LABELS = ("shape_label", "texture_label", "background_label")


class Counterfactuals(NamedTuple):
    """Pictures and the labels of their parts, row by row.

    Attributes:
      images: uint8 [N, H, W, 3]; digits have 32 pixels.
      labels: {name: int32 [N]} for the names of `LABELS`; digits have 0..9.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]


def write(
    name: str,
    blocks: Iterator[Counterfactuals],
    *,
    description: str,
    about: Mapping[str, Any] | None = None,
    size: int = SIZE,
    class_names: Sequence[str] | None = None,
    num_classes: int = NUM_CLASSES,
    jpeg_quality: int | None = None,
    data_dir: str | os.PathLike | None = None,
) -> Path:
    """Writes a set whose split "train" holds the blocks one after another.

    Args:
      name: small letters, digits and `_`.
      blocks: parts of the set, drawn as they are written.
      description: how it was made.
      about: the same for programs, see `tfds.write_new`.
      size: height and width of the pictures.
      class_names: of all three labels, in their order; None has numbers.
      num_classes: how many classes there are, where they have no names.
      jpeg_quality: 1 to 95 writes JPEG; None is lossless (PNG).
      data_dir: where data sets lie; None takes $TFDS_DATA_DIR.

    Returns:
      The directory that was written.

    Raises:
      ValueError: see `tfds.write_new`; pictures of another size, labels out of range.
    """
    encoding = "png" if jpeg_quality is None else "jpeg"
    features = {"image": tfds.picture(size, size, 3, encoding)}
    features |= {label: tfds.label(num_classes, class_names) for label in LABELS}
    num_classes = num_classes if class_names is None else len(class_names)

    def examples() -> Iterator[tuple[int, dict]]:
        number = 0
        for block in blocks:
            _require_fitting(block, size, num_classes)
            for i, image in enumerate(block.images):
                row = {label: int(block.labels[label][i]) for label in LABELS}
                yield number, {"image": encoded(image, jpeg_quality), **row}
                number += 1

    return tfds.write_new(
        name,
        features,
        lambda: {"train": examples()},
        description=description,
        about=about,
        data_dir=data_dir,
    )


def _require_fitting(block: Counterfactuals, size: int, num_classes: int) -> None:
    images = block.images
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3):
        raise ValueError(
            f"counterfactuals are uint8 [N, {size}, {size}, 3], these are "
            f"{images.dtype} {list(images.shape)}: write them with their own size"
        )
    wrong = [k for k in LABELS if not _are_within(block.labels[k], num_classes)]
    if wrong:
        raise ValueError(
            f"{wrong[0]} of the counterfactuals is not within 0 to {num_classes - 1}: "
            "write them with the number of their classes"
        )


def _are_within(labels: np.ndarray, num_classes: int) -> bool:
    return not labels.size or bool(labels.min() >= 0 and labels.max() < num_classes)


def read(
    name: str,
    *,
    size: int = SIZE,
    num_classes: int = NUM_CLASSES,
    data_dir: str | os.PathLike | None = None,
    progress: bool = True,
) -> Counterfactuals:
    """Reads a whole set; `streams.open_stream` with `labels=LABELS` reads batches.

    Raises:
      ValueError: no such set, or one without the three labels or of another size.
    """
    records = tfds.Records(name, "train", ["image", *LABELS], data_dir=data_dir)
    shape = tuple(tfds.features(name, data_dir=data_dir)["image"].shape)
    if shape != (size, size, 3):
        raise ValueError(
            f"the pictures of {name!r} are {shape}, not {size}x{size} in colour: name "
            "a set that `causal-jax generate` wrote"
        )
    images = np.empty((len(records), size, size, 3), np.uint8)
    rows = np.empty((len(records), len(LABELS)), np.int32)
    shown = with_progress(
        records, total=len(records), text=f"reading {name}", show=progress
    )
    for i, (picture, *labels) in enumerate(shown):
        images[i] = np.asarray(Image.open(io.BytesIO(picture)))
        rows[i] = labels
    if not _are_within(rows, num_classes):
        raise ValueError(
            f"the labels of {name!r} reach from {rows.min()} to {rows.max()}: name a "
            f"set whose labels are 0 to {num_classes - 1}"
        )
    return Counterfactuals(images, dict(zip(LABELS, rows.T, strict=True)))
