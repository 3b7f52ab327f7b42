"""Reading what `export` writes: state names in, state names out.

Only the programs and their parameters are used, no model code; `docs/export.md` has the
same in a few lines for a machine without this library.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.export
import numpy as np

from causal_jax import archives, arguments, encoding
from causal_jax import graph as graphs
from causal_jax.messages import one_line

FORMAT = 1
_KEYS = {"parameters", "sha256", "platforms", "refused", "nodes", "versions", "command"}
PLATFORMS = ("cpu", "cuda", "tpu")
ENTRIES = ("sample", "counterfactual", "counterfactual_images")
_ALIASES = {"gpu": "cuda"}  # what JAX calls its backend
_MAX_RECEIPT, _MAX_UNPACKED = 64 << 20, 4 << 30  # bytes


class Exported:
    """A model that was read from a file of `export.save`.

    Attributes:
      receipt: what the file says of itself, see `export.receipt`.
      graph: the causal graph with its state names.
      path: of the file.
    """

    def __init__(
        self,
        path: Path,
        receipt: dict[str, Any],
        leaves: list[jax.Array],
        programs: dict[str, Any],
    ):
        self.receipt = receipt
        self.graph = _graph(receipt)
        self.path, self._leaves, self._programs = path, leaves, programs
        self._nodes = {node["name"]: node for node in receipt["nodes"]}

    def __repr__(self) -> str:
        made = self.receipt["versions"].get("jax")
        return f"Exported({', '.join(self._nodes)}; {self.path}, made by jax {made})"

    def states(self, name: str) -> tuple[str, ...] | None:
        """State names of a discrete node, None for any other."""
        return graphs.states(self.graph, name)

    def observe(self, num: int = 1, *, seed: int = 0) -> dict[str, np.ndarray]:
        """Draws units as they are seen: `do` of nothing."""
        return self.do({}, num=num, seed=seed)

    def do(
        self, do: Mapping[str, Any], num: int = 1, *, seed: int = 0
    ) -> dict[str, np.ndarray]:
        """Draws units as they would be seen if we did something.

        Args:
          do: {node: a state's name, an index array, a number, or one of them a unit}.
          num: number of units.
          seed: the same seed gives the same noise, whatever `do` is.

        Returns:
          {node: `[num, ...]`}: names of states, numbers, pictures in [-1, 1].

        Raises:
          ValueError: an unknown node or state, or a node that is a picture.
        """
        arguments.require_num(num)
        settings = self._settings(do, num)
        values = self._call("sample", _key_data(seed), settings)
        return self._named(values)

    def counterfactual(
        self, factual: Mapping[str, Any], do: Mapping[str, Any], *, seed: int = 0
    ) -> dict[str, np.ndarray]:
        """What units would have been: their noise, abducted, under `do`.

        Args:
          factual: {node: `[num, ...]`} of all labels and numbers, state names or index
            arrays; with pictures too if those are known, else they are drawn: with the
            same noise whatever `do` is.
          do: as in `do`.
          seed: of what is drawn.

        Returns:
          As `do`.

        Raises:
          ValueError: the file has no such program (why is said), a node is left out,
            or the factual is impossible under the model.
        """
        encoded, num = self._encoded(factual)
        entry = self._entry_for(encoded)
        settings = self._settings(do, num)
        values, possible = self._call(entry, _key_data(seed), encoded, settings)
        if not np.all(possible):
            raise ValueError(
                f"the factual is impossible under the model (unit "
                f"{int(np.argmin(possible))}, {int((~np.asarray(possible)).sum())} in "
                "all)"
            )
        return self._named(values)

    def _call(self, entry: str, *args: Any) -> Any:
        return self._programs[entry].call(self._leaves, *args)

    def _settings(self, do: Mapping[str, Any], num: int) -> np.ndarray:
        """`do` as the programs take it: NaN where a node stays natural."""
        columns = self.receipt["settable"]
        settings = np.full((num, len(columns)), np.nan, np.float32)
        for name, value in arguments.as_mapping(do, "do").items():
            graphs.require_node(self.graph, name, role="node in do")
            if name not in columns:
                raise ValueError(
                    f"do on {name!r}: its value is an array; an exported model sets "
                    f"{', '.join(columns[:8])}"
                )
            encoded = np.asarray(encoding.encode(self, name, value), np.float32)
            if encoded.shape not in ((), (num,)):
                raise ValueError(
                    f"do on {name!r} has shape {encoded.shape}: give one value, or one "
                    f"for each of the {num} units"
                )
            settings[:, columns.index(name)] = encoded
        return settings

    def _encoded(self, factual: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        shapes = {
            name: jax.ShapeDtypeStruct(tuple(node["shape"]), node["dtype"])
            for name, node in self._nodes.items()
        }
        values, _, num = arguments.factual(self, shapes, factual)
        return {n: np.asarray(v, shapes[n].dtype) for n, v in values.items()}, num

    def _entry_for(self, factual: Mapping[str, Any]) -> str:
        """The program for these observed nodes."""
        asked = {n for n in factual if self._nodes[n]["shape"]}
        entry = "counterfactual_images" if asked else "counterfactual"
        if entry in self.receipt["refused"]:
            raise ValueError(
                f"{self.path} has no program {entry!r}: "
                f"{self.receipt['refused'][entry]}; two calls of do with one seed are "
                "twins"
            )
        missing = [n for n in self.receipt["observed"][entry] if n not in factual]
        if missing:
            raise ValueError(
                f"the factual leaves out {', '.join(map(repr, missing[:8]))}: an "
                "exported model needs every label and number (load the run to infer "
                "what was not seen)"
            )
        return entry

    def _named(self, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        result = {}
        for name in self._nodes:
            value, states = np.asarray(values[name]), self.states(name)
            result[name] = np.asarray(states)[value] if states else value
        return result


def load(path: str | Path, *, platform: str | None = None) -> Exported:
    """Reads a file of `export.save`; every member is held against its hash.

    Args:
      path: the file.
      platform: "cpu", "cuda" or "tpu"; that of JAX's default backend if None.

    Raises:
      ValueError: no such file or none of this kind, a damaged one, one for other
        platforms, or one that this jax no longer reads: the receipt's command, which
        makes it anew, is said.
    """
    path = Path(path)
    backend = jax.default_backend()
    platform = platform or _ALIASES.get(backend, backend)
    try:
        receipt, members = _members(path, platform)
        _require_hashes(receipt, members, platform)
        leaves = [
            jax.numpy.asarray(archives.array_of(members[f"params/{i}.npy"]))
            for i in range(len(receipt["parameters"]["names"]))
        ]
    except FileNotFoundError as error:
        raise ValueError(f"there is no file {path}") from error
    except IsADirectoryError as error:
        raise ValueError(
            f"{path} is a folder, and an exported model a file; a run is loaded by "
            "causal_jax.load"
        ) from error
    except Exception as error:  # of an archive cut or made up: any class
        reason = one_line(error, limit=200) or type(error).__name__
        raise ValueError(
            f"{path} is no exported model, or damaged ({reason}): make it anew with "
            "causal-jax export"
        ) from error
    if platform not in receipt["platforms"]:
        raise ValueError(
            f"{path} has programs for {', '.join(receipt['platforms'])}, none for "
            f"{platform}: make it anew with that platform"
        )
    programs = {
        entry: _program(path, receipt, members[f"{entry}.{platform}"])
        for entry in ENTRIES
        if entry not in receipt["refused"]
    }
    return Exported(path, receipt, leaves, programs)


def _members(path: Path, platform: str) -> tuple[dict[str, Any], dict[str, bytearray]]:
    """The receipt, and the members that a platform needs."""
    read = archives.read_member
    with archives.open_zip(path) as archive:
        info = archive.getinfo("receipt.json")
        receipt = json.loads(read(archive, info, limit=_MAX_RECEIPT))
        if receipt["format"] != FORMAT:
            raise ValueError(f"it is of format {receipt['format']}, which is unknown")
        if missing := _KEYS - receipt.keys():
            raise ValueError(f"its receipt lacks {min(missing)!r}")
        names = [n for n in receipt["sha256"] if _is_needed(n, platform)]
        infos = [i for i in archive.infolist() if i.filename in names]
        if sum(info.file_size for info in infos) > _MAX_UNPACKED:
            raise ValueError(f"it unpacks to more than {_MAX_UNPACKED:,} bytes")
        return receipt, {
            info.filename: read(archive, info, limit=_MAX_UNPACKED) for info in infos
        }


def _is_needed(member: str, platform: str) -> bool:
    return member.endswith((".npy", f".{platform}"))


def _require_hashes(
    receipt: Mapping, members: Mapping[str, bytearray], platform: str
) -> None:
    for name, sha256 in receipt["sha256"].items():
        if not _is_needed(name, platform):
            continue
        if name not in members or hashlib.sha256(members[name]).hexdigest() != sha256:
            raise ValueError(f"member {name!r} is not what the receipt says")


def _program(path: Path, receipt: Mapping, data: bytearray) -> Any:
    try:
        return jax.export.deserialize(data)
    except Exception as error:  # of another jax: any class
        raise ValueError(
            f"{path} was made by jax {receipt['versions']['jax']}, and jax "
            f"{jax.__version__} does not read it (such programs last about half a "
            f"year): make it anew with {receipt['command']}"
        ) from error


def _graph(receipt: Mapping) -> Any:
    nodes = receipt["nodes"]
    return graphs.build(
        [(parent, node["name"]) for node in nodes for parent in node["parents"]],
        nodes=[node["name"] for node in nodes],
        states={n["name"]: n["states"] for n in nodes if n["states"]},
    )


def _key_data(seed: int) -> jax.Array:
    return jax.random.key_data(jax.random.key(seed, impl="threefry2x32"))
