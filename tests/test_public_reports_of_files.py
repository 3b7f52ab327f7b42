"""Files and tables that users of other libraries reported as read wrongly.

See `test_public_reports`.
"""

import jax
import networkx as nx
import numpy as np
import pyarrow as pa
import pytest

from causal_jax import graph as graphs
from causal_jax.data import tables
from causal_jax.data.networks import read_bif
from causal_jax.queries import exact

KEY = jax.random.key(0)


@pytest.fixture
def read(tmp_path):
    """read(text): the network of a BIF text."""

    def read_text(text):
        path = tmp_path / "net.bif"
        path.write_text(text, encoding="utf-8")
        return read_bif(path)

    return read_text


def variable(name, states):
    names = ", ".join(states)
    return f"variable {name} {{ type discrete [ {len(states)} ] {{ {names} }}; }}\n"


def edges_of(text):
    graph = graphs.read(text)
    return list(graph), list(graph.edges)


def test_rows_are_read_by_their_states_not_by_their_place(read):
    """Kind: rows of a table in another order than the states' were read in place.

    Source: pgmpy, issue 1053, "Bug in BIFReader function",
    https://github.com/pgmpy/pgmpy/issues/1053
    Right: the two texts name the same numbers: P(ill | city, dry) = .3 and so on.
    """
    head = "network n { }\n" + variable("Ill", ("ill", "well"))
    head += variable("Home", ("land", "city")) + variable("Sky", ("wet", "dry"))
    head += "probability ( Home ) { table 0.4, 0.6; }\n"
    head += "probability ( Sky ) { table 0.5, 0.5; }\n"
    rows = {
        "(land, wet)": "0.1, 0.9",
        "(land, dry)": "0.2, 0.8",
        "(city, wet)": "0.7, 0.3",
        "(city, dry)": "0.3, 0.7",
    }
    for order in (rows, reversed(rows)):
        block = "".join(f"{where} {rows[where]};\n" for where in order)
        scm, params = read(f"{head}probability ( Ill | Home, Sky ) {{\n{block}}}\n")
        np.testing.assert_allclose(
            params["Ill"]["probs"][..., 0], [[0.1, 0.2], [0.7, 0.3]], rtol=1e-6
        )
        seen = exact.marginal(scm, params, ["Home"], given={"Ill": "ill"})
        right = np.array([0.4 * 0.15, 0.6 * 0.5])
        np.testing.assert_allclose(seen, right / right.sum(), rtol=1e-6)


def test_a_row_that_sums_to_one_but_for_a_rounding_is_read(read):
    """Kind: .04 + .04 + .82 + .1 is below one in floats, and the table was refused.

    Source: bnlearn (Python), issue 60, "Checking CPD with a tolerance",
    https://github.com/erdogant/bnlearn/issues/60
    Right: the numbers of the file; .3333 three times becomes a third each.
    """
    row = (0.07, 0.01, 0.82, 0.1)
    assert row[0] + row[1] + row[2] + row[3] != 1  # `sum` adds exactly since 3.12
    text = "network n { }\n" + variable("A", "abcd") + variable("B", "xyz")
    text += f"probability ( A ) {{ table {', '.join(map(str, row))}; }}\n"
    text += "probability ( B ) { table 0.3333, 0.3333, 0.3333; }\n"
    _, params = read(text)
    np.testing.assert_allclose(params["A"]["probs"], row, rtol=1e-6)
    np.testing.assert_allclose(params["B"]["probs"], 1 / 3, rtol=1e-6)


def test_nodes_and_states_may_be_named_by_numbers(read):
    """Kind: a network learned from a table without names, its nodes 0 and 1.

    Source: pgmpy, issue 1493, "Problem with BIFWriter",
    https://github.com/pgmpy/pgmpy/issues/1493
    Right: P(0 = "2" | do(1 = "1")) = .8, by the block's second row.
    """
    text = (
        "network unknown { }\nvariable 0 { type discrete [ 3 ] { 0, 1, 2 };\n"
        "property weight = None ; }\n" + variable("1", "01")
    )
    text += "probability ( 0 | 1 ) { ( 0 ) 0.2, 0.3, 0.5; ( 1 ) 0.1, 0.1, 0.8; }\n"
    scm, params = read(text + "probability ( 1 ) { table 0.4, 0.6; }\n")
    assert scm.nodes == ("0", "1") and scm.parents["0"] == ("1",)
    law = exact.marginal(scm, params, ["0"], do={"1": "1"})
    np.testing.assert_allclose(law, [0.1, 0.1, 0.8], rtol=1e-6)


