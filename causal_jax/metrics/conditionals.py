"""The worst cells of the conditional tables: what a small TVD can hide.

The TVD of a joint law weighs an error by how many units it concerns. A table
P(label | parents) can be far off where few units fall, and whoever asks about those
units wants to know. Two cells are found: the one with the largest difference, and the
one with the largest difference relative to what it should be. (A state of probability
.02 that a model has forgotten is off by .02 only, but by all of it.) Cells that almost
nobody falls into are left out: there the data say nothing either.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from causal_jax.networks import controller
from causal_jax.queries.laws import all_rows, cardinalities
from causal_jax.scm import SCM
from causal_jax.types import Params

MIN_MASS = 0.002  # of the joint mass of a cell: two units in a thousand
_ZERO = 1e-12  # below it a probability is a sum's rounding


class Cell(NamedTuple):
    """P(node = state | parents) by a model and by a reference.

    Attributes:
      node: the label.
      state: name of its state.
      parents: {parent: name of its state}; empty for a root.
      model: the model's probability.
      reference: what it should be.
      mass: share of all units that are in this state with these parents, by the
        reference.
    """

    node: str
    state: str
    parents: dict[str, str]
    model: float
    reference: float
    mass: float

    @property
    def difference(self) -> float:
        """How far the model is off, in [0, 1]."""
        return abs(self.model - self.reference)

    @property
    def relative(self) -> float:
        """The difference over what the probability should be."""
        return self.difference / self.reference

    def __str__(self) -> str:
        """As in P(Bald=1 | Male=1)."""
        given = ", ".join(f"{name}={state}" for name, state in self.parents.items())
        return f"P({self.node}={self.state}{f' | {given}' if given else ''})"


class WorstCells(NamedTuple):
    """The two worst cells; they may be the same one.

    Attributes:
      absolute: with the largest difference.
      relative: with the largest difference relative to the reference.
    """

    absolute: Cell
    relative: Cell


class _Found(NamedTuple):
    """A cell as indices: its node's column, a row [n] in it, its probability."""

    column: int
    row: np.ndarray
    reference: float
    mass: float


def worst_cells(
    scm: SCM,
    rows: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    params: Params | None = None,
    drawn: np.ndarray | None = None,
    min_mass: float = MIN_MASS,
) -> WorstCells | None:
    """The cells where a model is furthest from a reference.

    Args:
      scm: the label model; its graph says which tables there are.
      rows: the reference, int [N, n], columns in the graph's declared order: a table of
        units, or every combination of states.
      weights: [N] probabilities of `rows`; equal ones if None.
      params: of the model, where every node has `log_prob`: its tables are then exact.
      drawn: int [M, n], rows of the model, where it has not.
      min_mass: cells with less joint mass are left out.

    Returns:
      The cells; None if no cell has so much mass.

    Raises:
      ValueError: neither `params` nor `drawn` is given.

    Example:
      >>> from causal_jax import SCM, categorical
      >>> mechanism, params = categorical([0.25, 0.75])
      >>> rows = np.array([[0], [1]])
      >>> scm = SCM("A;", {"A": mechanism})
      >>> print(worst_cells(scm, rows, params={"A": params}).absolute)
      P(A=0)
    """
    if (params is None) == (drawn is None):
        raise ValueError("give the model's params or drawn rows of it, one of the two")
    weights = np.full(len(rows), 1 / len(rows)) if weights is None else weights
    cells = _cells(scm, np.asarray(rows), np.asarray(weights))
    found = [cell for cell in cells if cell.mass >= min_mass]
    if not found:
        return None
    if params is not None:
        probs = _exact(scm, params, found)
    else:
        probs = [_counted(scm, np.asarray(drawn), cell) for cell in found]
    reference = np.array([cell.reference for cell in found])
    differences = np.nan_to_num(np.abs(np.asarray(probs) - reference), nan=-1.0)
    worst = [int(np.argmax(sizes)) for sizes in (differences, differences / reference)]
    return WorstCells(*(_named(scm, found[i], float(probs[i])) for i in worst))


def worst_cells_of_law(scm: SCM, law: np.ndarray, **model) -> WorstCells | None:
    """`worst_cells` against a law that is written down, [prod(cards)] as `all_rows`."""
    return worst_cells(scm, all_rows(cardinalities(scm)), law, **model)


def largest_never(scm: SCM, law: np.ndarray, params: Params) -> float | None:
    """The largest probability that a model gives to what never occurs.

    Args:
      scm: the label model, every node with `log_prob`.
      law: the true joint law, [prod(cards)], in the order of `all_rows`.
      params: of the model.

    Returns:
      The maximum over the cells P(state | parents) that are 0 in truth and whose
      parents occur; None if there is no such cell.

    Example:
      >>> from causal_jax import SCM, categorical
      >>> mechanism, params = categorical([0.25, 0.75])
      >>> scm = SCM("A;", {"A": mechanism})
      >>> largest_never(scm, np.array([0.0, 1.0]), {"A": params})
      0.25
    """
    cells = _cells(scm, all_rows(cardinalities(scm)), np.asarray(law))
    never = [cell for cell in cells if cell.reference < _ZERO]
    return float(np.max(_exact(scm, params, never))) if never else None


def _family(scm: SCM, name: str) -> list[int]:
    """Columns of a node's parents and, last, of the node."""
    return [scm.nodes.index(member) for member in (*scm.parents[name], name)]


def _cells(scm: SCM, rows, weights) -> Iterator[_Found]:
    """All cells whose parents occur."""
    for column, name in enumerate(scm.nodes):
        family = _family(scm, name)
        codes, first, at = _distinct(rows[:, family])
        mass = np.bincount(at, weights=weights)
        _, _, parents = _distinct(codes[:, :-1])
        total = np.bincount(parents, weights=mass)[parents]
        for i in np.flatnonzero(total > 0):
            yield _Found(
                column=column,
                row=rows[first[i]],
                reference=float(mass[i] / total[i]),
                mass=float(mass[i]),
            )


def _distinct(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct rows, where each is first, and which one each row is."""
    if not codes.shape[1]:  # of a root's parents there is one combination
        return codes[:1], np.zeros(1, int), np.zeros(len(codes), int)
    found, first, at = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    return found, first, at.ravel()


def _exact(scm: SCM, params: Params, found: list[_Found]) -> np.ndarray:
    rows = jnp.asarray(np.stack([cell.row for cell in found]), jnp.int32)
    log_probs = np.asarray(controller.Rows(scm).node_log_probs(params, rows))
    return np.exp(log_probs[np.arange(len(found)), [cell.column for cell in found]])


def _counted(scm: SCM, drawn: np.ndarray, cell: _Found) -> float:
    """The share among drawn rows; not-a-number where the parents were never drawn."""
    *parents, column = _family(scm, scm.nodes[cell.column])
    here = drawn[(drawn[:, parents] == cell.row[parents]).all(1), column]
    return float(np.mean(here == cell.row[column])) if len(here) else float("nan")


def _named(scm: SCM, cell: _Found, prob: float) -> Cell:
    name = scm.nodes[cell.column]
    states = {n: scm.states(n)[int(cell.row[i])] for i, n in enumerate(scm.nodes)}
    return Cell(
        node=name,
        state=states[name],
        parents={parent: states[parent] for parent in scm.parents[name]},
        model=prob,
        reference=cell.reference,
        mass=cell.mass,
    )
