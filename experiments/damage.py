"""Damaged files of a run: noticed, recovered from, or used as if they were whole?

Parts of `experiments.reliability`: bits flipped in checkpoints, damage of every kind to
every file, and what the checks cost.
"""

import contextlib
import random
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from causal_jax import files
from causal_jax.recipes import recipe, registry
from causal_jax.runs import folder, lock
from causal_jax.runs.load import LABELS, load
from causal_jax.training import checkpoint, checkpoint_arrays, finite, manifest

_HALF, _ALL = 400, 800  # steps: a run that was stopped, one that has ended


def config() -> Any:
    """A run of seconds: maximum likelihood of nine labels, four dispatches."""
    found = registry.get_config("faces_labels:mle,quicktest")
    found.num_steps = _ALL
    return found


@contextlib.contextmanager
def _stopped_after(step: int) -> Iterator[None]:
    """Makes training end after the checkpoint of a step, as if it were killed there."""
    save = checkpoint.Checkpoints.save

    def save_and_stop(self, number, *trees):
        save(self, number, *trees)
        if number >= step:
            raise InterruptedError

    checkpoint.Checkpoints.save = save_and_stop
    try:
        with contextlib.suppress(InterruptedError):
            yield
    finally:
        checkpoint.Checkpoints.save = save


def _interrupted_run(root: Path) -> Path:
    """A run's folder with checkpoints of two dispatches out of four."""
    workdir = root / "interrupted"
    shutil.rmtree(workdir, ignore_errors=True)
    with _stopped_after(_HALF):
        recipe.train(config(), workdir, seconds_per_checkpoint=0.0)
    return workdir


def _copy(workdir: Path) -> Path:
    copy = workdir.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    return shutil.copytree(workdir, copy)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two trees are equal to the bit."""

    def same(a, b):
        return np.asarray(a).tobytes() == np.asarray(b).tobytes()

    return jax.tree.structure(one) == jax.tree.structure(other) and jax.tree.all(
        jax.tree.map(same, one, other)
    )


# --- bits -----------------------------------------------------------------------------


def flips(root: Path, num: int = 500, seed: int = 0) -> dict[str, Any]:
    """Flips one random bit of a random file of the newest checkpoint, `num` times."""
    newest = folder.checkpoints(_interrupted_run(root), LABELS)
    step = newest.latest()
    true, at = newest.restore_all(step), newest.directory / str(step)
    paths = sorted(p for p in at.rglob("*") if p.is_file() and p.stat().st_size)
    generator, counts = random.Random(seed), {"noticed": 0, "equal": 0, "unnoticed": 0}
    for _ in range(num):
        path = generator.choice(paths)
        whole = path.read_bytes()
        bit = generator.randrange(8 * len(whole))
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        counts[_outcome_of_flip(newest.directory, step, true)] += 1
        path.write_bytes(whole)
    return {"flips": num, "files": len(paths), **counts}


def _outcome_of_flip(directory: Path, step: int, true: dict) -> str:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = checkpoint.Checkpoints(directory)
        if found.latest() != step:
            return "noticed" if said else "unnoticed"
        return "equal" if _is_same(found.restore_all(step), true) else "unnoticed"


# --- kinds of damage ------------------------------------------------------------------


def _bit_flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


KINDS: dict[str, Callable[[Path], Any]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "no UTF-8": lambda path: path.write_bytes(b"\xff\xfe" + path.read_bytes()),
    "a list": lambda path: path.write_text("[1, 2]"),
    "a number": lambda path: path.write_text("3"),
    "a bit": _bit_flipped,
    "a folder": _a_folder,
}
_NEWEST = f"checkpoints/{LABELS}/{_HALF}"
FILES = (
    *("config.json", "scm.json", "seconds.json", "metrics.jsonl", "lock.json"),
    *(f"{_NEWEST}/{name}" for name in ("manifest.json", "_CHECKPOINT_METADATA")),
    *(f"{_NEWEST}/state/{name}" for name in ("_METADATA", "_sharding", "d/*")),
    f"{_NEWEST}/params/d/*",
)


def damage(root: Path) -> dict[str, Any]:
    """{file: {kind: [what training did, what loading did]}}, after a kill."""
    run = _interrupted_run(root)
    calm = root / "calm"
    shutil.rmtree(calm, ignore_errors=True)
    recipe.train(config(), calm)
    true = folder.checkpoints(calm, LABELS).restore_all(_ALL)
    (run / lock.NAME).write_text('{"process": 1, "host": "of a dead owner"}\n')
    found: dict[str, Any] = {}
    for name in FILES:
        for kind, inflict in KINDS.items():
            outcomes = []
            for action in (_train_on, _load):
                copy = _copy(run)
                path = next(copy.glob(name))
                inflict(path)
                outcomes.append(_outcome(action, copy, path.name, true))
            found.setdefault(name, {})[kind] = outcomes
    return {"outcomes": found}


def _train_on(workdir: Path, true: dict) -> bool:
    recipe.train(config(), workdir)
    return _is_same(folder.checkpoints(workdir, LABELS).restore_all(_ALL), true)


def _load(workdir: Path, true: dict) -> bool:
    load(workdir)
    return True


def _outcome(action: Callable, workdir: Path, name: str, true: dict) -> str:
    """recovered, named, or what was unclean about it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            if not action(workdir, true):
                return "UNEQUAL"
        except (ValueError, OSError) as error:
            is_named = name in str(error) and "\n" not in str(error)
            return "named" if is_named else f"NOT NAMED: {error}"
        except Exception as error:  # whatever else is a finding
            return f"UNCLEAN: {type(error).__name__}: {error}"
    is_told = any(issubclass(one.category, UserWarning) for one in said)
    return "recovered, told" if is_told else "recovered"


