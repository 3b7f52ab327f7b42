"""One process at a time trains in a run's folder.

The lock is the system's own (`flock`) on DIR/lock.json: it goes with the process that
holds it, however that ends, and so a dead one's lock is free. What the file says is for
people: whose it is. Over NFS (version 4) the server keeps it; where a file system has
no locks there is a warning and no lock.
"""

import contextlib
import json
import os
import platform
import secrets
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from causal_jax import files

try:
    import fcntl
except ImportError:  # a system without flock
    fcntl = None

NAME = "lock.json"
_PATIENCE = 2.0  # seconds; a holder writes its name milliseconds after it has the lock
_held_here: dict[Path, str] = {}  # {folder: run id}, of this process


@contextlib.contextmanager
def held(workdir: str | Path) -> Iterator[str]:
    """Holds a run's folder for this process; again inside the block is no second time.

    Yields:
      The run id, sixteen hex digits: of this call of the command, not of the folder.

    Raises:
      ValueError: another process has it; names the process and its host.
      OSError: the folder is full, gone or read-only.
    """
    folder = Path(workdir).resolve()
    if folder in _held_here:
        yield _held_here[folder]
        return
    run_id = secrets.token_hex(8)
    with files.named_in_errors(workdir):
        folder.mkdir(parents=True, exist_ok=True)
        file = _locked(folder, workdir)
        _sign(file, run_id)
    _held_here[folder] = run_id
    try:
        yield run_id
    finally:
        del _held_here[folder]
        with contextlib.suppress(OSError):
            (folder / NAME).unlink()  # before the lock goes: see `_is_the_file`
        file.close()


def require_free(workdir: str | Path) -> None:
    """Raises ValueError where another process holds a folder; writes nothing."""
    folder = Path(workdir).resolve()
    if folder not in _held_here and (folder / NAME).is_file():
        with files.named_in_errors(workdir):
            _locked(folder, workdir).close()


def _locked(folder: Path, workdir: str | Path) -> IO:
    """The lock's file, open and locked.

    A holder that ends takes the file's name away: who has locked a file without a name,
    or of another file's, begins again.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        file = (folder / NAME).open("a+", encoding="utf-8")
        if _try_lock(file, workdir) and _is_the_file(file, folder / NAME):
            return file
        owner = _read_owner(file)
        file.close()
        if _is_alive(owner) or time.monotonic() > until:
            raise ValueError(
                f"{workdir} is in use by process {owner.get('process', '?')} on "
                f"{owner.get('host', '?')} (since {owner.get('since', '?')}): wait "
                "for it, end it, or choose another --workdir"
            )
        time.sleep(0.02)


def _try_lock(file: IO, workdir: str | Path) -> bool:
    try:
        if fcntl is None:
            raise OSError("no flock")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        warnings.warn(
            f"{workdir} lies where files cannot be locked: two trainings there would "
            "not notice each other",
            stacklevel=5,
        )
    return True


def _is_the_file(file: IO, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _sign(file: IO, run_id: str) -> None:
    owner = {
        "run": run_id,
        "process": os.getpid(),
        "host": platform.node(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    file.truncate(0)
    file.write(json.dumps(owner) + "\n")
    file.flush()


def _read_owner(file: IO) -> dict[str, Any]:
    file.seek(0)
    try:
        owner = json.loads(file.read())
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}


def _is_alive(owner: dict[str, Any]) -> bool:
    """Whether what the file says can be its holder; a dead one's name is old."""
    process = owner.get("process")
    if not isinstance(process, int) or owner.get("host") != platform.node():
        return isinstance(process, int)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
