"""Rows of a table as units: what each would have been, a line a label and state."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from causal_jax import encoding, files
from causal_jax import graph as graphs
from causal_jax.cli import assignments
from causal_jax.data import column_states, csv_files, formulas
from causal_jax.messages import aligned
from causal_jax.progress import tqdm
from causal_jax.queries import bounds, coupled, exact
from causal_jax.queries.draws import label_model
from causal_jax.runs.load import load
from causal_jax.scm import SCM
from causal_jax.types import Key, Params

_NUM_SHOWN = 12  # lines of the answer that are printed


class Line(NamedTuple):
    """One state of one label in the world of the intervention; a column each.

    Attributes:
      unit: the row's number, from 1, or what a column calls it.
      label: a label that may change, or was not seen.
      factual: its state as seen; empty if it was not.
      state: the state that is spoken of.
      probability: P(label = state in that world | what was seen), as the model couples
        noise and states.
      standard_error: of a probability of draws; 0 where it is exact.
      at_least: lower bound over all couplings; empty where none is known.
      at_most: upper bound.
    """

    unit: int | str
    label: str
    factual: str
    state: str
    probability: float
    standard_error: float
    at_least: float | str
    at_most: float | str

    def cells(self) -> list[str]:
        """As a file has them, numbers with six digits."""
        return [
            f"{cell:.6f}" if isinstance(cell, float) else formulas.marked(str(cell))
            for cell in self
        ]


def imagine(
    workdir: str, path: str, text: str, out: Path, seed: int, named_by: str = ""
) -> None:
    """Writes what the units of a table would have been under --do=`text`.

    Args:
      workdir: folder of a trained run.
      path: the table, a row a unit.
      text: interventions, "Smoker=no".
      out: CSV file to write.
      seed: of what is drawn.
      named_by: the column that says what units are called; "" for their numbers.

    Raises:
      ValueError: no such run, column, label or state; a row that is impossible in the
        model.
    """
    if out.suffix != ".csv":
        raise ValueError(f"--out={out} must end in .csv, which --units writes")
    files.require_no_folder(out)
    if out.resolve() == Path(path).resolve():
        raise ValueError(f"--out={out} would replace --units: name another file")
    assignments.read(text, "do")  # its errors before a model is loaded
    scm, params = _tables(*label_model(*load(workdir)))
    do = _intervention(scm, text)
    seen, rows, names = _read(scm, path, named_by)
    is_seen = (rows >= 0).any(1)
    if not is_seen.any():
        raise ValueError(f"{path}: nothing was seen of any unit: fill in some labels")
    _require_distinct(path, named_by, [names[i] for i in np.flatnonzero(is_seen)])
    distinct, first, which = np.unique(
        rows, axis=0, return_index=True, return_inverse=True
    )
    key, answers, no_bounds = jax.random.key(seed), [], ""
    for i, row in enumerate(tqdm(distinct, "units", disable=None, leave=False)):
        unit = {n: np.asarray(s) for n, s in zip(seen, row, strict=True) if s >= 0}
        try:
            if not unit:
                answers.append([])
                continue
            limits, why = _bounds(scm, params, unit, do)
            key_unit = jax.random.fold_in(key, i)
            answers.append(list(_lines(scm, params, unit, do, key_unit, limits)))
        except ValueError as error:
            raise ValueError(f"{path}, unit {names[first[i]]}: {error}") from error
        no_bounds = no_bounds or why
    lines = [
        line._replace(unit=name)
        for name, i in zip(names, which.ravel(), strict=True)
        for line in answers[i]
    ]
    with files.whole(out, newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([Line._fields, *(line.cells() for line in lines)])
    print("\n".join(_told(scm, seen, lines, no_bounds)))
    if not is_seen.all():
        shown = [str(names[i]) for i in np.flatnonzero(~is_seen)[: _NUM_SHOWN + 1]]
        shown[_NUM_SHOWN:] = ["..."] * (len(shown) > _NUM_SHOWN)
        print(f"Left out, as nothing was seen of them: units {', '.join(shown)}.")
    print(f"wrote {len(lines)} lines of {len(rows)} units to {out}")


def _require_distinct(path: str, named_by: str, names: list[int | str]) -> None:
    """Raises ValueError where two units are called alike: nobody could tell them."""
    twice = [name for name, num in Counter(names).items() if num > 1]
    if twice:
        raise ValueError(
            f"{path}: column {named_by!r} calls several units {twice[0]!r}: name "
            "another with --id, or leave it out for their numbers"
        )


def _tables(scm: SCM, params: Params) -> tuple[SCM, Params]:
    """The same laws as tables, where they can be: a look-up for every unit."""
    try:
        return exact.conditional_tables(scm, params)
    except ValueError:  # a node without explicit law, or with too large a table
        return scm, params


def _intervention(scm: SCM, text: str) -> dict[str, np.ndarray]:
    """{label: index of its state} of "Smoker=no"."""
    do = {}
    for name, state in assignments.read(text, "do").items():
        graphs.require_node(scm.graph, name, role="label in --do")
        do[name] = np.asarray(encoding.encode(scm, name, state))
    if not do:
        raise ValueError(f"--do names no label: {assignments.suggested('do', scm)}")
    return do


def _read(
    scm: SCM, path: str, named_by: str
) -> tuple[tuple[str, ...], np.ndarray, Sequence[int | str]]:
    """The labels that a table has, in the model's order, their states, int [N, n],
    and what the units are called.

    An empty cell, or a word that stands for one, is -1: not seen of that unit.

    Raises:
      ValueError: none of the labels, no such column of names, or a cell that is none
        of its label's states.
    """
    asked = (*scm.nodes, named_by) if named_by else scm.nodes
    text = csv_files.read_text(Path(path), asked, blank_rows=True)
    seen = tuple(name for name in scm.nodes if name in text.names)
    if not seen:
        raise ValueError(
            f"{path} has no column of the model's labels, {', '.join(scm.nodes[:8])}"
        )
    columns = []
    for name in seen:
        column, states = text.column(name), scm.states(name)
        words = [w for w in column.words if not column_states.is_missing(w, states)]
        known = column_states.find(words, states).indices
        for word in words:
            if word not in known:
                row = int((column.codes == column.words.index(word)).argmax())
                raise ValueError(
                    f"{text.place_fn(row)}: {word.strip()!r} is no state of {name!r}; "
                    f"{graphs.suggestion(word.strip(), states)}"
                )
        index = np.array([known.get(word, -1) for word in column.words], np.int32)
        columns.append(index[column.codes])
    names: Sequence[int | str] = range(1, text.num_rows + 1)
    if named_by:
        column = text.column(named_by)
        names = [column.words[code] for code in column.codes]
    return seen, np.stack(columns, axis=-1), names


def _bounds(scm: SCM, params: Params, unit: dict, do: dict) -> tuple[dict, str]:
    """Bounds over all couplings by label, or none and why."""
    if len(unit) < len(scm.nodes):
        return {}, "they are of units that were seen whole"
    try:
        return bounds.label_bounds(scm, params, unit, do), ""
    except ValueError as error:  # an impossible unit is refused by its law, too
        return {}, str(error)


def _lines(
    scm: SCM, params: Params, unit: dict, do: dict, key: Key, limits: dict[str, Any]
) -> Iterator[Line]:
    """The lines of one unit, its number left 0."""
    found = coupled.laws_of_unit(scm, params, unit, do, key)
    for label, law in found.items():
        states = scm.states(label)
        factual = states[int(unit[label])] if label in unit else ""
        for i, state in enumerate(states):
            low, high = map(float, limits[label][i]) if limits else (0.0, 1.0)
            prob, error = float(law.probs[i]), float(law.error[i])
            yield Line(
                unit=0,
                label=label,
                factual=factual,
                state=state,
                # Rounding moves an exact value past a bound that it reaches.
                probability=prob if error else float(np.clip(prob, low, high)),
                standard_error=error,
                at_least=low if limits else "",
                at_most=high if limits else "",
            )


def _told(scm: SCM, seen: tuple, lines: list[Line], no_bounds: str) -> Iterator[str]:
    """What is printed: the first lines, and how they are to be read."""
    hidden = [name for name in scm.nodes if name not in seen]
    if hidden:
        yield f"Not in the table, and inferred: {', '.join(hidden)}."
    if not lines:
        yield "No label lies below the intervention: all stay as they are."
        return
    shown = [Line._fields, *(line.cells() for line in lines[:_NUM_SHOWN])]
    yield from aligned(shown)
    if len(lines) > _NUM_SHOWN:
        yield "..."
    if no_bounds:
        without = {line.unit for line in lines if line.at_least == ""}
        num = len({line.unit for line in lines})
        share = f" of {len(without):,} of {num:,} units" if len(without) < num else ""
        yield f"No bounds{share}: {no_bounds}."
    yield (
        "What would have been is not identified by what is seen: probabilities are of "
        "the model's own coupling of noise and states, bounds hold for every coupling."
    )
