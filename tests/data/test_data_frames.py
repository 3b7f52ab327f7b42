"""Data frames become tables by the rules of CSV files."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from causal_jax.data import tables

CELLS = {
    "rain": ["yes", "no", "yes", "no"],
    "day": [10, 9, 2, 9],
    "wet": [True, False, True, True],
    "code": [1.0, 0.0, 0.0, 1.0],
}


def _frame(library, cells):
    if library == "pyarrow":
        return pa.table(cells)
    return pytest.importorskip(library).DataFrame(cells)


@pytest.mark.parametrize("library", ["pyarrow", "pandas", "polars"])
def test_a_frame_of_any_library_is_the_table_that_its_csv_is(tmp_path, library):
    table = tables.from_frame(_frame(library, CELLS))
    path = tmp_path / "cells.csv"
    rows = zip(*CELLS.values(), strict=True)
    lines = [",".join(CELLS), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines))
    again = tables.read_csv(path)
    assert table.names == again.names and table.states == again.states
    assert table.states["day"] == ("2", "9", "10")
    np.testing.assert_array_equal(table.values, again.values)


@pytest.mark.parametrize("library", ["pyarrow", "pandas", "polars"])
def test_missing_cells_of_a_frame_are_refused_or_dropped(library, capsys):
    cells = {"a": ["x", None, "y", "x", "y"], "b": [1, 0, None, 0, 1]}
    frame = _frame(library, cells)
    with pytest.raises(ValueError, match="row 1 .*'a' is empty .*2 of 5 rows"):
        tables.from_frame(frame)
    table = tables.from_frame(frame, missing="drop")
    assert table.states == {"a": ("x", "y"), "b": ("0", "1")}
    assert table.values.tolist() == [[0, 1], [0, 0], [1, 1]]
    assert "2 of 5 rows lack a value" in capsys.readouterr().out


def test_an_ordered_categorical_declares_its_states():
    codes = pa.array([2, 0, 2], pa.int8())
    for ordered, states in ((True, ("low", "mid", "high")), (False, ("high", "low"))):
        column = pa.DictionaryArray.from_arrays(
            codes, ["low", "mid", "high"], ordered=ordered
        )
        table = tables.from_frame(pa.table({"size": column}))
        assert table.states == {"size": states}
        assert [states[i] for i in table.values[:, 0]] == ["high", "low", "high"]


def test_pandas_intervals_mixtures_and_index():
    pandas = pytest.importorskip("pandas")
    ages = pandas.cut(pandas.Series([30, 5, 70]), [0, 20, 50, 100])
    frame = pandas.DataFrame({"age": ages, "mix": [1, "x", 1]})
    frame.index = ["c", "a", "b"]
    table = tables.from_frame(frame)
    assert table.states["age"] == ("(0, 20]", "(20, 50]", "(50, 100]")
    assert table.states["mix"] == ("1", "x") and table.names == ("age", "mix")
    assert table.values.tolist() == [[1, 0], [0, 1], [2, 0]]


def test_an_index_column_is_left_out_and_said(capsys):
    frame = pa.table({"Unnamed: 0": [0, 1, 2], "a": ["x", "y", "x"]})
    assert tables.from_frame(frame).names == ("a",)
    assert "the data frame: the first column numbers" in capsys.readouterr().out
    assert tables.from_frame(frame, columns=["Unnamed: 0"]).num_rows == 3


def test_a_lazy_frame_is_collected():
    polars = pytest.importorskip("polars")
    frame = polars.LazyFrame({"a": ["x", "y"]})
    assert tables.from_frame(frame).states == {"a": ("x", "y")}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"a": [1, 2]}, "a dict is no table"),
        ([1], "a list is no table"),
        (pa.table({}), "is empty"),
        (pa.table({"a": pa.array([], pa.string())}), "is empty"),
        (pa.table({"a": [[1], [2]]}), "column 'a' holds list"),
        (pa.table({"a": np.arange(300) / 7}), "300 distinct values"),
        (pa.table({"a": ["x", "x"]}), "'x' in every row"),
    ],
)
def test_bad_frames_are_refused_in_one_line(frame, message):
    with pytest.raises(ValueError, match=message) as raised:
        tables.from_frame(frame)
    assert "\n" not in str(raised.value)


def test_a_frame_has_the_words_of_its_file():
    days = [datetime(2020, 1, 1), datetime(2021, 5, 2), datetime(2020, 1, 1)]
    hours = [datetime(2020, 1, 1, 10), datetime(2021, 5, 2), datetime(2021, 5, 2)]
    frame = pa.table(
        {
            "dose": pa.array([0.1, 0.2, 0.1], pa.float32()),
            "half": pa.array(np.float16([0.1, 2.5, 0.1]), pa.float16()),
            "day": pa.array(days, pa.timestamp("ns")),
            "at": pa.array(hours, pa.timestamp("ns")),
        }
    )
    table = tables.from_frame(frame, quiet=True)
    assert table.states == {
        "dose": ("0.1", "0.2"),
        "half": ("0.1", "2.5"),
        "day": ("2020-01-01", "2021-05-02"),
        "at": ("2020-01-01 10:00:00", "2021-05-02 00:00:00"),
    }
