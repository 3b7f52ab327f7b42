"""Pictures per second of the input pipeline alone.

    python -m benchmarks.pipeline [--data_dir=DIR] [--workers=0,2] [--seconds=5]
                                  [--rounds=3]

Each set is streamed (nothing is kept in memory), against a plain loop of one process
that reads, decodes and crops the same records in the same way and stacks the same
batches: what is left of Pillow's rate once Grain, the shuffling, the workers and the
copies between processes are paid for. The first batches are not timed: workers take
some seconds to start. `in memory` is the small set as training keeps it. Runs
alternate, so that a busy machine slows all alike; medians and the range of rounds.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator

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


def pictures_per_second(batches: Iterator[dict], seconds: float, skipped: int) -> float:
    """The rate after the first batches."""
    for _ in range(skipped):
        next(batches)
    started, count = time.perf_counter(), 0
    while (took := time.perf_counter() - started) < seconds:
        count += len(next(batches)["label"])
    return count / took


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


def compare(found: dict[str, Callable], args) -> dict[str, list[float]]:
    """{what: pictures per second, round by round}."""
    rates = {what: [] for what in found}
    for _ in range(args.rounds):
        for what, begin in found.items():
            batches = begin()
            # A worker has two batches ready, and one under way.
            skipped = 8 if "workers" in what else 1
            rates[what].append(pictures_per_second(batches, args.seconds, skipped))
            batches.close()
    return rates


def main() -> None:
    """Prints a table for each set."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data_dir", default=None)
    parser.add_argument("--workers", default="0,2")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the first run")
    for name, split, size, crop, batch_size in SETS:
        found = contenders(name, split, size, crop, batch_size, args)
        rates = compare(found, args)
        base = statistics.median(rates["plain loop"])
        print(f"\n{name} {split}, {size} pixels, {crop}, load {os.getloadavg()[0]:.1f}")
        for what, values in rates.items():
            rate = statistics.median(values)
            spread = f"{min(values):,.0f} to {max(values):,.0f}"
            print(f"  {what:<11} {rate:>9,.0f} /s  ({spread})  {rate / base:.2f} times")


if __name__ == "__main__":
    main()
