"""Reads the arrays of a PyTorch checkpoint without PyTorch, and runs nothing in it.

A file of `torch.save` comes in two formats. Since PyTorch 1.6 it is a zip archive whose
members are stored as they are: `data.pkl` is a pickle whose tensors refer to raw
storages, `data/<key>`, one file each. Before, it is one stream: three pickles of
constants, the object's pickle, a pickle of the storages' keys, and the storages, each
with its length in front (torchvision's VGG16 is such a file).

What a pickle may say stands in `tensor_pickle`, what a tensor may be in `tensor_views`.
Here the bytes are counted: nothing is unpacked, no member is larger than the file, and
all tensors together are not larger than all storages. Storages are read one after the
other, so that the memory needed is the arrays' and one storage.
"""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from causal_jax import archives
from causal_jax.archives import RefusedError
from causal_jax.importers import tensor_pickle
from causal_jax.importers.file_errors import (
    ForeignError,
    StateDictError,
    one_line_errors,
)
from causal_jax.importers.tensor_views import Storage, Tensor

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001  # of the format before 1.6
_ZIP = b"PK\3\4"
_SHARED_BYTES = 1 << 20  # that tensors may be larger than their storages together


def read(path: str | os.PathLike, *, legacy: bool = False) -> dict[str, np.ndarray]:
    """Reads a state dict: {name: array}.

    Args:
      path: what `torch.save(module.state_dict(), path)` wrote, on any device.
      legacy: reads the format before PyTorch 1.6 too, by the same rules; it is refused
        otherwise, since hardly a file has it and its damages are told less surely.

    Returns:
      The arrays by name, in the file's order, in memory of their own (the same names
      for the same numbers, tied weights, are one array).

    Raises:
      ValueError: no such file, another format, a damaged file, or one that holds
        anything but plain containers and tensors that lie inside its bytes.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}: give a state dict of torch.save")
    with one_line_errors(path), path.open("rb") as file:
        if file.read(len(_ZIP)) == _ZIP:
            return _from_archive(path)
        file.seek(0)
        return _from_stream(path, file, legacy)


# --- since PyTorch 1.6 ----------------------------------------------------------------


def _from_archive(path: Path) -> dict[str, np.ndarray]:
    num_bytes = path.stat().st_size
    with archives.open_zip(path) as archive:
        members = _members(archive, num_bytes)
        root = _root(members)
        order = members.get(f"{root}byteorder")
        if order and archives.read_member(archive, order, limit=16) != b"little":
            raise RefusedError("it was written on a big-endian machine")
        program = members[f"{root}data.pkl"]
        data = archives.read_member(archive, program, limit=tensor_pickle.MAX_BYTES)
        tensors = _tensors(tensor_pickle.read(io.BytesIO(data)), num_bytes)

        def storage_bytes(storage: Storage) -> bytearray:
            member = members.get(f"{root}data/{storage.key}")
            if member is None:
                raise ValueError(f"it lacks storage {storage.key[:40]!r}")
            if member.file_size != storage.num_bytes:
                raise ValueError(f"storage {storage.key[:40]!r} has another length")
            return archives.read_member(archive, member, limit=num_bytes)

        return _read_all(tensors, storage_bytes)


def _members(archive: zipfile.ZipFile, num_bytes: int) -> dict[str, zipfile.ZipInfo]:
    """The members by name; refuses what `torch.save` never writes."""
    members = {info.filename: info for info in archive.infolist()}
    for name, info in members.items():
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise RefusedError(
                f"member {name[:60]!r} is packed, and torch.save packs none: pack it "
                "again with zip -0"
            )
    if sum(info.file_size for info in members.values()) > num_bytes:
        raise RefusedError("its members are larger than the file")
    return members


def _root(members: dict[str, zipfile.ZipInfo]) -> str:
    """The archive's folder, in which `data.pkl` is."""
    programs = [name for name in members if name.endswith("/data.pkl")]
    if len(programs) != 1:
        raise ForeignError
    return programs[0].removesuffix("data.pkl")


# --- before ---------------------------------------------------------------------------


