"""A run's folder: what lies in it, and writing it whole or not at all.

DIR/config.json      the run's configuration
DIR/scm.json         graph, states, mechanisms: plain data, nothing executable (`spec`)
DIR/checkpoints/     labels/<step> and images/<step>; or model/<step>, where all
                     nodes were trained at once
DIR/metrics.jsonl    one line per logged step
DIR/seconds.json     how long each stage took, interrupted calls included
DIR/metrics.json, DIR/report.html    written by the evaluation
"""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from causal_jax.training.checkpoint import Checkpoints

_CONFIG, _SECONDS = "config.json", "seconds.json"


def write_text(path: str | Path, text: str) -> None:
    """Writes a file whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def checkpoints(workdir: str | Path, stage: str) -> Checkpoints:
    """The checkpoints of a stage, by its name."""
    return Checkpoints(Path(workdir) / "checkpoints" / stage)


# --- the configuration ----------------------------------------------------------------


def read_config(workdir: str | Path) -> dict[str, Any]:
    """What `config.json` holds.

    Raises:
      ValueError: there is none, or it is damaged.
    """
    path = Path(workdir) / _CONFIG
    if not path.is_file():
        raise ValueError(
            f"{workdir} holds no run (no {_CONFIG}): train one with "
            f"causal-jax train --config=NAME --workdir={workdir}"
        )
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged ({error}): delete the folder and train again"
        ) from error


def require_free(
    workdir: str | Path, config: Mapping[str, Any], *, places: Collection[str] = ()
) -> None:
    """Checks what `claim` checks, and writes nothing.

    Raises:
      ValueError: the folder holds another configuration's run, or other files.
    """
    workdir = Path(workdir)
    if (workdir / _CONFIG).is_file():
        _require_same(config, read_config(workdir), workdir, places)
    elif workdir.exists() and any(workdir.iterdir()):
        raise ValueError(
            f"{workdir} holds files that are no run (no {_CONFIG}): choose an empty "
            "or a new folder"
        )


def claim(
    workdir: str | Path, config: Mapping[str, Any], *, places: Collection[str] = ()
) -> Path:
    """Makes a run's folder, or checks that it holds a run of the same configuration.

    Args:
      workdir: the folder.
      config: as it will be read back from JSON.
      places: keys that may differ, since where data lies is not part of what a run is.

    Raises:
      ValueError: the folder holds another configuration's run, or other files.
    """
    workdir = Path(workdir)
    require_free(workdir, config, places=places)
    text = json.dumps(config, indent=1, sort_keys=True)
    write_text(workdir / _CONFIG, text)
    return workdir


def _require_same(
    config: Mapping, kept: Mapping, workdir: Path, places: Collection[str]
) -> None:
    different = [
        f"{key} {kept.get(key)!r} there, {config.get(key)!r} here"
        for key in sorted(config.keys() | kept.keys())
        if key not in places and config.get(key) != kept.get(key)
    ]
    if different:
        raise ValueError(
            f"{workdir} holds another config's run ({'; '.join(different[:3])}): "
            "choose another --workdir or the same config"
        )


# --- time -----------------------------------------------------------------------------


def read_seconds(workdir: str | Path) -> dict[str, float]:
    """{stage: its seconds so far}, of the stages that were trained."""
    path = Path(workdir) / _SECONDS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def add_seconds(workdir: str | Path, stage: str, seconds: float) -> dict[str, float]:
    """Adds to a stage's seconds; returns those of all stages."""
    kept = read_seconds(workdir)
    kept[stage] = kept.get(stage, 0.0) + seconds
    write_text(Path(workdir) / _SECONDS, json.dumps(kept))
    return kept
