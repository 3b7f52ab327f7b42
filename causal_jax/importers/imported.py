"""A folder of imported weights: what `causal-jax import` writes and models read.

    weights.safetensors   the variables; a path as params/conv_0/kernel is a name
    import.json           what they are, of which file, and both files' checksums

Reading a folder needs neither the original file nor its importer, and the weights are
compared with their checksum first.
"""

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import files
from causal_jax.importers import safetensors_file
from causal_jax.types import Params

WEIGHTS, RECEIPT = "weights.safetensors", "import.json"

_VERSION = 1  # of the folder
_PACKAGES = ("causal_jax", "jax", "flax", "numpy")
_WAY_OUT = "run causal-jax import again"


def save(
    folder: str | os.PathLike,
    variables: Params,
    *,
    name: str,
    source: str | os.PathLike,
) -> dict[str, Any]:
    """Writes variables and what they are; the receipt comes last.

    Args:
      folder: made if missing; what an earlier import left there is replaced.
      variables: dictionaries of arrays.
      name: what they are, as `registry.IMPORTERS` has it.
      source: the file that they were read from.

    Returns:
      The receipt.

    Raises:
      OSError: the folder cannot be written.
      ValueError: the variables are no dictionaries of arrays.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> tree = {"params": {"conv": {"bias": jnp.arange(2.0)}}}
    >>> receipt = save(folder, tree, name="vgg16", source=__file__)
    >>> load(folder, names=["vgg16"])["params"]["conv"]["bias"].tolist()
    [0.0, 1.0]
    """
    folder, arrays = Path(folder), _flat(variables)
    safetensors_file.write(folder / WEIGHTS, arrays)
    receipt = {
        "version": _VERSION,
        "name": name,
        "num_values": sum(array.size for array in arrays.values()),
        "weights": {"file": WEIGHTS, **_described(folder / WEIGHTS)},
        "source": {"file": Path(source).name, **_described(Path(source))},
        "packages": {package: _version(package) for package in _PACKAGES},
    }
    files.write_text(folder / RECEIPT, json.dumps(receipt, indent=2) + "\n")
    return receipt


def load(folder: str | os.PathLike, *, names: Collection[str] = ()) -> Params:
    """Reads the variables.

    Args:
      folder: what `save` wrote.
      names: what they may be, as ["u2net", "u2netp"]; empty for anything.

    Raises:
      ValueError: no such folder, a damaged one, or one of another network.
    """
    receipt, path = about(folder), Path(folder) / WEIGHTS
    if names and receipt["name"] not in names:
        raise ValueError(
            f"{folder} holds {receipt['name']}, not {' or '.join(sorted(names))}"
        )
    if not path.is_file() or _described(path) != {
        key: receipt["weights"].get(key) for key in ("bytes", "sha256")
    }:
        raise ValueError(f"{path} is not as it was written: {_WAY_OUT}")
    return _nested(safetensors_file.read(path), path)


def about(folder: str | os.PathLike) -> dict[str, Any]:
    """The receipt: {"name", "weights", "source", ...}.

    Raises:
      ValueError: there is none, or it is damaged.
    """
    path = Path(folder) / RECEIPT
    receipt = files.read_json(path, way_out=_WAY_OUT)
    is_whole = type(receipt.get("name")) is str and type(receipt.get("weights")) is dict
    if not is_whole or receipt.get("version") != _VERSION:
        raise files.damaged(path, "it describes no import", way_out=_WAY_OUT)
    return receipt


def _flat(variables: Params) -> dict[str, np.ndarray]:
    found = {}
    for keys, leaf in jax.tree_util.tree_leaves_with_path(variables):
        parts = [getattr(key, "key", None) for key in keys]
        if not all(type(part) is str and part and "/" not in part for part in parts):
            raise ValueError("variables are dictionaries of arrays, named without '/'")
        found["/".join(parts)] = np.asarray(leaf)
    return found


def _nested(arrays: dict[str, np.ndarray], path: Path) -> Params:
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *parts, last = name.split("/")
        branch = tree
        for part in parts:
            branch = branch.setdefault(part, {})
            if not isinstance(branch, dict):
                raise files.damaged(path, f"{name!r} has no place", way_out=_WAY_OUT)
        branch[last] = jnp.asarray(array)
    return tree


def _described(path: Path) -> dict[str, int | str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # a clone that is not installed
        return "not installed"
