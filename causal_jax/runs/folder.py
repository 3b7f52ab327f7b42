"""A run's folder: what lies in it, and that it is one run's.

DIR/config.json      the run's configuration, and the format of the folder
DIR/sources.json     digests of the user's own table, network, graph, pictures, textures
DIR/scm.json         graph, states, mechanisms: plain data, nothing executable (`spec`)
DIR/checkpoints/     labels/<step> and images/<step>; or model/<step>, where all
                     nodes were trained at once
DIR/metrics.jsonl    one line per logged step
DIR/steps.json       how many steps each stage is to take
DIR/seconds.json     how long each stage took, interrupted calls included
DIR/lock.json        whose the folder is, while a process trains in it (`lock`)
DIR/metrics.json, DIR/report.html    written by the evaluation
"""

import contextlib
import hashlib
import json
import math
import time
import unicodedata
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from causal_jax import files
from causal_jax.files import write_text
from causal_jax.progress import tqdm
from causal_jax.runs import lock
from causal_jax.training.checkpoint import Checkpoints

_CONFIG, _SOURCES = "config.json", "sources.json"
_STEPS, _SECONDS = "steps.json", "seconds.json"
# A key of config.json that is no part of the configuration. Folders without it are
# from before checkpoints had manifests.
_FORMAT, _CURRENT = "folder_format", 2


def checkpoints(workdir: str | Path, stage: str) -> Checkpoints:
    """The checkpoints of a stage, by its name."""
    return Checkpoints(
        Path(workdir) / "checkpoints" / stage,
        before_manifests=is_before_manifests(workdir),
    )


def is_before_manifests(workdir: str | Path) -> bool:
    """Whether a run was begun before its checkpoints had manifests.

    Its configuration says so; that a manifest is missing does not.
    """
    with contextlib.suppress(ValueError):
        return _FORMAT not in files.read_json(Path(workdir) / _CONFIG, way_out="")
    return False


# --- the configuration ----------------------------------------------------------------


def is_run(path: str | Path) -> bool:
    """Whether a folder holds a run, begun at least."""
    return (Path(path) / _CONFIG).is_file()


def read_config(workdir: str | Path) -> dict[str, Any]:
    """What `config.json` holds.

    Raises:
      ValueError: there is none, or it is damaged.
    """
    path = Path(workdir) / _CONFIG
    if not path.exists():
        raise ValueError(
            f"{workdir} holds no run (no {_CONFIG}): train one with "
            f"causal-jax train --config=NAME --workdir={workdir}"
        )
    config = files.read_json(
        path, way_out="put back a copy of it, or train again in a new folder"
    )
    return {key: value for key, value in config.items() if key != _FORMAT}


def require_free(
    workdir: str | Path, config: Mapping[str, Any], *, places: Collection[str] = ()
) -> None:
    """Checks what `claim` checks, and writes nothing.

    Raises:
      ValueError: the folder holds another configuration's run, or other files, or
        another process trains there.
    """
    workdir = Path(workdir)
    if (workdir / _CONFIG).exists():
        _require_same(config, read_config(workdir), workdir, places)
    elif workdir.exists() and any(map(_is_foreign, workdir.iterdir())):
        raise ValueError(
            f"{workdir} holds files that are no run (no {_CONFIG}): choose an empty "
            "or a new folder"
        )
    lock.require_free(workdir)


def _is_foreign(path: Path) -> bool:
    """Whether a file is none of those that a killed start leaves."""
    return path.name != lock.NAME and not files.is_unfinished(path)


def claim(
    workdir: str | Path, config: Mapping[str, Any], *, places: Collection[str] = ()
) -> Path:
    """Makes a run's folder, or checks that it holds a run of the same configuration.

    What killed writers have left there is removed: the caller holds it (`lock`).

    Args:
      workdir: the folder.
      config: as it will be read back from JSON.
      places: keys that may differ, since where data lies is not part of what a run is.

    Raises:
      ValueError: the folder holds another configuration's run, or other files, or
        another process trains there.
      OSError: the folder is full, gone or read-only.
    """
    workdir = Path(workdir)
    require_free(workdir, config, places=places)
    files.remove_unfinished(workdir)
    kept = {key: value for key, value in config.items() if key != _FORMAT}
    if not is_before_manifests(workdir):
        kept[_FORMAT] = _CURRENT
    write_text(workdir / _CONFIG, json.dumps(kept, indent=1, sort_keys=True))
    return workdir


# Settings that runs did not have once, and what those runs did.
_LATER = {
    "align_corners": False,
    "composites": [],
    "label_factors": [],
    "states": [],
    "coupling": "inverse_cdf",
    "gan": {
        "dtype": "float32",
        "unseen_every": 1,
        "noise_weight": 0.0,
        "augmentation": [],
        "augmented_share": 0.5,
        "image_weight": 1.0,
    },
    "cgn": {"dtype": "float32"},
    "generator": {"modulated": False},
}


def _require_same(
    config: Mapping, kept: Mapping, workdir: Path, places: Collection[str]
) -> None:
    kept = {**kept}
    if kept.get("composites") is False:  # as they once were asked for
        kept["composites"] = []
    for key, later in _LATER.items():
        wanted = config.get(key)
        if key in config and not isinstance(later, Mapping):
            kept.setdefault(key, later)
        elif isinstance(wanted, Mapping) and isinstance(kept.get(key), Mapping):
            missed = {name: value for name, value in later.items() if name in wanted}
            kept[key] = {**missed, **kept[key]}
    different = [
        f"{key} {kept.get(key)!r} there, {config.get(key)!r} here"
        for key in sorted(config.keys() | kept.keys())
        if key not in {*places, _FORMAT} and config.get(key) != kept.get(key)
    ]
    if different:
        raise ValueError(
            f"{workdir} holds another config's run ({'; '.join(different[:3])}): "
            "choose another --workdir or the same config"
        )


