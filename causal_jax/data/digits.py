"""Grey digits of 28x28 pixels: prepared sets of that kind, and an embedded one.

Every tensorflow-datasets set with the features `image` (28, 28, 1) and `label` (ten
classes) reads by name: mnist, fashion_mnist, kmnist. Without any data there are the
1,797 real handwritten digits that scikit-learn ships (8x8 pixels, 17 levels; Alpaydin &
Kaynak 1998, the test half of UCI's optical recognition set), enlarged. They stand in
the order in which their writers wrote them, so the split by position holds other
writers out.
"""

import io
import os
from typing import NamedTuple

import numpy as np
from PIL import Image

from causal_jax.data import tfds
from causal_jax.data.images import with_progress

SIZE = 28  # side of a grey picture
NUM_CLASSES = 10

# The embedded digits fill their 8x8 pixels, MNIST's fill the inner 20 of 28.
_EMBEDDED_SIZE = 22
# Grey levels that become black and white: enlarging blurs, which would close the holes
# of an 8 that is cut at a low level. (Ink above a tenth: .24; MNIST's .17.)
_BLACK, _WHITE = 80, 200
_EMBEDDED_TEST = 297  # the last ones; 1,500 are left to train on


class Digits(NamedTuple):
    """Grey pictures and their classes, row by row.

    Attributes:
      images: uint8 [N, 28, 28] in [0, 255], light on black.
      labels: int32 [N] in 0..9.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, start: int | None, stop: int | None) -> "Digits":
        """The rows from `start` to before `stop`."""
        return Digits(self.images[start:stop], self.labels[start:stop])


class Split(NamedTuple):
    """The two halves of a set, as it comes.

    Attributes:
      train: the set's own training rows, in their order.
      test: the set's own test rows.
    """

    train: Digits
    test: Digits


def embedded() -> Split:
    """Scikit-learn's handwritten digits, enlarged: 1,500 to train on, 297 to test.

    Raises:
      ValueError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ValueError(
            "the embedded digits come with scikit-learn: pip install scikit-learn, "
            "or name a prepared data set such as mnist"
        ) from error
    found = load_digits()
    pixels = np.round(found.images * (255 / 16)).astype(np.uint8)
    images = np.stack([_enlarged_digit(picture) for picture in pixels])
    digits = checked(Digits(images, found.target.astype(np.int32)))
    return Split(digits.rows(None, -_EMBEDDED_TEST), digits.rows(-_EMBEDDED_TEST, None))


def from_tfds(
    name: str = "mnist",
    *,
    data_dir: str | os.PathLike | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> Split:
    """Reads a prepared data set of 28x28 grey pictures in ten classes.

    Args:
      name: as tensorflow-datasets spells it: "mnist", "fashion_mnist".
      data_dir: the data directory; None takes $TFDS_DATA_DIR.
      limit: reads the first `limit` rows of each half only.
      progress: shows a progress bar.

    Raises:
      ValueError: missing data (with the command that prepares it), or a set of another
        kind.
    """
    _require_grey(name, data_dir)
    halves = []
    for split in ("train", "test"):
        records = tfds.Records(
            name, split, ["image", "label"], data_dir=data_dir, limit=limit
        )
        images = np.empty((len(records), SIZE, SIZE), np.uint8)
        labels = np.empty(len(records), np.int32)
        rows = with_progress(
            records, total=len(records), text=f"reading {split}", show=progress
        )
        for i, (encoded, label) in enumerate(rows):
            images[i] = np.asarray(Image.open(io.BytesIO(encoded)))
            labels[i] = label
        halves.append(checked(Digits(images, labels)))
    return Split(*halves)


def checked(digits: Digits) -> Digits:
    """Returns the digits; raises ValueError unless their shapes and labels fit."""
    images, labels = digits
    if images.dtype != np.uint8 or images.shape[1:] != (SIZE, SIZE):
        raise ValueError(
            f"digits are uint8 [N, {SIZE}, {SIZE}], not {images.dtype} "
            f"{list(images.shape)}"
        )
    if labels.shape != images.shape[:1]:
        raise ValueError(
            f"{len(images)} pictures need as many labels, not {list(labels.shape)}"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels are integers in 0..9, not {labels.dtype}")
    if labels.size and not (labels.min() >= 0 and labels.max() < NUM_CLASSES):
        wrong = labels[(labels < 0) | (labels >= NUM_CLASSES)][0]
        raise ValueError(f"label {wrong} is out of range: labels are in 0..9")
    return digits


def _enlarged_digit(picture: np.ndarray) -> np.ndarray:
    inner = Image.fromarray(picture).resize((_EMBEDDED_SIZE,) * 2, Image.BICUBIC)
    level = (np.asarray(inner, np.float32) - _BLACK) / (_WHITE - _BLACK)
    sharp = np.round(255 * np.clip(level, 0, 1)).astype(np.uint8)
    return np.pad(sharp, (SIZE - _EMBEDDED_SIZE) // 2)


def _require_grey(name: str, data_dir) -> None:
    """Raises ValueError unless the set's features are those of MNIST."""
    features = tfds.features(name, data_dir=data_dir)
    for key in ("image", "label"):
        if key not in features:
            raise ValueError(
                f"data set {name!r} has no feature {key!r}: name a set of 28x28 grey "
                "pictures in ten classes, such as mnist or fashion_mnist"
            )
    shape = tuple(features["image"].shape)
    if shape != (SIZE, SIZE, 1):
        sides = "x".join("?" if side is None else str(side) for side in shape)
        raise ValueError(
            f"the pictures of {name!r} are {sides}: name a set of 28x28 grey "
            "pictures (28x28x1), such as mnist or fashion_mnist"
        )
    classes = getattr(features["label"], "num_classes", None)
    if classes != NUM_CLASSES:
        raise ValueError(
            f"{name!r} has {classes} classes: name a set with ten, such as mnist"
        )
