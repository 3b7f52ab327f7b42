"""Distinct rows of a batch, and work in blocks of one shape whatever the batch's size.

What is computed from a row is computed once for all units that share it; blocks always
have the same shapes, so that one compilation serves every batch.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from causal_jax.types import Values


class Rows(NamedTuple):
    """The distinct rows of concrete evidence.

    Attributes:
      values: {node: `[rows, ...]`}.
      row: which row each unit has, int `[num]`.
      order: the units, those of one row next to each other, int `[num]`.
    """

    values: Mapping[str, np.ndarray]
    row: np.ndarray
    order: np.ndarray


def distinct(evidence: Values, num: int) -> Rows:
    """The distinct rows of concrete columns.

    Args:
      evidence: {node: `[num, ...]`, or `[1, ...]` where all units share it}.
      num: number of units.
    """
    columns = {name: np.asarray(value) for name, value in evidence.items()}
    lengths = {len(column) for column in columns.values()} - {1}
    if not lengths:  # one row for all
        return Rows(columns, np.zeros(num, np.int32), np.arange(num))
    columns = {
        name: np.ascontiguousarray(np.broadcast_to(c, (num, *c.shape[1:])))
        for name, c in columns.items()
    }
    as_bytes = [c.reshape(num, -1).view(np.uint8) for c in columns.values()]
    joined = np.ascontiguousarray(np.concatenate(as_bytes, axis=1))
    joined = joined.view(f"V{joined.shape[1]}")[:, 0]
    _, first, row = np.unique(joined, return_index=True, return_inverse=True)
    values = {name: column[first] for name, column in columns.items()}
    return Rows(values, row.astype(np.int32), np.argsort(row, kind="stable"))


def split(rows: Rows, most: int) -> Rows:
    """The same rows, those that more than `most` units share as several.

    >>> rows = split(distinct({"X": np.array([7.0, 5, 7, 7])}, 4), 2)
    >>> rows.row.tolist(), rows.values["X"].tolist()
    ([1, 0, 1, 2], [5.0, 7.0, 7.0])
    """
    counts = np.bincount(rows.row)
    rank = np.empty(len(rows.row), np.int64)  # of each unit among those of its row
    rank[rows.order] = np.arange(len(rank)) - np.repeat(
        np.cumsum(counts) - counts, counts
    )
    num_parts = -(-counts // most)
    before = np.cumsum(num_parts) - num_parts
    row = (before[rows.row] + rank // most).astype(np.int32)
    source = np.repeat(np.arange(len(counts)), num_parts)
    values = {name: value[source] for name, value in rows.values.items()}
    return Rows(values, row, np.argsort(row, kind="stable"))


def blocks(rows: Rows, size: int) -> Iterator[tuple[int, dict, np.ndarray]]:
    """Blocks of `size` rows: the first row, values (the last repeated), the units."""
    num_rows = int(rows.row.max()) + 1
    sorted_rows = rows.row[rows.order]
    for start in range(0, num_rows, size):
        index = np.minimum(np.arange(start, start + size), num_rows - 1)
        low, high = np.searchsorted(sorted_rows, [start, start + size])
        values = {name: value[index] for name, value in rows.values.items()}
        yield start, values, rows.order[low:high]


def padded(units: np.ndarray, size: int) -> np.ndarray:
    """`units`, the last one repeated until there are `size`."""
    return np.concatenate([units, np.full(size - len(units), units[-1])])


def parts(units: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """`units`, up to `size` at a time."""
    for start in range(0, len(units), size):
        yield units[start : start + size]


def map_blocks(block_fn: Callable[..., Any], num: int, size: int, *trees: Any) -> Any:
    """Traced work in blocks; the last block is filled up with the last unit.

    Args:
      block_fn: takes trees of `[size, ...]` and returns one.
      num: number of units.
      size: units in a block.
      *trees: trees of `[num, ...]`.

    Returns:
      What `block_fn` returned, joined, `[num, ...]`.
    """
    size = max(min(size, num), 1)
    num_blocks = -(-num // size)
    index = np.minimum(np.arange(num_blocks * size), num - 1).reshape(-1, size)
    blocked = jax.tree.map(lambda leaf: leaf[index], trees)
    results = jax.lax.map(lambda block: block_fn(*block), blocked)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:num], results)
