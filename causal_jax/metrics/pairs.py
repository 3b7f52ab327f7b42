"""Marginals and pair tables of label laws: where a model and a reference differ."""

from typing import NamedTuple

import numpy as np

from causal_jax.metrics import discrete
from causal_jax.queries import laws
from causal_jax.scm import SCM


class Tables(NamedTuple):
    """The small tables of one law over discrete labels.

    Attributes:
      marginals: {node: [k] probabilities of its states}.
      pairs: {(node, later node): [k, l] joint probabilities}.
    """

    marginals: dict[str, np.ndarray]
    pairs: dict[tuple[str, str], np.ndarray]


class Compared(NamedTuple):
    """A model's tables and those that they are compared with.

    Attributes:
      model: the model's.
      reference: what they should be.
      source: whose these are: "truth", or "data" where the truth is not known or the
        model is not compared with it.
    """

    model: Tables
    reference: Tables
    source: str


def tables_of_rows(scm: SCM, rows: np.ndarray) -> Tables:
    """Of rows, int [N, n], columns in the graph's declared order."""
    cards = laws.cardinalities(scm)
    return _tables_by_name(
        scm, discrete.marginals(rows, cards), discrete.pairwise_tables(rows, cards)
    )


def tables_of_law(scm: SCM, law: np.ndarray) -> Tables:
    """Of a joint law, [prod(cards)], ordered as `laws.all_rows`."""
    cards = laws.cardinalities(scm)
    joint, nodes = np.reshape(law, cards), range(len(cards))

    def kept(*axes: int) -> np.ndarray:
        return joint.sum(axis=tuple(i for i in nodes if i not in axes))

    pairs = {(i, j): kept(i, j) for i in nodes for j in nodes if i < j}
    return _tables_by_name(scm, [kept(i) for i in nodes], pairs)


def _tables_by_name(scm: SCM, marginals: list, pairs: dict) -> Tables:
    names = scm.nodes
    return Tables(
        dict(zip(names, marginals, strict=True)),
        {(names[i], names[j]): table for (i, j), table in pairs.items()},
    )


def pair_tvds(model: Tables, reference: Tables) -> dict[tuple[str, str], float]:
    """TVD of every pair's table, in the order of the nodes."""
    return {
        pair: discrete.tvd(table, reference.pairs[pair])
        for pair, table in model.pairs.items()
    }


def largest(tvds: dict[tuple[str, str], float], num: int) -> list[tuple[str, str]]:
    """The `num` pairs that differ most (all if there are fewer), the worst first."""
    return sorted(tvds, key=tvds.get, reverse=True)[:num]