# --- what it costs --------------------------------------------------------------------


def cost(root: Path) -> dict[str, Any]:
    """Seconds of each check in whole runs, beside what these took."""
    found = {}
    for name, overrides in {
        "faces_labels": {"num_steps": 6000},
        "faces_causal_gan:mle": {"num_steps": 150, "label_steps": 400},
    }.items():
        chosen = registry.get_config(name)
        chosen.update(overrides)
        workdir = root / f"cost_{name.partition(':')[0]}"
        shutil.rmtree(workdir, ignore_errors=True)
        with _timed() as seconds:
            started = time.monotonic()
            recipe.train(chosen, workdir)
            whole = time.monotonic() - started
        checks = sum(seconds.values()) - seconds["checkpoint"]
        steps = " ".join(f"{key}={value}" for key, value in overrides.items())
        found[f"{name} {steps}"] = {
            "run": whole, "share": checks / whole, **seconds
        }  # fmt: skip
    return {"runs": found}


@contextlib.contextmanager
def _timed() -> Iterator[dict[str, float]]:
    """Adds up the time that is spent in each check; saving without its manifest."""
    parts = {
        "checkpoint": (checkpoint_arrays, "write"),
        "manifest": (manifest, "write"),
        "verification": (checkpoint.Checkpoints, "recover"),
        "room": (files, "require_room"),
        "finite": (finite, "require"),
        "lock": (lock, "_locked"),
        "seconds": (folder, "add_seconds"),
    }
    seconds = dict.fromkeys(parts, 0.0)

    def timed(part, function):
        def wrapper(*args, **kwargs):
            started = time.monotonic()
            try:
                return function(*args, **kwargs)
            finally:
                seconds[part] += time.monotonic() - started

        return wrapper

    before = {part: getattr(*place) for part, place in parts.items()}
    for part, (owner, name) in parts.items():
        setattr(owner, name, timed(part, before[part]))
    try:
        yield seconds
    finally:
        for part, (owner, name) in parts.items():
            setattr(owner, name, before[part])
