""".onnx files that somebody prepared, and the encoding that they are written in."""

import functools

import numpy as np

from tests.hostile.writing import Kinds, registered

KINDS: Kinds = {}
_kind = functools.partial(registered, KINDS, ending=".onnx")
FLOAT, HALF, DOUBLE, INT64 = 1, 10, 11, 7
KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)
_MANY = 600_000  # fields, more than the reader's limit


def varint(value: int) -> bytes:
    """A number in groups of seven bits."""
    found = b""
    while value > 0x7F:
        found, value = found + bytes([value & 0x7F | 0x80]), value >> 7
    return found + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    """A field of a message: a number, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, array, *, kind=FLOAT, packed=False, extra=b"") -> bytes:
    """A TensorProto; `packed` is the other way to write its sizes and numbers."""
    sizes = b"".join(map(varint, array.shape))
    dims = field(1, sizes) if packed else b"".join(field(1, n) for n in array.shape)
    data = field(4 if packed else 9, array.tobytes())
    return dims + field(2, kind) + field(8, name.encode()) + data + extra


def node(kind, *inputs, output="y") -> bytes:
    """A NodeProto."""
    names = b"".join(field(1, name.encode()) for name in inputs)
    return names + field(2, output.encode()) + field(3, b"n") + field(4, kind.encode())


def model(*, nodes=(), tensors=()) -> bytes:
    """A ModelProto."""
    graph = b"".join(field(1, n) for n in nodes) + field(2, b"graph")
    graph += b"".join(field(5, t) for t in tensors)
    return field(1, 6) + field(2, b"pytorch") + field(7, graph)


# --- the files ------------------------------------------------------------------------


@_kind("onnx, field announced as 2^62 bytes")
def _() -> bytes:
    return varint(7 << 3 | 2) + varint(1 << 62)


@_kind("onnx, as many nodes as the limit lets through")
def _() -> bytes:
    return field(7, field(1, b"") * _MANY)


@_kind("onnx, as many names as the limit lets through")
def _() -> bytes:
    return field(7, field(1, field(1, b"name") * _MANY))


@_kind("onnx, as many tensors as the limit lets through")
def _() -> bytes:
    tensors = (tensor(f"{i:06}", np.float32(0)) for i in range(_MANY // 4))
    return model(tensors=tensors)


@_kind("onnx, shape whose product overflows")
def _() -> bytes:
    sizes = field(1, 1 << 31) * 3
    return model(tensors=[tensor("w", KERNEL, extra=sizes)])


@_kind("onnx, shape of 2^60 and bytes of six numbers")
def _() -> bytes:
    return model(tensors=[tensor("w", KERNEL, extra=field(1, 1 << 60))])


@_kind("onnx, tensor that lies in another file")
def _() -> bytes:
    place = field(13, field(1, b"location") + field(2, b"/etc/passwd"))
    return model(tensors=[tensor("w", KERNEL, extra=place + field(14, 1))])


@_kind("onnx, cut in the middle of a tensor")
def _() -> bytes:
    return model(tensors=[tensor("w", KERNEL)])[:-5]
