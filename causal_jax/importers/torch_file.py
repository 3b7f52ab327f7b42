"""Reads the arrays of a PyTorch checkpoint without PyTorch, and runs nothing in it.

A file of `torch.save` comes in two formats. Since PyTorch 1.6 it is a zip archive:
`data.pkl` is a pickle whose tensors refer to raw storages, `data/<key>`, one file each.
Before, it is one stream: three pickles of constants, the object's pickle, a pickle of
the storages' keys, and the storages, each with its length in front (torchvision's VGG16
is such a file). A pickle is a program; this one is interpreted with an allow-list: it
may build dictionaries, numbers, text and tensors, and whatever else it names is refused
before it is looked up. This file is the library's only use of `pickle`.
"""

import collections
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

_DTYPES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001  # of the format before 1.6
_FORBIDDEN_OPCODES = {
    code[0]
    for code in (
        *(pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX),
        *(pickle.EXT1, pickle.EXT2, pickle.EXT4),
    )
}
_MAX_BYTES = 4 << 30  # of all storages together; VGG16 has half a gigabyte


class _StorageType(NamedTuple):
    """What a pickle names by `torch.FloatStorage` and its kin."""

    dtype: Any


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads a state dict: {name: array}.

    Args:
      path: what `torch.save(module.state_dict(), path)` wrote, on any device.

    Returns:
      The arrays by name, in the file's order, in memory of their own.

    Raises:
      ValueError: no such file, another format, a damaged file, or one that names
        anything but plain containers and tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}: give a state dict of torch.save")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content = _from_archive(archive)
        else:
            with path.open("rb") as file:
                content = _from_stream(file, path.stat().st_size)
    except _ForeignError as error:
        raise ValueError(
            f"{path} is no checkpoint of PyTorch: give a state dict of torch.save"
        ) from error
    except _RefusedError as error:
        raise ValueError(f"{path} is refused: {error}") from error
    except Exception as error:  # of a pickle cut or made up: any class
        reason = str(error).partition("\n")[0][:120] or type(error).__name__
        raise ValueError(f"{path} is damaged ({reason}): fetch it again") from error
    return _arrays_of_state_dict(path, content)


class _RefusedError(ValueError):
    """A name outside the allow-list."""


class _ForeignError(ValueError):
    """Not a file of `torch.save`."""


class _Unpickler(pickle._Unpickler):  # the one in Python: its opcodes can be chosen
    """Builds dictionaries, numbers, text and tensors; refuses everything else.

    Of the opcodes that act on objects only two are left: REDUCE, a call of what
    `find_class` returned, and BUILD, which is ignored (an OrderedDict's attributes:
    PyTorch keeps version numbers there) and otherwise would set any attribute.

    Args:
      file: where the pickle starts.
      storage_fn: (key, dtype, number of elements) -> that storage, flat.
    """

    dispatch = {
        code: action
        for code, action in pickle._Unpickler.dispatch.items()
        if code not in _FORBIDDEN_OPCODES
    }

    def __init__(self, file: IO[bytes], storage_fn: Callable | None = None):
        super().__init__(file)
        self._storage_fn = storage_fn
        self.storages: dict[str, np.ndarray] = {}

    def load_build(self) -> None:
        """Drops the state of an OrderedDict."""
        self.stack.pop()
        if not isinstance(self.stack[-1], collections.OrderedDict):
            raise _RefusedError("it sets attributes of what is no dictionary")

    dispatch[pickle.BUILD[0]] = load_build

    def find_class(self, module: str, name: str) -> Any:
        """The few names that a state dict needs; nothing is imported."""
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch._utils" and name in _REBUILD:
            return _REBUILD[name]
        if module == "torch" and name in _DTYPES:
            return _StorageType(_DTYPES[name])
        raise _RefusedError(
            f"it names {module}.{name}, and a state dict holds nothing but tensors"
        )

    def persistent_load(self, pid: Any) -> np.ndarray:
        """A storage: ("storage", type, key, device, number of elements, ...)."""
        kind, storage_type, key, _, num, *view = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise _RefusedError(f"it refers to a {kind!r}, which is no storage")
        if any(part is not None for part in view) or self._storage_fn is None:
            raise _RefusedError("its storages are parts of others: save it again")
        if key not in self.storages:
            self.storages[key] = self._storage_fn(key, storage_type.dtype, num)
        return self.storages[key]


