"""Pictures with labels, record by record: encoded on the disk, or in memory.

What `streams` reads: any data set in tfds layout that has a picture `image` and a class
`label` (imagenet2012, tiny ones), or classes of other names (a set of counterfactuals
has three). Random access, so that any order can be read, and picklable, so that worker
processes open the files themselves.
"""

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from causal_jax.data import images, tfds
from causal_jax.messages import one_line

IMAGE, LABEL, FILE_NAME = "image", "label", "file_name"
_SYNSET = re.compile(
    r"(n\d{8})[\s,:]+(.+)"
)  # WordNet's id, and words where they follow
_SHOWN = 12  # features that an error lists


class Record(NamedTuple):
    """One picture, decoded, at its own size.

    Attributes:
      image: 8-bit RGB.
      labels: its classes, {name: int}.
    """

    image: Image.Image
    labels: dict[str, int]


class Classes(NamedTuple):
    """The classes of a data set, in the order of their labels.

    Attributes:
      names: what the data set calls them; ImageNet's are synset ids ("n01440764").
      words: what a reader calls them: the words that follow the ids where the file has
        some, else the names.
    """

    names: tuple[str, ...]
    words: tuple[str, ...]


def distinct(words: Sequence[str]) -> tuple[str, ...]:
    """Names of classes, those that come more than once with their number.

    >>> distinct(("crane", "dog", "crane"))
    ('crane (0)', 'dog', 'crane (2)')
    """
    counts = Counter(words)
    return tuple(
        word if counts[word] == 1 else f"{word} ({number})"
        for number, word in enumerate(words)
    )


def classes(
    name: str, *, label: str = LABEL, data_dir: str | os.PathLike | None = None
) -> Classes:
    """The classes of a data set's `label`, or of another feature.

    Raises:
      ValueError: no such data set, or it has no such feature.
    """
    feature = _require_features(name, data_dir, [label])[label]
    listed = feature.names or [str(i) for i in range(feature.num_classes)]
    split = [_SYNSET.fullmatch(one) for one in listed]
    return Classes(
        names=tuple(m[1] if m else one for m, one in zip(split, listed, strict=True)),
        words=tuple(m[2] if m else one for m, one in zip(split, listed, strict=True)),
    )


@dataclasses.dataclass(frozen=True)
class Encoded:
    """A split as it lies on the disk: records are read and decoded when asked for.

    Attributes:
      name: a data set's name, see `tfds.dataset_dir`.
      split: the split, see `tfds.source`.
      labels: names of the features that are read beside the picture.
      data_dir: see `tfds.data_root`.

    Raises:
      ValueError: no such data set or split, or it lacks a feature.
    """

    name: str
    split: str
    labels: tuple[str, ...] = (LABEL,)
    data_dir: str | os.PathLike | None = None

    def __post_init__(self):
        features = _require_features(self.name, self.data_dir, self.labels)
        keys = [IMAGE, *self.labels, *({FILE_NAME} & set(features))]
        records = tfds.Records(self.name, self.split, keys, data_dir=self.data_dir)
        num_classes = {name: features[name].num_classes for name in self.labels}
        object.__setattr__(self, "_records", records)
        object.__setattr__(self, "_num_classes", num_classes)

    def __reduce__(self):
        return type(self), (self.name, self.split, self.labels, self.data_dir)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Record:
        """Record `index` in 0 .. len - 1.

        Raises:
          ValueError: it is damaged; the message names it.
        """
        index, file_name, num = int(index), [], len(self.labels)
        try:
            data, *values = self._records[index]
            values, file_name = values[:num], values[num:]
        except Exception as error:  # of array_record and protobuf: many classes
            reason = f"it is damaged ({one_line(error, limit=100)})"
            raise ValueError(self._said(index, file_name, reason)) from error
        try:
            return Record(images.open_rgb(data), self._checked(values))
        except ValueError as error:
            raise ValueError(self._said(index, file_name, str(error))) from error

    def _checked(self, values: Sequence[int]) -> dict[str, int]:
        found = {name: int(v) for name, v in zip(self.labels, values, strict=True)}
        for name, label in found.items():
            if not 0 <= label < self._num_classes[name]:
                raise ValueError(
                    f"its {name} is {label}, classes are 0 to "
                    f"{self._num_classes[name] - 1}: take a split that has labels"
                )
        return found

    def _said(self, index: int, file_name: Sequence[bytes], reason: str) -> str:
        shown = "".join(
            f" ({one_line(name.decode('utf-8', 'replace'), limit=100)})"
            for name in file_name
        )
        return f"record {index}{shown} of {self.name}, split {self.split}: {reason}"


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A split in memory, all pictures of one size.

    Attributes:
      images: uint8 [N, H, W, 3].
      labels: {name: int32 [N]}.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Record:
        """Record `index` in 0 .. len - 1."""
        labels = {name: int(column[index]) for name, column in self.labels.items()}
        return Record(Image.fromarray(self.images[index]), labels)


def fixed_shape(source: Encoded) -> tuple[int, int] | None:
    """Height and width that all pictures have, None where they differ."""
    features = tfds.features(source.name, data_dir=source.data_dir)
    height, width, _ = features[IMAGE].shape
    return (height, width) if height and width else None


def _require_features(
    name: str, data_dir: str | os.PathLike | None, labels: Sequence[str]
) -> Any:
    """The features of a data set that has pictures and these labels."""
    features = tfds.features(name, data_dir=data_dir)
    wanted = [(IMAGE, tfds.is_picture, "picture")]
    wanted += [(label, tfds.is_label, "class") for label in labels]
    for key, is_kind, kind in wanted:
        if key not in features or not is_kind(features[key]):
            found = ", ".join(sorted(features)[:_SHOWN])
            named = " and ".join(labels)
            raise ValueError(
                f"data set {name!r} has no {kind} {key!r}, its features are {found}: "
                f"name a set with a picture {IMAGE!r} and a class {named}"
            )
    return features
