"""Files as their formats' own tools write them: their edges, by hand."""

import subprocess
import sys
import time
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from causal_jax import graph as graphs

CASES = Path(__file__).parent / "cases"
CONFOUNDED = (("U", "X"), ("U", "Y"), ("X", "Y"))
COMMA = (("Income, annual", "Buys"), ("Age", "Income, annual"))
LONG = "x" * 300

# file: (nodes in reading order, edges)
RIGHT = {
    "dagitty_chain.txt": ("X Y Z", (("X", "Y"), ("Y", "Z"))),
    "dot_comma_name.dot": (("Income, annual", "Buys", "Age"), COMMA),
    "dot_comment_in_name.dot": ("a//b c e#1", (("a//b", "c"), ("e#1", "c"))),
    "dot_dagitty.txt": ("U X Y", CONFOUNDED),
    "dot_dagitty_as_digraph.dot": ("U X Y", CONFOUNDED),
    "dot_defaults_inline.dot": ("A B C", (("A", "B"), ("C", "B"))),
    "dot_escaped_quote.dot": (('say "hi"', "c"), (('say "hi"', "c"),)),
    "dot_group.dot": ("A B C", (("A", "B"), ("A", "C"))),
    "dot_group2.dot": ("A B C", (("A", "C"), ("B", "C"))),
    "dot_html_label.dot": ("A B", (("A", "B"),)),
    "dot_hyphen_title.dot": ("A B", (("A", "B"),)),
    "dot_keyword_case.dot": ("A B", (("A", "B"),)),
    "dot_label_arrow.dot": ("A B C", (("A", "B"), ("B", "C"))),
    "dot_label_bracket.dot": ("A B", (("A", "B"),)),
    "dot_names_special.dot": (
        "in1 in1_METER_(%)_60 in2 base_MIX_(+)_in2 base",
        (
            ("in1", "in1_METER_(%)_60"),
            ("in2", "base_MIX_(+)_in2"),
            ("base", "base_MIX_(+)_in2"),
        ),
    ),
    "dot_no_semicolon.dot": ("A B C", (("A", "B"), ("B", "C"))),
    "dot_node_word.dot": ("lymph.node x graph", (("x", "lymph.node"), ("graph", "x"))),
    "dot_numbers.dot": ("0 1 2.5", (("0", "1"), ("1", "2.5"))),
    "dot_ports.dot": ("A B", (("A", "B"),)),
    "dot_rank.dot": ("A B", (("A", "B"),)),
    "dot_repeat.dot": ("A B", (("A", "B"),)),
    "dot_subgraph.dot": ("A B C", (("A", "C"), ("B", "C"))),
    "graph.gml": ("A B", (("A", "B"),)),
    "graph_comma_name.txt": (("Income, annual", "Buys", "Age"), COMMA),
    "graph_lone.txt": ("A", ()),
    "graph_long_oneline.dot": (
        tuple(f"n{i}" for i in range(61)),
        tuple((f"n{i}", f"n{i + 1}") for i in range(60)),
    ),
    "names_case.txt": ("Age age B", (("Age", "age"), ("age", "B"))),
    "names_dotdot.txt": (".. ~ %41", (("..", "~"), ("~", "%41"))),
    "names_dots.txt": ("a.b a b.c.d", (("a.b", "a"), ("a", "b.c.d"))),
    "names_long.txt": ((LONG, "B"), ((LONG, "B"),)),
    "names_odd.txt": (
        ("params", "probs", "0", "Größe", "x y"),
        (("params", "probs"), ("probs", "0"), ("0", "Größe"), ("Größe", "x y")),
    ),
    "names_slash.txt": (
        ("km/h", "sex (m/f)", "ok"),
        (("km/h", "sex (m/f)"), ("sex (m/f)", "ok")),
    ),
    "names_twin.txt": ("A A_factual B", (("A", "A_factual"), ("A_factual", "B"))),
}
WRONG = {
    "dot_bidirected.dot": "'X <-> Y': hidden common causes are not supported yet",
    "dot_self.dot": "cycle: A -> A;",
    "dot_undirected.dot": "not a digraph: causal edges are directed",
}


