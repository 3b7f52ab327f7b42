"""Reads and writes .safetensors files, in which there is nothing to execute.

The format (github.com/huggingface/safetensors, "Format") is a length, a header in JSON
and numbers,

    8 bytes   N, the header's length, little-endian
    N bytes   {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
    the rest  the numbers, little-endian, rows first, without gaps

and its rules are checked here one by one, which takes less than the package that writes
it: no name twice, no gaps and no overlaps, every length what dtype and shape say, the
last one the end of the file. bfloat16 becomes float32, which holds its values.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from causal_jax import files
from causal_jax.archives import RefusedError
from causal_jax.importers.file_errors import one_line_errors

MAX_HEADER = 8 << 20  # bytes; about 100 a tensor
_MAX_AXES, _MAX_SIZE = 16, 1 << 40
_DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("u1"),
}
_KINDS = {
    dtype: kind for kind, dtype in _DTYPES.items() if kind not in ("BF16", "BOOL")
}


class _Entry(NamedTuple):
    """A tensor of the header: where its bytes are, counted from the header's end."""

    name: str
    kind: str
    shape: tuple[int, ...]
    start: int
    end: int


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads a file's arrays: {name: array}, in the file's order.

    Args:
      path: what `safetensors.torch.save_file(module.state_dict(), path)` wrote, or that
        library's other writers.

    Raises:
      ValueError: no such file, another format, a damaged file, or one whose header
        does not describe its bytes.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}: give a .safetensors file")
    with one_line_errors(path), path.open("rb") as file:
        num_bytes = path.stat().st_size
        header = _header(file, num_bytes)
        entries = [_entry(name, item) for name, item in header.items()]
        _require_no_gaps(entries, num_bytes - file.tell())
        return _read_all(file, entries)


def write(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays, whole or not at all.

    Args:
      path: of the file; an older one is replaced.
      arrays: {name: array} of integers or floating-point numbers, at least one.

    Raises:
      OSError: the folder cannot be written.
      ValueError: there are no arrays, or one of another type.
    """
    header, end = {}, 0
    ordered = {name: _as_written(name, array) for name, array in arrays.items()}
    for name, array in ordered.items():
        header[name] = {
            "dtype": _KINDS[array.dtype],
            "shape": array.shape,
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    if not header:
        raise ValueError(f"there are no arrays to write to {path}")
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of eight
    with files.whole(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in ordered.values():
            file.write(array.tobytes())


def _as_written(name: str, array: np.ndarray) -> np.ndarray:
    """The same numbers, rows first and little-endian."""
    array = np.asarray(array, order="C")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.dtype not in _KINDS:
        raise ValueError(f"{name} is of {array.dtype}, which cannot be written")
    return array


def _header(file: IO[bytes], num_bytes: int) -> dict[str, Any]:
    length = int.from_bytes(file.read(8), "little")
    if num_bytes < 8 or length > num_bytes - 8:
        raise ValueError("its header is longer than the file")
    if length > MAX_HEADER:
        raise RefusedError(f"its header is longer than {MAX_HEADER:,} bytes")
    text = file.read(length).decode()
    if not text.startswith("{"):
        raise ValueError("its header is no dictionary")
    found = json.loads(
        text, object_pairs_hook=_without_repetition, parse_constant=_refuse_constant
    )
    found.pop("__metadata__", None)
    return found


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RefusedError("its header names something twice")
    return found


def _refuse_constant(text: str) -> None:
    raise ValueError(f"its header has the number {text}")


def _entry(name: str, item: Any) -> _Entry:
    if type(item) is not dict or item.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name[:60]!r} is not described as the format wants")
    kind, shape, offsets = item["dtype"], item["shape"], item["data_offsets"]
    if type(kind) is not str or kind not in _DTYPES:
        raise RefusedError(f"tensor {name[:60]!r} has dtype {str(kind)[:20]!r}")
    if not (_are_sizes(shape) and _are_sizes(offsets) and len(offsets) == 2):
        raise RefusedError(f"tensor {name[:60]!r} has no possible shape or place")
    entry = _Entry(name, kind, tuple(shape), *offsets)
    if entry.end - entry.start != math.prod(shape) * _DTYPES[kind].itemsize:
        raise RefusedError(f"tensor {name[:60]!r} has other bytes than its shape needs")
    return entry


def _are_sizes(values: Any) -> bool:
    return (
        type(values) is list
        and len(values) <= _MAX_AXES
        and all(type(value) is int and 0 <= value <= _MAX_SIZE for value in values)
    )


def _require_no_gaps(entries: list[_Entry], num_bytes: int) -> None:
    end = 0
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.end)):
        if entry.start != end:
            raise RefusedError("its tensors overlap or leave gaps")
        end = entry.end
    if not entries or end != num_bytes:
        raise ValueError("its tensors do not end where the file does")


def _read_all(file: IO[bytes], entries: list[_Entry]) -> dict[str, np.ndarray]:
    begin = file.tell()
    found = {}
    for entry in entries:
        file.seek(begin + entry.start)
        array = np.empty(entry.shape, _DTYPES[entry.kind])
        if array.size and file.readinto(memoryview(array).cast("B")) != array.nbytes:
            raise ValueError("it ends in the middle of a tensor")
        found[entry.name] = _converted(array, entry.kind)
    return found


def _converted(array: np.ndarray, kind: str) -> np.ndarray:
    if kind == "BF16":  # the upper half of a float32
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array != 0 if kind == "BOOL" else array
