"""Archives and packed files, read with a limit on what they unpack to.

A kilobyte can unpack to a gigabyte, an archive can list a million members in a few
megabytes, and a header can announce more numbers than there are. Here sizes are
compared with a limit before memory is taken, and what is wrong is said with the file's
name. Nothing is ever written to the disk, so that no member can leave a folder; names
that would are refused all the same.
"""

import gzip
import io
import math
import os
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

MAX_DIRECTORY = 2 << 20  # bytes of the list of an archive's members: some 20,000
MAX_UNPACKED = 1 << 30  # bytes of a text or of arrays, where a reader says no less
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_SHOWN = 60  # characters of a member's name in an error message


class RefusedError(ValueError):
    """More, or something else, than a file of its kind ever holds; not a damage."""


class _GuardedFile(io.BufferedReader):
    """A file from which no long list of an archive's members is read.

    `zipfile` makes an object of about a kilobyte of every entry, 46 bytes, of that
    list.
    """

    def __init__(self, path: Path, max_directory: int):
        super().__init__(io.FileIO(path))
        self.max_directory: int | None = max_directory
        self._num_bytes = path.stat().st_size

    def read(self, size: int | None = -1) -> bytes:
        limit = self.max_directory
        if limit is not None:
            rest = self._num_bytes - self.tell()
            if (rest if size is None or size < 0 else size) > limit:
                raise RefusedError(
                    f"the list of its members is longer than {limit:,} bytes"
                )
        return super().read(size)


class _GuardedZip(zipfile.ZipFile):
    """An archive that closes its file."""

    def __init__(self, file: _GuardedFile):
        self._guarded = file
        super().__init__(file)

    def close(self) -> None:
        super().close()
        self._guarded.close()


def open_zip(
    path: str | os.PathLike, *, max_directory: int = MAX_DIRECTORY
) -> zipfile.ZipFile:
    """Opens a zip archive whose list of members is short and stays inside it.

    Args:
      path: the archive.
      max_directory: bytes of the list of its members, about 70 each.

    Raises:
      RefusedError: too long a list, a name that leaves the folder, or two equal names.
      zipfile.BadZipFile: it is damaged.
    """
    file = _GuardedFile(Path(path), max_directory)
    try:
        archive = _GuardedZip(file)
        file.max_directory = None
        _require_names(archive)
    except BaseException:
        file.close()
        raise
    return archive


def leads_out(name: str) -> bool:
    """Whether a member's name is a place outside of the archive's folder.

    >>> leads_out("params/0.npy"), leads_out("../0.npy")
    (False, True)
    """
    return ".." in name.split("/") or name.startswith("/") or "\\" in name


def _require_names(archive: zipfile.ZipFile) -> None:
    seen = set()
    for name in (info.filename for info in archive.infolist()):
        if leads_out(name):
            shown = name[:_SHOWN]
            raise RefusedError(f"a member leaves the archive's folder, {shown!r}")
        if name in seen:
            raise RefusedError(f"it has two members {name[:_SHOWN]!r}")
        seen.add(name)


def read_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, *, limit: int
) -> bytearray:
    """A member's bytes, in memory of their own; its checksum is compared.

    Raises:
      RefusedError: it is larger than `limit`.
      ValueError: it is not as long as the list says.
    """
    if info.file_size > limit:
        raise RefusedError(
            f"member {info.filename[:_SHOWN]!r} is of {info.file_size:,} bytes, more "
            f"than {limit:,}"
        )
    with archive.open(info) as member:
        data = bytearray()
        while chunk := member.read(_CHUNK):
            data += chunk
            if len(data) > info.file_size:
                break
    if len(data) != info.file_size:
        raise ValueError(f"member {info.filename[:_SHOWN]!r} is cut off or too long")
    return data


def unpacked(path: Path, data: bytes, *, limit: int = MAX_UNPACKED) -> bytes:
    """What gzip packed, or the data themselves where it did not.

    Raises:
      ValueError: they are damaged, or unpack to more than `limit` bytes.
    """
    if not data.startswith(_GZIP):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            found = file.read(limit + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{path} is truncated or damaged: unpacking it fails ({error}); fetch it "
            "again"
        ) from error
    if len(found) > limit:
        raise RefusedError(f"{path} unpacks to more than {limit:,} bytes: refused")
    return found


def read_arrays(
    path: str | os.PathLike,
    *,
    names: Collection[str] | None = None,
    limit: int = MAX_UNPACKED,
) -> dict[str, np.ndarray]:
    """The arrays of an .npz; no pickle is read.

    Args:
      path: the file.
      names: which arrays; None reads all, and those that are not there are left out.
      limit: bytes of all of them together.

    Raises:
      ValueError: it is damaged, or holds more than `limit` bytes; without its name.
    """
    found: dict[str, np.ndarray] = {}
    try:
        with open_zip(path) as archive:
            members = {i.filename.removesuffix(".npy"): i for i in archive.infolist()}
            kept = [name for name in members if names is None or name in names]
            if sum(members[name].file_size for name in kept) > limit:
                raise RefusedError(f"it unpacks to more than {limit:,} bytes")
            for name in kept:
                found[name] = array_of(read_member(archive, members[name], limit=limit))
    except (ValueError, FileNotFoundError):
        raise
    except Exception as error:  # of an archive cut or made up: any class
        raise ValueError(str(error) or type(error).__name__) from error
    return found


def array_of(data: bytes | bytearray) -> np.ndarray:
    """The array of an .npy file's bytes, whose header is compared with their number.

    Raises:
      ValueError: no .npy, or one that is damaged or holds objects.
    """
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"it is an .npy of version {version}, which is unknown")
    shape, in_columns, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("it holds objects of Python")
    num = math.prod(shape)
    if min(shape, default=0) < 0 or num * dtype.itemsize != len(data) - file.tell():
        raise ValueError("its header announces another number of values than it has")
    values = np.frombuffer(data, dtype, num, file.tell())
    return values.reshape(shape, order="F" if in_columns else "C").copy(order="K")


_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