# --- the user's own files -------------------------------------------------------------


class Files(NamedTuple):
    """Files of the user's own that are one source, such as pictures.

    Attributes:
      place: where they lie.
      names: theirs, relative to it.
    """

    place: Path
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.place} ({len(self.names):,} files that are named)"


Sources = Mapping[str, Path | Files]  # {what it is, such as a config's key: it}


def require_sources(workdir: str | Path, sources: Sources) -> None:
    """Checks that what a run was trained on is there, and still as it was.

    Args:
      workdir: the run's folder; of one from before digests were kept nothing is said.
      sources: those that are there.

    Raises:
      ValueError: one is gone, or has changed.
    """
    known, sources = read_sources(workdir), _there(sources)
    if changed := changed_sources(known, sources):
        _, of, before = known[next(iter(changed))].partition(" of ")
        raise ValueError(
            f"{next(iter(changed.values()))} is not what {workdir} was trained with"
            f"{of and f', {before}'}: put that back, or train in a new folder"
        )
    if gone := [name for name in known if name not in sources]:
        raise ValueError(
            f"{workdir} was trained with a file ({gone[0]}) that is not where its "
            f"configuration says, from the folder {Path.cwd()}: put it there, or write "
            f"its place into {Path(workdir, _CONFIG)}"
        )


def changed_sources(known: Mapping[str, str], sources: Sources) -> dict[str, str]:
    """{name: what it is} of those that are not as they were.

    Args:
      known: {name: digest}, as `read_sources` gives them.
      sources: those that are there.
    """
    return {
        name: str(source)
        for name, source in _there(sources).items()
        if name in known and known[name] != _digest(source)
    }


def read_sources(workdir: str | Path) -> dict[str, str]:
    """{name: digest} of the user's own files; empty where none were kept."""
    kept = Path(workdir) / _SOURCES
    if not kept.exists():
        return {}
    return files.read_json(kept, way_out="remove it, if no file of yours has changed")


def keep_sources(workdir: str | Path, sources: Sources) -> None:
    """Writes down what a run is trained on, where that is not yet known."""
    path = Path(workdir) / _SOURCES
    there = _there(sources)
    if there and not path.exists():
        found = {name: _digest(source) for name, source in there.items()}
        write_text(path, json.dumps(found, indent=1))


def _there(sources: Sources) -> dict[str, Path | Files]:
    return {
        name: source
        for name, source in sources.items()
        if isinstance(source, Files) or source.is_file()
    }


def _digest(source: Path | Files) -> str:
    """Of a file's bytes; of several files' names, as a table writes them, and bytes."""
    if isinstance(source, Files):
        lines = hashlib.sha256()
        shown = {unicodedata.normalize("NFC", name): name for name in source.names}
        for name in tqdm(sorted(shown), desc="checking files", leave=False, delay=2):
            found = _digest(source.place / shown[name])
            lines.update(f"{found} {name}\n".encode())
        return f"{lines.hexdigest()} of {len(source.names):,} files"
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- steps ----------------------------------------------------------------------------


def keep_num_steps(workdir: str | Path, stage: str, num_steps: int) -> None:
    """Writes down how many steps a stage is to take."""
    kept = _num_steps(workdir)
    if kept.get(stage) != num_steps:
        write_text(Path(workdir) / _STEPS, json.dumps(kept | {stage: num_steps}))


def unfinished(workdir: str | Path) -> str:
    """What a run has not done, "4,000 of 9,000 steps of images"; "" if nothing is left.

    Of one from before it was written down nothing is said.
    """
    wanted = _num_steps(workdir)
    done = {stage: checkpoints(workdir, stage).latest() or 0 for stage in wanted}
    return " and ".join(
        f"{done[stage]:,} of {num:,} steps of {stage}"
        for stage, num in wanted.items()
        if done[stage] < num
    )


def _num_steps(workdir: str | Path) -> dict[str, int]:
    path = Path(workdir) / _STEPS
    if not path.exists():
        return {}
    return files.read_json(path, way_out="remove it: training writes it again")


# --- time -----------------------------------------------------------------------------


def read_seconds(workdir: str | Path) -> dict[str, float]:
    """{stage: its seconds so far}, of the stages that were trained.

    A damaged file is bookkeeping that is lost: there is a warning, and none is left.
    """
    path = Path(workdir) / _SECONDS
    if not path.exists():
        return {}
    try:
        found = files.read_json(path, way_out="the time so far is lost")
        if not all(map(_is_duration, found.values())):
            raise files.damaged(path, "no times", way_out="the time so far is lost")
    except ValueError as error:
        warnings.warn(str(error), stacklevel=2)
        return {}
    return found


def _is_duration(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


def add_seconds(workdir: str | Path, stage: str, seconds: float) -> dict[str, float]:
    """Adds to a stage's seconds; returns those of all stages."""
    kept = read_seconds(workdir)
    kept[stage] = kept.get(stage, 0.0) + seconds
    write_text(Path(workdir) / _SECONDS, json.dumps(kept))
    return kept


@contextlib.contextmanager
def counted(workdir: str | Path, stage: str) -> Iterator[Callable[[], None]]:
    """Adds the seconds of a block to a stage's, however it ends.

    What it yields adds those until now: a process that is killed loses the rest.
    """
    since = time.monotonic()

    def count() -> None:
        nonlocal since
        now = time.monotonic()
        add_seconds(workdir, stage, now - since)
        since = now

    try:
        yield count
    finally:
        count()
