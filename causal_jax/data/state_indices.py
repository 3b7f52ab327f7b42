"""Columns of words turned into state indices: what is kept, dropped, refused, said."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from causal_jax.data import column_states
from causal_jax.data.records import Table
from causal_jax.data.text_columns import TextColumn, TextTable
from causal_jax.graph import suggestion

MAX_STATES = 100  # more distinct values look continuous, or like an identifier
REFUSE, DROP = "refuse", "drop"  # what is done with rows that lack a value
_SHOWN = 5  # how many notes are printed


class Encoded(NamedTuple):
    """A table that was made of words.

    Attributes:
      table: the states and their indices.
      kept: bool [N], the rows of the text that are in it.
      notes: what was recognised, for the user to know.
    """

    table: Table
    kept: np.ndarray
    notes: tuple[str, ...]

    def with_note(self, note: str) -> "Encoded":
        """The same, and something more for the user to know."""
        return self._replace(notes=(note, *self.notes))


def encode_columns(
    text: TextTable,
    columns: Sequence[str] | None = None,
    states: Mapping[str, Sequence[str]] | None = None,
    missing: str = REFUSE,
) -> Encoded:
    """Turns columns of words into state indices; arguments as in `tables.read_csv`.

    Raises:
      ValueError: a column that is not there, a missing value that is not to be dropped,
        a cell that is no state, states or columns that repeat one, or a column that has
        too many states or one alone.
    """
    if missing not in (REFUSE, DROP):
        raise ValueError(f"missing is {REFUSE!r} or {DROP!r}, not {missing!r}")
    names = text.names if columns is None else tuple(columns)
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"columns name {repeated[0]!r} twice: name each once")
    states = {name: tuple(map(str, own)) for name, own in (states or {}).items()}
    for name, own in states.items():
        if len(set(own)) < len(own):
            raise ValueError(f"states of {name!r} repeat one: {', '.join(own)}")
    for name in states:
        text.position(name)  # its error: a column that is not there
    values, found = _columns_of_words(text, names)
    states = _declared(names, found) | states
    declared = set(states)
    kept, notes = _rows_to_keep(text, names, found, states, missing)
    values = values if kept.all() else values[kept]
    for i, name in enumerate(names):
        column = TextColumn(found[i].words, values[:, i])
        meant = _meant(text, name, column, np.flatnonzero(kept), states.get(name))
        index = [meant.indices.get(word, -1) for word in column.words]
        values[:, i] = np.array(index, np.int32)[column.codes]
        states[name] = meant.states
        notes += [f"column {name!r}: {note}" for note in meant.notes]
    order = _said_of_order({n: states[n] for n in names if n not in declared})
    notes = [*order, *notes]  # first: it is what changes answers
    table = Table(names=names, states={n: states[n] for n in names}, values=values)
    return Encoded(table=table, kept=kept, notes=(*text.notes, *notes))


def _said_of_order(found: Mapping[str, Sequence[str]]) -> list[str]:
    """Says which columns' states nobody has put in order."""
    columns = [n for n in found if column_states.are_by_alphabet(found[n])]
    if not columns:
        return []
    shown = [*map(repr, columns[:_SHOWN]), *["..."] * (len(columns) > _SHOWN)]
    first = ", ".join(found[columns[0]][:_SHOWN])
    return [
        f"states of {', '.join(shown)} are in the order of the alphabet ({first}), "
        "which counterfactuals depend on: states= (--config.states) declares another"
    ]


def _columns_of_words(
    text: TextTable, names: Sequence[str]
) -> tuple[np.ndarray, list[TextColumn]]:
    """The columns, and one array int32 [N, n] that holds all their codes."""
    codes, columns = np.empty((text.num_rows, len(names)), np.int32), []
    for i, name in enumerate(names):
        column = text.column(name)
        codes[:, i] = column.codes
        columns.append(column._replace(codes=codes[:, i]))
    return codes, columns


def _declared(names: Sequence[str], columns: Sequence[TextColumn]) -> dict:
    """The states that the data declare: those of ordered categoricals."""
    return {
        name: tuple(filter(None, column.words))
        for name, column in zip(names, columns, strict=True)
        if column.ordered
    }


