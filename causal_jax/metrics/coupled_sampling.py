"""Distances between tabular models too large to enumerate: coupled samples.

Both models are sampled by inverse CDF from the SAME uniforms, one a node and unit. The
estimate of a marginal table's TVD is 1/2 sum |p_hat - q_hat|, and p_hat - q_hat is the
mean of a difference that is zero for every unit on which the models agree: its variance
is at most P(the two differ) / N, so the noise shrinks with the distance that is
measured, and equal models are at distance exactly 0. (Independent samples would leave
a floor of about sqrt(1 / N) under every distance.)

What is averaged, where the joint is too large: the tables of all pairs of nodes and of
all families (a node and its parents) that are no pairs themselves. Under do(X = x)
the same tables of the intervened world; only X and its descendants are drawn again.
"""

from collections.abc import Iterator
from typing import NamedTuple

import networkx as nx
import numpy as np

from causal_jax.queries.laws import single_interventions
from causal_jax.scm import SCM
from causal_jax.types import Params

NUM_UNITS = 100_000


class Distances(NamedTuple):
    """How far a model is from a reference.

    Attributes:
      seen: mean TVD of the tables, of what is seen.
      done: [interventions], the same under each of `single_interventions`.
    """

    seen: float
    done: np.ndarray


class _TableCounts(NamedTuple):
    """The tables that one intervention changes.

    Attributes:
      pairs: [states of changed nodes, all states], how often both occur.
      families: {node: counts of its family's table}.
    """

    pairs: np.ndarray
    families: dict[str, np.ndarray]


