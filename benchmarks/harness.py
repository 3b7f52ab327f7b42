"""One way to time ours against an opponent: in turns, warm, on the same inputs.

An opponent lives in an environment of its own (benchmarks/requirements.txt): a process
of that environment's Python prepares what it is told and runs it when it is told, so
that both sides are timed in one run and a busy machine slows both alike.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PAUSE = 0.2  # seconds in which the other side's threads fall asleep


class Comparison(NamedTuple):
    """What is timed against what.

    Attributes:
      what: a line of the table.
      ours: runs ours and waits for it; returns what `check` compares, or None.
      opponent: the name of a function of `benchmarks.opponents`, or "" for none.
      settings: its arguments: numbers and text.
      must: how many times as fast ours has to be; None where there is no opponent.
      goal: the same of the goal.
      must_rate: the least share of the matrix product's rate, of `operations`.
      goal_rate: the same of the goal.
      check: takes ours and theirs (a list of numbers) and raises where they differ.
      times: how many of ours one of theirs is worth, where it runs a part of the work.
      count: how many units a run of both is; seconds are those of one.
      operations: of a unit; None where they are not counted.
      rounds: how often both are run; None for as many as the command says.
      says_seconds: whether `ours` returns its seconds, which are a part of its time.
    """

    what: str
    ours: Callable[[], Any]
    opponent: str = ""
    settings: dict[str, Any] = {}
    must: float | None = None
    goal: float | None = None
    must_rate: float | None = None
    goal_rate: float | None = None
    check: Callable[[Any, list], None] | None = None
    times: float = 1.0
    count: int = 1
    operations: float | None = None
    rounds: int | None = None
    says_seconds: bool = False


class Opponent:
    """A process of another environment that runs one function again and again."""

    def __init__(self, python: str, threads: int) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.opponents", f"--threads={threads}"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def prepare(self, name: str, settings: dict[str, Any]) -> dict:
        return self._ask({"prepare": name, "settings": settings})

    def run(self) -> dict:
        """{"seconds": of a run, "found": numbers to compare}."""
        return self._ask({"run": True})

    def _ask(self, question: dict) -> dict:
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("the opponent has no pipes")
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):  # libraries print, too
                answer = json.loads(line)
                if "error" in answer:
                    raise ValueError(f"the opponent says: {answer['error']}")
                return answer
        raise ValueError("the opponent's process ended: see what it printed")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def measured(
    comparison: Comparison, opponent: Opponent | None, rounds: int, rate: float
) -> dict:
    """Seconds of both in each round, and the ratio of the medians.

    Args:
      comparison: what is timed.
      opponent: None times ours alone.
      rounds: how often, where the comparison does not say it.
      rate: operations a second of a matrix product, see `limits`.
    """
    other, said = opponent if comparison.opponent else None, ""
    if not comparison.says_seconds:
        comparison.ours()  # compiles
    if other:
        said = other.prepare(comparison.opponent, comparison.settings)["said"]
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(comparison.rounds or rounds):
        time.sleep(PAUSE)
        started = time.perf_counter()
        found = comparison.ours()
        took = time.perf_counter() - started
        times["ours"].append(found if comparison.says_seconds else took)
        if other:
            time.sleep(PAUSE)
            answer = other.run()
            times["theirs"].append(answer["seconds"] * comparison.times)
            if comparison.check:
                comparison.check(found, answer["found"])
    times = {who: [took / comparison.count for took in times[who]] for who in times}
    figures = figures_of(times["ours"], times["theirs"], comparison)
    if comparison.operations:
        figures["operations"] = comparison.operations
        figures["share"] = comparison.operations / figures["ours_seconds"] / rate
    return figures | ({"opponent": said} if said else {})


def figures_of(ours: list, theirs: list, comparison: Comparison) -> dict:
    """Medians, their ratio, and the least and greatest ratio of a round."""
    figures: dict[str, Any] = {
        "what": comparison.what,
        "ours_seconds": statistics.median(ours),
        "ours_min": min(ours),
        "ours_max": max(ours),
    }
    if theirs:
        ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
        figures["theirs_seconds"] = statistics.median(theirs)
        figures["ratio"] = figures["theirs_seconds"] / figures["ours_seconds"]
        figures |= {"ratio_min": min(ratios), "ratio_max": max(ratios)}
    for name in ("must", "goal", "must_rate", "goal_rate"):
        if getattr(comparison, name) is not None:
            figures[name] = getattr(comparison, name)
    return figures


def line(what: str, figures: dict) -> str:
    """A line of the table."""
    cells = [what, seconds(figures["ours_seconds"]) + share(figures)]
    theirs = "-"
    if "theirs_seconds" in figures:
        theirs = seconds(figures["theirs_seconds"])
        theirs += f" ({figures['opponent']})" if "opponent" in figures else ""
    cells.append(theirs)
    ratio = "-"
    if "ratio" in figures:
        ratio = "{ratio:.3g} ({ratio_min:.3g} to {ratio_max:.3g})".format(**figures)
    asked = [f"{figures[n]:g}" if n in figures else "-" for n in ("must", "goal")]
    return f"| {' | '.join([*cells, ratio, *asked])} |"


HEAD = (
    "| what | ours | opponent | ratio (of a round) | must | goal |\n"
    "|---|---|---|---|---|---|"
)


def share(figures: dict) -> str:
    """Of the matrix product's rate, and what is asked."""
    if "share" not in figures:
        return ""
    asked = [
        f"{name} {100 * figures[f'{name}_rate']:.0f}"
        for name in ("must", "goal")
        if f"{name}_rate" in figures
    ]
    found = f"{100 * figures['share']:.0f} % of the matrix product's rate"
    return f" ({'; '.join([found, *asked])})"


