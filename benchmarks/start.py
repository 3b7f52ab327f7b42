"""How long a user waits for `causal-jax quickstart`, in seconds of the clock.

Each start is a process and a run folder of its own. The whole has no compiled program
to begin with; a second start has those that a start before it has left in the cache.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from benchmarks.harness import ROOT, Comparison

# A bar of training steps that has moved; drawing faces has one, too.
STEPS = re.compile(r"labels:[^\r]* [1-9]\d*/\d+ \[")


def comparisons(args: argparse.Namespace) -> dict[str, Callable[[], Comparison]]:
    del args
    return {"first_step": second_start, "whole": whole}


def second_start() -> Comparison:
    """To the first training step that is printed."""
    cache = tempfile.TemporaryDirectory()

    def run() -> float:
        return seconds_of_quickstart(cache.name, to_first_step=True)

    run()  # the start before it
    return Comparison(
        what="quickstart, a second start, to its first printed training step",
        ours=run,
        must=20,
        goal=12,
        rounds=3,
        says_seconds=True,
    )


def whole() -> Comparison:
    """From nothing to the report."""

    def run() -> float:
        with tempfile.TemporaryDirectory() as cache:
            return seconds_of_quickstart(cache)

    return Comparison(
        what="quickstart, the whole, nothing compiled before",
        ours=run,
        must=330,
        goal=240,
        rounds=1,
        says_seconds=True,
    )


def seconds_of_quickstart(cache: str, *, to_first_step: bool = False) -> float:
    """Seconds until it has ended, or has printed a step.

    Raises:
      ValueError: it ended otherwise; with what it printed last.
    """
    environment = {**os.environ, "CAUSAL_JAX_CACHE": cache, "PYTHONUNBUFFERED": "1"}
    for name in ("JAX_COMPILATION_CACHE_DIR", "GLIBC_TUNABLES"):  # not a user's
        environment.pop(name, None)
    with tempfile.TemporaryDirectory() as folder:
        started, printed = time.perf_counter(), ""
        with subprocess.Popen(
            [sys.executable, "-m", "experiments.quickstart", f"--workdir={folder}/run"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            while piece := os.read(process.stdout.fileno(), 1 << 16):
                printed = (printed + piece.decode(errors="replace"))[-2000:]
                if to_first_step and STEPS.search(printed):
                    taken = time.perf_counter() - started
                    process.kill()
                    return taken
        taken = time.perf_counter() - started
        if process.returncode or to_first_step:
            raise ValueError(f"quickstart ended with {process.returncode}: {printed}")
        return taken