def test_names_in_any_script_are_read(read):
    """Kind: a BIF file with Chinese names ended in an IndexError.

    Source: pgmpy, issue 1657, "Error loading Bayesian model",
    https://github.com/pgmpy/pgmpy/issues/1657
    Right: the names and numbers of the file.
    """
    text = "network 网络 { }\n" + variable("天气", ("晴", "雨"))
    scm, params = read(text + "probability ( 天气 ) { table 0.25, 0.75; }\n")
    assert scm.states("天气") == ("晴", "雨")
    np.testing.assert_allclose(
        exact.marginal(scm, params, ["天气"], do={"天气": "雨"}), [0, 1]
    )
    np.testing.assert_allclose(params["天气"]["probs"], [0.25, 0.75])


def test_true_is_the_state_that_is_named_true(read):
    """Kind: evidence True where the states are the words True and False.

    Source: pgmpy, issue 1391, "Variable elimination failed when working with large
    number of nodes", comment on evidence such as {'Antilock': True},
    https://github.com/pgmpy/pgmpy/issues/1391
    Right: True is declared first, so it is index 0: P(Stop = yes | True) = .9.
    """
    text = "network n { }\n" + variable("Brake", ("True", "False"))
    text += variable("Stop", ("yes", "no"))
    text += "probability ( Brake ) { table 0.3, 0.7; }\n"
    text += "probability ( Stop | Brake ) { (True) 0.9, 0.1; (False) 0.2, 0.8; }\n"
    scm, params = read(text)
    for true in (True, np.bool_(True), "True"):
        law = exact.marginal(scm, params, ["Stop"], given={"Brake": true})
        np.testing.assert_allclose(law, [0.9, 0.1], rtol=1e-6)
        drawn = scm.sample(params, KEY, num=3, do={"Brake": true})
        assert drawn["Brake"].tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match=r"truth value at 'Stop' .* 0 .yes., 1 .no."):
        exact.marginal(scm, params, ["Brake"], given={"Stop": True})


def test_a_probability_below_float32_is_not_zero(read):
    """Kind: a state so improbable that it is rounded to an impossible one.

    Source: BayesNets.jl, issue 149, "Inference probability are NaNs",
    https://github.com/sisl/BayesNets.jl/issues/149
    Right: B = b needs A = a, of probability 1e-60: given B = b it is certain.
    """
    text = "network n { }\n" + variable("A", "ax") + variable("B", "bx")
    text += "probability ( A ) { table 1e-60, 1.0; }\n"
    text += "probability ( B | A ) { (a) 0.5, 0.5; (x) 0.0, 1.0; }\n"
    scm, params = read(text)
    law = exact.marginal(scm, params, ["A"], given={"B": "b"})
    np.testing.assert_array_equal(law, [1, 0])


def test_a_line_break_before_the_brace_is_no_node():
    """Kind: a DOT file that ends in a line break had one more node, a backslash n.

    Source: CausalTestingFramework, issue 258, "Spurious node when reading in causal DAG
    DOT files", https://github.com/CITCOM-project/CausalTestingFramework/issues/258
    Right: two nodes and one edge, whatever ends the lines.
    """
    for end in ("\n", "\r\n", "\n\n  \n"):
        text = f"digraph dag {{{end}  rain -> wet;{end}}}{end}"
        assert edges_of(text) == (["rain", "wet"], [("rain", "wet")])


def test_a_colon_in_a_quoted_name_is_no_port():
    """Kind: the node "foo:bar" became the node foo with a port.

    Source: networkx, issue 2050, "networkx is unable to save graphs in dot format where
    node names contain a colon", https://github.com/networkx/networkx/issues/2050
    Right: DOT's grammar: a port stands outside the quotes, so these are four names.
    """
    text = 'digraph { "a:b" -> "c d" ; "a" -> c:n ; }'
    edges = [("a:b", "c d"), ("a", "c")]
    assert edges_of(text) == (["a:b", "c d", "a", "c"], edges)


