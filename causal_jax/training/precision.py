"""In which type networks compute: float32, or bfloat16 where a device is faster at it.

Parameters, batch statistics, losses, gradients and optimisers stay in float32: what is
cast are the weights and images that a network is given, and what it returns.
"""

from typing import Any

import jax
import jax.numpy as jnp

from causal_jax.types import Params

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def require_dtype(dtype: str) -> None:
    """Raises ValueError unless networks can compute in the type of that name."""
    if dtype not in DTYPES:
        raise ValueError(f"dtype is 'float32' or 'bfloat16', not {dtype!r}")


def given(params: Params, inputs: Any, dtype: str) -> tuple[Params, Any]:
    """What a network is given: its weights and inputs in that type.

    Args:
      params: Flax collections; only "params" is cast.
      inputs: arrays; those of whole numbers stay as they are.
      dtype: "float32" leaves everything as it is.
    """
    if dtype == "float32":
        return params, inputs
    return {**params, "params": _cast(params["params"], dtype)}, _cast(inputs, dtype)


def returned(outputs: Any, dtype: str) -> Any:
    """What a network that computes in that type returned, in float32."""
    return outputs if dtype == "float32" else _cast(outputs, "float32")


def _cast(tree: Any, dtype: str) -> Any:
    def leaf(x):
        is_float = jnp.issubdtype(x.dtype, jnp.floating)
        return x.astype(DTYPES[dtype]) if is_float else x

    return jax.tree.map(leaf, tree)
