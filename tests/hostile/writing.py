"""What writes a hostile file of a name."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

FLOATS = np.arange(6, dtype=np.float32).tobytes()
Kinds = dict[str, Callable[[Path], Path]]


def registered(kinds: Kinds, name: str, ending: str = ".pth") -> Callable:
    """Adds a kind; the function below it returns the file's bytes."""

    def register(bytes_fn: Callable[[], bytes]) -> Callable:
        def write(folder: Path) -> Path:
            path = folder / f"hostile{ending}"
            path.write_bytes(bytes_fn())
            return path

        kinds[name] = write
        return bytes_fn

    return register


def archive(pickled: bytes, members: dict[str, bytes] | None = None, **settings):
    """A zip archive as `torch.save` writes it, or nearly."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **settings) as found:
        found.writestr("archive/data.pkl", pickled)
        for name, data in (members or {"archive/data/7": FLOATS}).items():
            found.writestr(name, data)
    return file.getvalue()
