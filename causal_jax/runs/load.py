"""Loading the trained model of a run."""

import warnings
from pathlib import Path

import jax

from causal_jax import graph as graphs
from causal_jax.messages import one_line
from causal_jax.runs.folder import checkpoints, read_config, unfinished
from causal_jax.runs.spec import load_spec
from causal_jax.scm import SCM
from causal_jax.types import Params

IMAGE = "image"  # the image node's name in every run
LABELS, IMAGES = "labels", "images"  # the stages of a model that is trained in two
MODEL = "model"  # the stage of a model whose nodes are all trained at once


def load(workdir: str | Path) -> tuple[SCM, Params]:
    """The trained model of a run and its parameters, at the last checkpoints.

    While the images have no checkpoint yet, the model is the labels'. Where steps are
    left there is a warning.

    Raises:
      ValueError: no run, no checkpoint, a damaged or foreign one.
    """
    scm = load_spec(workdir)
    if left := unfinished(workdir):
        warnings.warn(f"{workdir} is not fully trained: {left}", stacklevel=2)
    like = _shapes(workdir, scm)
    if (params := _latest(workdir, MODEL, like)) is not None:
        return scm, params
    labels = {name: like[name] for name in scm.nodes if name != IMAGE}
    params = _latest(workdir, LABELS, labels)
    if params is None:
        raise ValueError(f"{workdir} has no checkpoint yet: let the training reach one")
    if IMAGE not in scm.nodes:
        return scm, params
    image = _latest(workdir, IMAGES, like[IMAGE])
    if image is None:
        return without(scm, IMAGE), params
    return scm, {**params, IMAGE: image}


def require_finished(workdir: str | Path) -> None:
    """Raises ValueError where a run's model has steps left.

    Who learns from it would learn from something else when resumed after more of them.
    """
    step = checkpoints(workdir, MODEL).latest()
    wanted = read_config(workdir).get("num_steps")
    if None not in (step, wanted) and step < wanted:
        raise ValueError(
            f"{workdir} has {step:,} of its {wanted:,} steps: train it to the end first"
        )


def _shapes(workdir: str | Path, scm: SCM) -> Params:
    """Shapes of the parameters; raises ValueError where there can be none."""
    try:
        return jax.eval_shape(scm.init, jax.random.key(0))
    except Exception as error:  # of settings that were changed: any class
        reason = one_line(error, limit=200) or type(error).__name__
        raise ValueError(
            f"{Path(workdir, 'scm.json')} describes no model that can be made "
            f"({reason}): delete the folder and train again"
        ) from error


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
