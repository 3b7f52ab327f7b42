"""Files: written whole or not at all, and read so that what is wrong is named.

Everything that the library writes under a name of its own choosing goes through
`whole`: the text lies under a name that nobody can foresee until it is complete and on
the disk, and then takes its place in one move. A process that is killed leaves the file
as it was, and at most an unfinished one beside it (`remove_unfinished`).
"""

import contextlib
import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

UNFINISHED = ".partial"  # the ending of what is not complete

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}


@contextlib.contextmanager
def whole(path: str | os.PathLike, mode: str = "w", **options: Any) -> Iterator[IO]:
    """A file to write, which takes the place of `path` when the block ends.

    Where the block raises, `path` is left as it was. The folder is made if missing.

    Args:
      path: of the file; a link there is replaced, and what it points to left alone.
      mode: "w" for text (UTF-8), "wb" for bytes.
      **options: as `open` takes them.

    Raises:
      OSError: the folder cannot be written; one line that names it.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "note.txt")
    >>> with whole(path) as file:
    ...     _ = file.write("all of it")
    >>> path.read_text()
    'all of it'
    """
    path = Path(path)
    if "b" not in mode:
        options = {"encoding": "utf-8", **options}
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}{UNFINISHED}")
    with named_in_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # "x": it is made here and now, so that no link of that name is followed.
            with unfinished.open(mode.replace("w", "x"), **options) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
            sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike) -> Iterator[Path]:
    """A new folder to fill, which takes the name `path` when the block ends.

    Where the block raises, nothing is left. Folders above are made if missing.

    Args:
      path: of the folder, which must not be there.

    Raises:
      ValueError: it is there already.
      OSError: it cannot be written; one line that names the folder above.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "made")
    >>> with whole_folder(path) as folder:
    ...     _ = (folder / "note.txt").write_text("all of it")
    >>> [file.name for file in path.iterdir()]
    ['note.txt']
    """
    path = Path(path)
    if path.exists() or path.is_symlink():
        raise ValueError(f"{path} is there already: name another folder or remove it")
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}{UNFINISHED}")
    with named_in_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir()
    try:
        yield unfinished
        with named_in_errors(path.parent):
            unfinished.rename(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file whole or not at all."""
    with whole(path) as file:
        file.write(text)


def require_room(folder: str | os.PathLike, num_bytes: int) -> None:
    """Checks that files of so many bytes can be written in a folder, now.

    Raises:
      OSError: there is no room left, or the folder is gone or read-only.
    """
    with named_in_errors(folder):
        probe = Path(folder) / f".probe.{secrets.token_hex(8)}{UNFINISHED}"
        try:
            with probe.open("xb") as file:
                file.write(bytes(4096))
            if hasattr(os, "statvfs"):
                found = os.statvfs(folder)
                if found.f_bavail * found.f_frsize < num_bytes:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            probe.unlink(missing_ok=True)


def require_no_folder(out: str | os.PathLike) -> None:
    """Raises ValueError where a file that is to be written is a folder."""
    if Path(out).is_dir():
        raise ValueError(f"{out} is a folder: name a file")


def sync_folder(folder: str | os.PathLike) -> None:
    """Puts a folder's names on the disk; nothing where the system cannot do it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_unfinished(folder: str | os.PathLike) -> None:
    """Removes what killed writers have left in a folder; nobody may write there now."""
    for path in Path(folder).glob(f".*{UNFINISHED}"):
        if is_unfinished(path) and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif is_unfinished(path):
            path.unlink(missing_ok=True)


def is_unfinished(path: Path) -> bool:
    """Whether a file is one that `whole` has not completed."""
    name, dot, token = path.name.removesuffix(UNFINISHED).rpartition(".")
    is_token = len(token) == 16 and set(token) <= set("0123456789abcdef")
    return path.name.startswith(".") and path.suffix == UNFINISHED and is_token


@contextlib.contextmanager
def named_in_errors(folder: str | os.PathLike) -> Iterator[None]:
    """Makes one line of what the system says of a folder, with a way out.

    Raises:
      OSError: the folder is full, gone or read-only.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:  # it is named already
            raise
        raise OSError(_said_of(folder, error)) from error


def _said_of(folder: str | os.PathLike, error: OSError) -> str:
    reason = os.strerror(error.errno or 0)
    if error.errno == errno.EISDIR:
        path = error.filename2 or error.filename or folder
        return f"{path} is a folder, and has to be a file: move it away"
    if error.errno in _FULL:
        return f"{folder} has no room left ({reason}): make some and run this again"
    if error.errno in _GONE:
        return f"{folder} is gone or was moved ({reason}): bring it back and run again"
    return f"{folder} cannot be written ({reason}): mend that or choose another folder"


# --- reading --------------------------------------------------------------------------


def read_json(path: str | os.PathLike, *, way_out: str) -> dict[str, Any]:
    """What a JSON file of one object holds.

    Raises:
      ValueError: it is missing or damaged, and how; ends in the way out.

    >>> read_json("nowhere.json", way_out="make one")
    Traceback (most recent call last):
    ValueError: nowhere.json is missing: make one
    """
    try:
        found = json.loads(Path(path).read_bytes().decode("utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing: {way_out}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, kind_of_damage(error), way_out=way_out) from error
    if not isinstance(found, dict):
        kind = f"it holds {_KINDS.get(type(found), 'a number')}, not an object"
        raise damaged(path, kind, way_out=way_out)
    return found


_KINDS = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}


def damaged(path: str | os.PathLike, kind: str, *, way_out: str) -> ValueError:
    """The error that names a damaged file, its damage and the way out."""
    return ValueError(f"{path} is damaged ({kind}): {way_out}")


def kind_of_damage(error: Exception) -> str:
    """What was wrong with a text that could not be read as JSON, in a few words."""
    if isinstance(error, UnicodeDecodeError):
        return f"no UTF-8 text from byte {error.start} on"
    if isinstance(error, json.JSONDecodeError):
        if not error.doc.strip():
            return "it is empty"
        return f"no JSON from line {error.lineno}, column {error.colno} on"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, OSError):
        return os.strerror(error.errno or 0)
    return " ".join(str(error).split())
