"""Exact laws of explicit discrete models, seen, given and done, however many nodes.

P(x_Q | do(D = d), given(G = g)) is proportional to the sum over all other nodes of

    prod_{i not in D} P(x_i | pa_i)     at x_D = d, x_G = g

(truncated factorisation, Pearl 2009, eq. 3.10, then conditioning inside the intervened
world). Nodes that are no ancestors of Q or G in the intervened graph sum to one and are
left out; the others are eliminated by `ops.elimination`. Unlike
`laws.exact_law` the joint is never written down, so networks of hundreds of nodes
have exact marginals as long as they are not too entangled.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from causal_jax import arguments, posterior
from causal_jax import graph as graphs
from causal_jax.networks.tabulated import log_table
from causal_jax.ops.elimination import eliminate_scaled, require_size
from causal_jax.parameters import require_params
from causal_jax.queries import laws
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular
from causal_jax.types import Array, Params, Values


def conditional_tables(scm: SCM, params: Params) -> tuple[SCM, Params]:
    """The same law with a table a node: of learned label models, too.

    Args:
      scm: nodes all discrete with `log_probs`.
      params: its parameters.

    Returns:
      The model with every mechanism a `Tabular`, and its parameters.

    Raises:
      ValueError: a node without `log_probs`, or a table that is too large.
    """
    mechanisms = {}
    for name, mechanism in scm.mechanisms.items():
        if scm.states(name) is None or not hasattr(mechanism, "log_probs"):
            raise ValueError(
                f"node {name!r} has no explicit law: every node must be discrete and "
                "have log_probs, as Tabular and NeuralCategorical do"
            )
        shape = tuple(len(scm.states(parent)) for parent in scm.parents[name])
        num_states = len(scm.states(name))
        require_size((*shape, num_states), f"the table of node {name!r}")
        mechanisms[name] = Tabular(num_states, shape, mechanism.coupling)
    return SCM(scm.graph, mechanisms), _evaluated_tables(scm, params)


@partial(jax.jit, static_argnames="scm")
def _evaluated_tables(scm: SCM, params: Params) -> Params:
    tables = {}
    for name, mechanism in scm.mechanisms.items():
        if type(mechanism) is Tabular:  # a subclass may have another law
            tables[name] = params[name]
            continue
        shape = tuple(len(scm.states(parent)) for parent in scm.parents[name])
        table = jnp.exp(log_table(mechanism, params[name], shape))
        tables[name] = {"probs": table.reshape(*shape, -1)}
    return tables


def marginal(
    scm: SCM,
    params: Params,
    nodes: Sequence[str],
    *,
    do: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """P(nodes | do, given), exact to rounding.

    Args:
      scm: nodes all `Tabular`, see `conditional_tables`.
      params: its parameters.
      nodes: the axes of the result, in this order; may be intervened or conditioned.
      do: {node: state}, a state's name or index.
      given: {node: state}, a condition inside the intervened world.

    Returns:
      float64, one axis a node, summing to one.

    Raises:
      ValueError: unknown nodes or states, a node asked for twice, a condition of
        probability zero, a result that is too large or a model too entangled.
    """
    nodes = tuple(nodes)
    require_params(scm, params)
    for name in nodes:
        graphs.require_node(scm.graph, name)
    if len(set(nodes)) < len(nodes):
        raise ValueError(f"nodes {', '.join(nodes)} repeat one: name each once")
    do, given = laws.state_indices(scm, do), laws.state_indices(scm, given)
    require_size([len(scm.states(name)) for name in nodes], "the result")
    if contradicted := [n for n in given if n in do and do[n] != given[n]]:
        raise ValueError(
            f"the condition on {contradicted[0]!r} contradicts do({contradicted[0]!r})"
        )
    law = _unnormalised_law(scm, params, nodes, do, given)
    total = law.sum()
    if not total > 0:
        shown = ", ".join(f"{n}={scm.states(n)[i]}" for n, i in given.items())
        raise ValueError(f"the condition {shown} has probability zero")
    return law / total


def posterior_marginals(scm: SCM, params: Params, observed: Values) -> dict[str, Array]:
    """P(node | what was observed of each unit), for every unobserved node.

    What `SCM.abduct` draws from; many units at once, compiled once for each pattern of
    observed nodes. Observed nodes may be numbers.

    Args:
      scm: every unobserved node discrete with `log_probs`.
      params: its parameters.
      observed: {node: `[num, ...]`}, or one unit; states by name or index.

    Returns:
      {unobserved node: float32 `[num, states]`}, summing to one; all zero where what
      was observed is impossible. For one unit `[states]`.

    Raises:
      ValueError: unknown nodes or states, an unobserved node without `log_probs`, a
        model too entangled.
    """
    require_params(scm, params)
    shapes = scm.value_shapes(params)
    observed, is_unit, _ = arguments.factual(scm, shapes, observed)
    found = posterior.marginals(scm, params, observed)
    order = [name for name in scm.nodes if name in found]
    return {name: found[name][0] if is_unit else found[name] for name in order}


def _unnormalised_law(
    scm: SCM, params: Params, nodes, do: dict, given: dict
) -> np.ndarray:
    """P(nodes, given | do), up to a factor."""
    fixed = {**given, **do}
    tables = []
    for name in _relevant_nodes(scm, {*nodes, *given}, do):
        if type(scm.mechanisms[name]) is not Tabular:
            raise ValueError(
                f"node {name!r} has no table: conditional_tables(scm, params) makes "
                "tables of a model of labels"
            )
        table = np.asarray(params[name]["probs"], np.float64)
        sums = table.sum(-1, keepdims=True)  # of few digits they may miss one
        table = table / np.where(abs(sums - 1) > 1e-6, sums, 1)
        tables.append((table, (*scm.parents[name], name)))
    kept = [name for name in nodes if name not in fixed]
    law, _ = eliminate_scaled(tables, kept, fixed)
    full = np.zeros([len(scm.states(name)) for name in nodes])
    full[tuple(fixed.get(name, slice(None)) for name in nodes)] = law
    return full


def _relevant_nodes(scm: SCM, asked: set[str], do: dict) -> list[str]:
    """Nodes whose tables matter: ancestors of what is asked, none intervened."""
    graph = graphs.mutilate(scm.graph, do)
    ancestors = set(asked).union(*(nx.ancestors(graph, name) for name in asked))
    return [name for name in scm.nodes if name in ancestors and name not in do]
