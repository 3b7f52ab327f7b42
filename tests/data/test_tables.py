"""Own tables: how states are found, and what is refused."""

import numpy as np
import pytest

from causal_jax.data import tables
from causal_jax.data.records import Table


def _csv(tmp_path, text, name="data.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("cells", "states", "indices"),
    [
        (["1", "0", "1"], ("0", "1"), [1, 0, 1]),
        (["1", "1", "1"], ("0", "1"), [1, 1, 1]),
        (["1.0", "0.0"], ("0", "1"), [1, 0]),
        (["-1", "1", "-1"], ("0", "1"), [0, 1, 0]),
        (["True", "False"], ("False", "True"), [1, 0]),
        (["yes", "no"], ("no", "yes"), [1, 0]),
        (["10", "9", "2"], ("2", "9", "10"), [2, 1, 0]),
        (["0.5", "-3", "1.05"], ("-3", "0.5", "1.05"), [1, 0, 2]),
        (["red", "blue", "green"], ("blue", "green", "red"), [2, 0, 1]),
    ],
)
def test_states_are_found_in_the_documented_order(tmp_path, cells, states, indices):
    table = tables.read_csv(_csv(tmp_path, "\n".join(["x", *cells])))
    assert table.states == {"x": states}
    assert table.values[:, 0].tolist() == indices
    assert np.issubdtype(table.values.dtype, np.integer)


def test_tables_below_each_other_have_the_states_of_all():
    """In the second nobody is a child: the same codes mean other states there."""
    first = Table(
        ("Age",), {"Age": ("adult", "child", "old")}, np.array([[0], [1], [2]])
    )
    second = Table(("Age",), {"Age": ("adult", "old")}, np.array([[1], [0]]))
    third = Table(("Age",), {"Age": ("baby",)}, np.array([[0]]))
    found = tables.joined([first, second])
    assert found.states == first.states and found.values.ravel().tolist() == [
        0,
        1,
        2,
        2,
        0,
    ]
    found = tables.joined([second, third, first])
    assert found.states == {"Age": ("adult", "baby", "child", "old")}
    assert found.values.ravel().tolist() == [3, 0, 1, 0, 2, 3]
    with pytest.raises(ValueError, match="column 'Age' has the state 'child'"):
        tables.restated(first, second.states)


def test_given_states_fix_order_and_absent_states(tmp_path):
    path = _csv(tmp_path, "size,b\nlow,1\nhigh,-1\n")
    given = {"size": ("low", "mid", "high"), "b": ("0", "1")}
    table = tables.read_csv(path, states=given)
    assert table.states == given
    assert table.values.tolist() == [[0, 1], [2, 0]]


def test_columns_are_selected_in_order_and_others_ignored(tmp_path):
    rows = "".join(f"{i}.5,{i % 2},{i % 3}\n" for i in range(200))
    path = _csv(tmp_path, "height,a,b\n" + rows)
    table = tables.read_csv(path, columns=["b", "a"])
    assert table.names == ("b", "a")
    assert table.num_rows == 200
    again = tables.select(table, ["a"])
    assert again.names == ("a",)
    np.testing.assert_array_equal(again.values[:, 0], table.values[:, 1])


def test_written_table_reads_back_equal(tmp_path):
    states = {"a": ("0", "1"), "c, d": ("no", "so, so", "yes")}
    values = np.array([[0, 2], [1, 1], [1, 0]], np.int32)
    table = Table(("a", "c, d"), states, values)
    tables.write_csv(tmp_path / "out.csv", table)
    again = tables.read_csv(tmp_path / "out.csv")
    assert again.names == table.names and again.states == states
    np.testing.assert_array_equal(again.values, values)
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


def test_failed_write_leaves_the_old_file(tmp_path):
    path = _csv(tmp_path, "old")
    broken = Table(("a",), {"a": ("0",)}, np.array([[7]]))
    with pytest.raises(IndexError):
        tables.write_csv(path, broken)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "only a header"),
        ("a,b\n1,0\n1\n", "line 3: 1 cells under a header of 2"),
        ("a,a\n1,0\n", "'a' twice"),
        ("a,\n1,0\n", "without a name"),
        ("a,b\n1,\n0,1\n", "line 2: column 'b' is empty"),
        ("a,b\n1,0\n\n0,?\n", "line 4"),
        ("a,b\n1,nan\n0,1\n", r"line 2: column 'b' has no value \('nan'\)"),
        ("a,b\nx,0\nx,1\n", "column 'a' is 'x' in every row"),
        (b"a,b\n\xff\xfe,0\n", "not UTF-8"),
        ('a,b\n"1,0\n', "not CSV"),
        ("a\n" + "".join(f"id{i}\n" for i in range(101)), "101 distinct values"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as raised:
        tables.read_csv(_csv(tmp_path, text))
    assert "\n" not in str(raised.value)


def test_states_of_a_column_that_is_not_there_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("Level\nlow\nhigh\n")
    with pytest.raises(ValueError, match="'level'.*did you mean 'Level'"):
        tables.read_csv(path, states={"level": ("low", "high")})


def test_value_that_is_no_state_is_named_with_the_nearest(tmp_path):
    path = _csv(tmp_path, "light\ngreen\ngren\n")
    with pytest.raises(ValueError, match=r"line 3: 'gren' .*'light'.*mean 'green'"):
        tables.read_csv(path, states={"light": ("green", "red")})


def test_missing_label_is_named_with_the_nearest(tmp_path):
    path = _csv(tmp_path, "Male,Young\n0,1\n")
    with pytest.raises(ValueError, match=r"'Mail'.*did you mean 'Male'"):
        tables.read_csv(path, columns=["Mail"])
    with pytest.raises(ValueError, match=r"'Bald'.*there are Male, Young"):
        tables.select(tables.read_csv(path), ["Bald"])
    with pytest.raises(ValueError, match="there is no table"):
        tables.read_csv(tmp_path / "none.csv")