def _rows_to_keep(
    text: TextTable,
    names: Sequence[str],
    columns: Sequence[TextColumn],
    states: Mapping[str, Sequence[str]],
    missing: str,
) -> tuple[np.ndarray, list[str]]:
    """Which rows have a value in every column, and what is said of the others."""
    kept, counts, first = np.ones(text.num_rows, bool), [], None
    for name, column in zip(names, columns, strict=True):
        rows = _lacks_value(column, states.get(name))
        if rows.any():
            kept &= ~rows
            counts.append(f"{rows.sum():,} {name!r}")
            first = first or (name, column, int(rows.argmax()))
    if first is None:
        return kept, []
    counts[_SHOWN:] = ["..."] * (len(counts) > _SHOWN)
    note = f"{(~kept).sum():,} of {kept.size:,} rows lack a value ({', '.join(counts)})"
    if missing == DROP and kept.any():
        return kept, [f"{note}, dropped"]
    name, column, row = first
    word = column.words[column.codes[row]]
    lack = f"has no value ({word!r})" if word.strip() else f"is empty ({word!r})"
    raise ValueError(
        f"{text.place_fn(row)}: column {name!r} {lack}; {note}: "
        + _ways_out(kept, word)
    )


def _lacks_value(column: TextColumn, states: Sequence[str] | None) -> np.ndarray:
    """Which rows lack a value, bool [N]."""
    is_missing = [column_states.is_missing(word, states) for word in column.words]
    if not any(is_missing):
        return np.zeros(1, bool)
    return np.array(is_missing)[column.codes]


def _ways_out(kept: np.ndarray, word: str) -> str:
    if not kept.any():
        return "no row has all columns, so leave out columns that are mostly empty"
    drop = f'leave such rows out with missing="{DROP}" (--config.missing={DROP})'
    if not word.strip():
        return f"{drop}, or fill them in"
    return f"{drop}, fill them in, or declare {word.strip()!r} as a state"


def _meant(
    text: TextTable,
    name: str,
    column: TextColumn,
    rows: np.ndarray,
    states: Sequence[str] | None,
) -> column_states.WordStates:
    """What a column's words mean, or what is wrong with it; `rows` number its cells."""
    used = np.bincount(column.codes, minlength=len(column.words)) > 0
    words = [word for word, is_used in zip(column.words, used, strict=True) if is_used]
    if states is None and len(words) > MAX_STATES:
        raise ValueError(
            f"{text.source}: column {name!r} has {len(words):,} distinct values and "
            "looks continuous or like an identifier; leave it out of the graph (or of "
            f"columns=), or group (bin) it into at most {MAX_STATES} states"
        )
    found = column_states.find(words, states)
    for word in words:
        if word not in found.indices:
            row = rows[(column.codes == column.words.index(word)).argmax()]
            raise ValueError(
                f"{text.place_fn(int(row))}: {word.strip()!r} is no state of column "
                f"{name!r}; {suggestion(word.strip(), found.states)}"
            )
    return _checked(text, name, found)


def _checked(
    text: TextTable, name: str, found: column_states.WordStates
) -> column_states.WordStates:
    """Refuses a column of one state, and says where a second one never occurs."""
    if len(found.states) < 2:
        raise ValueError(
            f"{text.source}: column {name!r} is {found.states[0]!r} in every row; "
            "a label needs two states or more, so leave it out"
        )
    if len(seen := set(found.indices.values())) == 1:
        note = (
            f"{found.states[seen.pop()]!r} in every row, so that what is said of other "
            "states is a guess"
        )
        return found._replace(notes=(*found.notes, note))
    return found


def said(source: str, encoded: Encoded, quiet: bool = False) -> Table:
    """The table; what was recognised is printed in one line, unless quiet."""
    if encoded.notes and not quiet:
        more = len(encoded.notes) - _SHOWN
        shown = [*encoded.notes[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        print(f"{source}: {'; '.join(shown)}".replace("\n", " "), flush=True)
    return encoded.table
