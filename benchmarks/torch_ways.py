"""The ways in which PyTorch can run the same; the fastest of them is the opponent.

A module's images and kernels lie with the channels first or last, and its functions run
as they are or compiled. Of each way the numbers on weights and inputs that were carried
over are computed too, so that none is fast at something else.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

LAYOUTS = {
    "channels first": torch.contiguous_format,
    "channels last": torch.channels_last,
}
TIMED = 4  # runs of each way, whose least decides: what else runs is not to


class Way(NamedTuple):
    """How modules and images lie, and whether functions are compiled."""

    layout: str = "channels first"
    compiled: bool = False
    device: str = "cpu"

    def placed(self, thing):
        """A module or a tensor; only what has four axes has a layout."""
        if isinstance(thing, torch.Tensor) and thing.dim() != 4:
            return thing.to(self.device)
        return thing.to(self.device, memory_format=LAYOUTS[self.layout])

    def function(self, function: Callable) -> Callable:
        return torch.compile(function) if self.compiled else function

    def repeated(self, step: Callable, num: int) -> Callable:
        """A function that does `num` steps and waits for them."""

        def run():
            for _ in range(num):
                step()
            if self.device == "cuda":
                torch.cuda.synchronize()

        return run


def of_images(device: str) -> dict[str, Way]:
    """Both layouts, eager and compiled."""
    return {
        f"{layout}, {'compiled' if compiled else 'eager'}": Way(
            layout, compiled, device
        )
        for layout in LAYOUTS
        for compiled in (False, True)
    }


def of_rows(device: str) -> dict[str, Way]:
    """Eager and compiled, where no image has a layout."""
    return {
        "eager": Way(device=device),
        "compiled": Way(compiled=True, device=device),
    }


def fastest(make: Callable, ways: dict[str, Way]) -> tuple[Callable, Callable, dict]:
    """The fastest way.

    Args:
      make: a way -> what runs it once, and what computes {what: number} of it.
      ways: those to try. One that is compiled may fail; what it said is kept.

    Returns:
      What runs it, what it has found (nothing), and what is said of all of them:
      {"variant", "variants": seconds or the error, "numbers" of each}.
    """
    runs, seconds, numbers, failed = {}, {}, {}, {}
    for name, way in ways.items():
        torch._dynamo.reset()
        torch.manual_seed(0)
        try:
            run, compute = make(way)
            numbers[name] = {key: value.item() for key, value in compute().items()}
            seconds[name] = timed(run)
            runs[name] = run
        except Exception as error:
            if not way.compiled:
                raise
            numbers.pop(name, None)
            failed[name] = f"{type(error).__name__}: {error}".split("\n")[0]
    best = min(seconds, key=seconds.get)
    said = {"variant": best, "variants": {**seconds, **failed}, "numbers": numbers}
    return runs[best], lambda _: [], said


def timed(run: Callable) -> float:
    """The least seconds of some runs after one that compiles."""
    run()
    taken = []
    for _ in range(TIMED):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return min(taken)


def read(file: str) -> dict:
    """What `harness.carried` wrote: a tree of tensors."""
    tree = {}
    with np.load(file, allow_pickle=False) as arrays:
        for path in arrays.files:
            *folders, name = path.split("/")
            place = tree
            for folder in folders:
                place = place.setdefault(folder, {})
            place[name] = torch.tensor(arrays[path])
    return tree
