"""Causal graphs: build, read, validate, order.

A graph is a frozen `networkx.DiGraph`. Its node order is the order in which nodes were
declared; the parents of a node are always listed in that order, whatever the order in
which edges were written (as in CausalGAN, Kocaoglu et al. 2017, where the node list
fixes the order of the label vector). A node may carry `states`, the names of its
states; a node without them is continuous, a vector or an image.
"""

import ast
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import networkx as nx

BINARY = ("0", "1")

_NAME = r'"[^"]+"|\w[\w.\-]*?'  # CelebA has "5_o_Clock_Shadow"
_EDGE_LINE = re.compile(rf"^\s*(?:{_NAME})(?:\s*(?:->|<-|,)\s*(?:{_NAME}))*\s*$")


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
      ValueError: a cycle (it is shown), a repeated node or fewer than two states.
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
        if len(set(names)) < 2 or len(set(names)) != len(names):
            raise ValueError(
                f"node {name!r} has states {names}: two or more distinct names are "
                "needed"
            )
        graph.nodes[name]["states"] = names
    validate(graph)
    return nx.freeze(graph)


def validate(graph: nx.DiGraph) -> None:
    """Raises ValueError unless `graph` is a non-empty DAG over string names."""
    if not graph.is_directed() or graph.is_multigraph():
        raise ValueError("the graph is not a networkx.DiGraph: give directed edges")
    if not graph:
        raise ValueError("the graph has no nodes: write at least one")
    for name in graph:
        if not isinstance(name, str) or not name:
            raise ValueError(f"node {name!r} is not a name: nodes are strings")
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
        raise ValueError(f"unknown {role} {name!r}: {suggestion(name, graph)}")


def suggestion(name: object, existing: Iterable[str]) -> str:
    """'did you mean X? there are A, B, C' for error messages."""
    existing = [str(e) for e in existing]
    shown = ", ".join(existing[:60]) + (", ..." if len(existing) > 60 else "")
    lowered = {e.lower(): e for e in existing}
    near = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.5)
    return (
        f"did you mean {lowered[near[0]]!r}? " if near else ""
    ) + f"there are {shown}"


def complete(nodes: Sequence[str]) -> nx.DiGraph:
    """The complete graph in this order: each node has all earlier ones as parents."""
    edges = [(a, b) for i, b in enumerate(nodes) for a in nodes[:i]]
    return build(edges, nodes=nodes, states=dict.fromkeys(nodes, BINARY))


# --- readers ---------------------------------------------------------------------


def from_text(text: str) -> nx.DiGraph:
    """Reads edge text, a CausalGAN list or DOT; recognised by its first characters.

    Edge text has one statement a line (or separated by `;`): `A -> B`, chains
    `A -> B -> C`, `B <- A`, several names `A, B -> C`, or a lone node `A`; `#` starts a
    comment. Names with blanks are quoted. A CausalGAN list is
    `[["A", []], ["B", ["A"]]]`.

    Raises:
      ValueError: names the line that cannot be read.
    """
    stripped = text.lstrip("\ufeff \t\r\n")
    if re.match(r"(strict\s+)?(di)?graph\b[^\->,;]*\{", stripped):
        return from_dot(stripped)
    if stripped.startswith("["):
        return from_list(_literal(stripped))
    return _from_edge_text(text)


def from_list(entries: Sequence) -> nx.DiGraph:
    """Reads CausalGAN's `[[node, [parents...]], ...]`; the list fixes the order."""
    for entry in entries:
        well_formed = (
            isinstance(entry, list | tuple)
            and len(entry) == 2
            and isinstance(entry[0], str)
            and isinstance(entry[1], list | tuple)
            and all(isinstance(parent, str) for parent in entry[1])
        )
        if not well_formed:
            raise ValueError(f"{entry!r} is not a [node, [parents]] entry")
    nodes = [node.strip() for node, _ in entries]
    edges = [
        (p.strip(), n.strip()) for n, node_parents in entries for p in node_parents
    ]
    unknown = [parent for parent, _ in edges if parent not in nodes]
    if unknown:
        raise ValueError(
            f"parent {unknown[0]!r} is no node: {suggestion(unknown[0], nodes)}"
        )
    return build(edges, nodes=nodes)


