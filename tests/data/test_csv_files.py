"""CSV files of many writers: read as they were meant, or refused in one line."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from causal_jax.data import csv_files, tables
from causal_jax.data.column_states import is_missing

CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).resolve().parents[2]
AB = {"A": ("0", "1"), "B": ("0", "1")}

# file: (encoding, separator, the states, {word: state} where they differ, what is said)
READ = {
    "123": ("utf-8", ",", {"Dose": ("1", "2", "3"), "Out": ("0", "1")}, {}, ""),
    "R_rownames": ("utf-8", ",", AB, {}, "first column numbers or names"),
    "adult": ("utf-8", ",", {"inc": ("<=50K", ">50K"), "B": ("0", "1")}, {}, ""),
    "blank_lines": ("utf-8", ",", AB, {}, ""),
    "bool": ("utf-8", ",", {"A": ("False", "True"), "B": ("false", "true")}, {}, ""),
    "comma_header": (
        *("utf-8", ",", {"Income, annual": ("0", "1"), "Buys": ("0", "1")}, {}, ""),
    ),
    "comment": ("utf-8", ",", AB, {}, "1 comment line left out"),
    "constant": ("utf-8", ",", AB | {"C": ("0", "1")}, {}, "'C': '1' in every row"),
    "crlf_bom": ("utf-8-sig", ",", AB, {}, ""),
    "embedded_newline": (
        *("utf-8", ",", {"A": ("x\ny", "z"), "B": ("0", "1")}, {}, ""),
    ),
    "float_codes": (
        *("utf-8", ",", {"A": ("1", "2"), "B": ("0", "1")}),
        *({"1.0": "1", "2.0": "2", "0.0": "0"}, ""),
    ),
    "intervals": (
        *("utf-8", ","),
        *({"age": ("(0, 20]", "(20, 100]", "(100, 200]"), "B": ("0", "1")}, {}, ""),
    ),
    "latin1": ("latin-1", ",", {"Café": ("0", "1"), "B": ("0", "1")}, {}, "Latin-1"),
    "minus1_0_1": (*("utf-8", ",", {"A": ("-1", "0", "1"), "B": ("0", "1")}, {}, ""),),
    "mixed_num": (
        *("utf-8", ",", AB, {"1e0": "1", "01": "1", "1.0": "1"}, "'1e0' is read as"),
    ),
    "onerow": ("utf-8", ",", AB, {}, "in every row"),
    "pandas_index": ("utf-8", ",", AB, {}, "first column numbers or names"),
    "plusminus": ("utf-8", ",", AB, {"-1": "0", "+1": "1"}, ""),
    "quote_all": ("utf-8", ",", AB, {}, ""),
    "semicolon": ("utf-8", ";", AB, {}, "semicolons separate"),
    "spaces_in_state": (
        *("utf-8", ",", {"A": ("low", "very high"), "B": ("0", "1")}),
        *({"low ": "low"}, "'low ' is read as 'low'"),
    ),
    "tab": ("utf-8", "\t", AB, {}, "tabs separate"),
    "trailing_comma": ("utf-8", ",", AB, {}, "column 3 has neither name nor cells"),
    "tworows": ("utf-8", ",", AB, {}, ""),
    "utf16": ("utf-16", ",", AB, {}, "read as UTF-16"),
}
REFUSED = {
    "150_states": "'A' has 150 distinct values .*bin",
    "dupcols": "column 'B' twice",
    "na": r"line 10: .*'A' has no value \('NA'\); 37 of 300 rows .*missing=\"drop\"",
    "na_variants": r"line 10: column 'A' has no value \('<NA>'\); 15 of 300 rows",
    "noheader": "first line, '0,0', looks like data",
}


def _words(name, encoding, separator, num_columns):
    """The rows of a case, read by the csv module under what is known of the file."""
    text = (CASES / f"csv_{name}.csv").read_bytes().decode(encoding)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    rows = [row for row in rows if row and not row[0].startswith("#")][1:]
    first = 1 if name in ("R_rownames", "pandas_index") else 0
    return [row[first : first + num_columns] for row in rows]


def _rows(table):
    """The rows of a table as the names of states."""
    columns = [
        [table.states[name][i] for i in table.values[:, at]]
        for at, name in enumerate(table.names)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def test_every_case_is_tested():
    files = {path.stem.removeprefix("csv_") for path in CASES.glob("csv_*.csv")}
    assert files == READ.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", READ)
def test_a_file_is_read_as_its_writer_meant(name, capsys):
    encoding, separator, states, meant, said = READ[name]
    table = tables.read_csv(CASES / f"csv_{name}.csv")
    assert table.names == tuple(states) and table.states == states
    words = _words(name, encoding, separator, len(states))
    assert _rows(table) == [[meant.get(word, word) for word in row] for row in words]
    assert table.values.dtype == np.int32
    printed = capsys.readouterr().out
    assert said in printed and printed.count("\n") == bool(said)


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_meant_is_refused_in_one_line(name):
    with pytest.raises(ValueError, match=REFUSED[name]) as raised:
        tables.read_csv(CASES / f"csv_{name}.csv")
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"csv_{name}.csv")


@pytest.mark.parametrize(("name", "num"), [("na", 263), ("na_variants", 285)])
def test_rows_that_lack_a_value_can_be_dropped(name, num, capsys):
    table = tables.read_csv(CASES / f"csv_{name}.csv", missing="drop")
    assert table.states == AB
    words = [r for r in _words(name, "utf-8", ",", 2) if r[0] in ("0", "1")]
    assert len(words) == num and _rows(table) == words
    printed = capsys.readouterr().out
    assert printed.startswith(f"csv_{name}.csv: {300 - num} of 300 rows lack a value")
    assert "dropped" in printed


@pytest.mark.parametrize(
    ("text", "names", "num_rows"),
    [
        ("#a,b\n1,0\n0,1\n", ("#a", "b"), 2),  # a header: as wide as the rows
        ("# of dogs,b\n1,0\n0,1\n", ("# of dogs", "b"), 2),
        ("# made, today\na,b\n1,0\n0,1\n", ("a", "b"), 2),
        ("# one\n\n# two\na\nx\ny\n", ("a",), 2),
        ("a,b\n# half\n1,0\n0,1\n# end\n", ("a", "b"), 2),
        ("a,b\n#1,0\n#2,1\n", ("a", "b"), 2),  # full rows are no comments
        ("a;b\n0,5;1\n1,5;0\n", ("a", "b"), 2),  # commas in decimals
        ("a,b\r1,0\r0,1\r", ("a", "b"), 2),
        ("a,b\n1,0\n,\n   \n0,1\n,,,\n\n", ("a", "b"), 2),
        ("a,b,,\n1,0,,\n0,1,,\n", ("a", "b"), 2),
        ("a,b,\n1,0\n0,1\n", ("a", "b"), 2),
        ("a,b\n1,0,\n0,1,\n", ("a", "b"), 2),
        ('"A" "B"\n"1" 0 "x y"\n"2" 1 "z"\n', ("A", "B"), 2),  # write.table
        ("A\n1,0\n2,1\n", ("A",), 2),
        ("Unnamed: 0.1,Unnamed: 0,a\n0,0,x\n1,1,y\n", ("a",), 2),  # saved twice
        ("a,b,Unnamed: 2\n1,0,\n0,1,\n", ("a", "b"), 2),
        ("sep=;\na;b\n1;0\n0;1\n", ("a", "b"), 2),  # Excel's hint
        ("a\nx;y\nz;y\n", ("a",), 2),  # marks in words
        ("a|b\n1|0\n0|1\n", ("a", "b"), 2),
        ('"","a"\n"r1","x"\n"r2","y"\n', ("a",), 2),  # R's row names
        ("Unnamed: 0,a\n7,x\n3,y\n", ("a",), 2),  # of a shuffled frame
        ("0,1,2\n1,0,1\n0,1,0\n", ("0", "1", "2"), 2),  # pandas' own names
        ("a b,c\nvery high,1\nlow,0\n", ("a b", "c"), 2),
        ("a\n1\n0\n\n\n", ("a",), 2),  # at the end; else they are empty cells
        (b"a\0,\0b\0\n\0" + "1,0\n0,1\n".encode("utf-16-le"), ("a", "b"), 2),
    ],
)
def test_what_is_no_row_and_no_column_is_left_out(tmp_path, text, names, num_rows):
    path = tmp_path / "x.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    table = tables.read_csv(path, quiet=True)
    assert table.names == names and table.num_rows == num_rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"# note\na,b\n1,0\n\n#x\n0,\n1,1\n", "line 6: column 'b' is empty"),
        (b'a,b\n"x\ny",0\n\nz,?\n', "line 5: column 'b' has no value"),
        (b"a,b\n0,0\n0,\n1,NA\n,1\n", "3 of 4 rows lack a value .1 'a', 2 'b'."),
        (b"A title\nA,B\n0,1\n1,0\n", "line 2: 2 cells under a header of 1"),
        (b"a\n1\n\n0\n", "line 3: column 'a' is empty"),
        (b"a\nNA\nNA\n", "no row has all columns"),
        (b"a,b\n1,0\n,\n1,2,3\n", "line 4: 3 cells under a header of 2"),
        (b"a;b\n1;0\n1;2;3\n", "line 3: 3 cells .* semicolons separate"),
        (b"PK\3\4\0\0", "no text"),
        (b"\xff\xfea", "not UTF-8"),
        (b"a,b\n1\0,0\n", "no text"),
        (b"0.5,1\n0.7,2\n", "looks like data"),
        (b"yes,no\nno,no\nyes,yes\n", "looks like data"),
        (b",b\n1,0\n1,1\n", "column 1 without a name"),
        (b"# only\n", "is empty"),
        (b"a,b\n,\n", "only a header"),
        ("a,é".encode(), "only a header"),
        (b'a\n1\n"2\n', "line 3: not CSV"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_with_its_line(tmp_path, text, message):
    (tmp_path / "x.csv").write_bytes(text)
    with pytest.raises(ValueError, match=message) as raised:
        tables.read_csv(tmp_path / "x.csv")
    assert "\n" not in str(raised.value) and str(raised.value).startswith("x.csv")


def test_an_index_and_a_header_of_numbers_are_read_where_they_are_asked_for(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("Unnamed: 0,a\n0,x\n1,y\n")
    assert tables.read_csv(path, columns=["Unnamed: 0"]).values.tolist() == [[0], [1]]
    path.write_text("0,1\n1,0\n0,1\n")
    with pytest.raises(ValueError, match="looks like data"):
        tables.read_csv(path)
    assert tables.read_csv(path, columns=["1"]).values.tolist() == [[0], [1]]


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@settings(deadline=None, max_examples=150)
@given(
    columns=st.integers(2, 12).flatmap(
        lambda num: st.lists(
            st.lists(WORDS, min_size=num, max_size=num), min_size=1, max_size=3
        )
    ),
    header=st.sampled_from(("c", "#c", "# c", '"c', "c,", "c\n", "c;")),
)
@example(columns=[["a", "#b"], ['"', "\r"]], header="#c")
@example(columns=[["a;b", "c;d"]], header="c")
@example(columns=[["\ufeff", "a"]], header="c")  # a mark that only a file begins with
@example(columns=[["1", "1.0", "01"], ["x", "X", "x"]], header="c")
def test_a_table_of_words_reads_back_as_it_was_written(
    tmp_path_factory, columns, header
):
    """States and rows alike; words that mean nothing are no states, and are refused."""
    columns = [[word.strip() or "empty" for word in column] for column in columns]
    columns = [[w + "_" * is_missing(w) for w in c] for c in columns]
    names = tuple(f"{header}{i}".strip() for i in range(len(columns)))
    states, indices = zip(*map(tables.encode, columns), strict=True)
    if any(len(found) < 2 for found in states):
        return  # no label
    values = np.array(indices, np.int32).T
    table = tables.Table(names, dict(zip(names, states, strict=True)), values)
    path = tmp_path_factory.mktemp("words") / "words.csv"
    tables.write_csv(path, table)
    again = tables.read_csv(path, quiet=True)
    assert again.names == table.names and again.states == table.states
    np.testing.assert_array_equal(again.values, table.values)


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text("01,;\t|\"'#\n\r aNA?.-é", max_size=60).map(str.encode),
        st.tuples(
            st.sampled_from(sorted(CASES.glob("csv_*.csv"))), st.binary(max_size=4)
        ).map(lambda found: found[0].read_bytes()[:200] + found[1]),
    )
)
@example(b"")
@example(b"\n" * 2000)
@example(b"a" * 2_000_000)
def test_any_bytes_are_a_table_or_one_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "bytes.csv"
    path.write_bytes(data)
    for missing in ("refuse", "drop"):
        try:
            table = tables.read_csv(path, missing=missing, quiet=True)
        except ValueError as error:
            assert type(error) is ValueError and "\n" not in str(error)
        else:
            sizes = [len(table.states[name]) for name in table.names]
            assert ((table.values >= 0) & (table.values < sizes)).all()


def test_many_blocks_are_read_as_one_table(tmp_path):
    """More rows than one block of the parser holds, each state rarer than a block."""
    num = 400_000
    words = np.array([f"state {i:02d}" for i in range(90)])
    codes = np.arange(num) * 90 // num
    path = tmp_path / "long.csv"
    path.write_text(
        "a,b\n" + "".join(f"{w},{i % 2}\n" for i, w in enumerate(words[codes]))
    )
    assert path.stat().st_size > 1 << 22
    table = tables.read_csv(path, quiet=True)
    assert table.states["a"] == tuple(words)
    np.testing.assert_array_equal(table.values[:, 0], codes)
    np.testing.assert_array_equal(table.values[:, 1], np.arange(num) % 2)


@pytest.mark.parametrize("module", ["causal_jax", "causal_jax.data.tables"])
def test_the_parsers_are_imported_when_a_table_is_read(module):
    program = f"import {module}, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not {"pyarrow", "narwhals", "pandas", "polars"} & loaded


def test_a_row_without_any_cell_keeps_its_place_where_it_is_asked_for(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("A,B\n1,0\n,\n0,1\n,\n,\n")
    for kept, expected in ((True, ["1", "", "0"]), (False, ["1", "0"])):
        found = csv_files.read_text(path, blank_rows=kept)
        words, codes, _ = found.column("A")
        assert [words[code] for code in codes] == expected
    path.write_text("A,B\n,\n,\n")
    with pytest.raises(ValueError, match="holds only a header"):
        csv_files.read_text(path)