def test_quotes_are_no_part_of_a_name():
    """Kind: testnode and "testnode" were two nodes.

    Source: pydot-ng, issue 12, "[72] Quotes included in the node's name",
    https://github.com/pydot/pydot-ng/issues/12
    Right: one node; DOT has no difference between abc and "abc".
    """
    text = 'digraph { rain; "rain" [shape=box]; "rain" -> "wet"; rain -> wet }'
    assert edges_of(text) == (["rain", "wet"], [("rain", "wet")])


def test_a_chain_of_dagitty_is_two_edges_with_or_without_its_header():
    """Kind: "dag {X -> Y -> Z}" ended in an IndexError.

    Source: pgmpy, issue 1955, "DAG.from_dagitty fails for models described as a chain",
    https://github.com/pgmpy/pgmpy/issues/1955
    Right: X -> Y and Y -> Z; the same edges without "dag" and braces.
    """
    right = (["X", "Y", "Z"], [("X", "Y"), ("Y", "Z")])
    assert edges_of("dag {X -> Y -> Z}") == right
    assert edges_of("X -> Y -> Z") == right


def test_nodes_that_are_no_names_are_refused_in_a_line():
    """Kind: nodes that are integers worked at first, and failed in a later question.

    Source: pgmpy, issue 3577, "DiscreteBayesianNetwork.predict_probability() throws
    unhandled TypeError on integer node names",
    https://github.com/pgmpy/pgmpy/issues/3577
    Right: refused where the graph is read, by the node.
    """
    with pytest.raises(ValueError, match="node 0 is not a name: nodes are strings"):
        graphs.read(nx.DiGraph([(0, 1)]))


def test_whole_numbers_beside_a_missing_value_stay_whole():
    """Kind: a missing value makes a column of 0 and 1 floats, which index nothing.

    Source: pgmpy, issue 2386, "Expectation Maximization (EM) estimator fails with an
    IndexError", https://github.com/pgmpy/pgmpy/issues/2386
    Right: the states are "0" and "1"; the row without a value is named, or left out.
    """
    frame = pa.table({"A": [0.0, 1.0, float("nan"), 1.0], "B": [1, 0, 1, 0]})
    with pytest.raises(ValueError, match=r"row 2 .*'A' has no value .*1 of 4 rows"):
        tables.from_frame(frame)
    table = tables.from_frame(frame, missing="drop", quiet=True)
    assert table.states == {"A": ("0", "1"), "B": ("0", "1")}
    assert table.values.tolist() == [[0, 1], [1, 0], [1, 0]]


def test_a_state_may_be_named_na(tmp_path):
    """Kind: the state "NA" (North America) was read as a missing value, silently.

    Source: pandas, issue 10647, "Default behavior of read_csv for data values of NA and
    NaN", https://github.com/pandas-dev/pandas/issues/10647
    Right: refused with the way out, and a state like others where it is declared.
    """
    path = tmp_path / "zones.csv"
    path.write_text("Zone,Sold\nEU,1\nNA,0\nAPAC,1\n")
    with pytest.raises(ValueError, match="'NA' as a state"):
        tables.read_csv(path)
    table = tables.read_csv(path, states={"Zone": ("APAC", "EU", "NA")}, quiet=True)
    assert table.values.tolist() == [[1, 1], [2, 0], [0, 1]]


def test_declared_states_keep_their_order():
    """Kind: the states' order that a user gave was replaced by the alphabet's.

    Source: pgmpy, issue 1245, "Undocumented sorting of state_names in BaseEstimator",
    https://github.com/pgmpy/pgmpy/issues/1245
    Right: index 0 is "High" and "None" is a state: both were declared.
    """
    declared = {"Risk": ("High", "Medium", "Low", "None")}
    frame = pa.table({"Risk": ["Low", "None", "High", "Medium"]})
    table = tables.from_frame(frame, states=declared, quiet=True)
    assert table.states == declared
    assert table.values[:, 0].tolist() == [2, 3, 0, 1]


def test_columns_of_truth_values_are_states():
    """Kind: a column of numpy's booleans was taken for numbers.

    Source: dowhy, issue 722, "GCM function is_categorical does not return True when
    passing an array of bools", https://github.com/py-why/dowhy/issues/722
    Right: two states, False before True.
    """
    wet = np.array([True, False, True])
    table = tables.from_frame(pa.table({"Wet": wet}), quiet=True)
    assert table.states == {"Wet": ("False", "True")}
    assert table.values.tolist() == [[1], [0], [1]]
