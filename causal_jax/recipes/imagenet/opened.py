"""Opens a counterfactual generative network: a run's folder, or imported weights.

A folder of imported weights (`causal-jax import --as=cgn-imagenet`) has no description
of the model: its sizes are read off the shapes of the arrays, and the names of its
classes from a file that the user names. The published network was trained with a
saliency network that sees pictures in [-1, 1] and enlarges with corners on corners, and
is opened so (`normalize=False`, `align_corners=True`).

Of a full-size model all that is kept is one float32 copy of its 219 million numbers.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp

from causal_jax import graph as graphs
from causal_jax.data.labelled_pictures import distinct
from causal_jax.importers import imported
from causal_jax.networks import u2net
from causal_jax.networks.biggan_layouts import GENERATORS
from causal_jax.networks.cgn import imagenet
from causal_jax.networks.cgn.composition import LABELS, SHAPE
from causal_jax.runs.load import load
from causal_jax.scm import SCM
from causal_jax.types import Params

KIND = "cgn-imagenet"  # what such a folder says that it holds
_SYNSET = re.compile(r"n\d{8}[\s,:]+(.+)")  # WordNet's id before a name
_PIXELS_PER_FEATURE = 16  # of the first 4 x 4 image


def is_imported(path: str | Path) -> bool:
    """Whether a folder holds imported weights."""
    return (Path(path) / imported.RECEIPT).is_file()


def open_model(
    path: str | Path,
    *,
    class_names: Sequence[str] | None = None,
    truncation: float | None = None,
    shared_noise: bool = False,
) -> tuple[SCM, Params]:
    """The model in a folder and its parameters.

    Args:
      path: a run's folder, or what `causal-jax import --as=cgn-imagenet` wrote.
      class_names: names of the classes, see `read_class_names`; None leaves those of
        the run, or numbers.
      truncation: see `with_truncation`; None leaves it as it is.
      shared_noise: one noise for the three parts, as the reference code has it; of
        imported weights only, since a run's model says it itself.

    Raises:
      ValueError: neither of both, a damaged folder, one of other weights, a truncation
        out of range, or names that do not fit.
    """
    if truncation is not None:
        _require_truncation(truncation)  # before much is read
    if is_imported(path):
        scm, params = _imported(Path(path), shared_noise)
    elif shared_noise:
        raise ValueError(f"{path} holds no imported weights: leave --shared_noise out")
    else:
        scm, params = load(path)
    if class_names is not None:
        scm = with_class_names(scm, class_names)
    if truncation is not None:
        scm = with_truncation(scm, truncation)
    return scm, params


def with_truncation(scm: SCM, truncation: float) -> SCM:
    """The model with another truncation of all its mechanisms' noise.

    Raises:
      ValueError: it is not above 0 and at most 1, or no mechanism has one.
    """
    _require_truncation(truncation)
    truncated = {
        name: dataclasses.replace(mechanism, truncation=truncation)
        for name, mechanism in scm.mechanisms.items()
        if hasattr(mechanism, "truncation")
    }
    if not truncated:
        raise ValueError("no mechanism of this model has a truncation: leave it out")
    return SCM(scm.graph, {**scm.mechanisms, **truncated})


def _require_truncation(truncation: float) -> None:
    if not 0 < truncation <= 1:
        raise ValueError(f"truncation is above 0 and at most 1, not {truncation}")


def with_class_names(scm: SCM, names: Sequence[str]) -> SCM:
    """The model whose three labels have these state names.

    Raises:
      ValueError: it has other labels, or another number of classes.
    """
    if not set(LABELS) <= set(scm.nodes):
        raise ValueError("the model has no classes to name: leave --class_names out")
    num = len(scm.states(LABELS[0]))
    if len(names) != num:
        raise ValueError(f"{len(names)} class names for {num} classes: give one each")
    edges = [(parent, name) for name in scm.nodes for parent in scm.parents[name]]
    states = {name: scm.states(name) for name in scm.discrete}
    states |= dict.fromkeys(LABELS, tuple(names))
    return SCM(graphs.build(edges, nodes=scm.nodes, states=states), scm.mechanisms)


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Names of classes, one per line, in the order of their numbers.

    The files of tensorflow-datasets (`label.labels.txt`) and the usual lists of
    ImageNet's classes are such files. An id before a name is left out; a name that
    comes twice has its number: "crane (134)", "crane (517)".

    Raises:
      ValueError: no such file, or one that holds no such list.
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise ValueError(f"there is no file {path}: give one of class names") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no text of one class name per line") from error
    while lines and not lines[-1].strip():
        lines.pop()
    words = []
    for number, line in enumerate(lines):
        name = line.strip()
        if not name:
            raise ValueError(f"{path}: line {number + 1} is empty, give each a name")
        found = _SYNSET.fullmatch(name)
        words.append(found[1] if found else name)
    names = distinct(words)
    if len(set(names)) != len(names) or not names:
        raise ValueError(f"{path} is no list of distinct class names, one per line")
    return names


# --- imported weights -----------------------------------------------------------------


def _imported(folder: Path, shared_noise: bool) -> tuple[SCM, Params]:
    variables = imported.load(folder, names=[KIND])
    try:
        scm = imagenet.scm(
            shared_noise=shared_noise,
            normalize=False,
            align_corners=True,
            **_settings(variables),
        )
        wanted = jax.eval_shape(scm.init, jax.random.key(0))
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(_other_network(folder, str(error))) from error
    params = {name: variables.get(name, {}) for name in scm.nodes}
    if (misfit := _first_misfit(params, wanted)) is not None:
        raise ValueError(_other_network(folder, misfit))
    return scm, params


def _settings(variables: Params) -> dict:
    """The generators' settings and the masker's name."""
    found = generator_settings(variables[SHAPE]["generator"])
    return found | {"masker": _masker(variables[SHAPE]["masker"])}


def generator_settings(generator: Params) -> dict:
    """What `GeneratedPicture` a generator's variables are of, from arrays' shapes.

    Raises:
      ValueError: no generator has such arrays; also KeyError, AttributeError and
        TypeError where arrays are missing.
    """
    params = generator["params"]
    num_classes, embedding_size = params["label_embedding"]["embedding"].shape
    inputs, outputs = params["linear"]["kernel"].shape
    width, rgb_features = params["to_rgb"]["kernel"].shape[2:]
    first = (
        sum(name.startswith("block_") for name in params),
        outputs // (_PIXELS_PER_FEATURE * width),
    )
    sizes = [
        size
        for size, layout in GENERATORS.items()
        if (len(layout.blocks), layout.blocks[0][1]) == first
    ]
    if not sizes:
        raise ValueError(
            f"no generator has {first[0]} blocks, {first[1]} times as wide"
        )
    return {
        "size": sizes[0],
        "width": width,
        "num_classes": num_classes,
        "noise_size": inputs - embedding_size,
        "embedding_size": embedding_size,
        "num_levels": generator["batch_stats"]["norm"]["means"].shape[0],
        "spectral_norm": "spectral" in generator,
        "rgb_features": None if rgb_features == width else rgb_features,
    }


def _masker(variables: Params) -> str:
    """Which saliency network these variables are of, by its deepest channels."""
    kernel = variables["params"]["stage6"]["rebnconvin"]["conv"]["kernel"]
    stage = list(u2net.STAGES).index("stage6")
    for name, channels in imagenet.MASKERS.items():
        if channels[stage][1] == kernel.shape[-1]:
            return name
    raise ValueError(f"no saliency network has {kernel.shape[-1]} channels in stage 6")


def _first_misfit(params: Params, wanted: Params) -> str | None:
    """The first array that is missing, left over or of another shape, in words."""
    found, expected = _shapes(params), _shapes(wanted)
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            return f"{name} is {found.get(name)}, not {expected.get(name)}"
    return None


def _shapes(tree: Params) -> dict[str, list[int]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        "/".join(str(key.key) for key in keys): list(jnp.shape(leaf))
        for keys, leaf in leaves
    }


def _other_network(folder: Path, reason: str) -> str:
    return (
        f"{folder} holds no network that can be opened ({' '.join(reason.split())}): "
        f"import a checkpoint of five networks with causal-jax import --as={KIND}"
    )
