"""Batches of pictures and labels, from memory where they fit, else streamed by Grain.

    position p = step * batch_size + place -> record order_e[p mod N], epoch e = p div N

Every epoch has an order of its own, and a random crop depends on the seed, the record
and the epoch alone. So a step's batch is a function of the seed and the step: neither
the number of worker processes, nor that of hosts, nor a stop in between changes it, and
a stream's state is a single number. Hosts share each batch: host h of n has its h-th
n-th part, so that in an epoch no two hosts read the same record.

Pictures travel as bytes and become floats on the device (`device_batches`).
"""

import dataclasses
import math
import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from causal_jax.data import crops, images, stream_pipeline, tfds
from causal_jax.data.labelled_pictures import LABEL, Decoded, Encoded, fixed_shape
from causal_jax.types import Batch

RESIDENT_BYTES = 1 << 30  # of decoded pictures in the host's memory, and on a device


@dataclasses.dataclass(frozen=True)
class Stream:
    """A split in batches {"image": uint8 [B, size, size, 3], "label": int32 [B]}.

    Made by `open_stream`, which says what the attributes mean. B is this host's part of
    `batch_size`.
    """

    source: Encoded | Decoded
    of: Mapping[str, Any]
    size: int
    batch_size: int
    crop: str = "square"
    min_area: float = crops.MIN_AREA
    seed: int = 0
    shuffle: bool = True
    num_workers: int = 0
    process_id: int = 0
    num_processes: int = 1

    @property
    def num_records(self) -> int:
        """N, the records of an epoch, over all hosts."""
        return len(self.source)

    @property
    def arrays(self) -> Batch | None:
        """All pictures and labels, None where they are not kept in memory.

        {"image": uint8 [N, H, W, 3], "label": int32 [N]}, in the order of the records
        and not cropped at random: what `training.loop.fit` keeps on the devices.
        """
        if isinstance(self.source, Encoded):
            return None
        return {"image": self.source.images, **self.source.labels}

    def batches(self, first_step: int = 0) -> "Batches":
        """An endless iterator, from the batch of step `first_step` on."""
        return self._batches_from(first_step * self.batch_size)

    def resume(self, state: Mapping[str, Any]) -> "Batches":
        """Goes on where `Batches.state` was taken, to the record.

        The batch size, the hosts and the workers may be others than then.

        Raises:
          ValueError: the state is of another stream, or none at all.
        """
        expected = self._identity()
        for key, value in expected.items():
            if key not in state or state[key] != value:
                raise ValueError(
                    f"the state of the stream has {key}={state.get(key)!r}, this "
                    f"stream has {value!r}: open it as it was, or begin anew"
                )
        first = state.get("next_record")
        if not isinstance(first, int) or first < 0:
            raise ValueError(
                f"the state of the stream has next_record={first!r}: it is a number "
                "of records, at least 0"
            )
        return self._batches_from(first)

    def once(self) -> Iterator[Batch]:
        """Each record once, in the order of the records; the last batch is smaller.

        For evaluation. Of several hosts, host h reads records h, h + n, h + 2 n, ...
        """
        per_host = slice(self.process_id, None, self.num_processes)
        return self._batched(self._examples()[per_host])

    def _batches_from(self, first_record: int) -> "Batches":
        own = stream_pipeline.endless(
            self._examples(),
            shuffle=self.shuffle,
            seed=self.seed,
            first_record=first_record,
            batch_size=self.batch_size,
            process_id=self.process_id,
            num_processes=self.num_processes,
        )
        running = self._batched(own)
        return Batches(running, self._identity(), first_record, self.batch_size)

    def _examples(self) -> Any:
        is_cropped = isinstance(self.source, Decoded) and self.crop != "random"
        return stream_pipeline.cropped(
            self.source,
            crop="square" if is_cropped else self.crop,  # which leaves it as it is
            size=self.size,
            min_area=self.min_area,
            seed=self.seed,
        )

    def _batched(self, examples: Any) -> Iterator[Batch]:
        per_host = self.batch_size // self.num_processes
        return stream_pipeline.batches(examples, per_host, self.num_workers)

    def _identity(self) -> dict[str, Any]:
        """What has to be the same where a stream is resumed."""
        settings = ("size", "crop", "min_area", "seed", "shuffle", "num_records")
        return {**self.of, **{name: getattr(self, name) for name in settings}}


