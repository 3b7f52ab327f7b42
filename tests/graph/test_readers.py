import sys
import types

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_jax import graph as graphs
from causal_jax.graph import readers

PLAIN = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_]{0,5}", fullmatch=True)
QUOTED = st.from_regex(r"[A-Za-z] [A-Za-z]{1,4}", fullmatch=True)


@st.composite
def dags(draw):
    """(declared nodes, edges in any order) of a random DAG."""
    hidden = draw(st.lists(PLAIN | QUOTED, min_size=1, max_size=7, unique=True))
    pairs = [(a, b) for i, b in enumerate(hidden) for a in hidden[:i]]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return draw(st.permutations(hidden)), edges


def quoted(name):
    return f'"{name}"' if " " in name else name


@given(dags())
def test_edge_text_round_trip(dag):
    nodes, edges = dag
    lines = [quoted(n) for n in nodes] + [
        f"{quoted(a)} -> {quoted(b)}" for a, b in edges
    ]
    read = graphs.from_text("\n".join(lines))
    assert graphs.signature(read) == graphs.signature(graphs.build(edges, nodes=nodes))


@given(dags())
def test_causalgan_list_round_trip(dag):
    nodes, edges = dag
    graph = graphs.build(edges, nodes=nodes)
    entries = [[n, list(graphs.parents(graph, n))] for n in graph]
    assert graphs.signature(graphs.from_text(str(entries))) == graphs.signature(graph)
    assert graphs.signature(graphs.read(entries)) == graphs.signature(graph)


def test_edge_text_reads_chains_lists_comments_and_both_arrows():
    text = """
    # a comment
    Young ; Male
    Male, Young -> Mustache, Bald   # four edges
    A -> B <- C ; "two words" -> A
    """
    graph = graphs.from_text(text)
    assert list(graph) == [
        *("Young", "Male", "Mustache", "Bald"),
        *("A", "B", "C", "two words"),
    ]
    assert set(graph.edges) == {
        ("Male", "Mustache"),
        ("Young", "Mustache"),
        ("Male", "Bald"),
        ("Young", "Bald"),
        ("A", "B"),
        ("C", "B"),
        ("two words", "A"),
    }


def test_dot_reads_structure_and_drops_attributes():
    dot = """strict digraph faces {
      rankdir=LR; node [shape=box]; /* a comment */
      Male -> Mustache [color="red"]; // another
      "5 o Clock" -> Male -> Bald;
      Young [label="young?"];
    }"""
    graph = graphs.read(dot)
    assert set(graph.edges) == {
        ("Male", "Mustache"),
        ("5 o Clock", "Male"),
        ("Male", "Bald"),
    }
    assert "Young" in graph and len(graph) == 5


def test_read_accepts_text_file_and_networkx_graph(tmp_path):
    file = tmp_path / "graph.txt"
    file.write_text("Male -> Mustache", encoding="utf-8")
    expected = graphs.signature(graphs.build([("Male", "Mustache")]))
    network = nx.DiGraph([("Male", "Mustache")])
    for source in ("Male -> Mustache", file, str(file), network):
        assert graphs.signature(graphs.read(source)) == expected


def test_read_keeps_the_state_names_of_a_networkx_graph():
    source = graphs.build([("A", "B")], states={"B": ("low", "mid", "high")})
    assert graphs.states(graphs.read(source), "B") == ("low", "mid", "high")
    assert graphs.states(graphs.read(source), "A") is None


@pytest.fixture
def names(monkeypatch):
    """A module that knows one graph by its name, and registers it."""
    module = types.ModuleType("graphs_of_this_test")
    module.GRAPHS = {"rain": "Rain -> Wet"}
    module.named = lambda name: graphs.from_text(module.GRAPHS[name])
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(readers, "_NAMED_MODULES", [])
    graphs.register_names(module.__name__)
    graphs.register_names(module.__name__)  # twice is once


def test_a_graph_is_read_by_the_name_that_a_module_registered(names):
    expected = graphs.signature(graphs.build([("Rain", "Wet")]))
    assert graphs.signature(graphs.named("rain")) == expected
    assert graphs.signature(graphs.read(" rain ")) == expected
    with pytest.raises(ValueError, match="unknown graph 'rian': .*mean 'rain'"):
        graphs.named("rian")
    with pytest.raises(ValueError, match="no graph 'rian': .*there are rain$"):
        graphs.read("rian")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: graphs.read("A -> B -> C -> A"), r"cycle: \w -> \w -> \w -> \w;"),
        (lambda: graphs.from_text("# nothing"), "no nodes"),
        (lambda: graphs.from_text("A -> B\nA => B"), "line 2 .*'A => B', cannot be"),
        (lambda: graphs.from_text("A -> "), "line 1"),
        (lambda: graphs.from_list([["A", ["Bee"]], ["Be", []]]), "'Bee' is no node"),
        (lambda: graphs.from_list([["A", "B"]]), r"\['A', 'B'\] is not a \[node"),
        (lambda: graphs.from_text("[['A', [}"), "list cannot be read"),
        (lambda: graphs.from_text("graph { A -- B }"), "not a digraph"),
        (lambda: graphs.from_text("digraph { A -> B "), "no closing brace"),
        (lambda: graphs.read(nx.Graph([("A", "B")])), "not a networkx.DiGraph"),
        (lambda: graphs.read(nx.MultiDiGraph([("A", "B")])), "not a networkx.DiGraph"),
        (lambda: graphs.read(nx.DiGraph([(0, 1)])), "node 0 is not a name"),
    ],
)
def test_what_cannot_be_read_says_in_one_line_what_is_wrong(build, message):
    with pytest.raises(ValueError, match=message) as raised:
        build()
    assert "\n" not in str(raised.value)
