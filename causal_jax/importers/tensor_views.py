"""Tensors of a weight file before they are read: views, checked against their bytes.

A view says where in a storage its numbers lie: an offset, a size and a stride along
each axis, in numbers. Nothing of a file reaches numpy before all of it lies inside the
storage, and the storage inside the file.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from causal_jax.archives import RefusedError

MAX_AXES = 16
_MAX_NUMBER = 1 << 40  # of sizes, strides, offsets and lengths

DTYPES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


@dataclasses.dataclass(frozen=True)
class Storage:
    """Raw numbers of a file, not read yet.

    Attributes:
      key: the name that the file has for them.
      dtype: little-endian.
      num: how many there are.
    """

    key: str
    dtype: np.dtype
    num: int

    @property
    def num_bytes(self) -> int:
        """How many bytes they take."""
        return self.num * self.dtype.itemsize


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A view of a storage that was checked to lie inside it.

    Attributes:
      storage: where its numbers are.
      offset: the first one's place.
      size: numbers along each axis.
      stride: how many places apart they are, along each axis.
    """

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def num(self) -> int:
        """How many numbers it has."""
        return math.prod(self.size)

    def array(self, data: bytearray, *, alone: bool) -> np.ndarray:
        """Its numbers, of the storage's bytes.

        Args:
          data: the storage's bytes.
          alone: whether no other tensor has this storage, so that a copy is needless.
        """
        dtype = self.storage.dtype
        if not self.num:
            return np.zeros(self.size, dtype)
        start = dtype.itemsize * self.offset
        strides = tuple(dtype.itemsize * step for step in self.stride)
        if dtype == np.bool_:  # a byte may hold more than 0 and 1
            return np.ndarray(self.size, np.uint8, data, start, strides) != 0
        # numpy checks once more that the view is inside of `data`.
        view = np.ndarray(self.size, dtype, data, start, strides)
        is_all = alone and self.num == self.storage.num and view.flags.c_contiguous
        return view if is_all else view.copy()


def storage_of(reference: Any) -> Storage:
    """A storage: ("storage", type, key, device, number of elements, ...)."""
    if type(reference) is not tuple or len(reference) < 5:
        raise RefusedError("it refers to what is no storage")
    kind, dtype, key, _, num, *view = reference
    if kind != "storage" or not isinstance(dtype, np.dtype) or type(key) is not str:
        raise RefusedError("it refers to what is no storage")
    if any(part is not None for part in view):
        raise RefusedError("its storages are parts of others: save it again")
    (num,) = _numbers((num,), "a storage's length")
    return Storage(key=key, dtype=dtype, num=num)


def tensor_of(arguments: tuple) -> Tensor:
    """`torch._utils._rebuild_tensor` and its second version, checked."""
    if len(arguments) < 4 or type(arguments[0]) is not Storage:
        raise RefusedError("a tensor has no storage")
    storage, offset, size, stride, *_ = arguments
    (offset,) = _numbers((offset,), "a tensor's offset")
    size, stride = _numbers(size, "a tensor's size"), _numbers(stride, "its stride")
    if len(size) != len(stride):
        raise ValueError("a tensor's size and stride do not fit")
    num = math.prod(size)
    reach = 1 + offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if num and (reach > storage.num or num > storage.num):
        raise RefusedError("a tensor reaches beyond its storage")
    return Tensor(storage=storage, offset=offset, size=size, stride=stride)


def _numbers(values: Any, what: str) -> tuple[int, ...]:
    if type(values) not in (tuple, list) or len(values) > MAX_AXES:
        raise RefusedError(f"{what} is no tuple of at most {MAX_AXES} numbers")
    for value in values:
        if type(value) is not int or not 0 <= value <= _MAX_NUMBER:
            raise RefusedError(f"{what} is no number from 0 to {_MAX_NUMBER:,}")
    return tuple(values)
