"""Parameters are checked where they enter: once per call, and an array only once.

What a mechanism can say about its own parameters it says in `check_params`; that they
are there, and that none is NaN, is looked at here. Traced parameters are trusted.
"""

import weakref
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.mechanism import Mechanism, Model

# (id of an array, mechanism, structure of its parameters, which leaf it is) that were
# found good: arrays of JAX never change.
_known: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


def require_params(scm: Model, params: Mapping[str, Any]) -> None:
    """Raises ValueError where parameters cannot be those of the model.

    Args:
      scm: the model.
      params: {node: parameters}; further entries, of arrays, are not looked at.

    Raises:
      ValueError: a node without parameters, one that is NaN, or what the node's
        mechanism refuses: tables in per cent, of another shape, transposed.
    """
    if not isinstance(params, Mapping):
        raise ValueError(
            f"params is a {type(params).__name__}: give {{node: its parameters}}, as "
            "scm.init(key) returns them"
        )
    for name in scm.nodes:
        if name not in params:
            raise ValueError(
                f"params has no entry for node {name!r}: give its parameters too"
            )
        require_node_params(name, scm.mechanisms[name], params[name])


def require_node_params(name: str, mechanism: Mechanism, params: Any) -> None:
    """Raises ValueError where one node's parameters cannot be its mechanism's."""
    leaves, structure = jax.tree.flatten(params)
    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        return
    keys = [(id(x), mechanism, structure, i) for i, x in enumerate(leaves)]
    known = map(_known.get, keys)
    if leaves and all(x is leaf for x, leaf in zip(known, leaves, strict=True)):
        return
    for leaf in leaves:
        if _has_nan(leaf):
            raise ValueError(f"a parameter of node {name!r} is NaN: train or set it")
    check_params = getattr(mechanism, "check_params", None)
    if check_params:
        check_params(name, params)
    for place, leaf in zip(keys, leaves, strict=True):
        if isinstance(leaf, jax.Array):
            _known[place] = leaf


def _has_nan(leaf: Any) -> bool:
    values = np.asarray(leaf)  # numpy: inside `jit` even constants would be traced
    return jnp.issubdtype(values.dtype, jnp.floating) and bool(np.isnan(values).any())
