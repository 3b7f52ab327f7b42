"""Bayesian networks from BIF files: tabular models whose every law is known.

BIF, the Bayesian Interchange Format (Cozman 1998, version 0.15), is the text format of
the bnlearn repository:

    network asia { }
    variable smoke { type discrete [ 2 ] { yes, no }; }
    probability ( lung | smoke ) { (yes) 0.1, 0.9; (no) 0.01, 0.99; }

Dialects (JavaBayes's, upper case, bare names with blanks or commas, any order) are read
by `bif_text`. A probability block holds `table` (all numbers at once: the node's own
state changes slowest, the last parent's fastest), one row per parent configuration, its
states in the order of the block's parents, or `default`, the row of every configuration
that is not listed. `//` and `/* */` are comments, `property` is skipped. Anything else
is an error of one line.

Files round their numbers, so a row's sum may miss one by up to `TOLERANCE`; rows are
then divided by their sum.
"""

import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import networkx as nx
import numpy as np

from causal_jax import graph as graphs
from causal_jax.data.bif_lists import cuts, unquoted
from causal_jax.data.bif_text import Block, Row, Variable, read_statements, text_of
from causal_jax.messages import one_line
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular
from causal_jax.types import Params

TOLERANCE = 1e-3
MAX_TABLE = 10_000_000  # numbers a node; larger tables are no use and fill the memory

_BAR = re.compile(
    r'((?:"[^"\n]*"|[^"|])*+)\|(.*)', re.S
)  # the first that is not quoted


def read_bif(path: str | Path) -> tuple[SCM, Params]:
    """Reads a network: its graph, its state names and its tables.

    Args:
      path: a `.bif` file, or one packed by gzip (recognised by its content).

    Returns:
      The model, nodes in the file's order and all `Tabular`, and its parameters.

    Raises:
      ValueError: no such file, truncated, not BIF (XMLBIF, Hugin's and DSC files are
        named, with what converts them); unknown parents or states; a missing
        or repeated block or row; probabilities that are negative or do not sum to one;
        a cycle. The line, or the node and the configuration, is named.
    """
    text = text_of(Path(path))
    try:
        return _model(*read_statements(text))
    except ValueError as error:
        raise ValueError(f"{path}: {one_line(error)}") from error


def _model(variables: list[Variable], blocks: list[Block]) -> tuple[SCM, Params]:
    states: dict[str, tuple[str, ...]] = {}
    for name, names in variables:
        if name in states:
            raise ValueError(f"variable {name!r} is declared twice")
        states[name] = names
    tables: dict[str, _TableBlock] = {}
    for block in blocks:
        _add_table(block, states, tables)
    for name in states:
        if name not in tables:
            raise ValueError(
                f"node {name!r} has no probability block: the file is truncated, or "
                "the block is missing"
            )
    return _model_of_tables(states, tables)


class _TableBlock:
    """The table of one node, in the block's own order of parents.

    Attributes:
      name: the node.
      parents: as the block lists them.
      table: float64 [*parents' states, node's states]; NaN where no row was given yet.
    """

    def __init__(self, name: str, parents: Sequence[str], states: dict):
        shape = tuple(len(states[member]) for member in (*parents, name))
        if math.prod(shape) > MAX_TABLE:
            raise ValueError(
                f"the table of node {name!r} has {math.prod(shape)} numbers; at most "
                f"{MAX_TABLE} are read"
            )
        self.name, self.parents = name, tuple(parents)
        self._states = states
        self.table = np.full(shape, np.nan)

    def index(self, text: str) -> tuple[int, ...]:
        """Indices of the parents' states that a row names."""
        configuration = cuts(text, self._are_states)
        if not self._are_states(configuration):
            configuration = cuts(text, lambda names: len(names) == len(self.parents))
        if len(configuration) != len(self.parents):
            raise ValueError(
                f"node {self.name!r}: configuration ({', '.join(configuration)}) has "
                f"{len(configuration)} states for {len(self.parents)} parents"
            )
        for parent, state in zip(self.parents, configuration, strict=True):
            if state not in self._states[parent]:
                raise ValueError(
                    f"node {self.name!r}: {state!r} is no state of its parent "
                    f"{parent!r}: {graphs.suggestion(state, self._states[parent])}"
                )
        pairs = zip(self.parents, configuration, strict=True)
        return tuple(self._states[p].index(state) for p, state in pairs)

    def _are_states(self, names: Sequence[str]) -> bool:
        return len(names) == len(self.parents) and all(
            state in self._states[parent]
            for parent, state in zip(self.parents, names, strict=True)
        )

    def described(self, index: Sequence[int]) -> str:
        """'node X given (a, b)' for error messages."""
        pairs = zip(self.parents, index, strict=True)
        shown = ", ".join(self._states[p][i] for p, i in pairs)
        return f"node {self.name!r}" + (f" given ({shown})" if shown else "")

    def finish(self, default: np.ndarray | None) -> None:
        """Fills what `default` is for, checks every row, makes it sum to one."""
        missing = np.isnan(self.table).any(-1)
        if default is not None:
            self.table[missing] = default
        elif missing.any():
            index = np.argwhere(missing)[0]
            raise ValueError(f"{self.described(index)} has no probabilities")
        self._refuse_rows((self.table < 0).any(-1), "a negative probability")
        sums = self.table.sum(-1)
        # The hair lets through sums that miss one by the tolerance and a rounding.
        wrong = ~(np.abs(sums - 1) <= TOLERANCE + 1e-9)
        self._refuse_rows(wrong, "probabilities that do not sum to one")
        self.table /= sums[..., None]

    def _refuse_rows(self, wrong: np.ndarray, what: str) -> None:
        if wrong.any():
            index = tuple(np.argwhere(wrong)[0])
            row = ", ".join(f"{p:g}" for p in self.table[index][:8])
            raise ValueError(f"{self.described(index)} has {what}: {row}")