def _from_archive(archive: zipfile.ZipFile) -> Any:
    """The content of the format since PyTorch 1.6."""
    infos = archive.infolist()
    pickles = [i.filename for i in infos if i.filename.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise _ForeignError
    if sum(info.file_size for info in infos) > _MAX_BYTES:
        raise _RefusedError(f"it unpacks to more than {_MAX_BYTES >> 30} GiB")
    orders = [i.filename for i in infos if i.filename.endswith("/byteorder")]
    if orders and archive.read(orders[0]) != b"little":
        raise _RefusedError("it was written on a big-endian machine")
    root = pickles[0].removesuffix("data.pkl")

    def storage(key: str, dtype: Any, num: int) -> np.ndarray:
        return np.frombuffer(archive.read(f"{root}data/{key}"), dtype, num)

    with archive.open(pickles[0]) as file:
        return _Unpickler(io.BytesIO(file.read()), storage).load()


def _from_stream(file: IO[bytes], num_bytes: int) -> Any:
    """The content of the format before PyTorch 1.6."""
    try:
        magic = _Unpickler(file).load()
    except Exception as error:  # any other file: any class
        raise _ForeignError from error
    if magic != _MAGIC:
        raise _ForeignError
    version, machine = _Unpickler(file).load(), _Unpickler(file).load()
    if version != _VERSION or not machine.get("little_endian", True):
        raise _RefusedError("its version or byte order is unknown: save it again")

    def storage(key: str, dtype: Any, num: int) -> np.ndarray:
        """Filled later: the storages come after the tensors."""
        if not 0 <= num * np.dtype(dtype).itemsize <= num_bytes:
            raise ValueError("a storage larger than the file")
        return np.zeros(num, dtype)

    unpickler = _Unpickler(file, storage)
    content = unpickler.load()
    for key in _Unpickler(file).load():
        array = unpickler.storages[key]
        if int.from_bytes(file.read(8), "little") != array.size:
            raise ValueError("a storage of another length")
        array[:] = np.frombuffer(file.read(array.nbytes), array.dtype, array.size)
    return content


def _rebuilt_tensor(storage, offset, size, stride, *_) -> np.ndarray:
    """`torch._utils._rebuild_tensor` and its second version: a view of a storage."""
    size, stride = tuple(map(int, size)), tuple(map(int, stride))
    if not isinstance(storage, np.ndarray) or len(size) != len(stride):
        raise ValueError("a tensor has no storage")
    if min((offset, *size, *stride)) < 0:
        raise ValueError("a tensor of negative size")
    if 0 not in size:
        last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        if last >= storage.size:
            raise ValueError("a tensor reaches beyond its storage")
    strides = tuple(storage.itemsize * s for s in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, strides)


def _rebuilt_parameter(data, *_) -> np.ndarray:
    """`torch._utils._rebuild_parameter`: the tensor alone."""
    return data


_REBUILD = {
    "_rebuild_tensor": _rebuilt_tensor,
    "_rebuild_tensor_v2": _rebuilt_tensor,
    "_rebuild_parameter": _rebuilt_parameter,
}


def _arrays_of_state_dict(path: Path, content: Any) -> dict[str, np.ndarray]:
    """The arrays of a state dict, also where it lies under "state_dict"."""
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not content:
        raise ValueError(
            f"{path} holds no state dict: save module.state_dict(), not the module"
        )
    found = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            raise ValueError(
                f"{path} holds {name!r}, which is no tensor: save module.state_dict()"
            )
        found[name] = value.copy()
    return found