def seconds(value: float) -> str:
    if value < 0.1:
        return f"{1e3 * value:.3g} ms"
    return f"{value:.3g} s"


def limits() -> dict[str, float]:
    """What this machine can do: operations and bytes a second."""
    matrix = jax.random.normal(jax.random.key(0), (2048, 2048))
    product = jax.jit(lambda a: a @ a)
    product(matrix).block_until_ready()
    source = np.ones(1 << 26, np.float32)
    target = np.empty_like(source)
    np.copyto(target, source)
    rates, copies = [], []
    for _ in range(7):
        started = time.perf_counter()
        product(matrix).block_until_ready()
        rates.append(2 * 2048**3 / (time.perf_counter() - started))
        started = time.perf_counter()
        np.copyto(target, source)
        copies.append(2 * source.nbytes / (time.perf_counter() - started))
    return {
        "matmul_flops": statistics.median(rates),
        "copy_bytes": statistics.median(copies),
    }


def described(found: dict[str, float]) -> str:
    """The machine and its limits, in words."""
    return (
        f"{processor()}, {num_cores()} cores, matrix product "
        f"{found['matmul_flops'] / 1e9:.0f} GFLOP/s, copy "
        f"{found['copy_bytes'] / 1e9:.1f} GB/s read and written"
    )


def limit_cores(threads: int, devices: int | None = None) -> None:
    """Starts anew on fewer cores where there are more: JAX takes all that it sees.

    And as so many devices, unless None: JAX must know before it starts.
    """
    anew = False
    if devices is not None:
        anew = os.environ.get("JAX_NUM_CPU_DEVICES", "1") != str(devices)
        os.environ["JAX_NUM_CPU_DEVICES"] = str(devices)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > threads:
            os.sched_setaffinity(0, cores[:threads])
            anew = True
    if anew:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def num_cores() -> int:
    known = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1


def processor() -> str:
    """The processor's name where the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [each.split(":")[1].strip() for each in lines if "model name" in each]
    return names[0] if names else platform.machine()
