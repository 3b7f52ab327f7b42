"""Reads prepared weight files, one kind after the other, and measures what happens.

    python -m tests.hostile              # prints the table
    python -m tests.hostile --json       # the same for a program

Every file is read in a process of its own, which must end with a ValueError of one line
that names the file; how much its memory grew is the kernel's figure (`ru_maxrss`), less
what it was before. A killed or crashed process, another error and no error are said.
"""

import json
import os
import resource
import sys
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

from causal_jax.importers import onnx_file, vgg, weight_file
from tests.hostile.kinds import KINDS

MAX_GROWTH = 200 << 20  # bytes above the file's size


class Outcome(NamedTuple):
    """What reading a file came to.

    Attributes:
      kind: of the file.
      num_bytes: its size.
      message: the error's text, without the folder.
      growth: bytes of memory at the peak, above what there was before.
      fault: what should not have happened; "" for nothing.
    """

    kind: str
    num_bytes: int
    message: str
    growth: int
    fault: str


def measured() -> list[Outcome]:
    """All kinds."""
    with tempfile.TemporaryDirectory() as folder:
        return [_measured(kind, Path(folder)) for kind in KINDS]


def _measured(kind: str, folder: Path) -> Outcome:
    path = Path(_in_a_process(lambda: str(KINDS[kind](folder)))[0])
    num_bytes = path.stat().st_size
    legacy = kind.startswith("legacy") and "not asked" not in kind
    (message, growth), status = _in_a_process(lambda: _read(path, legacy), ("", 0))
    path.unlink()
    return Outcome(
        kind=kind,
        num_bytes=num_bytes,
        message=message.replace(f"{folder}/", ""),
        growth=growth,
        fault=_fault(message, growth - num_bytes, status, path),
    )


def _fault(message: str, growth: int, status: int, path: Path) -> str:
    if status:
        return f"the process ended with status {status}"
    if not message.startswith("ValueError ") or "\n" in message:
        return f"no ValueError of one line: {message[:200]!r}"
    if str(path) not in message:
        return "the file is not named"
    return f"{growth >> 20} MiB of memory" if growth > MAX_GROWTH else ""


def _read(path: Path, legacy: bool) -> tuple[str, int]:
    """The error's class and text, and how much memory grew."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        if path.suffix == ".npz":
            vgg.load(path)
        elif path.suffix == ".onnx":
            onnx_file.read(path)
        else:
            weight_file.read(path, legacy=legacy)
        message = "read without an error"
    except Exception as error:
        message = f"{type(error).__name__} {error}"
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return message, (after - before) << 10  # Linux counts in KiB


def _in_a_process(call_fn, default=None):
    """(What a call returns, 0), or (default, status) of a process that failed."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():  # jax is imported, but nothing of it has run
        warnings.simplefilter("ignore", RuntimeWarning)
        child = os.fork()
    if not child:
        try:
            os.write(writing, json.dumps(call_fn()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        found = file.read()
    status = os.waitpid(child, 0)[1]
    return (json.loads(found) if found else default), status or (0 if found else 1)


def table(outcomes: list[Outcome]) -> str:
    """The table of docs/reliability.md."""
    lines = ["| kind of file | KB | what is said | memory, MB |", "|---|---|---|---|"]
    for outcome in outcomes:
        said = outcome.message.removeprefix("ValueError hostile").partition(" ")[2]
        said = outcome.fault or said.replace("|", "\\|")
        said = said if len(said) <= 100 else said[:97] + "..."
        size, growth = outcome.num_bytes / 1e3, outcome.growth / 1e6
        lines.append(f"| {outcome.kind} | {size:,.0f} | {said} | {growth:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Prints the table; exit code 1 where anything should not have happened."""
    outcomes = measured()
    if "--json" in sys.argv:
        print(json.dumps([outcome._asdict() for outcome in outcomes]))
        return
    print(table(outcomes))
    faults = [f"{o.kind}: {o.fault}" for o in outcomes if o.fault]
    print(f"\n{len(outcomes)} kinds, {len(faults)} faults", *faults, sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
