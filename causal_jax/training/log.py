"""A run's log, `metrics.jsonl`: one line per dispatch.

    {"stage": "labels", "step": 200, "loss": 1.25, ...}

It is bookkeeping: a line that is damaged is left out, with a warning, and nothing else
depends on it.
"""

import json
import warnings
from pathlib import Path
from typing import Any

from causal_jax import files

NAME = "metrics.jsonl"


def append(
    workdir: str | Path | None, stage: str, step: int, values: dict[str, float]
) -> None:
    """Adds a line to the log of a run's folder; without a workdir nothing.

    Raises:
      OSError: the folder is full, gone or read-only.
    """
    if workdir:
        line = json.dumps({"stage": stage, "step": step, **values}) + "\n"
        with (
            files.named_in_errors(workdir),
            (Path(workdir) / NAME).open("a", encoding="utf-8") as file,
        ):
            file.write(line)


def read(workdir: str | Path) -> list[dict[str, Any]]:
    """The lines of a run's log that are whole; none where nothing was logged."""
    path = Path(workdir) / NAME
    if not path.exists():
        return []
    with files.named_in_errors(path):
        *lines, cut = path.read_bytes().split(b"\n")  # a process was killed at `cut`
    entries = [entry for entry in map(_read_entry, [*lines, cut]) if entry]
    num_damaged = sum(_read_entry(line) is None for line in lines)
    if num_damaged:
        warnings.warn(
            f"{path}: {num_damaged} of {len(lines)} lines are damaged and left out",
            stacklevel=2,
        )
    return entries


def _read_entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    is_entry = isinstance(entry, dict) and isinstance(entry.get("stage"), str)
    return entry if is_entry and isinstance(entry.get("step"), int) else None


def trim(workdir: str | Path | None, stage: str, first: int) -> None:
    """Drops a stage's lines after the checkpoint that a run resumes from."""
    if not workdir:
        return
    Path(workdir).mkdir(parents=True, exist_ok=True)
    path, entries = Path(workdir) / NAME, read(workdir)
    kept = [e for e in entries if e["stage"] != stage or e["step"] <= first]
    text = "".join(json.dumps(entry) + "\n" for entry in kept)
    if path.exists() and text.encode() != path.read_bytes():
        files.write_text(path, text)
