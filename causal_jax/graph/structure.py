"""The structure of causal graphs: build, validate, order, mutilate."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

import networkx as nx

from causal_jax.messages import one_line

BINARY = ("0", "1")
# Control characters, line breaks of Unicode, and surrogates, which are no letters.
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SHOWN = 200  # characters of a name in an error message


def build(
    edges: Iterable[tuple[str, str]] = (),
    *,
    nodes: Iterable[str] = (),
    states: Mapping[str, Sequence[str]] | None = None,
) -> nx.DiGraph:
    """Builds a frozen, validated graph.

    Args:
      edges: (parent, child) pairs.
      nodes: node names in their order; nodes that only edges name follow after them.
      states: names of the states by node, for discrete nodes.

    Raises:
      ValueError: a cycle (it is shown), a repeated node, a name that `validate`
        refuses, or states that are none or not distinct.

    >>> graph = build([("Rain", "Wet")], states={"Rain": ("no", "yes")})
    >>> list(graph), graph.nodes["Rain"]["states"]
    (['Rain', 'Wet'], ('no', 'yes'))
    """
    nodes = list(nodes)
    repeated = sorted({name for name in nodes if nodes.count(name) > 1})
    if repeated:
        raise ValueError(f"node {repeated[0]!r} is declared twice: name it once")
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    return with_states(graph, states or {})


def with_states(graph: nx.DiGraph, states: Mapping[str, Sequence[str]]) -> nx.DiGraph:
    """Returns a frozen copy of `graph` whose nodes carry these state names."""
    graph = nx.DiGraph(graph)
    for name, names in states.items():
        require_node(graph, name)
        names = tuple(str(state) for state in names)
        if not names or len(set(names)) != len(names):
            raise ValueError(
                f"node {name!r} has states {names}: one or more names are needed, all "
                "distinct"
            )
        graph.nodes[name]["states"] = names
    validate(graph)
    return nx.freeze(graph)


def with_numbered_states(
    graph: nx.DiGraph, num_states: Mapping[str, int | None]
) -> nx.DiGraph:
    """Returns `graph` with a name, "0", "1", ..., for every state without one.

    Args:
      graph: names of states that it carries are kept.
      num_states: {node: how many states its mechanism has, None for no states}.

    Raises:
      ValueError: a node carries another number of states than its mechanism has.
    """
    numbered = {}
    for name in graph:
        num, names = num_states[name], states(graph, name)
        if names and num and len(names) != num:
            raise ValueError(
                f"node {name!r} has {len(names)} states, {', '.join(names[:20])}, "
                f"but its mechanism has {num}"
            )
        if num and not names:
            numbered[name] = tuple(map(str, range(num)))
    return with_states(graph, numbered) if numbered else graph


def validate(graph: nx.DiGraph) -> None:
    """Raises ValueError unless `graph` is a non-empty DAG over string names.

    A name may hold any signs but those that a file, a command line or a page cannot
    show: line breaks and other control characters, blanks at its ends.
    """
    if not graph.is_directed() or graph.is_multigraph():
        raise ValueError("the graph is not a networkx.DiGraph: give directed edges")
    if not graph:
        raise ValueError("the graph has no nodes: write at least one")
    for name in graph:
        if not isinstance(name, str) or not name:
            raise ValueError(f"node {name!r} is not a name: nodes are strings")
        if name != name.strip():
            raise ValueError(
                f"node {name!r} begins or ends with a blank: name it {name.strip()!r}"
            )
        if _NO_TEXT.search(name):
            raise ValueError(
                f"node {name!r} has a line break or another control character in its "
                "name: leave it out"
            )
    if not nx.is_directed_acyclic_graph(graph):
        cycle = [edge[0] for edge in nx.find_cycle(graph)]
        path = " -> ".join([*cycle, cycle[0]])
        raise ValueError(f"the graph has a cycle: {path}; remove one of its edges")


def order(graph: nx.DiGraph) -> tuple[str, ...]:
    """Topological order; ties are broken by the declared node order."""
    position = {name: i for i, name in enumerate(graph)}
    return tuple(nx.lexicographical_topological_sort(graph, key=position.get))


def parents(graph: nx.DiGraph, name: str) -> tuple[str, ...]:
    """Parents of a node, in the graph's declared node order."""
    return tuple(node for node in graph if graph.has_edge(node, name))


def states(graph: nx.DiGraph, name: str) -> tuple[str, ...] | None:
    """State names of a discrete node, None for any other."""
    return graph.nodes[name].get("states")


def signature(graph: nx.DiGraph) -> tuple:
    """A hashable value; two graphs are equal exactly when their signatures are."""
    return tuple((n, parents(graph, n), states(graph, n)) for n in graph)


def mutilate(graph: nx.DiGraph, names: Iterable[str]) -> nx.DiGraph:
    """The graph of do(names): every edge into an intervened node is cut."""
    names = set(names)
    mutilated = nx.DiGraph(graph)
    mutilated.remove_edges_from([e for e in graph.edges if e[1] in names])
    return nx.freeze(mutilated)


def require_node(graph: nx.DiGraph, name: str, role: str = "node") -> None:
    """Raises ValueError, with the nearest name, when the node does not exist."""
    if name not in graph:
        shown = one_line(repr(name), limit=_SHOWN)
        raise ValueError(f"unknown {role} {shown}: {suggestion(name, graph)}")


def suggestion(name: object, existing: Iterable[str]) -> str:
    """'did you mean X? there are A, B, C' for error messages."""
    existing = [one_line(e, limit=_SHOWN) for e in existing]
    shown = ", ".join(existing[:60]) + (", ..." if len(existing) > 60 else "")
    lowered = {e.lower(): e for e in existing}
    wanted = str(name).lower()[:_SHOWN]  # the time grows with the product of lengths
    near = difflib.get_close_matches(wanted, lowered, n=1, cutoff=0.5)
    return (
        f"did you mean {lowered[near[0]]!r}? " if near else ""
    ) + f"there are {shown}"


def complete(nodes: Sequence[str]) -> nx.DiGraph:
    """The complete graph in this order: each node has all earlier ones as parents."""
    edges = [(a, b) for i, b in enumerate(nodes) for a in nodes[:i]]
    return build(edges, nodes=nodes, states=dict.fromkeys(nodes, BINARY))
