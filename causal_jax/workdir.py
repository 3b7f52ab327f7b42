"""A run's folder: the model's specification, its checkpoints, and `load`.

DIR/config.json      the run's configuration
DIR/scm.json         graph, states, mechanisms: plain data, nothing executable
DIR/checkpoints/     labels/<step> and images/<step>; or model/<step>, where all
                     nodes were trained at once
DIR/metrics.jsonl    a line a logged step
DIR/metrics.json, DIR/report.html    written by the evaluation
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import jax

from causal_jax import graph as graphs
from causal_jax.mechanism import Tabular
from causal_jax.networks.cgn import Composition, Shape, Texture, Uniform
from causal_jax.networks.controller import ImplicitBinary, NeuralCategorical
from causal_jax.networks.image import ImageGenerator
from causal_jax.scm import SCM
from causal_jax.training.checkpoint import Checkpoints
from causal_jax.types import Params

IMAGE = "image"  # the image node's name in every run
MODEL = "model"  # the stage of a model whose nodes are all trained at once

# What a specification may name; nothing else is built from a file.
MECHANISMS = {
    cls.__name__: cls
    for cls in (
        *(Tabular, NeuralCategorical, ImplicitBinary, ImageGenerator),
        *(Uniform, Shape, Texture, Composition),
    )
}


def write_text(path: str | Path, text: str) -> None:
    """Writes a file whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def save_spec(workdir: str | Path, scm: SCM) -> None:
    """Writes `scm.json`."""
    nodes = [
        {
            "name": name,
            "parents": list(scm.parents[name]),
            "states": scm.states(name),
            "mechanism": type(scm.mechanisms[name]).__name__,
            "settings": dataclasses.asdict(scm.mechanisms[name]),
        }
        for name in scm.nodes
    ]
    write_text(Path(workdir) / "scm.json", json.dumps({"nodes": nodes}, indent=1))


def load_spec(workdir: str | Path) -> SCM:
    """Reads `scm.json`.

    Raises:
      ValueError: there is none, or it is not one of this library's.
    """
    path = Path(workdir) / "scm.json"
    if not path.is_file():
        raise ValueError(
            f"{workdir} holds no run (no scm.json): train one with "
            "python -m experiments.train --config=experiments/configs/NAME.py "
            f"--workdir={workdir}"
        )
    try:
        nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
        graph = graphs.build(
            [(parent, node["name"]) for node in nodes for parent in node["parents"]],
            nodes=[node["name"] for node in nodes],
            states={n["name"]: n["states"] for n in nodes if n["states"]},
        )
        return SCM(graph, {node["name"]: _mechanism(node) for node in nodes})
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is damaged or is no model of this library: delete the folder and "
            "train again"
        ) from error


def _mechanism(node: dict[str, Any]):
    kind = MECHANISMS[node["mechanism"]]
    settings = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in node["settings"].items()
    }
    return kind(**settings)


def checkpoints(workdir: str | Path, stage: str) -> Checkpoints:
    """The checkpoints of a stage, "labels", "images" or `MODEL`."""
    return Checkpoints(Path(workdir) / "checkpoints" / stage)


def load(workdir: str | Path) -> tuple[SCM, Params]:
    """The trained model of a run and its parameters, at the last checkpoints.

    While the images have no checkpoint yet, the model is the labels'.

    Raises:
      ValueError: no run, no checkpoint, a damaged or foreign one.
    """
    scm = load_spec(workdir)
    like = jax.eval_shape(scm.init, jax.random.key(0))
    if (params := _latest(workdir, MODEL, like)) is not None:
        return scm, params
    labels = {name: like[name] for name in scm.nodes if name != IMAGE}
    params = _latest(workdir, "labels", labels)
    if params is None:
        raise ValueError(f"{workdir} has no checkpoint yet: let the training reach one")
    if IMAGE not in scm.nodes:
        return scm, params
    image = _latest(workdir, "images", like[IMAGE])
    if image is None:
        return without(scm, IMAGE), params
    return scm, {**params, IMAGE: image}


def _latest(workdir: str | Path, stage: str, like: Params) -> Params | None:
    stage_checkpoints = checkpoints(workdir, stage)
    step = stage_checkpoints.latest()
    return None if step is None else stage_checkpoints.restore_params(step, like)


def without(scm: SCM, leaf: str) -> SCM:
    """The model without a node that has no children."""
    graph = graphs.read(scm.graph).copy()
    graph.remove_node(leaf)
    mechanisms = {name: m for name, m in scm.mechanisms.items() if name != leaf}
    return SCM(graph, mechanisms)
