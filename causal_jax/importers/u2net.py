"""Weights of U2-Net and U2-NetP, as variables of `networks.u2net.U2Net`.

They are published (github.com/xuebinqin/U-2-Net, Apache-2.0) as state dicts, u2net.pth
and u2netp.pth, with keys as `stage1.rebnconvin.conv_s1.weight`; the full one is also in
the checkpoints of counterfactual generative networks, under "u2net.". Exported to .onnx
the batch normalisations are folded into the convolutions and these have lost their
names, so they are counted: a traced module lists them in the order in which they run.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from causal_jax.graph import suggestion
from causal_jax.importers import onnx_file, state_dicts, weight_file
from causal_jax.importers.onnx_file import Graph
from causal_jax.importers.state_dicts import MisfitError
from causal_jax.messages import one_line
from causal_jax.networks import u2net
from causal_jax.networks.u2net import U2Net
from causal_jax.types import Array, Params

CHANNELS = {"u2net": u2net.FULL, "u2netp": u2net.SMALL}

_ONNX = ".onnx"
_LAYERS = {"conv": "conv_s1", "bn": "bn_s1"}


def load(
    path: str | os.PathLike,
    size: str = "u2net",
    *,
    prefix: str = "",
    folded: bool = True,
) -> Params:
    """Reads the variables of `U2Net(CHANNELS[size], folded=folded)`, float32.

    Args:
      path: a .pth, .safetensors or .onnx file.
      size: "u2net" or "u2netp".
      prefix: what stands before the names of a state dict, as "u2net.".
      folded: whether batch normalisations are folded in; an .onnx has no others.

    Returns:
      {"params": ...}, and "batch_stats" unless folded.

    Raises:
      ValueError: no such file, a damaged one, or one of another network; it names the
        first tensor that does not fit.
    """
    if size not in CHANNELS:
        raise ValueError(f"there is no U2-Net {size!r}: {suggestion(size, CHANNELS)}")
    path = Path(path).expanduser()
    channels = CHANNELS[size]
    try:
        if path.suffix.lower() == _ONNX:
            if not folded or prefix:
                raise MisfitError("an .onnx file is folded and has no prefixes")
            graph = onnx_file.read(path)
            weight_file.require_finite(path, graph.arrays)
            return convert_onnx(graph, channels)
        arrays = weight_file.read(path, legacy=True)
        return convert(
            state_dicts.under(arrays, prefix), channels=channels, folded=folded
        )
    except MisfitError as error:
        raise ValueError(f"{path} does not hold {size}: {error}") from error


def convert(arrays, *, channels=u2net.FULL, folded: bool = True) -> Params:
    """The variables from a state dict of the published code's U2NET or U2NETP.

    Args:
      arrays: {name: tensor}.
      channels: as `U2Net` has them.
      folded: see `load`.

    Raises:
      ValueError: a tensor is missing, left over or of another shape.
    """
    variables = state_dicts.converted(arrays, U2Net(channels), _layer_name)
    return u2net.fold(variables) if folded else variables


def convert_onnx(graph: Graph, channels=u2net.FULL) -> Params:
    """The variables of `U2Net(channels, folded=True)` from an exported network.

    Args:
      graph: of which the convolutions are read, in their order.
      channels: as `U2Net` has them.

    Raises:
      ValueError: there are more or fewer convolutions than the network has, or one
        lacks its weights or has weights of another shape.
    """
    convs = [node for node in graph.nodes if node.kind == "Conv"]
    paths = list(convolutions())
    if any(node.kind == "BatchNormalization" for node in graph.nodes):
        raise MisfitError("its batch normalisations are not folded: export it in eval")
    params = state_dicts.expected_variables(U2Net(channels, folded=True))["params"]
    for node, path in zip(convs, paths, strict=False):
        layer = params
        for name in path[:-1]:
            layer = layer[name]
        expected = layer[path[-1]]
        layer[path[-1]] = {
            leaf: _conv_array(graph, node, place, expected[leaf].shape, path)
            for place, leaf in ((1, "kernel"), (2, "bias"))
        }
    if len(convs) != len(paths):
        raise MisfitError(f"it has {len(convs)} convolutions, not {len(paths)}")
    return {"params": params}


def convolutions() -> Iterator[tuple[str, ...]]:
    """Paths of the convolutions in our tree, in the order in which they run.

    >>> paths = list(convolutions())
    >>> len(paths), paths[0], paths[-1]
    (119, ('stage1', 'rebnconvin', 'conv'), ('outconv',))
    """
    for stage, depth in u2net.STAGES.items():
        into, back = u2net.dilations(depth)
        names = [*("in", *range(1, len(into) + 1)), *(f"{i}d" for i in _down(back))]
        yield from ((stage, f"rebnconv{name}", "conv") for name in names)
    yield from ((f"side{i}",) for i in range(1, u2net.NUM_SIDES + 1))
    yield ("outconv",)


def _down(values: tuple) -> Iterator[int]:
    return reversed(range(1, len(values) + 1))


def _layer_name(path: tuple[str, ...]) -> str:
    """The published code's name of a layer."""
    if len(path) == 1:  # a side, or outconv
        return path[0]
    stage, block, layer, *_ = path
    return f"{stage}.{block}.{_LAYERS[layer]}"


def _conv_array(graph: Graph, node, place: int, shape, path) -> Array:
    role = f"{'kernel' if place == 1 else 'bias'} of {'.'.join(path[:-1] or path)}"
    name = node.inputs[place] if place < len(node.inputs) else ""
    if name not in graph.arrays:
        shown = one_line(name or node.name, limit=60)
        raise MisfitError(f"it has no {shown}, the {role}")
    return state_dicts.in_our_order(f"{name}, the {role},", graph.arrays[name], shape)
