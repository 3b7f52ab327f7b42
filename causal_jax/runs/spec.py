"""A model's specification as plain data: graph, states, mechanisms and their settings.

`scm.json` names mechanisms, and only those of `MECHANISMS` are ever made from a file:
nothing in it is executed.
"""

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

from causal_jax import files
from causal_jax import graph as graphs
from causal_jax.mechanism import Mechanism
from causal_jax.messages import one_line
from causal_jax.scm import SCM

# What a specification may name, "module:class", imported when a file names it.
MECHANISMS = {
    "Tabular": "causal_jax.tabular:Tabular",
    "LinearGaussian": "causal_jax.linear:LinearGaussian",
    "NeuralCategorical": "causal_jax.networks.controller:NeuralCategorical",
    "ImplicitBinary": "causal_jax.networks.controller:ImplicitBinary",
    "ImageGenerator": "causal_jax.networks.image:ImageGenerator",
    "Uniform": "causal_jax.networks.cgn.composition:Uniform",
    "Composition": "causal_jax.networks.cgn.composition:Composition",
    "Shape": "causal_jax.networks.cgn.mnist:Shape",
    "Texture": "causal_jax.networks.cgn.mnist:Texture",
    "GeneratedMask": "causal_jax.networks.cgn.imagenet:GeneratedMask",
    "GeneratedPicture": "causal_jax.networks.cgn.imagenet:GeneratedPicture",
    "TruncatedNormal": "causal_jax.networks.cgn.imagenet:TruncatedNormal",
}


_WAY_OUT = (
    "run causal-jax train with this run's --config and --workdir, which writes it anew"
)


def save_spec(workdir: str | Path, scm: SCM) -> None:
    """Writes `scm.json`.

    Raises:
      ValueError: a mechanism that a file cannot name.
    """
    nodes = [
        {
            "name": name,
            "parents": list(scm.parents[name]),
            "states": scm.states(name),
            "mechanism": _mechanism_name(name, scm.mechanisms[name]),
            "settings": dataclasses.asdict(scm.mechanisms[name]),
        }
        for name in scm.nodes
    ]
    files.write_text(Path(workdir) / "scm.json", json.dumps({"nodes": nodes}, indent=1))


def _mechanism_name(node: str, mechanism: Mechanism) -> str:
    name = type(mechanism).__name__
    if name not in MECHANISMS:
        raise ValueError(
            f"node {node!r} cannot be written to a file: {name} is not among "
            f"{', '.join(MECHANISMS)}"
        )
    return name


def load_spec(workdir: str | Path) -> SCM:
    """Reads `scm.json`.

    Raises:
      ValueError: there is none, or it is not one of this library's.
    """
    path = Path(workdir) / "scm.json"
    if not path.exists() and not (Path(workdir) / "config.json").exists():
        if Path(workdir).is_file():
            raise ValueError(
                f"{workdir} is a file, and a run is a folder; an exported model is "
                "loaded by causal_jax.export.load"
            )
        raise ValueError(
            f"{workdir} holds no run (no scm.json): train one with "
            f"causal-jax train --config=NAME --workdir={workdir}"
        )
    nodes = files.read_json(path, way_out=_WAY_OUT).get("nodes")
    try:
        graph = graphs.build(
            [(parent, node["name"]) for node in nodes for parent in node["parents"]],
            nodes=[node["name"] for node in nodes],
            states={n["name"]: n["states"] for n in nodes if n["states"]},
        )
        return SCM(graph, {node["name"]: _mechanism(node) for node in nodes})
    except Exception as error:  # of a file cut or made up: any class
        reason = one_line(error, limit=200) or type(error).__name__
        raise ValueError(
            f"{path} is damaged (no model of this library: {reason}): {_WAY_OUT}"
        ) from error


def _mechanism(node: dict[str, Any]) -> Mechanism:
    module, _, name = MECHANISMS[node["mechanism"]].partition(":")
    settings = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in node["settings"].items()
    }
    return getattr(importlib.import_module(module), name)(**settings)
