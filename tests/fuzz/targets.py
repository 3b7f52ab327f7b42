"""What is fuzzed: readers of strangers' text and files, and what they may answer.

A target takes bytes and returns quietly for a right result and for a clean refusal: a
ValueError of one line that names what it is about. Anything else is a finding.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from causal_jax import graph
from causal_jax.data import images, networks, tables, user_images
from causal_jax.importers import onnx_file, weight_file
from tests.hostile.writing import archive

_FOLDER = tempfile.TemporaryDirectory()  # gone when the process ends
MAX_MESSAGE = 2000  # characters; a line that nobody reads is no better than many


class UncleanError(AssertionError):
    """An answer that is neither a result nor a clean refusal."""


def clean(call_fn: Callable[[], object], *named: str) -> object:
    """Calls it; None for a clean refusal.

    Args:
      call_fn: what is tried.
      *named: words, one of which a refusal holds: the file, the argument.

    Raises:
      UncleanError: another error, several lines, or a line that names nothing.
    """
    try:
        return call_fn()
    except ValueError as error:
        text = str(error)
        if not text or len(text.splitlines()) != 1 or len(text) > MAX_MESSAGE:
            raise UncleanError(f"no line: {text[:MAX_MESSAGE]!r}") from error
        if named and not any(word in text for word in named):
            raise UncleanError(f"none of {named} is named: {text!r}") from error
    except Exception as error:
        raise UncleanError(f"{type(error).__name__}: {error!s:.300}") from error
    return None


def file_of(data: bytes, name: str) -> Path:
    """A file with these bytes; the next call of the same name overwrites it."""
    path = Path(_FOLDER.name, name)
    path.write_bytes(data)
    return path


def edge_text(data: bytes) -> None:
    """Graph text, told by how it begins."""
    text = data.decode("utf-8", "replace")
    clean(lambda: graph.from_text(text), "graph", "text", "node", "entry", "parent")


def graph_file(data: bytes) -> None:
    """A file of graph text."""
    path = file_of(data, "graph.txt")
    clean(lambda: graph.read(path), "graph.txt")


def dot(data: bytes) -> None:
    """DOT and dagitty's text; the words before the brace are given."""
    for head in ("digraph {", "dag {"):
        text = head + data.decode("utf-8", "replace")
        clean(lambda text=text: graph.from_dot(text), "DOT", "node", "graph")


def bif(data: bytes) -> None:
    """A Bayesian network."""
    path = file_of(data, "network.bif")
    clean(lambda: networks.read_bif(path), "network.bif")


def table(data: bytes) -> None:
    """A table; what can be read is written and read back the same."""
    path = file_of(data, "table.csv")
    found = clean(lambda: tables.read_csv(path, quiet=True), "table.csv")
    if found is not None:
        tables.write_csv(path, found)
        states = dict(found.states)
        again = tables.read_csv(path, columns=found.names, states=states, quiet=True)
        if (again.values != found.values).any() or again.states != found.states:
            raise UncleanError("a table is not read back as it was written")


def weights(data: bytes) -> None:
    """A weight file of torch.save, either format."""
    path = file_of(data, "weights.pth")
    clean(lambda: weight_file.read(path, legacy=True), "weights.pth")


def pickled(data: bytes) -> None:
    """The pickle of a weight file, whose archive is whole."""
    path = file_of(archive(data), "weights.pth")
    clean(lambda: weight_file.read(path), "weights.pth")


def safetensors(data: bytes) -> None:
    """A .safetensors file; the header's length is put before it."""
    length = len(data).to_bytes(8, "little")
    for content in (data, length + data):
        path = file_of(content, "weights.safetensors")
        clean(lambda path=path: weight_file.read(path), "weights.safetensors")


def onnx(data: bytes) -> None:
    """An .onnx file."""
    path = file_of(data, "weights.onnx")
    clean(lambda: onnx_file.read(path), "weights.onnx")


def picture(data: bytes) -> None:
    """An encoded picture, and arrays of pictures."""
    clean(lambda: images.decode(data, size=8), "picture", "pixels")
    for name in ("picture.png", "picture.npy", "picture.npz"):
        path = file_of(data, name)
        clean(lambda path=path: user_images.read(path, size=8), path.name)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "edge_text": edge_text,
    "graph_file": graph_file,
    "dot": dot,
    "bif": bif,
    "table": table,
    "weights": weights,
    "pickled": pickled,
    "safetensors": safetensors,
    "onnx": onnx,
    "picture": picture,
}
