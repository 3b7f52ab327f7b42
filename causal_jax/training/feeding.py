"""What a dispatch reads: data that lie on the devices, or batches of a stream.

A stream's batch is a function of the step (`data.streams`), so that a run that is
resumed reads on where it stopped and checkpoints need not say where that was. The
batches of the next dispatch are read and copied while the devices work on this one.
"""

import concurrent.futures
import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import jax
import numpy as np

from causal_jax.training import hosts, parallel
from causal_jax.types import Batch


class Stream(Protocol):
    """What is asked of a stream; `data.streams.Stream` is one."""

    batch_size: int
    num_processes: int
    num_workers: int

    def batches(self, first_step: int = 0) -> Iterator[Batch]:
        """This host's part of each batch from `first_step` on; it can be closed."""


def is_stream(data: Any) -> bool:
    """Whether data are read batch by batch, and not kept on the devices."""
    return hasattr(data, "batches")


class Resident:
    """Data that lie on the devices: every dispatch is given all of them."""

    def __init__(self, data: Batch):
        self._data = parallel.spread(data)

    def take(self, num_steps: int) -> Batch:
        """All rows; `num_steps` says nothing here."""
        return self._data

    def close(self) -> None:
        """Nothing is held."""


class Feed:
    """A stream's batches, dispatch by dispatch, on this process's devices.

    Args:
      stream: opened with this host's number among all.
      batch_shape: the algorithm's; a step reads as many batches as its first axes say.
      first_step: of the run.
      sizes: steps of each dispatch to come.

    Raises:
      ValueError: the stream is of another batch size or other hosts, or the batch does
        not divide by the devices.
    """

    def __init__(
        self,
        stream: Stream,
        batch_shape: tuple[int, ...],
        first_step: int,
        sizes: Sequence[int],
    ):
        parallel.require_divisible(batch_shape[-1], len(parallel.all_devices()))
        _require_fitting(stream, batch_shape)
        self._lead = batch_shape[:-1]
        self._sizes = iter(sizes)
        self._batches = stream.batches(first_step * math.prod(self._lead))
        # Decoding in this process stays in its main thread: Pillow's warnings are
        # filtered there, and filters belong to the process.
        self._thread = _thread_of_its_own() if stream.num_workers else None
        self._next = self._start()

    def take(self, num_steps: int) -> Batch:
        """The batches of the next dispatch, with a leading device axis.

        {name: [devices, num_steps, *lead, B / all devices, ...]}; a further set of data
        (`Algorithm.sets`) is such a dict under its name.
        """
        if self._thread is None:
            return self._read(num_steps)
        found = self._next.result()
        self._next = self._start()
        return found

    def close(self) -> None:
        """Ends the stream's workers."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        self._batches.close()

    def _start(self) -> concurrent.futures.Future | None:
        """Begins to read the next dispatch's batches; None where there is none."""
        size = next(self._sizes, None)
        if self._thread is None or size is None:
            return None
        return self._thread.submit(self._read, size)

    def _read(self, num_steps: int) -> Batch:
        count = num_steps * math.prod(self._lead)
        rows = [next(self._batches) for _ in range(count)]
        split = partial(self._split, num_steps)
        return parallel.placed(jax.tree.map(split, *rows))

    def _split(self, num_steps: int, *rows: np.ndarray) -> np.ndarray:
        """Batches [B, ...] as [devices, steps, *lead, B / devices, ...]."""
        devices = parallel.num_local_devices()
        stacked = np.stack(rows)
        shape = (num_steps, *self._lead, devices, -1, *stacked.shape[2:])
        return np.moveaxis(stacked.reshape(shape), 1 + len(self._lead), 0)


def _thread_of_its_own() -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="feed")


def _require_fitting(stream: Stream, batch_shape: tuple[int, ...]) -> None:
    if stream.batch_size != batch_shape[-1]:
        raise ValueError(
            f"the stream's batches are of {stream.batch_size}, the algorithm's of "
            f"{batch_shape[-1]}: open the stream with batch_size={batch_shape[-1]}"
        )
    if stream.num_processes != hosts.num_processes():
        raise ValueError(
            f"the stream is shared by {stream.num_processes} hosts, the run by "
            f"{hosts.num_processes()}: open it with process_id=hosts.process_id() and "
            "num_processes=hosts.num_processes()"
        )
