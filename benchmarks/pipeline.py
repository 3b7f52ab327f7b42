"""Pictures per second of the input pipeline alone.

    python -m benchmarks.pipeline [--data_dir=DIR] [--workers=0,2] [--seconds=5]
                                  [--rounds=3] [--only=tiny]

Each set is streamed (nothing is kept in memory), against a plain loop of one process
that reads, decodes and crops the same records in the same way and stacks the same
batches: what is left of Pillow's rate once Grain, the shuffling, the workers and the
copies between processes are paid for. The first batches are not timed: workers take
some seconds to start. `in memory` is the set as training keeps it where it fits. Runs
alternate, so that a busy machine slows all alike; medians and the range of rounds.
Beside the rate is what this process computes for a picture, in ms of CPU, which hardly
depends on what else the machine does; workers take their part of it off.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from causal_jax.data import crops, streams
from causal_jax.data.labelled_pictures import Encoded

# (data set, split, side, crop, batch size)
SETS = (
    ("tiny_imagenet_20", "train", 64, "square", 64),
    ("tiny_imagenet_20", "train", 64, "random", 64),
    ("imagenet2012", "train", 224, "random", 64),
    ("imagenet2012", "validation", 224, "centre", 64),
)


def plain_loop(source, size, crop, batch_size) -> Iterator[dict]:
    """The same work without any pipeline."""
    generator = np.random.default_rng(0)
    while True:
        order = generator.permutation(len(source))
        for first in range(0, len(order) - batch_size + 1, batch_size):
            images, labels = [], []
            for i in order[first : first + batch_size]:
                image, record_labels = source[i]
                if crop == "random":
                    images.append(crops.random(image, size, generator))
                else:
                    images.append(crops.fixed(image, crop, size))
                labels.append(record_labels["label"])
            yield {"image": np.stack(images), "label": np.array(labels, np.int32)}


class Measured(NamedTuple):
    """Pictures per second, and this process's CPU time per picture, ms."""

    rate: float
    cpu: float


def measure(batches: Iterator[dict], seconds: float, skipped: int) -> Measured:
    """What the batches after the first ones took."""
    for _ in range(skipped):
        next(batches)
    started, computed, count = time.perf_counter(), time.process_time(), 0
    while (took := time.perf_counter() - started) < seconds:
        count += len(next(batches)["label"])
    computed = time.process_time() - computed
    return Measured(rate=count / took, cpu=1000 * computed / count)


def contenders(name, split, size, crop, batch_size, args) -> dict[str, Callable]:
    """{what: makes its batches and closes them}."""
    chosen = {"size": size, "batch_size": batch_size, "crop": crop}
    chosen |= {"data_dir": args.data_dir, "progress": False}
    source = Encoded(name, split, data_dir=args.data_dir)
    found = {"plain loop": lambda: plain_loop(source, size, crop, batch_size)}
    for workers in map(int, args.workers.split(",")):
        streamed = streams.open_stream(
            name, split, num_workers=workers, resident_bytes=0, **chosen
        )
        found[f"{workers} workers"] = streamed.batches
    resident = streams.open_stream(name, split, **chosen)
    if resident.arrays is not None:
        found["in memory"] = resident.batches
    return found


def compare(found: dict[str, Callable], args) -> dict[str, list[Measured]]:
    """{what: its rounds}."""
    rounds = {what: [] for what in found}
    for _ in range(args.rounds):
        for what, begin in found.items():
            batches = begin()
            # A worker has two batches ready, and one under way.
            skipped = 8 if "workers" in what else 1
            rounds[what].append(measure(batches, args.seconds, skipped))
            batches.close()
    return rounds


def main() -> None:
    """Prints a table for each set."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data_dir", default=None)
    parser.add_argument("--workers", default="0,2")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a data set's name")
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the first run")
    for name, split, size, crop, batch_size in SETS:
        if args.only not in name:
            continue
        found = contenders(name, split, size, crop, batch_size, args)
        rounds = compare(found, args)
        print(f"\n{name} {split}, {size} pixels, {crop}, load {os.getloadavg()[0]:.1f}")
        base = statistics.median(one.rate for one in rounds["plain loop"])
        for what, values in rounds.items():
            print(f"  {what:<11} {row(values, base)}")


def row(values: list[Measured], base: float) -> str:
    """Median rate, its range, times the base's, and CPU time."""
    rates = [one.rate for one in values]
    rate, cpu = statistics.median(rates), statistics.median(one.cpu for one in values)
    spread = f"({min(rates):,.0f} to {max(rates):,.0f})"
    return f"{rate:>7,.0f} /s  {spread:<18} {rate / base:.2f} times  {cpu:.3f} ms"


if __name__ == "__main__":
    main()
