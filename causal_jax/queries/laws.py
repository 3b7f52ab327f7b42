"""Laws over discrete labels that can be written down, and rows drawn from the others.

A law is an array of probabilities, one for each combination of states, ordered as
`all_rows`: P(all nodes | do(X = v)) by the truncated factorisation (Pearl 2009, eq.
3.10), the frequencies of a table, or the product of its conditional tables along a
graph.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import encoding
from causal_jax import graph as graphs
from causal_jax.networks import controller
from causal_jax.ops.elimination import require_size
from causal_jax.parameters import require_params
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular
from causal_jax.types import Key, Params

MAX_STATES = 1 << 14  # joint tables up to this size are enumerated


def cardinalities(scm: SCM) -> tuple[int, ...]:
    """Number of states of every node, in the graph's declared order.

    Raises:
      ValueError: a node without states.
    """
    for name in scm.nodes:
        if scm.states(name) is None:
            raise ValueError(
                f"node {name!r} has no states: laws over states are of models whose "
                "nodes all have some"
            )
    return tuple(len(scm.states(name)) for name in scm.nodes)


def all_rows(cards: tuple[int, ...]) -> np.ndarray:
    """Every combination of states, int32 [prod(cards), n], last column fastest.

    Raises:
      ValueError: there are too many to be written down.
    """
    require_size(cards, "the joint law")
    grid = np.indices(cards).reshape(len(cards), -1)
    return np.ascontiguousarray(grid.T.astype(np.int32))


def empirical_law(rows: np.ndarray, cards: tuple[int, ...]) -> np.ndarray:
    """Frequencies of all combinations, [prod(cards)], ordered as `all_rows`.

    Raises:
      ValueError: there are too many to be written down.
    """
    require_size(cards, "the joint law")
    index = np.ravel_multi_index(np.asarray(rows).T, cards)
    return np.bincount(index, minlength=int(np.prod(cards))) / len(rows)


def is_enumerable(scm: SCM) -> bool:
    """Whether the joint law can be written down exactly."""
    explicit = all(hasattr(m, "log_prob") for m in scm.mechanisms.values())
    return explicit and len(scm.discrete) == len(scm.nodes) and is_small(scm)


def exact_law(
    scm: SCM, params: Params, do: Mapping[str, Any] | None = None
) -> np.ndarray:
    """P(all nodes | do), [prod(cards)], by the truncated factorisation.

    Raises:
      ValueError: an unknown node or state in `do`.
    """
    return _law_of(scm, _log_factors(scm, params), state_indices(scm, do))


def state_indices(scm: SCM, setting: Mapping[str, Any] | None) -> dict[str, int]:
    """State indices of what `do=` and `given=` of `SCM.sample` take for one state.

    Raises:
      ValueError: an unknown node or state, or states of several units.
    """
    indices = {}
    for name, state in (setting or {}).items():
        graphs.require_node(scm.graph, name)
        index = encoding.encode(scm, name, state)
        if index.ndim:
            raise ValueError(f"{name!r} takes one state here, not an array")
        indices[name] = int(index)
    return indices


def _law_of(scm: SCM, factors: np.ndarray, do: Mapping[str, int]) -> np.ndarray:
    rows = all_rows(cardinalities(scm))
    log_law = np.zeros(len(rows))
    for i, name in enumerate(scm.nodes):
        if name in do:
            log_law += np.where(rows[:, i] == do[name], 0.0, -np.inf)
        else:
            log_law += factors[:, i]
    return np.exp(log_law)


def _log_factors(scm: SCM, params: Params) -> np.ndarray:
    """log P(x_i | pa_i) of every combination, [prod(cards), n]."""
    require_params(scm, params)
    rows = jnp.asarray(all_rows(cardinalities(scm)))
    return np.asarray(_node_log_probs(scm, params, rows), np.float64)


@partial(jax.jit, static_argnames="scm")
def _node_log_probs(scm: SCM, params: Params, rows: jax.Array) -> jax.Array:
    return controller.Rows(scm).node_log_probs(params, rows)


def sampled_rows(scm: SCM, params: Params, key: Key, num: int, do=None) -> np.ndarray:
    """Rows of the labels, int [num, n]; `do` as in `SCM.sample`."""
    values = scm.sample(params, key, num=num, do=do)
    return np.stack([np.asarray(values[name]) for name in scm.nodes], axis=-1)


def single_interventions(scm: SCM) -> list[tuple[str, int]]:
    """Every do(node = state)."""
    return [(n, v) for n in scm.nodes for v in range(len(scm.states(n)))]


class Laws(NamedTuple):
    """The laws of one model: of what is seen, and under every single intervention.

    Attributes:
      seen: P(all nodes), [prod(cards)], ordered as `all_rows`.
      done: {"Node=state": P(all nodes | do(Node = state))}, all of them.
      rows: drawn rows of what is seen, int [N, n], where the laws are counted in drawn
        rows; None where they are enumerated.
    """

    seen: np.ndarray
    done: dict[str, np.ndarray]
    rows: np.ndarray | None = None

    @property
    def exact(self) -> bool:
        """Whether the laws are enumerated."""
        return self.rows is None


def exact_laws(scm: SCM, params: Params, *, order: Sequence[str] | None = None) -> Laws:
    """The enumerated laws of an explicit model, see `is_enumerable`.

    Args:
      scm: the model.
      params: its parameters.
      order: of the nodes in the laws; None takes the model's.
    """
    factors = _log_factors(scm, params)
    order = order or scm.nodes
    axes = [scm.nodes.index(name) for name in order]

    def law(do: Mapping[str, int]) -> np.ndarray:
        found = _law_of(scm, factors, do).reshape(cardinalities(scm))
        return found.transpose(axes).ravel()

    texts = intervention_texts(scm, order)
    done = {text: law({name: v}) for text, (name, v) in texts.items()}
    return Laws(seen=law({}), done=done)


def model_laws(
    scm: SCM, params: Params, key: Key, *, num_samples: int = 500_000
) -> Laws:
    """The laws of a label model, enumerated where it is explicit, else sampled.

    Args:
      scm: label model, of at most `MAX_STATES` combinations of states.
      params: its parameters.
      key: used only where a law must be sampled; the same noise for all of them.
      num_samples: rows of a sampled law.
    """
    if is_enumerable(scm):
        return exact_laws(scm, params)

    cards = cardinalities(scm)
    seen = sampled_rows(scm, params, key, num_samples)
    done = {
        text: empirical_law(
            sampled_rows(scm, params, key, num_samples, {name: np.array(v)}), cards
        )
        for text, (name, v) in intervention_texts(scm, scm.nodes).items()
    }
    return Laws(seen=empirical_law(seen, cards), done=done, rows=seen)


def intervention_texts(scm: SCM, order: Sequence[str]) -> dict[str, tuple[str, int]]:
    """{"Node=state": (node, index)} of all single interventions.

    Raises:
      ValueError: names with "=" by which two of them read alike.
    """
    found: dict[str, tuple[str, int]] = {}
    for name in order:
        for index, state in enumerate(scm.states(name)):
            text = f"{name}={state}"
            if text in found:
                raise ValueError(
                    f"{text} could be a state of {found[text][0]!r} or of {name!r}: "
                    "rename one"
                )
            found[text] = (name, index)
    return found


def is_small(scm: SCM) -> bool:
    """Whether the joint law has at most `MAX_STATES` combinations of states."""
    return int(np.prod(cardinalities(scm), dtype=float)) <= MAX_STATES


def tabular_fit(
    scm: SCM, rows: np.ndarray, *, prior: float = 0.0
) -> tuple[SCM, Params]:
    """The product of the data's conditional tables along the graph.

    Args:
      scm: gives the graph.
      rows: int [N, n], columns in the graph's declared order.
      prior: added to every count; with 0, parent combinations that the data does not
        have get a uniform row.

    Raises:
      ValueError: a node whose table is too large to be written down.
    """
    cards = dict(zip(scm.nodes, cardinalities(scm), strict=True))
    column = {name: i for i, name in enumerate(scm.nodes)}
    mechanisms, params = {}, {}
    for name in scm.nodes:
        family = (*scm.parents[name], name)
        shape = tuple(cards[member] for member in family)
        require_size(shape, f"the table of node {name!r}")
        counts = np.bincount(
            np.ravel_multi_index(rows[:, [column[m] for m in family]].T, shape),
            minlength=int(np.prod(shape)),
        ).reshape(shape)
        counts = counts + prior
        total = counts.sum(-1, keepdims=True)
        probs = np.where(total > 0, counts / np.maximum(total, 1e-9), 1 / shape[-1])
        mechanisms[name] = Tabular(shape[-1], shape[:-1])
        params[name] = {"probs": jnp.asarray(probs, jnp.float32)}
    return SCM(scm.graph, mechanisms), params


def mean_log_likelihood(scm: SCM, params: Params, rows: np.ndarray) -> float:
    """Mean log P(row) of an explicit label model, in nats."""
    model = controller.rows(scm)
    log_prob = jax.jit(model.log_prob)
    parts = [
        np.asarray(log_prob(params, jnp.asarray(rows[i : i + 65_536])))
        for i in range(0, len(rows), 65_536)
    ]
    return float(np.concatenate(parts).mean(dtype=np.float64))
