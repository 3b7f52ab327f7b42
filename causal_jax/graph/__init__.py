"""Causal graphs: build, read, validate, order.

A graph is a frozen `networkx.DiGraph`. Its node order is the order in which nodes were
declared; the parents of a node are always listed in that order, whatever the order in
which edges were written (as in CausalGAN, Kocaoglu et al. 2017, where the node list
fixes the order of the label vector). A node may carry `states`, the names of its
states; a node without them is continuous, a vector or an image.
"""

from causal_jax.graph.readers import (
    from_dot,
    from_list,
    from_text,
    named,
    read,
    register_names,
)
from causal_jax.graph.structure import (
    BINARY,
    build,
    complete,
    mutilate,
    order,
    parents,
    require_node,
    signature,
    states,
    suggestion,
    validate,
    with_numbered_states,
    with_states,
)

__all__ = [
    "BINARY",
    "build",
    "complete",
    "from_dot",
    "from_list",
    "from_text",
    "mutilate",
    "named",
    "order",
    "parents",
    "read",
    "register_names",
    "require_node",
    "signature",
    "states",
    "suggestion",
    "validate",
    "with_numbered_states",
    "with_states",
]