def from_dot(text: str) -> nx.DiGraph:
    """Reads the structure of a DOT digraph: nodes and `->` edges, no attributes."""
    if not re.match(r"(strict\s+)?digraph\b", text):
        raise ValueError(
            "the DOT text is not a digraph: causal edges are directed (->)"
        )
    body = re.sub(r"/\*.*?\*/|//[^\n]*|^\s*#[^\n]*", "", text, flags=re.S | re.M)
    opened, closed = body.find("{"), body.rfind("}")
    if closed < opened:
        raise ValueError("the DOT text has no closing brace")
    body = re.sub(r"\[[^\]]*\]", "", body[opened + 1 : closed])
    body = re.sub(r"\b(node|edge|graph)\s*(?=[;\n]|$)", "", body)
    lines = [s for s in re.split(r"[;\n]", body) if s.strip()]
    settings = re.compile(r"^\s*\w+\s*=")
    return _from_edge_text("\n".join(s for s in lines if not settings.match(s)))


def read(source: "str | Path | nx.DiGraph | Sequence") -> nx.DiGraph:
    """Reads a graph from whatever describes one.

    Args:
      source: a networkx graph, a CausalGAN list, the name of one of the graphs of
        CausalGAN (`named`), a path to a file, or the text itself.

    Raises:
      ValueError: it is none of these, or what it describes is no DAG.
    """
    if isinstance(source, nx.Graph):
        states_by_node = {
            n: d["states"] for n, d in source.nodes(data=True) if d.get("states")
        }
        validate(source)
        return build(source.edges, nodes=source, states=states_by_node)
    if not isinstance(source, str | Path):
        return from_list(source)
    text = str(source).strip()
    if text in CAUSALGAN_GRAPHS:
        return named(text)
    if "\n" not in text and len(text) < 4096 and Path(text).is_file():
        return from_text(Path(text).read_text(encoding="utf-8"))
    looks_like_text = any(mark in text for mark in ("->", "<-", "\n", "[", "{", ";"))
    if isinstance(source, str) and looks_like_text:
        return from_text(text)
    raise ValueError(
        f"no graph {text!r}: give a file, edge text such as 'A -> B', or a name; "
        + suggestion(text, CAUSALGAN_GRAPHS)
    )


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise ValueError(
            "the graph list cannot be read: write [['A', []], ['B', ['A']]]"
        ) from error


def _from_edge_text(text: str) -> nx.DiGraph:
    nodes: dict[str, None] = {}
    edges = []
    for number, line in enumerate(text.splitlines(), start=1):
        for statement in line.split("#")[0].split(";"):
            if statement.strip():
                edges += _statement(statement, nodes, number)
    return build(edges, nodes=nodes)


def _statement(statement: str, nodes: dict, number: int) -> list[tuple[str, str]]:
    """Edges of one statement; names are added to `nodes` in reading order."""
    if not _EDGE_LINE.match(statement):
        raise ValueError(
            f"line {number} of the graph, {statement.strip()!r}, cannot be read: "
            "write 'A -> B', 'A, B -> C' or a lone node"
        )
    parts = re.split(r"(->|<-)", statement)
    groups = [[n.strip().strip('"') for n in part.split(",")] for part in parts[::2]]
    for group in groups:
        nodes.update(dict.fromkeys(group))
    edges = []
    for left, arrow, right in zip(groups, parts[1::2], groups[1:], strict=False):
        pairs = [(a, b) for a in left for b in right]
        edges += pairs if arrow == "->" else [(b, a) for a, b in pairs]
    return edges


# --- the graphs of CausalGAN -----------------------------------------------------

_BIG_ORDER = (
    "Young",
    "Male",
    "Eyeglasses",
    "Bald",
    "Mustache",
    "Smiling",
    "Wearing_Lipstick",
    "Mouth_Slightly_Open",
    "Narrow_Eyes",
)

