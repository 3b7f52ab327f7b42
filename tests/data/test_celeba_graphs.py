import pytest

from causal_jax import graph as graphs
from causal_jax.data import celeba_graphs


def test_edge_text_reads_every_attribute_name_of_celeba():
    text = "\n".join(f"Male -> {n}" for n in celeba_graphs.ATTRIBUTES if n != "Male")
    graph = graphs.read(text)
    assert set(graph) == set(celeba_graphs.ATTRIBUTES)


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


def test_a_named_graph_is_read_by_its_name():
    assert graphs.signature(graphs.read("M")) == graphs.signature(graphs.named("M"))
    assert graphs.read("M").nodes["Male"]["states"] == graphs.BINARY
    with pytest.raises(ValueError, match="mean 'big_causal_graph'"):
        graphs.read("big_causal_grpah")
    with pytest.raises(ValueError, match="unknown graph 'SML'"):
        graphs.named("SML")
