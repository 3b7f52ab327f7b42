"""Finds prepared data sets on disk, and says what to do when they are not there.

tensorflow-datasets' layout is `ROOT/name[/config]/version/`; a version is whole when it
holds dataset_info.json and features.json. Directories half-written are named otherwise.
"""

from pathlib import Path

from causal_jax.graph import suggestion

_INFO = "dataset_info.json"


def find(root: Path, name: str, *, is_known: bool) -> Path:
    """Returns the directory of a data set, in its highest version.

    Args:
      root: where data sets lie.
      name: the data set, with or without ":version".
      is_known: whether it could be prepared by that name.

    Raises:
      ValueError: it is not there, or not whole.
    """
    base, _, version = name.partition(":")
    found = versions(root / base)
    if version in found:
        return found[version]
    if found and version:
        listed = ", ".join(sorted(found))
        raise ValueError(f"{root / base} holds no version {version}; it has {listed}")
    if not found:
        raise ValueError(absence(root, base, is_known=is_known))
    return found[max(found, key=_version_key)]


def versions(base: Path) -> dict[str, Path]:
    """The whole versions of a data set: {version: directory}."""
    if not base.is_dir():
        return {}
    return {p.name: p for p in base.iterdir() if _version_key(p.name) and _is_whole(p)}


def absence(root: Path, base: str, *, is_known: bool) -> str:
    """Why there is no such data set, and what would be right."""
    path = root / base
    if not path.exists() and not is_known:
        here = _prepared_names(root)
        hint = suggestion(base, here) if here else "nothing is prepared there"
        return (
            f"unknown data set {base!r}: it is not in {root} and tensorflow-datasets "
            f"does not know it; {hint}"
        )
    if not root.is_dir():
        reason = f"the data directory {root} does not exist"
    elif not path.is_dir():
        reason = f"the data directory {root} holds no {base}"
    else:
        reason = f"{path} is empty or incomplete (no version with {_INFO})"
    return f"{reason}; prepare it with: {command(base, root)}"


def damage(path: Path, reason: str) -> str:
    """What to do about a version that cannot be used."""
    again = command(path.parent.name, path.parent.parent)
    return f"{path} is incomplete ({reason}); delete it and prepare it with: {again}"


def command(name: str, root: Path | str) -> str:
    """The command that prepares a data set."""
    return f"causal-jax prepare --dataset={name} --data_dir={root}"


def _prepared_names(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    return sorted(p.name for p in root.iterdir() if p.is_dir() and versions(p))


def _is_whole(path: Path) -> bool:
    return (path / _INFO).is_file() and (path / "features.json").is_file()


def _version_key(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(map(int, parts)) if all(p.isdecimal() for p in parts) else ()
