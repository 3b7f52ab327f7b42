"""What the readers return: labels, and pictures with the labels beside them."""

from typing import NamedTuple

import numpy as np


class Table(NamedTuple):
    """Discrete labels, one row a unit.

    Attributes:
      names: the columns, in the order of `values`.
      states: names of the states by column; index i of a column means states[i].
      values: int32 [N, n], state indices.
    """

    names: tuple[str, ...]
    states: dict[str, tuple[str, ...]]
    values: np.ndarray

    @property
    def num_rows(self) -> int:
        """How many units the table holds."""
        return self.values.shape[0]


class ImageData(NamedTuple):
    """Pictures and the labels beside them, row by row.

    Attributes:
      images: uint8 [N, size, size, 3] in [0, 255].
      table: the labels, N rows.
    """

    images: np.ndarray
    table: Table

    @property
    def labels(self) -> np.ndarray:
        """State indices, int [N, n]."""
        return self.table.values