class Batches:
    """An iterator over a stream's batches that knows where it is.

    It holds worker processes: `close` it, or use it in a `with` block.
    """

    def __init__(
        self, running: Iterator, identity: dict, first_record: int, batch_size: int
    ):
        self._running = running
        weakref.finalize(self, running.close)  # at the latest when the program ends
        self._identity = identity
        self._next_record = first_record
        self._batch_size = batch_size

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> Batch:
        batch = next(self._running)
        self._next_record += self._batch_size
        return batch

    def state(self) -> dict[str, Any]:
        """Where the iterator is, as JSON can hold it; see `Stream.resume`."""
        return {"next_record": self._next_record, **self._identity}

    def close(self) -> None:
        """Ends the worker processes."""
        self._running.close()

    def __enter__(self) -> "Batches":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def open_stream(
    name: str,
    split: str,
    *,
    size: int,
    batch_size: int,
    labels: Sequence[str] = (LABEL,),
    crop: str = "square",
    min_area: float = crops.MIN_AREA,
    seed: int = 0,
    shuffle: bool = True,
    num_workers: int = 0,
    process_id: int = 0,
    num_processes: int = 1,
    data_dir: str | os.PathLike | None = None,
    resident_bytes: int = RESIDENT_BYTES,
    progress: bool = True,
) -> Stream:
    """Opens a split of a data set with pictures and labels, to be read in batches.

    The decoded pictures are kept in memory (`Stream.arrays`) where they have one size
    and N * height * width * 3 is at most `resident_bytes`: where all crops are fixed
    that size is `size`, random crops need a data set whose pictures have one size. Else
    they are decoded by `num_workers` processes as they are needed. The batches are the
    same to the bit.

    Args:
      name: a data set with a picture `image` and classes, see `tfds.dataset_dir`.
      split: as tensorflow-datasets spells it: "train", "validation[:10%]".
      size: side of the pictures, pixels.
      batch_size: pictures of a step, over all hosts.
      labels: names of the classes that are read; each is an array of a batch.
      crop: "square", "centre" or "random", see `crops`.
      min_area: of random crops, see `crops.random`.
      seed: of the order and the random crops, at least 0.
      shuffle: a new order each epoch; else that of the records.
      num_workers: processes that decode; 0 decodes in this one, when a batch is asked
        for.
      process_id: which of the hosts this is, from 0.
      num_processes: how many hosts share each batch.
      data_dir: where data sets lie; None takes $TFDS_DATA_DIR.
      resident_bytes: what may be kept in memory; 0 always streams.
      progress: shows a progress bar while pictures are read into memory.

    Raises:
      ValueError: no such data set (with the command that prepares it) or split, one
        without pictures or labels, settings that do not fit; while it is read, a record
        that is damaged.

    Example:
      stream = open_stream("imagenet2012", "train", size=224, batch_size=256,
                           crop="random", num_workers=8)
      with OnDevice(stream.batches(first_step)) as batches:
          for batch in batches:
              ...
    """
    images.check_size(size)
    crops.require_known(crop)
    _require_numbers(batch_size, min_area, seed, num_workers, process_id, num_processes)
    source = Encoded(name, split, tuple(labels), data_dir)
    version = tfds.dataset_dir(name, data_dir).name
    if fits(source, size=size, crop=crop, resident_bytes=resident_bytes):
        source = _in_memory(source, size, crop, progress)
    return Stream(
        source=source,
        of={"name": name.partition(":")[0], "version": version, "split": split},
        size=size,
        batch_size=batch_size,
        crop=crop,
        min_area=min_area,
        seed=seed,
        shuffle=shuffle,
        num_workers=num_workers if isinstance(source, Encoded) else 0,
        process_id=process_id,
        num_processes=num_processes,
    )


def fits(
    source: Encoded, *, size: int, crop: str, resident_bytes: int = RESIDENT_BYTES
) -> bool:
    """Whether a split is kept in memory; `open_stream` says where it is."""
    shape = _kept_shape(source, size, crop)
    return shape is not None and 3 * len(source) * math.prod(shape) <= resident_bytes


def _kept_shape(source: Encoded, size: int, crop: str) -> tuple[int, int] | None:
    """Of pictures in memory: whole ones where crops are random, else their crops."""
    return fixed_shape(source) if crop == "random" else (size, size)


def _in_memory(source: Encoded, size: int, crop: str, progress: bool) -> Decoded:
    """Decodes all."""
    shape = _kept_shape(source, size, crop)
    found = np.empty((len(source), *shape, 3), np.uint8)
    labels = {name: np.empty(len(source), np.int32) for name in source.labels}
    indices = images.with_progress(
        range(len(source)), total=len(source), text="reading pictures", show=progress
    )
    for i in indices:
        image, classes = source[i]
        for name, label in classes.items():
            labels[name][i] = label
        if crop == "random" and (image.height, image.width) != shape:
            raise ValueError(
                f"record {i} of {source.name} is {image.height}x{image.width}, its "
                f"features say {shape[0]}x{shape[1]}: stream it (resident_bytes=0)"
            )
        found[i] = image if crop == "random" else crops.fixed(image, crop, size)
    return Decoded(found, labels)


def _require_numbers(
    batch_size, min_area, seed, num_workers, process_id, num_processes
) -> None:
    if not 0 <= process_id < num_processes:
        raise ValueError(
            f"process_id={process_id} of num_processes={num_processes}: it is 0 to "
            "num_processes - 1"
        )
    if batch_size < 1 or batch_size % num_processes:
        raise ValueError(
            f"batch_size {batch_size} does not divide over {num_processes} hosts: use "
            f"{(max(batch_size, 1) // num_processes + 1) * num_processes}"
        )
    if not 0 < min_area <= 1:
        raise ValueError(f"min_area={min_area} is no part of a picture: 0 < it <= 1")
    if seed < 0 or num_workers < 0:
        raise ValueError(f"seed={seed} and num_workers={num_workers} are at least 0")
