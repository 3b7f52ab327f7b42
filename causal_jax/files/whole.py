"""Files that appear whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

_NEW_FILE = 0o666  # what `open` gives a new file, less the user's mask


@contextlib.contextmanager
def written(path: str | os.PathLike, mode: str = "w", **settings) -> Iterator[IO[Any]]:
    """Opens a new file that takes the place of `path` when the block ends well.

    The file is made beside `path` under a name that nobody can know before (a link put
    there would be followed otherwise), and is gone if the block fails.

    Args:
      path: the file to write; its folder exists.
      mode: "w" or "wb".
      **settings: as of `open`; text is UTF-8 unless they say otherwise.

    Example:
      >>> folder = Path(tempfile.mkdtemp())
      >>> with written(folder / "a.txt") as file:
      ...     _ = file.write("whole")
      >>> [file.name for file in folder.iterdir()]
      ['a.txt']
    """
    path = Path(path)
    settings = settings if "b" in mode else {"encoding": "utf-8"} | settings
    number, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with open(number, mode, **settings) as file:  # noqa: PTH123 (a descriptor)
            yield file
            file.flush()
            _open_to_others(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _open_to_others(number: int) -> None:
    """Gives a file the rights of any new one: mkstemp's are the user's alone."""
    if not hasattr(os, "fchmod"):
        return
    mask = os.umask(0o077)
    os.umask(mask)
    os.fchmod(number, _NEW_FILE & ~mask)
