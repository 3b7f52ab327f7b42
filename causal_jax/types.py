"""Names for the arrays and trees that travel through the library."""

from typing import Any

import jax

Array = jax.Array
Key = jax.Array  # a typed or raw PRNG key
Params = Any  # pytree of one mechanism's learned arrays, or {node: such a pytree}
Noise = Any  # pytree of one mechanism's exogenous noise, or {node: such a pytree}
Values = dict[str, Array]  # {node: value}
Shapes = dict[str, jax.ShapeDtypeStruct]  # {node: shape and dtype of one unit's value}
Batch = dict[str, Array]  # what one training step reads, leading axis = examples
