"""Nodes in chunks that follow their parents."""

from hypothesis import given, settings
from hypothesis import strategies as st

from causal_jax.graph.chunks import chunks


@st.composite
def graphs(draw):
    num = draw(st.integers(1, 30))
    parents = [
        draw(st.lists(st.integers(0, node - 1), max_size=3)) if node else []
        for node in range(num)
    ]
    kinds = draw(st.lists(st.integers(0, 2), min_size=num, max_size=num))
    widths = draw(st.lists(st.integers(1, 5), min_size=3, max_size=3))
    return parents, kinds, widths


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_every_node_comes_once_behind_its_parents_among_its_kind(graph):
    parents, kinds, widths = graph
    found = chunks(parents, kinds, widths)
    when = {node: i for i, (_, nodes) in enumerate(found) for node in nodes}
    assert sorted(node for _, nodes in found for node in nodes) == list(
        range(len(kinds))
    )
    for kind, nodes in found:
        assert 0 < len(nodes) <= widths[kind]
        assert {kinds[node] for node in nodes} == {kind}
    for node, above in enumerate(parents):
        assert all(when[parent] < when[node] for parent in above)


def test_independent_nodes_fill_their_chunks():
    found = chunks([[]] * 10, [0] * 10, [4])
    assert [len(nodes) for _, nodes in found] == [4, 4, 2]


def test_the_longest_way_down_goes_first():
    parents = [[], [], [], [2], [3]]  # nodes 0 and 1 have nothing below them
    assert chunks(parents, [0] * 5, [1])[0] == (0, [2])
