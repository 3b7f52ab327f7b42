"""Nodes with equal mechanisms, stacked and evaluated at once.

A label model's likelihood is a sum over its nodes, and many nodes have the same network
with other weights. Their parameters are stacked and evaluated under `vmap`, so that
hundreds of nodes compile as fast as a few.
"""

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.mechanism import Discrete
from causal_jax.scm import SCM, node_key
from causal_jax.types import Array, Key, Params


def group_by_mechanism(scm: SCM) -> dict[Discrete, list[str]]:
    """{mechanism: the nodes that have it}, in the order of their first nodes.

    Raises:
      ValueError: a node without `log_probs`.

    >>> from causal_jax import Tabular
    >>> nodes = {"A": Tabular(2), "B": Tabular(2), "C": Tabular(2, (2,))}
    >>> scm = SCM("A; B -> C", nodes)
    >>> list(group_by_mechanism(scm).values())
    [['A', 'B'], ['C']]
    """
    groups: dict[Discrete, list[str]] = {}
    for name, mechanism in scm.mechanisms.items():
        if not hasattr(mechanism, "log_probs"):
            raise ValueError(
                f"node {name!r} has no log_probs: this trainer needs explicit nodes, "
                "such as NeuralCategorical"
            )
        groups.setdefault(mechanism, []).append(name)
    return groups


def init_params(groups: dict[Discrete, list[str]], key: Key) -> tuple[Params, ...]:
    """The same fresh parameters as `scm.init` gives the nodes, stacked by group."""
    return tuple(
        jax.vmap(
            lambda key, mechanism=mechanism: mechanism.init(key, _zeros(mechanism))
        )(jnp.stack([node_key(key, name) for name in names]))
        for mechanism, names in groups.items()
    )


def _zeros(mechanism: Discrete) -> tuple:
    return tuple(jnp.zeros((), jnp.int32) for _ in mechanism.parent_states)


def log_prob(
    scm: SCM, groups: dict[Discrete, list[str]], stacked: tuple[Params, ...], rows
) -> Array:
    """log P(row) of explicit nodes, [B].

    Args:
      scm: the label model.
      groups: see `group_by_mechanism`.
      stacked: see `init_params`.
      rows: int [B, n], columns in the graph's declared order.
    """
    column = {name: i for i, name in enumerate(scm.nodes)}
    rows = rows.astype(jnp.int32)
    total = jnp.zeros(())
    for (mechanism, names), params in zip(groups.items(), stacked, strict=True):
        states = rows[:, np.array([column[name] for name in names])]
        above = [[column[parent] for parent in scm.parents[name]] for name in names]
        parents = rows[:, np.array(above, int)]  # [B, nodes, parents]

        def of_node(params, parents, state, mechanism=mechanism):
            return mechanism.log_prob(params, tuple(parents), state)

        of_row = jax.vmap(of_node)
        found = jax.vmap(of_row, (None, 0, 0))(params, parents, states)
        total = total + jnp.sum(found, axis=-1)
    return total


def by_node(
    scm: SCM, groups: dict[Discrete, list[str]], stacked: tuple[Params, ...]
) -> Params:
    """{node: params}, in the graph's declared order, of what is stacked by group."""
    params = {
        name: jax.tree.map(lambda leaf, i=i: leaf[i], group)
        for names, group in zip(groups.values(), stacked, strict=True)
        for i, name in enumerate(names)
    }
    return {name: params[name] for name in scm.nodes}