def _from_stream(path: Path, file: IO[bytes], legacy: bool) -> dict[str, np.ndarray]:
    head = io.BytesIO(file.read(tensor_pickle.MAX_BYTES))
    try:
        magic = tensor_pickle.read(head)
    except Exception as error:  # any other file: any class
        raise ForeignError from error
    if magic != _MAGIC:
        raise ForeignError
    if not legacy:
        raise RefusedError(
            "it is of the format before PyTorch 1.6: load it there and save it again, "
            "best as .safetensors"
        )
    _require_version(tensor_pickle.read(head), tensor_pickle.read(head))
    num_bytes = path.stat().st_size
    tensors = _tensors(tensor_pickle.read(head), num_bytes)
    keys = tensor_pickle.read(head)
    file.seek(head.tell())
    return _read_stream(file, tensors, keys)


def _require_version(version: Any, machine: Any) -> None:
    is_little = type(machine) is dict and machine.get("little_endian", True) is True
    if version != _VERSION or not is_little:
        raise RefusedError("its version or byte order is unknown: save it again")


def _read_stream(
    file: IO[bytes], tensors: dict[str, Tensor], keys: Any
) -> dict[str, np.ndarray]:
    """The storages, in the order of their keys."""
    by_storage = _by_storage(tensors)
    storages = {storage.key: storage for storage in by_storage}
    if type(keys) is not list or not storages.keys() <= set(map(str, keys)):
        raise ValueError("the list of its storages is incomplete")
    found: dict[str, np.ndarray] = {}
    for key in keys:
        num = int.from_bytes(file.read(8), "little")
        if key not in storages:
            raise RefusedError("it has storages that no tensor of it uses")
        storage = storages.pop(key)
        if num != storage.num:
            raise ValueError("a storage of another length")
        data = bytearray(storage.num_bytes)
        if file.readinto(data) != len(data):
            raise ValueError("it ends in the middle of a storage")
        found |= _arrays_of(by_storage[storage], data)
    return {name: found[name] for name in tensors}


# --- tensors --------------------------------------------------------------------------


def _tensors(content: Any, num_bytes: int) -> dict[str, Tensor]:
    """The tensors of a state dict, also where it lies under "state_dict"."""
    if type(content) is dict and type(content.get("state_dict")) is dict:
        content = content["state_dict"]
    if type(content) is not dict or not content:
        raise StateDictError("no state dict: save module.state_dict(), not the module")
    for name, value in content.items():
        if type(name) is not str or type(value) is not Tensor:
            raise StateDictError(
                f"{str(name)[:60]!r}, which is no tensor: save module.state_dict()"
            )
    _require_sizes(content, num_bytes)
    return content


def _require_sizes(tensors: dict[str, Tensor], num_bytes: int) -> None:
    """Refuses storages larger than the file, and tensors larger than storages."""
    storages: dict[str, Storage] = {}
    for tensor in tensors.values():
        storage = tensor.storage
        if storages.setdefault(storage.key, storage) != storage:
            raise RefusedError("a storage has two types or lengths")
    total = sum(storage.num_bytes for storage in storages.values())
    if total > num_bytes:
        raise RefusedError("its storages are larger than the file")
    distinct = set(tensors.values())
    needed = sum(t.num * t.storage.dtype.itemsize for t in distinct)
    if needed > total + _SHARED_BYTES:
        raise RefusedError("its tensors are larger than their storages")


def _read_all(
    tensors: dict[str, Tensor], storage_bytes_fn: Callable[[Storage], bytearray]
) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for storage, names in _by_storage(tensors).items():
        found |= _arrays_of(names, storage_bytes_fn(storage))
    return {name: found[name] for name in tensors}


def _by_storage(
    tensors: dict[str, Tensor],
) -> dict[Storage, dict[Tensor, list[str]]]:
    """{storage: {tensor: its names}}."""
    found: dict[Storage, dict[Tensor, list[str]]] = {}
    for name, tensor in tensors.items():
        names = found.setdefault(tensor.storage, {})
        names.setdefault(tensor, []).append(name)
    return found


def _arrays_of(
    names: dict[Tensor, list[str]], data: bytearray
) -> dict[str, np.ndarray]:
    """The arrays of one storage; equal tensors are one array."""
    arrays = {tensor: tensor.array(data, alone=len(names) == 1) for tensor in names}
    return {name: array for t, array in arrays.items() for name in names[t]}