def _add_table(block: Block, states: dict, tables: dict[str, _TableBlock]) -> None:
    name, parents = _family(block.header, states)
    for member in (name, *parents):
        if member not in states:
            role = "node" if member == name else f"parent of {name!r}"
            raise ValueError(
                f"unknown {role} {member!r}: {graphs.suggestion(member, states)}"
            )
    if name in tables:
        raise ValueError(f"node {name!r} has two probability blocks: keep one")
    if len({name, *parents}) <= len(parents):
        raise ValueError(
            f"the parents of node {name!r}, {', '.join(parents)}, are not distinct "
            "other nodes"
        )
    tables[name] = _TableBlock(name, parents, states)
    _fill(tables[name], block.rows)


def _family(header: str, states: dict) -> tuple[str, list[str]]:
    """A node and its parents: `A | B, C`, or JavaBayes's `"A" "B" "C"`."""
    if unquoted(header) in states:
        return unquoted(header), []
    bar = _BAR.match(header)
    known = cuts(
        bar[2] if bar else header, lambda names: all(n in states for n in names)
    )
    if bar:
        return unquoted(bar[1].strip()), known
    return (known[0], known[1:]) if known else ("", [])


def _fill(block: _TableBlock, rows: Sequence[Row]) -> None:
    default = None
    for row in rows:
        if row.kind == "table":
            _fill_table(block, row)
        elif row.kind == "default":
            default = _numbers(row, block.table.shape[-1], f"node {block.name!r}")
        else:
            index = block.index(row.configuration)
            where = block.described(index)
            if not np.isnan(block.table[index]).any():
                raise ValueError(f"{where} has probabilities twice: keep one row")
            block.table[index] = _numbers(row, block.table.shape[-1], where)
    block.finish(default)


def _fill_table(block: _TableBlock, row: Row) -> None:
    if not np.isnan(block.table).all():
        raise ValueError(f"node {block.name!r} has probabilities twice: keep one table")
    values = _numbers(row, block.table.size, f"node {block.name!r}")
    shape = (block.table.shape[-1], *block.table.shape[:-1])
    block.table[...] = np.moveaxis(values.reshape(shape), 0, -1)


def _numbers(row: Row, num: int, where: str) -> np.ndarray:
    values = np.array(row.numbers)
    if len(values) != num:
        raise ValueError(f"{where} has {len(values)} probabilities instead of {num}")
    if not np.isfinite(values).all():
        raise ValueError(f"{where} has a probability that is not finite")
    return values


def _model_of_tables(
    states: dict, tables: dict[str, _TableBlock]
) -> tuple[SCM, Params]:
    edges = itertools.chain.from_iterable(
        ((parent, name) for parent in tables[name].parents) for name in states
    )
    graph: nx.DiGraph = graphs.build(edges, nodes=states, states=states)
    position = {name: i for i, name in enumerate(states)}
    mechanisms, params = {}, {}
    for name, block in tables.items():
        # The library lists parents in the graph's declared order.
        order = sorted(
            range(len(block.parents)), key=lambda i: position[block.parents[i]]
        )
        probs = np.transpose(block.table, (*order, len(order)))
        mechanisms[name] = Tabular(probs.shape[-1], probs.shape[:-1])
        params[name] = {"probs": jnp.asarray(_as_float32(probs))}
    return SCM(graph, mechanisms), {name: params[name] for name in states}


def _as_float32(probs: np.ndarray) -> np.ndarray:
    """Rounded to float32; what is possible stays so, however improbable (1e-300)."""
    tiny = np.finfo(np.float32).tiny
    return np.where(probs > 0, np.maximum(probs, tiny), 0).astype(np.float32)