def test_every_case_has_a_right_value():
    assert {path.name for path in CASES.iterdir()} == {*RIGHT, *WRONG}


@pytest.mark.parametrize("name", RIGHT)
def test_a_file_is_read_as_its_writer_means_it(name):
    nodes, edges = RIGHT[name]
    nodes = nodes.split() if isinstance(nodes, str) else nodes
    expected = graphs.signature(graphs.build(edges, nodes=nodes))
    assert graphs.signature(graphs.read(CASES / name)) == expected
    text = (CASES / name).read_text(encoding="utf-8")
    assert graphs.signature(graphs.from_text(text)) == expected
    crlf = text.replace("\n", "\r\n")
    assert graphs.signature(graphs.from_text(crlf)) == expected


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_no_causal_graph_is_refused_in_one_line(name):
    with pytest.raises(ValueError, match=WRONG[name]) as raised:
        graphs.read(CASES / name)
    assert "\n" not in str(raised.value)


@pytest.mark.filterwarnings("ignore:nx.nx_pydot")
@pytest.mark.parametrize(
    "name",
    # networkx keeps the backslashes of quotes and the ports of nodes.
    sorted(
        {n for n in RIGHT if n.endswith(".dot")}
        - {"dot_escaped_quote.dot", "dot_ports.dot"}
    ),
)
def test_dot_has_the_edges_that_networkx_reads_through_pydot(name):
    text = (CASES / name).read_text(encoding="utf-8")
    import pydot

    (written,) = pydot.graph_from_dot_data(text)
    theirs = set(nx.DiGraph(nx.nx_pydot.from_pydot(written)).edges)
    assert set(graphs.from_text(text).edges) == theirs


DAGITTY = """dag "my -> model" {
bb="-0.5,-0.5,0.5,0.5"
Age [adjusted,pos="-0.2,0.4"]
"Blood pressure" [outcome,pos="0.2,0.4"]
Diet [exposure]
Stress [latent]
Diet <- Age -> "Blood pressure" <- {Stress Salt}
Diet -> "Blood pressure" [pos="0.1,0.3"]
}"""


def test_dagittys_edges_may_point_left_and_its_attributes_are_dropped():
    graph = graphs.read(DAGITTY)
    assert list(graph) == [
        *("Age", "Blood pressure", "Diet", "Stress", "Salt"),
    ]
    assert set(graph.edges) == {
        ("Age", "Diet"),
        ("Age", "Blood pressure"),
        ("Stress", "Blood pressure"),
        ("Salt", "Blood pressure"),
        ("Diet", "Blood pressure"),
    }


