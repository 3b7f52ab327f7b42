"""Pictures in which a network finds an object, read class by class.

Of each class, pictures are looked at in a random order until enough have a mask that
can be used (`mixtures.judged`) or all have been seen, so that of a large data set only
a part is decoded.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from causal_jax.data import crops, images, labelled_pictures, tfds
from causal_jax.data.labelled_pictures import LABEL, Encoded
from causal_jax.data.mixtures import USABLE, VERDICTS, Limits, judged
from causal_jax.progress import tqdm

_BATCH = 32  # pictures whose masks are made at once

MaskFn = Callable[[np.ndarray], np.ndarray]


class MaskedPictures(NamedTuple):
    """Pictures with usable masks, sorted by record.

    Attributes:
      images: uint8 [N, S, S, 3].
      masks: float32 [N, S, S] in [0, 1].
      labels: int [N], indices into `names`.
      records: int [N], their places in the split.
      names: of the K classes.
      counts: int [K, 4], pictures looked at, by class and verdict (`VERDICTS`).
    """

    images: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    records: np.ndarray
    names: tuple[str, ...]
    counts: np.ndarray


def read(
    name: str,
    split: str,
    mask_fn: MaskFn,
    *,
    size: int,
    num: int,
    limits: Limits | None = None,
    seed: int = 0,
    data_dir: str | os.PathLike | None = None,
    progress: bool = True,
) -> MaskedPictures:
    """Reads at most `num` pictures per class with a usable mask.

    Args:
      name: a data set with a picture `image` and a class `label`.
      split: as tensorflow-datasets spells it; best one that was not trained on.
      mask_fn: uint8 [32, S, S, 3] to masks, [32, S, S] in [0, 1].
      size: S, pixels.
      num: pictures per class.
      limits: which masks are used; None for `Limits()`.
      seed: of the order in which a class is looked at.
      data_dir: where data sets lie; None takes $TFDS_DATA_DIR.
      progress: shows a progress bar over the split.

    Raises:
      ValueError: no such data set or split, one without pictures or labels, or a class
        of which no picture can be used.
    """
    images.check_size(size)
    source = Encoded(name, split, data_dir=data_dir)
    names = labelled_pictures.classes(name, data_dir=data_dir).names
    labels = _labels(name, split, data_dir, len(names))
    queues = _random_order(labels, names, split, seed)
    counts = np.zeros((len(names), len(VERDICTS)), int)
    found = []
    with tqdm(total=len(labels), desc="finding objects", disable=not progress) as bar:
        while at := _next_records(queues, num - counts[:, USABLE]):
            for first in range(0, len(at), _BATCH):
                part = np.array(at[first : first + _BATCH])
                pictures = [crops.fixed(source[i].image, "square", size) for i in part]
                masks = _masks(mask_fn, np.stack(pictures))
                verdicts = judged(masks, limits)
                np.add.at(counts, (labels[part], verdicts), 1)
                rows = zip(part, pictures, masks, verdicts, strict=True)
                found += [row[:3] for row in rows if row[3] == USABLE]
                bar.update(len(part))
    _require_all(counts, names)
    records, pictures, masks = zip(*sorted(found, key=lambda r: r[0]), strict=True)
    records = np.array(records)
    return MaskedPictures(
        images=np.stack(pictures),
        masks=np.stack(masks),
        labels=labels[records],
        records=records,
        names=names,
        counts=counts,
    )


def table(names: Sequence[str], counts: np.ndarray) -> Iterator[str]:
    """Lines that say how many pictures were looked at, by class and verdict.

    >>> print("\\n".join(table(["cat"], np.array([[3, 1, 0, 2]]))))
    class  usable  empty  full  unsure
    cat         3      1     0       2
    all         3      1     0       2
    """
    width = max(map(len, ["class", *names]))
    yield "  ".join([f"{'class':{width}s}", *VERDICTS])
    for name, row in zip([*names, "all"], [*counts, counts.sum(0)], strict=True):
        cells = [f"{n:{len(v)}d}" for n, v in zip(row, VERDICTS, strict=True)]
        yield "  ".join([f"{name:{width}s}", *cells])


def _labels(name: str, split: str, data_dir, num_classes: int) -> np.ndarray:
    records = tfds.Records(name, split, [LABEL], data_dir=data_dir)
    labels = np.array([label for (label,) in records], int)
    wrong = labels[(labels < 0) | (labels >= num_classes)]
    if len(wrong):
        raise ValueError(
            f"{name}, split {split}: a label is {wrong[0]}, classes are 0 to "
            f"{num_classes - 1}: take a split that has labels"
        )
    return labels


def _random_order(labels, names, split: str, seed: int) -> list[list[int]]:
    """The records of each class, the first ones last."""
    random = np.random.default_rng(seed)
    queues = [
        random.permutation(np.flatnonzero(labels == label)).tolist()
        for label in range(len(names))
    ]
    for name, queue in zip(names, queues, strict=True):
        if not queue:
            raise ValueError(f"split {split} has no picture of class {name!r}")
    return queues


def _next_records(queues: list[list[int]], lacking: np.ndarray) -> list[int]:
    """Takes from every queue as many records as its class lacks."""
    return [
        queue.pop()
        for queue, num in zip(queues, lacking, strict=True)
        for _ in range(min(num, len(queue)))
    ]


def _masks(mask_fn: MaskFn, pictures: np.ndarray) -> np.ndarray:
    """Of full batches, so that the network is compiled once."""
    missing = _BATCH - len(pictures)
    full = np.pad(pictures, ((0, missing), (0, 0), (0, 0), (0, 0)))
    return np.asarray(mask_fn(full), np.float32)[: len(pictures)]


def _require_all(counts: np.ndarray, names: Sequence[str]) -> None:
    for name, row in zip(names, counts, strict=True):
        if not row[USABLE]:
            others = ", ".join(
                f"{n} {v}" for n, v in zip(row, VERDICTS, strict=True) if v != "usable"
            )
            raise ValueError(
                f"class {name!r} has no picture with a usable mask ({others}): take "
                "another masker, enlarge pictures more for it, or loosen the limits"
            )
