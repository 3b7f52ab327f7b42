import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_jax import graph as graphs

NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_]{0,5}", fullmatch=True)


@st.composite
def dags(draw):
    """(declared nodes, edges in any order) of a random DAG."""
    hidden = draw(st.lists(NAMES, min_size=1, max_size=7, unique=True))
    pairs = [(a, b) for i, b in enumerate(hidden) for a in hidden[:i]]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return draw(st.permutations(hidden)), edges


@given(dags())
def test_order_holds_every_node_once_and_respects_every_edge(dag):
    nodes, edges = dag
    order = graphs.order(graphs.build(edges, nodes=nodes))
    assert sorted(order) == sorted(nodes)
    assert all(order.index(a) < order.index(b) for a, b in edges)


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


def test_a_graph_is_frozen():
    with pytest.raises(nx.NetworkXError):
        graphs.build(nodes=["Male"]).add_node("Young")


def test_a_node_may_have_one_state():
    graph = graphs.build(nodes=["A"], states={"A": ("only",)})
    assert graphs.states(graph, "A") == ("only",)


def test_states_are_numbered_where_they_have_no_names():
    graph = graphs.build([("A", "B")], nodes="ABx", states={"B": ("low", "high")})
    numbered = graphs.with_numbered_states(graph, {"A": 3, "B": 2, "x": None})
    assert graphs.states(numbered, "A") == ("0", "1", "2")
    assert graphs.states(numbered, "B") == ("low", "high")
    assert graphs.states(numbered, "x") is None
    assert graphs.states(graph, "A") is None, "the graph itself is left as it was"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: graphs.build([("A", "B"), ("B", "A")]), "cycle: A -> B -> A;"),
        (lambda: graphs.build([("A", "A")]), "cycle: A -> A;"),
        (lambda: graphs.build(nodes=["A", "A"]), "'A' is declared twice"),
        (lambda: graphs.build(nodes=["A"], states={"A": ()}), "one or more"),
        (lambda: graphs.build(nodes=["A"], states={"A": ("x", "x")}), "all distinct"),
        (lambda: graphs.build(nodes=["A"], states={"A": (1, "1")}), "all distinct"),
        (lambda: graphs.build(nodes=[""]), "'' is not a name"),
        (lambda: graphs.build(nodes=["a\nb"]), r"'a\\nb' has a line break"),
        (lambda: graphs.build(nodes=["a\ud800"]), "another control character"),
        (lambda: graphs.build(nodes=[" A"]), "' A' begins or ends .*: name it 'A'"),
        (lambda: graphs.build(nodes=["A\u00a0"]), "begins or ends with a blank"),
        (lambda: graphs.build(nodes=["Male"], states={"male": "01"}), "mean 'Male'"),
        (
            lambda: graphs.with_numbered_states(graphs.complete("AB"), {"A": 3}),
            "'A' has 2 states, 0, 1, but its mechanism has 3",
        ),
    ],
)
def test_bad_structures_say_in_one_line_what_is_wrong(build, message):
    with pytest.raises(ValueError, match=message) as raised:
        build()
    assert "\n" not in str(raised.value)
