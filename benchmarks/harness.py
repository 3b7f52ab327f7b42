"""One way to time ours against an opponent: in turns, warm, on the same inputs.

An opponent lives in an environment of its own (benchmarks/requirements.txt): a process
of that environment's Python prepares what it is told and runs it when it is told, so
that both sides are timed in one run and a busy machine slows both alike.
"""

import functools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
PAUSE = 0.2  # seconds in which the other side's threads fall asleep
LONG_ENOUGH = 20.0  # seconds after which a run's own beginning hardly counts


class Comparison(NamedTuple):
    """What is timed against what.

    Attributes:
      what: a line of the table.
      ours: runs ours and waits for it; returns what `check` compares, or None.
      opponent: the name of a function of `benchmarks.opponents`, or "" for none.
      settings: its arguments: numbers and text.
      must: how many times as fast ours has to be; without an opponent the seconds it
        may take.
      goal: the same of the goal.
      must_rate: the least share of the matrix product's rate, of `operations`.
      goal_rate: the same of the goal.
      check: takes ours and theirs (a list of numbers) and raises where they differ.
      times: how many of ours one of theirs is worth, where it runs a part of the work.
      count: how many units a run of both is; seconds are those of one.
      rounds: how often both are run; None for as many as the command says.
      says_seconds: whether `ours` returns its seconds, which are a part of its time.
      theirs: runs an opponent that lives in this process, in place of `opponent`.
      beside: {what: runs it}: further ways that are timed and named beside ours.
      same: {what: number} of ours on what `settings` carry over; before anything is
        timed the opponent has to say the same.
      tolerance: how far those may be apart, relative to the larger.
      operations: of a unit, nominal floating-point ones, whose share of a matrix
        product's rate is said.
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
    rounds: int | None = None
    says_seconds: bool = False
    theirs: Callable[[], Any] | None = None
    beside: dict[str, Callable[[], Any]] = {}
    same: dict[str, float] = {}
    tolerance: float = 1e-5
    operations: float | None = None


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


def measured(comparison: Comparison, opponent: Opponent | None, rounds: int) -> dict:
    """Seconds of all in each round, and the ratio of the medians.

    From the second round on a side that takes less than LONG_ENOUGH runs twice in its
    turn, and the second time counts: memory that lay idle in the other's turn is cold.
    """
    other = opponent if comparison.opponent else None
    said: dict[str, Any] = {}
    if not comparison.says_seconds:
        comparison.ours()  # compiles
    for run in (comparison.theirs, *comparison.beside.values()):
        if run:
            run()
    if other:
        said = other.prepare(comparison.opponent, comparison.settings)
        require_same(comparison, said.pop("numbers", {}))
    sides = sides_of(comparison, other)
    times: dict[str, list[float]] = {name: [] for name in sides}
    taken: dict[str, float] = {}
    for _ in range(comparison.rounds or rounds):
        found = {}
        for name, side in sides.items():
            time.sleep(PAUSE)
            is_short = taken.get(name, LONG_ENOUGH) < LONG_ENOUGH
            if is_short and not comparison.says_seconds:
                side()
            taken[name], found[name] = side()
            times[name].append(taken[name])
        if comparison.check and "theirs" in found:
            comparison.check(found["ours"], found["theirs"])
    times = {who: [each / comparison.count for each in times[who]] for who in times}
    figures = figures_of(times["ours"], times.get("theirs", []), comparison)
    figures |= {name: said[name] for name in ("variant", "variants") if name in said}
    beside = {name: statistics.median(times[name]) for name in comparison.beside}
    return figures | ({"beside": beside} if beside else {})


def sides_of(comparison: Comparison, other: Opponent | None) -> dict[str, Callable]:
    """{name: runs it once; returns its seconds and what it found}."""

    def timed(run: Callable) -> Callable:
        def side() -> tuple[float, Any]:
            started = time.perf_counter()
            found = run()
            return time.perf_counter() - started, found

        return side

    def told() -> tuple[float, Any]:
        seconds = comparison.ours()
        return seconds, None

    def asked() -> tuple[float, Any]:
        answer = other.run()
        return answer["seconds"] * comparison.times, answer["found"]

    sides = {"ours": told if comparison.says_seconds else timed(comparison.ours)}
    if other or comparison.theirs:
        sides["theirs"] = asked if other else timed(comparison.theirs)
    return sides | {name: timed(run) for name, run in comparison.beside.items()}


def require_same(comparison: Comparison, numbers: dict[str, dict[str, float]]) -> None:
    """Raises ValueError where a way of theirs says another number than ours."""
    if comparison.same and not numbers:
        raise ValueError(f"{comparison.what}: the opponent did not say its numbers")
    for way, theirs in numbers.items():
        for name, ours in comparison.same.items():
            allowed = comparison.tolerance * max(abs(ours), abs(theirs[name]))
            if not abs(ours - theirs[name]) <= allowed:
                raise ValueError(
                    f"{comparison.what}: {name} is {ours:.7g}, but {theirs[name]:.7g} "
                    f"of the opponent ({way}): they do not compute the same"
                )


def carried(tree: Any) -> str:
    """A temporary file of a tree's arrays, by path; see `torch_ways.read`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    named = {
        "/".join(str(part.key) for part in path): np.asarray(leaf)
        for path, leaf in leaves
    }
    with tempfile.NamedTemporaryFile(
        dir=_folder().name, suffix=".npz", delete=False
    ) as file:
        np.savez(file, **named)
    return file.name


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    """Of what is carried over; it goes with this process."""
    return tempfile.TemporaryDirectory()


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
    if comparison.operations:
        figures["operations"] = comparison.operations
        rate = comparison.operations / figures["ours_seconds"]
        figures["fraction"] = rate / limits()["matmul_flops"]
    for name in ("must", "goal", "must_rate", "goal_rate"):
        if getattr(comparison, name) is not None:
            figures[name] = getattr(comparison, name)
    return figures


