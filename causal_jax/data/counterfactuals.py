"""Counterfactual pictures on disk: a tensorflow-datasets set with all three labels.

What the reference code keeps of a counterfactual is the picture and its shape's label;
here the foreground's and the background's labels stay beside it, so that classifiers of
any of the three learn from the same set. Pictures have 8 bits.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from causal_jax.data import tfds
from causal_jax.data.digits import NUM_CLASSES
from causal_jax.data.images import encoded_png, with_progress
from causal_jax.data.mnist import SIZE

LABELS = ("shape_label", "texture_label", "background_label")


class Counterfactuals(NamedTuple):
    """Pictures and the labels of their parts, row by row.

    Attributes:
      images: uint8 [N, 32, 32, 3].
      labels: {name: int32 [N] in 0..9} for the names of `LABELS`.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]


def write(
    name: str,
    blocks: Iterator[Counterfactuals],
    *,
    description: str,
    data_dir: str | os.PathLike | None = None,
) -> Path:
    """Writes a set whose split "train" holds the blocks one after another.

    Args:
      name: small letters, digits and `_`.
      blocks: parts of the set, drawn as they are written.
      description: how it was made.
      data_dir: where data sets lie; None takes $TFDS_DATA_DIR.

    Returns:
      The directory that was written.

    Raises:
      ValueError: see `tfds.write_new`.
    """
    features = {"image": tfds.picture(SIZE, SIZE, 3)}
    features |= {label: tfds.label(NUM_CLASSES) for label in LABELS}

    def examples() -> Iterator[tuple[int, dict]]:
        number = 0
        for images, labels in blocks:
            for i, image in enumerate(images):
                row = {label: int(labels[label][i]) for label in LABELS}
                yield number, {"image": encoded_png(image), **row}
                number += 1

    return tfds.write_new(
        name,
        features,
        lambda: {"train": examples()},
        description=description,
        data_dir=data_dir,
    )


def read(
    name: str, *, data_dir: str | os.PathLike | None = None, progress: bool = True
) -> Counterfactuals:
    """Reads a whole set.

    Raises:
      ValueError: no such set, or one without the three labels or of another size.
    """
    records = tfds.Records(name, "train", ["image", *LABELS], data_dir=data_dir)
    shape = tuple(tfds.features(name, data_dir=data_dir)["image"].shape)
    if shape != (SIZE, SIZE, 3):
        raise ValueError(
            f"the pictures of {name!r} are {shape}, not {SIZE}x{SIZE} in colour: name "
            "a set that `causal-jax generate` wrote"
        )
    images = np.empty((len(records), SIZE, SIZE, 3), np.uint8)
    rows = np.empty((len(records), len(LABELS)), np.int32)
    shown = with_progress(
        records, total=len(records), text=f"reading {name}", show=progress
    )
    for i, (encoded, *labels) in enumerate(shown):
        images[i] = np.asarray(Image.open(io.BytesIO(encoded)))
        rows[i] = labels
    if rows.size and not (rows.min() >= 0 and rows.max() < NUM_CLASSES):
        raise ValueError(
            f"the labels of {name!r} reach from {rows.min()} to {rows.max()}: name a "
            f"set whose labels are 0 to {NUM_CLASSES - 1}"
        )
    return Counterfactuals(images, dict(zip(LABELS, rows.T, strict=True)))
