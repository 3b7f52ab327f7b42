"""Words that a spreadsheet would run: marked in our CSV, unmarked when it is read."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_jax.data import formulas, tables
from causal_jax.data.records import Table

DANGEROUS = ("=1+1", "+cmd|' /C calc'!A0", "-x", "@SUM(A1)", "=", "'=1", "''@a", "-")
MARKS = "=+-@\t\r"


def table_of(words, name="A"):
    values = np.arange(len(words), dtype=np.int32)[:, None]
    return Table(names=(name,), states={name: tuple(words)}, values=values)


@given(st.text(st.sampled_from("'=+-@\t\r1.ax")))
@settings(max_examples=300)
def test_a_marked_word_is_no_formula_and_comes_back(word):
    written = formulas.marked(word)
    assert formulas.unmarked(written) == word
    is_number = not word.strip("+-").strip("0123456789.")
    assert is_number or not written.startswith(tuple(MARKS))


def test_names_and_states_are_neutral_in_the_file_and_unchanged_when_read(tmp_path):
    path, table = tmp_path / "x.csv", table_of(DANGEROUS, name="=HYPERLINK(1)")
    tables.write_csv(path, table)
    with path.open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(tuple(MARKS))]
    found = tables.read_csv(path, quiet=True)
    assert found.names == table.names
    states = found.states["=HYPERLINK(1)"]
    assert [states[i] for i in found.values[:, 0]] == list(DANGEROUS)


def test_numbers_are_not_marked(tmp_path):
    tables.write_csv(tmp_path / "x.csv", table_of(("-1", "+.5", "-2e3", "0")))
    assert (tmp_path / "x.csv").read_text() == "A\n-1\n+.5\n-2e3\n0\n"


def test_raw_keeps_words_as_they_are(tmp_path):
    tables.write_csv(tmp_path / "x.csv", table_of(("=1+1", "b")), raw=True)
    assert (tmp_path / "x.csv").read_text() == "A\n=1+1\nb\n"
    found = tables.read_csv(tmp_path / "x.csv", quiet=True)
    assert found.states["A"] == ("=1+1", "b")


def test_a_table_in_parts_is_the_table(tmp_path):
    table = table_of([f"s{i}" for i in range(7)])
    parts = [table._replace(values=table.values[i : i + 3]) for i in (0, 3, 6)]
    tables.write_csv(tmp_path / "whole.csv", table)
    assert tables.write_csv_parts(tmp_path / "parts.csv", parts) == 7
    assert (tmp_path / "parts.csv").read_text() == (tmp_path / "whole.csv").read_text()


def test_a_part_that_fails_leaves_no_file(tmp_path):
    def parts():
        yield table_of(("a", "b"))
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        tables.write_csv_parts(tmp_path / "x.csv", parts())
    assert not list(tmp_path.iterdir())