def edges_of(text):
    return {"".join(edge) for edge in graphs.from_text(text).edges}


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("digraph{A->{B->C}}", {"AB", "AC", "BC"}),
        ("digraph { {A B} -> {C; D} -> E }", {"AC", "AD", "BC", "BD", "CE", "DE"}),
        ("digraph { A -> subgraph s { B C } }", {"AB", "AC"}),
        ("digraph { subgraph { A } subgraph s { B } A -> B }", {"AB"}),
        ("strict digraph { A -> B; A -> B }", {"AB"}),
        ("digraph { A:p:n -> B }", {"AB"}),
        ('digraph { "A" + "B" -> C }', {"ABC"}),
        ("// first\n/* second */\n# third\ndigraph { A -> B }", {"AB"}),
        ("digraph\n  G\n{\n  A\n  ->\n  B\n}", {"AB"}),
        ("digraph { A -> B # not Graphviz's comment, but meant\n}", {"AB"}),
        ("digraph {" + "{" * 500 + "A -> B" + "}" * 500 + "}", {"AB"}),
        ("digraph { A [tooltip=<a <b>-- ]</b>>] A -> B [label=<-->] }", {"AB"}),
        ("digraph { 😀 -> B }", {"😀B"}),
        ("digraph { node [dir=x]; edge [x=both, y] A -> B; graph [a=b][c=d] }", {"AB"}),
        ("dag { A <- B <- C }", {"BA", "CB"}),
        ("dag { A <- { B -> C } }", {"BA", "CA", "BC"}),
        ("DAG{A<-B->C}", {"BA", "BC"}),
        ("A<-B->C", {"BA", "BC"}),
        ("\ufeffA -> B", {"AB"}),
        ('"digraph { A -> B }" -> C', {"digraph { A -> B }C"}),
        (
            "digraph { graph [a=b] edge[] A -> B [c][d] node -> edge }",
            {"AB", "nodeedge"},
        ),
        (
            'Creator "x"\nVersion 1\ngraph\n[ directed 1 node [ id 7 label "A" ]'
            ' node [ id 3 label "B" ] edge [ source 7 target 3 w 1.5 ] ]',
            {"AB"},
        ),
        ('network -> "{"', {"network{"}),
        ("digraph -> graph -> dag", {"digraphgraph", "graphdag"}),
        ('"a -> b; c" -> "#d"', {"a -> b; c#d"}),
        ('"say ""hi""" -> b', {'say "hi"b'}),
        ("5-o-clock->B", {"5-o-clockB"}),
    ],
)
def test_edges_by_hand(text, edges):
    assert edges_of(text) == edges


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("X <-> Y", "line 1 .*'X <-> Y'.* hidden common causes are not supported yet"),
        ("dag { X <-> Y }", "hidden common causes are not supported yet"),
        ("digraph { X -> Y [dir=both] }", "dir=both: hidden common causes"),
        ("digraph { edge [dir = none] X -> Y }", "dir=none: it is undirected"),
        ("A --> B", "'A --> B', cannot be read: write -> for -->"),
        ("A -> B\nC -- D", "line 2 .*'C -- D'.* undirected"),
        ("digraph { A -- B }", "'A -- B': it is undirected"),
        ("pdag { A -> B }", "not a digraph"),
        ('"A -> B', "line 1 .*a double quote has no partner"),
        ('digraph { "A -> B }', "cannot be read at '\"A -> B }'"),
        ("digraph { my-node -> B }", "at '-node -> B }': .* double quotes"),
        ("digraph { A -> B [x }", r"a \[ without its \]"),
        ("digraph { A -> B [x=<y] }", "a < without its >"),
        ("digraph { A -> B } }", "a } without its {"),
        ("digraph { A -> B } digraph { C }", "give one graph"),
        ("digraph { <<b>x</b>> -> B }", "a name in HTML, '<<b>x</b>>'"),
        ("digraph {" + "A -> {" * 9 + "B" + "}" * 9 + "}", "more than 6 deep"),
        ("digraph { A -> ; }", "cannot be read at '-> ; }'"),
        ("digraph { A [x] -> B }", r"cannot be read at '-> \"B\""),
        ("digraph {}", "no nodes"),
        ("graph [ directed 1 node [ id 0", "GML text cannot be read .*write_gml"),
        ("graph [ node [ id 0 ] ]", "GML text cannot be read .*no 'label'"),
        ('graph [ id 0 node "x y" ]', "GML text cannot be read"),
        ('graph [ node [ id 0 label "A" ] ]', "give directed edges"),
        ("network n { }\nvariable A { }", "networks.read_bif reads it"),
        ("<?xml version='1.0'?><graphml></graphml>", "GraphML: .*read_graphml"),
        ("[" * 100_000, "list cannot be read"),
        ("Income, annual; km/h -> B", "line 1 .*'km/h -> B'.* stand in double quotes"),
    ],
)
def test_refusals_are_one_line_and_say_what_would_be_right(text, message):
    with pytest.raises(ValueError, match=message) as raised:
        graphs.from_text(text)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_text_longer_than_a_file_name_may_be_is_text():
    line = " ; ".join(f"n{i} -> n{i + 1}" for i in range(600))
    assert len(graphs.read(line)) == 601
    dot = "digraph {" + line + "}"
    assert len(graphs.read(dot)) == 601
    with pytest.raises(ValueError, match="no graph 'xxx"):
        graphs.read("x" * 10_000)


