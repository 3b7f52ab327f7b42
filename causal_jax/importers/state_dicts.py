"""A state dict of PyTorch as variables of a Flax network with layers of the same names.

What a network wants is asked from the network (`jax.eval_shape` of its `init`), so that
names and shapes stand in one place. Each of its arrays has one tensor there:

    kernel [h, w, I, O]   weight [O, I, h, w]       scale, bias   weight, bias
    kernel [I, O]         weight [O, I]             mean, var     running_mean, _var

and a file in which one is missing, of another shape or left over is refused by that
tensor's name.
"""

from collections.abc import Callable, Iterator, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.messages import one_line
from causal_jax.types import Params

_SHOWN = 100  # characters of a name in an error message
_COUNTER = "num_batches_tracked"  # of torch's batch normalisation; nothing reads it
_LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias"}
_LEAVES |= {"mean": "running_mean", "var": "running_var"}
# The places of our axes among theirs.
_AXES = {2: (1, 0), 4: (2, 3, 1, 0)}


class MisfitError(ValueError):
    """A tensor is missing, of another shape or left over; which, is the text."""


def under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The tensors whose names begin with a prefix, without it.

    A checkpoint of several networks holds the one of name N under "N."; parallel
    training puts "module." before all names.

    Raises:
      MisfitError: no name begins so.

    >>> under({"u2net.a": np.zeros(1), "f_bg.a": np.zeros(2)}, "u2net.")
    {'a': array([0.])}
    """
    found = {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
    if not found:
        raise MisfitError(f"no tensor's name begins with {prefix!r}")
    return found


def converted(
    arrays: Mapping[str, np.ndarray],
    network: nn.Module,
    layer_name_fn: Callable[[tuple[str, ...]], str],
) -> Params:
    """The network's variables, float32.

    Args:
      arrays: {name: tensor}, as PyTorch's layers have them.
      network: called with images [B, H, W, 3].
      layer_name_fn: the name there of a layer, given its path in our tree.

    Raises:
      MisfitError: names the first tensor that does not fit, in the file's order; those
        that are missing come first.
    """
    rest = {k: v for k, v in arrays.items() if not k.endswith(_COUNTER)}
    expected = expected_variables(network)
    wanted = {
        f"{layer_name_fn(path[1:-1])}.{_LEAVES[path[-1]]}": (path, leaf.shape)
        for kind in ("params", "batch_stats")
        for path, leaf in _leaves({kind: expected.get(kind, {})})
    }
    for name in wanted:
        if name not in rest:
            raise MisfitError(f"it has no {name}")
    found = {}
    for name, array in rest.items():
        if name not in wanted:
            raise MisfitError(f"it also has {one_line(name, limit=_SHOWN)}")
        path, shape = wanted[name]
        found[path] = in_our_order(name, array, shape)
    paths = jax.tree_util.tree_map_with_path(lambda keys, _: _path(keys), expected)
    return jax.tree.map(
        found.__getitem__, paths, is_leaf=lambda node: isinstance(node, tuple)
    )


def expected_variables(network: nn.Module) -> Params:
    """Shapes of a network's variables, {"params": ..., ...}; nothing is computed."""
    images = jnp.zeros((1, 32, 32, 3))
    return jax.eval_shape(network.init, jax.random.key(0), images)


def in_our_order(name: str, array: np.ndarray, shape: tuple[int, ...]) -> jax.Array:
    """A tensor of theirs, float32, with our axes.

    Raises:
      MisfitError: it is not what `shape`, in our order of axes, has there.
    """
    axes = _AXES.get(len(shape), tuple(range(len(shape))))
    theirs = tuple(shape[axes.index(i)] for i in range(len(shape)))
    name = one_line(name, limit=_SHOWN)
    if array.shape != theirs:
        raise MisfitError(f"{name} is {list(array.shape)}, not {list(theirs)}")
    if array.dtype.kind != "f":
        raise MisfitError(f"{name} is of {array.dtype}, not of floating-point numbers")
    return jnp.asarray(array.transpose(axes), jnp.float32)


def _leaves(tree: Params) -> Iterator[tuple[tuple[str, ...], jax.ShapeDtypeStruct]]:
    for keys, leaf in jax.tree_util.tree_leaves_with_path(tree):
        yield _path(keys), leaf


def _path(keys: tuple) -> tuple[str, ...]:
    return tuple(key.key for key in keys)
