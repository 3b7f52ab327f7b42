"""Rows of a table as units: the lines that are written, held to the queries."""

import csv

import numpy as np
import pytest

from causal_jax.cli import counterfactual, units
from causal_jax.queries.bounds import label_bounds
from causal_jax.queries.coupled import coupled_laws

ROWS = "B,note,A,D,C\n2,x,0,1,1\n0,y,1,0,0\n2,z,0,1,1\n"


@pytest.fixture
def ask(tables, flags_of, tmp_path, monkeypatch):
    """ask(text, **flags): the command on rows of a table, for the tables' model."""
    monkeypatch.setattr(units, "load", lambda _: (tables.scm, tables.params))

    def main(text=ROWS, **flags):
        path = tmp_path / "units.csv"
        path.write_text(text)
        flags = {"out": str(tmp_path / "out.csv"), "do": "A=1", **flags}
        asked = {"workdir": "run", "units": str(path), **flags}
        counterfactual.main(flags_of(counterfactual, **asked))
        with (tmp_path / "out.csv").open() as file:
            return list(csv.DictReader(file))

    return main


def test_every_row_has_the_law_and_the_bounds_of_its_labels(ask, tables):
    lines = ask()
    assert {int(line["unit"]) for line in lines} == {1, 2, 3}
    for number, unit in ((1, (1, 0, 1, 2)), (2, (0, 1, 0, 0)), (3, (1, 0, 1, 2))):
        seen = dict(zip(tables.nodes, unit, strict=True))
        law = coupled_laws(tables.scm, tables.params, seen, {"A": 1})
        limits = label_bounds(tables.scm, tables.params, seen, {"A": 1})
        own = [line for line in lines if int(line["unit"]) == number]
        assert [line["label"] for line in own] == [
            name for name in tables.nodes if name in law for _ in law[name]
        ]
        for line in own:
            name, state = line["label"], int(line["state"])
            assert line["factual"] == str(seen[name])
            low, high = limits[name][state]
            expected = (np.clip(law[name][state], low, high), 0, low, high)
            columns = ("probability", "standard_error", "at_least", "at_most")
            found = [float(line[column]) for column in columns]
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_units_are_called_what_a_column_says(ask, capsys):
    lines = ask(ROWS, id="note")
    assert [line["unit"] for line in lines] == [
        "xyz"[int(line["unit"]) - 1] for line in ask()
    ]
    ask("id,A,B\na7,0,1\na8,,\n", id="id")
    assert "nothing was seen of them: units a8." in capsys.readouterr().out
    # The first column, of numbers without a name, is an index where nobody asks for it.
    assert {line["unit"] for line in ask("no,A,B\n7,0,1\n9,1,0\n", id="no")} == {
        "7",
        "9",
    }


def test_units_of_which_nothing_was_seen_are_left_out_and_said(ask, capsys):
    lines = ask(ROWS.replace("0,y,1,0,0", ",y,,NA,"))
    assert {line["unit"] for line in lines} == {"1", "3"}
    half = len(lines) // 2  # both rows are alike
    assert lines[:half] == [line | {"unit": "1"} for line in lines[half:]]
    assert "nothing was seen of them: units 2." in capsys.readouterr().out
    blank = ask("A,B\n1,0\n,\n0,2\n,\n")
    assert {line["unit"] for line in blank} == {"1", "3"}


def test_what_a_table_has_no_column_for_is_inferred(ask, tables, capsys):
    """P(C' | A, B, D) is the mean over C of the exact laws, by its posterior."""
    lines = ask("A,B,D\n0,2,1\n")
    assert "Not in the table, and inferred: C." in capsys.readouterr().out
    seen, law = {"A": 0, "B": 2, "D": 1}, tables.law()
    weights = np.array([law[c, 0, 1, 2] for c in range(2)])
    weights /= weights.sum()
    exact = sum(
        weight
        * coupled_laws(tables.scm, tables.params, {**seen, "C": c}, {"A": 1})["C"]
        for c, weight in enumerate(weights)
    )
    for state, line in enumerate(line for line in lines if line["label"] == "C"):
        assert line["factual"] == line["at_least"] == line["at_most"] == ""
        error = np.sqrt(exact[state] * (1 - exact[state]) / 10_000)
        assert abs(float(line["probability"]) - exact[state]) < 5 * error
        assert float(line["standard_error"]) == pytest.approx(error, rel=0.2)


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        (ROWS, {"image": "face.png"}, "--image=FILE, a picture, or --units=FILE.csv"),
        (ROWS, {"out": "out.png"}, "must end in .csv, which --units writes"),
        ("A,note\n,x\n,y\n", {}, "nothing was seen of any unit"),
        (ROWS.replace("y,", "x,"), {"id": "note"}, "calls several units 'x'"),
        (ROWS, {"id": "name"}, "no column 'name'"),
        (ROWS, {"units": "", "image": "face.png", "id": "note"}, "a picture has none"),
        (ROWS, {"labels": "A=0"}, "--labels are a picture's"),
        (ROWS, {"residual": False}, "--noresidual is a picture's"),
        (ROWS, {"do": ""}, '--do names no label: --do="'),
        (ROWS, {"do": "E=1"}, "label in --do"),
        (ROWS, {"units": "none.csv"}, "there is no table none.csv"),
        ("X,Y\n0,1\n1,0\n", {}, "has no column of the model's labels, C, A, D, B"),
        (ROWS.replace("2,z", "7,z"), {}, "line 4: '7' is no state of 'B'"),
    ],
)
def test_bad_questions_are_one_line_and_nothing_is_written(
    ask, tmp_path, text, flags, message
):
    with pytest.raises(ValueError, match=message) as raised:
        ask(text, **flags)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out.csv").exists()


def test_an_impossible_row_is_refused(ask, network, monkeypatch):
    model = network({"A": [0.5, 0.5], "B": [[1, 0], [0, 1]]}, edges=[("A", "B")])
    monkeypatch.setattr(units, "load", lambda _: model)
    assert [line["probability"] for line in ask("A,B\n0,0\n")] == [
        "0.000000",
        "1.000000",
    ]
    for do in ("A=1", "B=1"):  # below A lies B, below B nothing
        with pytest.raises(ValueError, match="units.csv, unit 2: .* impossible"):
            ask("A,B\n0,0\n0,1\n", do=do)


def test_an_empty_cell_was_not_seen_of_that_unit_alone(ask):
    lines = ask("A,B,C,D\n0,2,NA,1\n0,2,1,1\n")
    of_c = [line for line in lines if line["label"] == "C"]
    assert [line["factual"] for line in of_c] == ["", "", "1", "1"]
    assert [line["at_most"] == "" for line in of_c] == [True, True, False, False]
    alone = ask("A,B,D\n0,2,1\n")
    for one, other in zip(lines[:2], alone[:2], strict=True):
        assert abs(float(one["probability"]) - float(other["probability"])) < 0.05


def test_it_is_said_how_many_units_have_no_bounds(ask, capsys):
    ask("A,B,C,D\n0,2,NA,1\n0,2,1,1\n0,2,0,1\n")
    assert "No bounds of 1 of 3 units: they are of units" in capsys.readouterr().out
    ask("A,B,D\n0,2,1\n")
    assert "No bounds: they are of units that were seen" in capsys.readouterr().out


def test_the_table_is_not_replaced_by_its_answers(ask, tmp_path):
    with pytest.raises(ValueError, match="would replace --units: name another file"):
        ask(out=str(tmp_path / "units.csv"))
    assert (tmp_path / "units.csv").read_text() == ROWS