def line(what: str, figures: dict) -> str:
    """A line of the table."""
    ours = seconds(figures["ours_seconds"])
    if "fraction" in figures:
        ours += f" ({100 * figures['fraction']:.0f} % of the rate"
        ours += (
            f"; must {100 * figures['must_rate']:g})" if "must_rate" in figures else ")"
        )
    for name, taken in figures.get("beside", {}).items():
        ours += f"; {name} {seconds(taken)}"
    theirs = ratio = "-"
    if "theirs_seconds" in figures:
        theirs = seconds(figures["theirs_seconds"])
    if "variant" in figures:
        theirs += f" ({figures['variant']})"
    if "ratio" in figures:
        ratio = "{ratio:.3g} ({ratio_min:.3g} to {ratio_max:.3g})".format(**figures)
    unit = "" if "ratio" in figures else " s"
    asked = [
        f"{figures[name]:g}{unit}" if name in figures else "-"
        for name in ("must", "goal")
    ]
    return f"| {' | '.join([what, ours, theirs, ratio, *asked])} |"


HEAD = (
    "| what | ours | opponent | ratio (of a round) | must | goal |\n"
    "|---|---|---|---|---|---|"
)


def fill_page(maker: str, made: str) -> None:
    """Puts a table where docs/performance.md has one of that command."""
    start, end = f"<!-- made by {maker} -->\n", "<!-- end -->"
    before, found, rest = PAGE.read_text("utf-8").partition(start)
    if not found:
        raise ValueError(f"{PAGE} has no line {start.strip()}")
    after = rest[rest.index(end) :]
    PAGE.write_text(f"{before}{start}{made}{after}", "utf-8")


def seconds(value: float) -> str:
    if value < 0.1:
        return f"{1e3 * value:.3g} ms"
    return f"{value:.3g} s"


@functools.cache
def limits() -> dict[str, float]:
    """What this machine can do: operations and bytes a second.

    At JAX's default precision, the one of all that is timed (TF32 on a GPU).
    """
    side = 2048 if jax.default_backend() == "cpu" else 8192
    matrix = jax.random.normal(jax.random.key(0), (side, side))
    product = jax.jit(lambda a: a @ a)
    product(matrix).block_until_ready()
    source = np.ones(1 << 26, np.float32)
    target = np.empty_like(source)
    np.copyto(target, source)
    rates, copies = [], []
    for _ in range(7):
        started = time.perf_counter()
        product(matrix).block_until_ready()
        rates.append(2 * side**3 / (time.perf_counter() - started))
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


def limit_cores(threads: int) -> None:
    """Starts anew on fewer cores where there are more: JAX takes all that it sees."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > threads:
        os.sched_setaffinity(0, cores[:threads])
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