class Reference:
    """A tabular model whose counts under every intervention are kept.

    Args:
      scm: nodes all `Tabular`.
      params: its parameters.
      num: units that are drawn.
      seed: of the uniforms.
    """

    def __init__(self, scm: SCM, params: Params, *, num: int = NUM_UNITS, seed=0):
        self._scm = scm
        self._column = {name: i for i, name in enumerate(scm.nodes)}
        cards = [len(scm.states(name)) for name in scm.nodes]
        self._cards = cards
        self._starts = np.concatenate([[0], np.cumsum(cards)[:-1]])
        self.num = num
        random = np.random.default_rng(seed)
        self._uniforms = random.random((len(cards), self.num), np.float32)
        self._families = [name for name in scm.nodes if len(scm.parents[name]) > 1]
        self._changed = [self._changed_by(name) for name in scm.nodes]
        self._counts = list(self._all_counts(params))

    def distances(self, params: Params) -> Distances:
        """How far a model on the same graph is from the reference.

        Args:
          params: tables by node, as the reference's.
        """
        tables = zip(self._counts, self._all_counts(params), strict=True)
        everything = list(range(len(self._cards)))
        pairs, families = self._tvds_of_tables(everything, *next(tables))
        done = []
        for (node, _), counts in zip(
            single_interventions(self._scm), tables, strict=True
        ):
            changed = self._changed[self._column[node]]
            rows, new_families = self._tvds_of_tables(changed, *counts)
            new_pairs = pairs.copy()
            new_pairs[changed], new_pairs[:, changed] = rows, rows.T
            done.append(self._mean_distance(new_pairs, families | new_families))
        return Distances(self._mean_distance(pairs, families), np.array(done))

    def _changed_by(self, name: str) -> list[int]:
        """Columns of a node and its descendants, in the graph's declared order."""
        changed = {name} | nx.descendants(self._scm.graph, name)
        return sorted(self._column[member] for member in changed)

    def _all_counts(self, params: Params) -> Iterator[_TableCounts]:
        """Counts of what is seen, then of every single intervention."""
        cumulated = [_upper_edges(params[name]["probs"]) for name in self._scm.nodes]
        everything = list(range(len(self._cards)))
        states = np.zeros((len(self._cards), self.num), np.int32)
        self._draw_columns(states, cumulated, everything, None)
        bits = np.concatenate(
            [self._state_bits(states, column) for column in everything]
        )
        yield _TableCounts(
            _common_counts(bits, bits), self._family_counts(states, everything)
        )
        natural, natural_bits = states.copy(), bits.copy()
        for node, state in single_interventions(self._scm):
            fixed = self._column[node]
            changed = self._changed[fixed]
            states[fixed] = state
            self._draw_columns(states, cumulated, changed, fixed)
            at = self._state_rows(changed)
            bits[at] = np.concatenate([self._state_bits(states, c) for c in changed])
            counts = self._family_counts(states, changed)
            yield _TableCounts(_common_counts(bits[at], bits), counts)
            states[changed], bits[at] = natural[changed], natural_bits[at]

    def _draw_columns(
        self, states, cumulated, columns: list[int], fixed: int | None
    ) -> None:
        """Draws these columns in place, parents before children."""
        wanted = set(columns) - {fixed}
        for name in self._scm.order:
            column = self._column[name]
            if column not in wanted:
                continue
            row = self._table_index(states, self._scm.parents[name])
            uniform = self._uniforms[column]
            state = np.zeros(self.num, np.int32)
            for edges in cumulated[column]:
                state += uniform >= edges[row]
            states[column] = state

    def _table_index(self, states: np.ndarray, members) -> np.ndarray:
        """Position of each unit's states in the members' table, int32 [N]."""
        index = np.zeros(self.num, np.int32)
        for member in members:
            column = self._column[member]
            index *= self._cards[column]
            index += states[column]
        return index

    def _state_bits(self, states: np.ndarray, column: int) -> np.ndarray:
        """Which units are in each state of a node, uint64 [num_states, N / 64]."""
        is_state = states[column] == np.arange(self._cards[column])[:, None]
        packed = np.packbits(is_state, axis=1)
        padding = -packed.shape[1] % 8
        return np.pad(packed, ((0, 0), (0, padding))).view(np.uint64)

    def _state_rows(self, columns: list[int]) -> np.ndarray:
        """Rows of these nodes' states among all states."""
        return np.concatenate(
            [self._starts[c] + np.arange(self._cards[c]) for c in columns]
        )

    def _family_counts(self, states, changed: list[int]) -> dict[str, np.ndarray]:
        counts = {}
        changed_names = {self._scm.nodes[column] for column in changed}
        for name in self._families:
            family = (*self._scm.parents[name], name)
            if changed_names.intersection(family):
                counts[name] = np.bincount(
                    self._table_index(states, family),
                    minlength=int(
                        np.prod([self._cards[self._column[m]] for m in family])
                    ),
                )
        return counts

    def _tvds_of_tables(self, changed: list[int], p: _TableCounts, q: _TableCounts):
        """TVD of the pairs [changed, n] and of the families."""
        distance = np.abs(p.pairs - q.pairs) / (2 * self.num)
        starts = np.cumsum([0, *(self._cards[c] for c in changed)])[:-1]
        rows = np.add.reduceat(distance, starts, axis=0)
        families = {
            name: np.abs(p.families[name] - q.families[name]).sum() / (2 * self.num)
            for name in p.families
        }
        return np.add.reduceat(rows, self._starts, axis=1), families

    def _mean_distance(self, pairs: np.ndarray, families: dict[str, float]) -> float:
        above = pairs[np.triu_indices(len(pairs), 1)]
        return float(np.mean([*above, *families.values()]))


def _upper_edges(probs) -> np.ndarray:
    """Upper edges of all states but the last, [num_states - 1, configurations]."""
    probs = np.asarray(probs, np.float64)
    edges = np.cumsum(probs, -1)[..., :-1].reshape(-1, probs.shape[-1] - 1)
    return np.ascontiguousarray(edges.T, np.float32)


def _common_counts(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """In how many units both bits are set, [len(left), len(right)]."""
    counts = np.empty((len(left), len(right)))
    for i, row in enumerate(left):
        counts[i] = np.bitwise_count(right & row).sum(-1, dtype=np.int64)
    return counts