_ATTRIBUTES = """
    5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips
    Big_Nose Black_Hair Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin
    Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open
    Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline
    Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat
    Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young
"""
CELEBA_ATTRIBUTES = tuple(_ATTRIBUTES.split())

# Each entry: the nodes in order and the edges (mkocaoglu/CausalGAN, causal_graph.py).
# Five of its keys end in a blank there; the blank is dropped here.
CAUSALGAN_GRAPHS: dict[str, str] = {
    "big_causal_graph": f"""{" ; ".join(_BIG_ORDER)}
        Young -> Eyeglasses
        Male, Young -> Bald, Mustache, Smiling, Wearing_Lipstick
        Young, Smiling -> Mouth_Slightly_Open
        Male, Young, Smiling -> Narrow_Eyes""",
    "complete_big_causal_graph": "complete " + " ".join(_BIG_ORDER),
    "reverse_complete_big_causal_graph": "complete " + " ".join(_BIG_ORDER[::-1]),
    "indep_big_causal_graph": " ; ".join(_BIG_ORDER),
    "small_causal_graph": """Young ; Male
        Male, Young -> Mustache ; Male, Young -> Smiling
        Male, Young -> Wearing_Lipstick
        Male, Young, Smiling -> Mouth_Slightly_Open, Narrow_Eyes""",
    "complete_minimal_graph": "complete Young Male Mustache Wearing_Lipstick Smiling",
    "standard_graph": "Male ; Young ; Male, Young -> Smiling",
    "male_causes_beard": "Male -> No_Beard",
    "male_causes_mustache": "Male -> Mustache",
    "mustache_causes_male": "Male ; Mustache ; Mustache -> Male",
    "young_causes_gray": "Young -> Gray_Hair",
    "gray_causes_young": "Young ; Gray_Hair ; Gray_Hair -> Young",
    "young_ind_gray": "Young ; Gray_Hair",
    "male_ind_mustache": "Male ; Mustache",
    "Smiling_MSO": "Smiling -> Mouth_Slightly_Open",
    "MSO_smiling": "Smiling ; Mouth_Slightly_Open ; Mouth_Slightly_Open -> Smiling",
    "Male_Young_Eyeglasses": "Male ; Young ; Male, Young -> Eyeglasses",
    "Male_Young_Eyeglasses_complete": "complete Male Young Eyeglasses",
    "MYESO": "complete Male Young Eyeglasses Smiling Mouth_Slightly_Open",
    "mustache": "Mustache",
    "M": "Male",
    "male_smiling_lipstick": "Male ; Male -> Wearing_Lipstick ; Male -> Smiling",
    "SLM": "complete Smiling Wearing_Lipstick Male",
    "MLS": "complete Male Wearing_Lipstick Smiling",
    "male_mustache_lipstick": "complete Male Mustache Wearing_Lipstick",
    "subset1_nodes": "Bald ; Double_Chin ; Male ; Mustache ; No_Beard ; Smiling ; "
    "Wearing_Earrings ; Wearing_Lipstick ; Young",
    "complete_all": "complete " + " ".join(CELEBA_ATTRIBUTES),
}


def named(name: str) -> nx.DiGraph:
    """One of CausalGAN's 27 graphs, by its name there; all nodes are binary.

    `big_causal_graph` is the paper's Causal Graph 1, `complete_big_causal_graph` its
    cG1, `reverse_complete_big_causal_graph` its rcG1; `complete_all` is over the 40
    attributes of CelebA.
    """
    if name not in CAUSALGAN_GRAPHS:
        raise ValueError(
            f"unknown graph {name!r}: {suggestion(name, CAUSALGAN_GRAPHS)}"
        )
    text = CAUSALGAN_GRAPHS[name]
    if text.startswith("complete "):
        return complete(text.split()[1:])
    graph = _from_edge_text(text)
    return with_states(graph, dict.fromkeys(graph, BINARY))
