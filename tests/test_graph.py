import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_jax import graph as graphs
from causal_jax.data import celeba_graphs

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
def test_order_holds_every_node_once_and_respects_every_edge(dag):
    nodes, edges = dag
    order = graphs.order(graphs.build(edges, nodes=nodes))
    assert sorted(order) == sorted(nodes)
    assert all(order.index(a) < order.index(b) for a, b in edges)


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


@given(dags(), st.data())
def test_mutilate_cuts_exactly_the_edges_into_the_intervened(dag, data):
    nodes, edges = dag
    graph = graphs.build(edges, nodes=nodes)
    cut = data.draw(st.sets(st.sampled_from(list(nodes))))
    mutilated = graphs.mutilate(graph, cut)
    assert set(mutilated.edges) == {e for e in edges if e[1] not in cut}
    assert set(graph.edges) == set(edges)


@given(dags())
def test_parents_come_in_declared_order_however_edges_were_written(dag):
    nodes, edges = dag
    graph = graphs.build(edges, nodes=nodes)
    for name in nodes:
        expected = tuple(n for n in nodes if (n, name) in edges)
        assert graphs.parents(graph, name) == expected


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


def test_edge_text_reads_every_attribute_name_of_celeba():
    text = "\n".join(f"Male -> {n}" for n in celeba_graphs.ATTRIBUTES if n != "Male")
    graph = graphs.read(text)
    assert set(graph) == set(celeba_graphs.ATTRIBUTES)


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


def test_read_accepts_text_file_networkx_list_and_name(tmp_path):
    file = tmp_path / "graph.txt"
    file.write_text("Male -> Mustache", encoding="utf-8")
    expected = graphs.signature(graphs.build([("Male", "Mustache")]))
    network = nx.DiGraph([("Male", "Mustache")])
    for source in ("Male -> Mustache", file, str(file), network):
        assert graphs.signature(graphs.read(source)) == expected
    assert graphs.read("M").nodes["Male"]["states"] == graphs.BINARY


def test_read_keeps_the_state_names_of_a_networkx_graph():
    source = graphs.build([("A", "B")], states={"B": ("low", "mid", "high")})
    assert graphs.states(graphs.read(source), "B") == ("low", "mid", "high")
    assert graphs.states(graphs.read(source), "A") is None


def test_all_27_graphs_of_causalgan_are_distinct_binary_dags():
    read = {name: graphs.named(name) for name in celeba_graphs.GRAPHS}
    assert len({graphs.signature(graph) for graph in read.values()}) == 27
    for graph in read.values():
        graphs.validate(graph)
        assert all(graphs.states(graph, name) == graphs.BINARY for name in graph)


def test_named_graphs_have_the_papers_nodes_and_edges():
    big = graphs.named("big_causal_graph")
    assert len(big) == 9 and big.number_of_edges() == 14
    assert graphs.parents(big, "Narrow_Eyes") == ("Young", "Male", "Smiling")
    assert graphs.named("complete_big_causal_graph").number_of_edges() == 36
    reverse = graphs.named("reverse_complete_big_causal_graph")
    assert graphs.order(reverse) == tuple(big)[::-1]
    everything = graphs.named("complete_all")
    assert len(everything) == 40 and everything.number_of_edges() == 780


def test_a_graph_is_frozen():
    with pytest.raises(nx.NetworkXError):
        graphs.named("M").add_node("Young")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: graphs.read("A -> B -> C -> A"), r"cycle: \w -> \w -> \w -> \w;"),
        (lambda: graphs.read("A -> A"), "cycle: A -> A;"),
        (lambda: graphs.build(nodes=["A", "A"]), "'A' is declared twice"),
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
        (lambda: graphs.read("big_causal_grpah"), "mean 'big_causal_graph'"),
        (lambda: graphs.named("SML"), "unknown graph 'SML'"),
        (lambda: graphs.build(nodes=["A"], states={"A": ("x",)}), "two or more"),
        (lambda: graphs.build(nodes=["A"], states={"A": ("x", "x")}), "two or more"),
        (lambda: graphs.build(nodes=["A"], states={"A": (1, "1")}), "two or more"),
        (lambda: graphs.build(nodes=["Male"], states={"male": "01"}), "mean 'Male'"),
    ],
)
def test_bad_graphs_say_in_one_line_what_is_wrong(build, message):
    with pytest.raises(ValueError, match=message) as raised:
        build()
    assert "\n" not in str(raised.value)
