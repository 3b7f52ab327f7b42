"""Reads the nodes and the weights of an .onnx file; nothing in it is executed.

An .onnx file (github.com/onnx/onnx, onnx.proto) is one message of Protocol Buffers
(protobuf.dev, "Encoding"): fields, each a number, a type and a value, where a value may
be a message again. What is read of it here is

    ModelProto   7 graph
    GraphProto   1 node, 5 initializer
    NodeProto    1 input, 2 output, 3 name, 4 op_type
    TensorProto  1 dims, 2 data_type, 4 float_data, 8 name, 9 raw_data, 13/14 outside

to a fixed depth, which takes less than the package that also checks and runs them. A
length is compared with the bytes that are left before anything is taken, a tensor's
bytes with its shape, and the number of fields with a limit.
"""

import itertools
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from causal_jax.archives import RefusedError
from causal_jax.importers.file_errors import one_line_errors

MAX_BYTES = 2 << 30  # the format's own limit
MAX_FIELDS = 500_000  # of the file; U2-Net has 9,000
_MAX_AXES, _MAX_SIZE, _MAX_TEXT = 8, 1 << 31, 1000
_SHOWN = 60  # characters of a name in an error message
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # types of values
# Kinds of floating-point tensors; others are no weights and are left out.
_DTYPES = {1: np.dtype("<f4"), 10: np.dtype("<f2"), 11: np.dtype("<f8")}
_FLOAT = 1


class Node(NamedTuple):
    """An operation.

    Attributes:
      kind: as "Conv".
      name: of the node, which may be empty.
      inputs: names of what it reads; weights are among them.
      outputs: names of what it gives.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Graph(NamedTuple):
    """What a file holds.

    Attributes:
      nodes: the operations, in the order in which they run.
      arrays: {name: weights}, those of floating-point numbers.
    """

    nodes: tuple[Node, ...]
    arrays: dict[str, np.ndarray]


def read(path: str | os.PathLike) -> Graph:
    """Reads a file's operations and weights.

    Args:
      path: the file, with the weights in it.

    Raises:
      ValueError: no such file, a damaged one, or one that refers to other files.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}: give an .onnx file")
    with one_line_errors(path):
        if path.stat().st_size > MAX_BYTES:
            raise RefusedError(f"it is larger than {MAX_BYTES:,} bytes")
        return _graph(memoryview(path.read_bytes()))


def _graph(data: memoryview) -> Graph:
    count = itertools.count()
    graphs = [value for number, value in _fields(data, count) if number == 7]
    if len(graphs) != 1:
        raise ValueError("it has no graph" if not graphs else "it has two graphs")
    nodes: list[Node] = []
    arrays: dict[str, np.ndarray] = {}
    for number, value in _fields(_message(graphs[0]), count):
        if number == 1:
            nodes.append(_node(_message(value), count))
        elif number == 5:
            name, array = _tensor(_message(value), count)
            if name in arrays:
                raise RefusedError(f"it has two tensors {name[:_SHOWN]!r}")
            if array is not None:
                arrays[name] = array
    return Graph(nodes=tuple(nodes), arrays=arrays)


def _node(data: memoryview, count: Iterator[int]) -> Node:
    texts: dict[int, list[str]] = {1: [], 2: [], 3: [], 4: []}
    for number, value in _fields(data, count):
        if number in texts:
            texts[number].append(_text(value))
    return Node(
        kind="".join(texts[4][-1:]),
        name="".join(texts[3][-1:]),
        inputs=tuple(texts[1]),
        outputs=tuple(texts[2]),
    )


def _tensor(data: memoryview, count: Iterator[int]) -> tuple[str, np.ndarray | None]:
    """A tensor's name and numbers; None where they are no floating-point ones."""
    shape: list[int] = []
    name, kind, raw, floats, is_outside = "", 0, None, None, False
    for number, value in _fields(data, count):
        if number == 1:
            shape += _sizes(value)
        elif number == 2:
            kind = _number(value)
        elif number == 4:
            floats = _message(value)
        elif number == 8:
            name = _text(value)
        elif number == 9:
            raw = _message(value)
        is_outside |= number == 13 or (number == 14 and value != 0)
    if kind not in _DTYPES:
        return name, None
    if is_outside:
        raise RefusedError(
            f"tensor {name[:_SHOWN]!r} lies in another file: export it as one"
        )
    if raw is None and kind == _FLOAT:
        raw = floats
    return name, _array(name, shape, _DTYPES[kind], raw)


def _array(
    name: str, shape: list[int], dtype: np.dtype, raw: memoryview | None
) -> np.ndarray:
    raw = memoryview(b"") if raw is None else raw
    if len(shape) > _MAX_AXES or any(size > _MAX_SIZE for size in shape):
        raise RefusedError(f"tensor {name[:_SHOWN]!r} has no possible shape")
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise ValueError(
            f"tensor {name[:_SHOWN]!r} has other bytes than its shape needs"
        )
    return np.frombuffer(raw, dtype).reshape(shape)


# --- the encoding ---------------------------------------------------------------------


def _fields(
    data: memoryview, count: Iterator[int]
) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of a message: an integer, or the bytes of a value."""
    place = 0
    while place < len(data):
        if next(count) >= MAX_FIELDS:
            raise RefusedError(f"it has more than {MAX_FIELDS:,} fields")
        key, place = _varint(data, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, place = _varint(data, place)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"a field of the unknown type {kind}")
        if size > len(data) - place:
            raise ValueError("a field is longer than what it is in")
        yield key >> 3, data[place : place + size]
        place += size


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise ValueError("it ends in the middle of a number")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number has more than ten bytes")


def _sizes(value: int | memoryview) -> list[int]:
    """A size of a tensor, or several of them in one field."""
    if isinstance(value, int):
        return [value]
    found, place = [], 0
    while place < len(value):
        if len(found) > _MAX_AXES:
            raise RefusedError(f"a tensor has more than {_MAX_AXES} axes")
        size, place = _varint(value, place)
        found.append(size)
    return found


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number stands where a message belongs")
    return value


def _number(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise ValueError("a message stands where a number belongs")
    return value


def _text(value: int | memoryview) -> str:
    data = _message(value)
    if len(data) > _MAX_TEXT:
        raise RefusedError(f"a name has more than {_MAX_TEXT} bytes")
    return bytes(data).decode()