def test_a_file_that_is_not_utf8_is_refused_in_one_line(tmp_path):
    path = tmp_path / "g.txt"
    path.write_bytes("Größe -> B".encode("latin-1"))
    with pytest.raises(ValueError, match="g.txt is not UTF-8 text"):
        graphs.read(path)


def test_pydot_is_imported_when_dot_is_read_and_not_before():
    code = "import sys, causal_jax; print('pydot' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["False"]


# --- any names, any text --------------------------------------------------------------

NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12
).filter(lambda name: name == name.strip())


@settings(max_examples=200, deadline=None)
@example(names=['a"b', '""', "A, B -> C", "digraph { x }"])
@given(names=st.lists(NAMES, min_size=2, max_size=5, unique=True))
def test_any_names_survive_quoted_edge_text(names):
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    graph = graphs.from_text(" -> ".join(quoted))
    assert list(graph) == names
    assert set(graph.edges) == set(zip(names, names[1:], strict=False))


@settings(max_examples=100, deadline=None)
@example(names=['a"b', "<->", "node", "subgraph", "a:b", "//", "[x]", "#", "<b>"])
# In DOT a backslash before a double quote is an escape: no name can end in one.
@given(
    names=st.lists(
        NAMES.filter(lambda name: "\\" not in name), min_size=2, max_size=4, unique=True
    )
)
def test_any_names_survive_dot(names):
    quoted = ['"' + name.replace('"', '\\"') + '"' for name in names]
    graph = graphs.from_text("digraph { " + " -> ".join(quoted) + " }")
    assert list(graph) == names
    assert set(graph.edges) == set(zip(names, names[1:], strict=False))


PIECES = st.sampled_from(
    ["digraph", "graph", "dag", "strict", "subgraph", "node", "{", "}", "[", "]", "A"]
    + ["B", '"', "->", "<-", "<->", "--", ";", ",", "=", ":", "+", "<", ">", "\\", "\n"]
    + [
        "graph [",
        "node [ id 0 label",
        "/*",
        "*/",
        "//",
        "#",
        "1.5",
        "-",
        "'",
        "é",
        "\x00",
        "(",
        " ",
        "[[",
        '["A", []]',
    ]
)
GARBAGE = st.text(max_size=60) | st.lists(PIECES, max_size=30).map(" ".join)
DOT_LIKE = st.lists(PIECES, max_size=30).map(
    lambda body: "digraph {" + " ".join(body) + "}"
)


@settings(max_examples=400, deadline=None)
@given(text=GARBAGE | DOT_LIKE)
def test_any_text_is_a_graph_or_refused_in_one_line(text):
    started = time.process_time()
    try:
        graph = graphs.from_text(text)
    except ValueError as error:
        assert len(str(error).splitlines()) == 1
    else:
        graphs.validate(graph)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "text",
    [
        "digraph {" + "{" * 20_000,
        "digraph {" + "A -> {" * 5_000 + "}" * 5_000 + "}",
        "digraph {" + '"' * 20_001,
        "digraph {" + "/*" * 20_000,
        "digraph {" + "[a=<" * 10_000,
        "graph" + " " * 50_000 + "x",
        '"' * 50_001,
        "A, " * 20_000,
        "<" * 20_000,
        "[" * 50_000,
    ],
    ids=lambda text: text[:12],
)
def test_long_garbage_is_refused_in_bounded_time(text):
    started = time.process_time()
    with pytest.raises(ValueError):
        graphs.from_text(text)
    assert time.process_time() - started < 5
