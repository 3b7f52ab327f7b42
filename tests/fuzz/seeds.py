"""Inputs to begin with: small files that are right, and prepared ones."""

import io
import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from tests.hostile import onnx_files
from tests.hostile.containers import stream
from tests.hostile.kinds import KINDS
from tests.hostile.opcodes import state, tensor
from tests.hostile.writing import archive

_TESTS = Path(__file__).resolve().parents[1]
_LARGEST = 4096  # bytes: larger seeds make every step slow
_EDGES = (
    "A -> B ; B -> C",
    'A, "b c" -> D -> E # and so on\nF\n"x ""y""" <- G',
    "[['A', []], ['B', ['A']]]",
    'graph [ directed 1 node [ id 0 label "A" ] node [ id 1 label "B" ] '
    "edge [ source 0 target 1 ] ]",
    "digraph { A -> {B C} }",
)
_DOTS = (
    ' A -> B; subgraph cluster_1 { C; D } C -> {E F} [label="x"] }',
    ' "a b":n -> B [dir=forward] /* c */ ; node [shape=box] B <- C }',
    " A <-> B }",
    " A -- B }",
)
_TABLES = (
    b"a,b\n0,x\n1,y\n0,y\n",
    b'a;"b;c"\n1;2\n2;1\n',
    b"# note\na\tb\n1.0\tyes\n01\tno\n",
    b'"a" "b"\n"1" 0 "x"\n"2" 1 "y"\n',
    "a,é\n(0,1],x\n(1,2],y\n".encode("cp1252"),
    "a,b\n1,2\n2,1\n".encode("utf-16"),
)


def of(name: str) -> list[bytes]:
    """The seeds of a target."""
    return _SEEDS[name]()


def _files(*patterns: str) -> list[bytes]:
    paths = [path for pattern in patterns for path in sorted(_TESTS.glob(pattern))]
    return [p.read_bytes() for p in paths if p.stat().st_size <= _LARGEST]


def _hostile(ending: str) -> list[bytes]:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, write in KINDS.items():
            if (
                "as many" in name
                or "bomb" in name
                or "million" in name
                or "000" in name
            ):
                continue
            path = write(Path(folder))
            if path.suffix == ending and path.stat().st_size <= _LARGEST:
                found.append(path.read_bytes())
    return found


_WHOLE = state(a=tensor("7", [2, 3], [3, 1]), b=tensor("7", [2], [1], offset=1))


def _weights() -> list[bytes]:
    return [archive(_WHOLE), stream(_WHOLE), *_hostile(".pth")]


def _pickles() -> list[bytes]:
    """Those of the hostile archives."""
    found = [_WHOLE]
    for data in _hostile(".pth"):
        start = data.find(b"\x80\x02")
        found += [data[start : data.find(b"PK", start)]] * (start > 0)
    return found


def _safetensors() -> list[bytes]:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"a": entry, "__metadata__": {"format": "pt"}}).encode()
    return [header, len(header).to_bytes(8, "little") + header + bytes(4)]


def _onnx() -> list[bytes]:
    nodes = [onnx_files.node("Conv", "x", "w", "b")]
    tensors = [onnx_files.tensor(name, onnx_files.KERNEL) for name in "wb"]
    return [onnx_files.model(nodes=nodes, tensors=tensors), *_hostile(".onnx")]


def _pictures() -> list[bytes]:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        file = io.BytesIO()
        Image.fromarray(np.stack([grey] * 3, -1)).save(file, kind)
        found.append(file.getvalue())
    file = io.BytesIO()
    np.save(file, np.zeros((1, 8, 8, 3), np.uint8))
    packed = io.BytesIO()
    np.savez_compressed(packed, image=np.zeros((8, 8, 3), np.uint8))
    return [*found, file.getvalue(), packed.getvalue()]


_SEEDS = {
    "edge_text": lambda: [text.encode() for text in _EDGES],
    "graph_file": lambda: [*_files("graph/cases/*"), *map(str.encode, _EDGES)],
    "dot": lambda: [text.encode() for text in _DOTS],
    "bif": lambda: _files("data/bif/*.bif", "data/cases/*.bif"),
    "table": lambda: [*_TABLES, *_files("data/cases/*.csv")],
    "weights": _weights,
    "pickled": _pickles,
    "safetensors": _safetensors,
    "onnx": _onnx,
    "picture": _pictures,
}
