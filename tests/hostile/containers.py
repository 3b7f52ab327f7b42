"""Archives, streams, .safetensors and .npz that somebody prepared."""

import functools
import io
import json
import struct
import zipfile
import zlib

import numpy as np

from tests.hostile.opcodes import (
    called,
    integer,
    program,
    state,
    tensor,
    text,
)
from tests.hostile.writing import FLOATS, Kinds, archive, registered

KINDS: Kinds = {}
_kind = functools.partial(registered, KINDS)
_LARGE = 300 << 20  # bytes that a bomb unpacks to: more than the memory allowed
_MAGIC = 0x1950A86A20F9469CFC6C

# --- archives -------------------------------------------------------------------------

_WHOLE = state(a=tensor("7", [6], [1]))


@_kind("zip bomb as a storage")
def _() -> bytes:
    large = state(a=tensor("7", [_LARGE // 4], [1], num=_LARGE // 4))
    members = {"archive/data/7": bytes(_LARGE)}
    return archive(large, members, compression=zipfile.ZIP_DEFLATED)


@_kind("zip bomb as the pickle")
def _() -> bytes:
    return archive(bytes(_LARGE), compression=zipfile.ZIP_DEFLATED)


@_kind("memory bomb of 4,000 windows on one storage")
def _() -> bytes:
    num = 1 << 18
    windows = {f"w{i}": tensor("7", [num - i], [1], num=num) for i in range(4000)}
    return archive(state(**windows), {"archive/data/7": bytes(4 * num)})


@_kind("zip slip: a member of ../")
def _() -> bytes:
    members = {"archive/data/7": FLOATS, "archive/../../evil.py": b"x"}
    return archive(_WHOLE, members)


@_kind("zip slip: a member of /etc")
def _() -> bytes:
    return archive(_WHOLE, {"archive/data/7": FLOATS, "/etc/cron.d/evil": b"x"})


@_kind("zip slip by backslashes")
def _() -> bytes:
    return archive(_WHOLE, {"archive/data/7": FLOATS, "archive\\..\\evil": b"x"})


@_kind("two members of one name")
def _() -> bytes:
    double = archive(_WHOLE, {"archive/data/7": FLOATS, "archive/data/8": FLOATS})
    return double.replace(b"archive/data/8", b"archive/data/7")


@_kind("list of 400,000 members")
def _() -> bytes:
    entry = b"PK\1\2" + bytes(24) + struct.pack("<H", 1) + bytes(16) + b"a"
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, 47 * 400_000, 4, 0)
    return b"PK\3\4" + entry * 400_000 + end


@_kind("members that overlap")
def _() -> bytes:
    """Every entry of the list leads to the same megabyte."""
    names = {f"archive/data/{i}": b"" for i in range(300)}
    data = bytearray(archive(_WHOLE, {**names, "archive/data/7": bytes(1 << 20)}))
    start = at = data.index(b"PK\1\2")
    while (at := data.find(b"PK\1\2", at)) >= start:
        data[at + 20 : at + 28] = struct.pack("<2I", 1 << 20, 1 << 20)
        at += 46
    return bytes(data)


@_kind("encrypted members")
def _() -> bytes:
    data = bytearray(archive(_WHOLE))
    at = data.index(b"PK\1\2")
    data[at + 8] |= 1
    return bytes(data)


@_kind("archive cut in the middle")
def _() -> bytes:
    return archive(_WHOLE)[:-40]


@_kind("storage with a wrong checksum")
def _() -> bytes:
    data = archive(_WHOLE)
    return data.replace(FLOATS, FLOATS[::-1])


@_kind("big-endian archive")
def _() -> bytes:
    return archive(_WHOLE, {"archive/data/7": FLOATS, "archive/byteorder": b"big"})


@_kind("archive with two pickles")
def _() -> bytes:
    return archive(_WHOLE, {"archive/data/7": FLOATS, "other/data.pkl": _WHOLE})


# --- the format before PyTorch 1.6 ----------------------------------------------------


def stream(pickled: bytes, *, num: int = 6, data: bytes = FLOATS) -> bytes:
    head = program(b"\x8a\x0a" + _MAGIC.to_bytes(10, "little"))
    head += program(integer(1001)) + program(b"}" + text("little_endian") + b"\x88s")
    keys = program(b"](" + text("7") + b"e")
    return head + pickled + keys + num.to_bytes(8, "little") + data


_kind("legacy format that was not asked for")(lambda: stream(_WHOLE))
_kind("legacy format that calls os.system")(
    lambda: stream(program(called("os", "system", text("true"))))
)
_kind("legacy format with a storage of 4 GiB")(
    lambda: stream(state(a=tensor("7", [2**30], [1], num=2**30)), num=2**30)
)
_kind("legacy format cut in the middle")(lambda: stream(_WHOLE)[:-9])
_kind("legacy format whose storages have other lengths")(lambda: stream(_WHOLE, num=5))


# --- safetensors ----------------------------------------------------------------------


def _safetensors(header: bytes | dict, data: bytes = FLOATS) -> bytes:
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(header).to_bytes(8, "little") + header + data


def _described(**changes) -> dict:
    return {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]} | changes


def _headers(**by_name: bytes | dict) -> None:
    for name, header in by_name.items():
        _kind("safetensors, " + name.replace("_", " "), ".safetensors")(
            lambda header=header: _safetensors(header)
        )


_headers(
    tensor_beyond_the_end={"a": _described(data_offsets=[0, 2400], shape=[600])},
    overlapping_tensors={"a": _described(), "b": _described()},
    gap_that_hides_bytes={"a": _described(shape=[5], data_offsets=[4, 24])},
    negative_offset={"a": _described(data_offsets=[-24, 0])},
    shape_whose_product_overflows={"a": _described(shape=[2**33, 2**33])},
    shape_of_fractions={"a": _described(shape=[6.0])},
    unknown_dtype={"a": _described(dtype="O")},
    name_that_comes_twice=b'{"a":1,"a":2}',
    deep_nesting=b'{"a":' + b"[" * 1_000_000,
    number_of_a_million_digits=b'{"a":' + b"9" * 1_000_000 + b"}",
    header_that_is_a_list=b"[]",
)


@_kind("safetensors, header announced as 2^63 bytes", ".safetensors")
def _() -> bytes:
    return (2**63).to_bytes(8, "little") + b"{}"


@_kind("safetensors, header of 60 MB", ".safetensors")
def _() -> bytes:
    return _safetensors(b"{" + b'"a":{},' * (60 << 17) + b"}")


@_kind(
    "safetensors, as many tensors as the header's limit lets through", ".safetensors"
)
def _() -> bytes:
    empty = {
        f"{i:05}": _described(shape=[0], data_offsets=[0, 0]) for i in range(99_999)
    }
    return _safetensors(json.dumps(empty).encode())


@_kind("safetensors, cut in the middle", ".safetensors")
def _() -> bytes:
    return _safetensors({"a": _described()})[:-5]


# --- .npz -----------------------------------------------------------------------------


def _npz(data: bytes) -> bytes:
    return archive(b"", {"VGG16_0/Conv_0/kernel.npy": data}, compression=8)


@_kind("npz, zip bomb", ".npz")
def _() -> bytes:
    return _npz(bytes(_LARGE))


@_kind("npz, header that announces 2^60 numbers", ".npz")
def _() -> bytes:
    file = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (2**60,)}
    np.lib.format.write_array_header_1_0(file, header)
    return _npz(file.getvalue() + FLOATS)


@_kind("npz, objects of a pickle", ".npz")
def _() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{}], object), allow_pickle=True)
    return _npz(file.getvalue())


@_kind("npz, damaged stream", ".npz")
def _() -> bytes:
    data = bytearray(_npz(zlib.crc32(b"").to_bytes(4, "little") * 99))
    data[70:80] = bytes(10)
    return bytes(data)
