"""What a checkpoint consists of: size and SHA-256 of every file, written last.

A checkpoint is complete once its folder has a manifest, and intact while the folder
holds the files that the manifest names and no others, to the bit.

    {"version": 1, "files": {"state/_METADATA": {"bytes": 371, "sha256": "..."}, ...}}
"""

import hashlib
import json
from pathlib import Path

from causal_jax import files

NAME = "manifest.json"
_VERSION = 1
_WAY_OUT = "an earlier checkpoint has to do"


def write(folder: str | Path) -> None:
    """Describes the files of a folder in its manifest, when all are written."""
    folder = Path(folder)
    found = {name: _described(folder / name) for name in _names(folder)}
    text = json.dumps({"version": _VERSION, "files": found}, indent=1)
    files.write_text(folder / NAME, text + "\n")


def exists(folder: str | Path) -> bool:
    """Whether a folder has a manifest."""
    return (Path(folder) / NAME).is_file()


def damage(folder: str | Path) -> str:
    """The first file of a folder that is not as its manifest says, and how; or "".

    Examples: "state/_METADATA is missing", "params/d/0f31 has other bytes".
    """
    folder = Path(folder)
    try:
        kept = files.read_json(folder / NAME, way_out=_WAY_OUT).get("files")
    except ValueError as error:
        reason = str(error).removesuffix(f": {_WAY_OUT}")
        return reason.replace(str(folder / NAME), NAME, 1)
    if not isinstance(kept, dict):
        return f"{NAME} is damaged (it names no files)"
    there = _names(folder)
    if missing := sorted(kept.keys() - set(there)):
        return f"{missing[0]} is missing"
    if more := sorted(set(there) - kept.keys()):
        return f"{more[0]} is not in {NAME}"
    differences = (_difference(folder / name, name, kept[name]) for name in there)
    return next(filter(None, differences), "")


def _difference(path: Path, name: str, described: object) -> str:
    try:
        found = _described(path)
    except OSError as error:
        return f"{name} cannot be read ({files.kind_of_damage(error)})"
    if found == described:
        return ""
    size = described.get("bytes") if isinstance(described, dict) else None
    if isinstance(size, int) and size != found["bytes"]:
        return f"{name} has {found['bytes']} bytes instead of {size}"
    return f"{name} has other bytes than were written"


def _described(path: Path) -> dict[str, int | str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _names(folder: Path) -> list[str]:
    """The files of a folder, links that lead nowhere among them, but its manifest."""
    found = (path for path in folder.rglob("*") if not path.is_dir())
    return sorted(p.relative_to(folder).as_posix() for p in found if p.name != NAME)
