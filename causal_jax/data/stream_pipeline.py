"""How a stream's batches are made: Grain's data sets, and its worker processes.

Grain is imported where it is used: commands that stream nothing do not need it.
"""

import dataclasses
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from causal_jax.data import crops
from causal_jax.data.labelled_pictures import Decoded, Encoded, Record
from causal_jax.types import Batch

_BATCHES_AHEAD = 2  # that a worker process has ready
_END = 2**62  # more records than anybody reads


def cropped(
    source: Encoded | Decoded, *, crop: str, size: int, min_area: float, seed: int
) -> Any:
    """The examples of an epoch in the records' order: a Grain data set.

    Beyond the last record it goes on with the next epoch, whose random crops are
    others: Grain draws them by the seed and the index, epoch * N + record.
    """
    import grain

    records = grain.MapDataset.source(source)
    if crop != "random":
        return records.map(partial(_fixed_crop, crop=crop, size=size))
    random_crop = partial(_random_crop, size=size, min_area=min_area)
    return records.random_map(random_crop, seed=_derived_seed(seed, 0))


def endless(
    examples: Any,
    *,
    shuffle: bool,
    seed: int,
    first_record: int,
    batch_size: int,
    process_id: int,
    num_processes: int,
) -> Any:
    """What one host reads, epoch after epoch: a Grain data set."""
    import grain

    if shuffle:
        examples = examples.shuffle(seed=_derived_seed(seed, 1))
    at = _OwnPositions(
        examples.repeat(), first_record, batch_size, process_id, num_processes
    )
    return grain.MapDataset.range(_END).map(at)


def _fixed_crop(record: Record, *, crop: str, size: int) -> Batch:
    return _example(crops.fixed(record.image, crop, size), record.labels)


def _random_crop(
    record: Record, generator: np.random.Generator, *, size: int, min_area: float
) -> Batch:
    cropped = crops.random(record.image, size, generator, min_area=min_area)
    return _example(cropped, record.labels)


def _example(image: np.ndarray, labels: dict[str, int]) -> Batch:
    return {"image": image, **{name: np.int32(v) for name, v in labels.items()}}


@dataclasses.dataclass(frozen=True)
class _OwnPositions:
    """The i-th record that a host reads: host h has the h-th part of each batch."""

    ordered: Any
    first: int
    batch_size: int
    process_id: int
    num_processes: int

    def __call__(self, i: int) -> Batch:
        per_host = self.batch_size // self.num_processes
        step, place = divmod(int(i), per_host)
        position = step * self.batch_size + self.process_id * per_host + place
        return self.ordered[self.first + position]


def batches(dataset: Any, size: int, num_workers: int) -> Iterator[Batch]:
    """Batches of a Grain data set, made by worker processes; `close` ends them."""
    import grain

    no_threads = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    batched = dataset.batch(size, drop_remainder=False).to_iter_dataset(no_threads)
    if num_workers:
        _require_parsed_flags()
        options = grain.MultiprocessingOptions(num_workers, _BATCHES_AHEAD)
        batched = batched.mp_prefetch(options, worker_init_fn=_begin_worker)
    running = iter(batched)
    try:
        for batch in running:  # a copy: a worker's lies in memory that two share
            yield {name: np.array(leaf) for name, leaf in batch.items()}
    except RuntimeError as error:
        if "terminated unexpectedly" not in str(error):
            raise
        raise ValueError(
            "a worker process that decodes pictures was killed (out of memory?): use "
            "fewer workers, or num_workers=0"
        ) from error
    finally:
        running.close()


def _require_parsed_flags() -> None:
    """Grain's workers read flags of absl, which only programs of absl have parsed."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()


def _begin_worker(index: int, num_workers: int) -> None:
    """A worker ends with the process that began it, which saves first when a signal
    comes to them all (Ctrl-C, `timeout`, a batch system)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _derived_seed(seed: int, purpose: int) -> int:
    """Seeds of 32 bits: of purposes and of runs with neighbouring seeds unrelated."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1)[0])
