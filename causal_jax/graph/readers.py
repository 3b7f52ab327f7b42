"""Readers: a graph from whatever describes one."""

import ast
import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import networkx as nx

from causal_jax.graph.dot import is_dot, read_dot
from causal_jax.graph.edge_text import read_edge_text
from causal_jax.graph.structure import build, suggestion, validate
from causal_jax.messages import one_line

# Modules with graphs that go by a name, imported when a name is asked for. Each has
# GRAPHS, whose keys are the names, and `named(name)`.
_NAMED_MODULES: list[str] = []
_MARKS_OF_TEXT = ("->", "<-", "--", "\n", "[", "{", ";", '"')  # in no name of a graph
_SHOWN = 200  # characters of what was given in an error message


def register_names(module: str) -> None:
    """Lets `read` and `named` know the graphs of a module, which is not imported yet.

    Args:
      module: its dotted name; it has `GRAPHS`, a mapping whose keys are the names, and
        `named(name) -> networkx.DiGraph`.
    """
    if module not in _NAMED_MODULES:
        _NAMED_MODULES.append(module)


def named(name: str) -> nx.DiGraph:
    """The graph that goes by this name.

    Raises:
      ValueError: there is none; those that exist are listed.
    """
    for module in _modules_of_names():
        if name in module.GRAPHS:
            return module.named(name)
    raise ValueError(f"unknown graph {name!r}: {suggestion(name, _known_names())}")


def _modules_of_names() -> list[ModuleType]:
    return [importlib.import_module(module) for module in _NAMED_MODULES]


def _known_names() -> list[str]:
    return [name for module in _modules_of_names() for name in module.GRAPHS]


_GML = re.compile(r"(?:(?:creator|version|comment)\b[^\n]*\n\s*)*graph\s*\[", re.I)
# How files of other formats begin, and the way out.
_OTHER_FORMATS = (
    (r"<(?=.*<graphml)", "GraphML: read it with networkx.read_graphml"),
    (r"<\?xml|<\w+[\s>]", "XML: write its edges, A -> B"),
    (
        r'network\s*(?:"[^"\n]*"|[\w.\-]*)\s*\{',
        "a Bayesian network: causal_jax.data.networks.read_bif reads it",
    ),
)


def from_text(text: str) -> nx.DiGraph:
    """Reads edge text, a CausalGAN list, DOT, dagitty or GML; told by how it begins.

    Edge text has one statement per line (or separated by `;`): `A -> B`, chains
    `A -> B -> C`, `B <- A`, several names `A, B -> C`, or a lone node `A`; `#` starts a
    comment. Names with other signs are quoted: `"Income, annual" -> B`. A CausalGAN
    list is `[["A", []], ["B", ["A"]]]`. DOT is Graphviz's `digraph { A -> {B C} }`,
    dagitty's text is `dag { A <- B }`; their attributes are dropped, and those of GML,
    `graph [ directed 1 node [ id 0 label "A" ] ]`.

    Raises:
      ValueError: names what cannot be read.
    """
    text = text.lstrip("\ufeff \t\r\n")
    for beginning, what in _OTHER_FORMATS:
        if re.match(beginning, text, flags=re.S):
            raise ValueError(f"the text is {what}")
    if is_dot(text):
        return read_dot(text)
    if _GML.match(text):
        return _from_gml(text)
    if text.startswith("["):
        return from_list(_read_literal(text))
    return read_edge_text(text)


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
    """Reads the structure of a DOT digraph or of dagitty's text, no attributes."""
    return read_dot(text)


def read(source: "str | Path | nx.DiGraph | Sequence") -> nx.DiGraph:
    """Reads a graph from whatever describes one.

    Args:
      source: a networkx graph, a CausalGAN list, the name of a graph (`named`), a path
        to a file, or the text itself.

    Raises:
      ValueError: it is none of these, or what it describes is no DAG.

    Example:
      >>> from causal_jax import graph
      >>> weather = graph.read("Rain -> Wet ; Sprinkler -> Wet")
      >>> graph.parents(weather, "Wet")
      ('Rain', 'Sprinkler')
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
    looks_like_text = any(mark in text for mark in _MARKS_OF_TEXT)
    if not looks_like_text and text in _known_names():
        return named(text)
    if is_file(text):
        return _from_file(Path(text))
    if isinstance(source, str) and looks_like_text:
        return from_text(text)
    if Path(text).suffix or len(Path(text).parts) > 1:
        raise ValueError(
            f"there is no graph file {text[:_SHOWN]}: give one, edge text such as "
            "'A -> B', or the name of a graph"
        )
    raise ValueError(
        f"no graph {text[:_SHOWN]!r}: give a file, edge text such as 'A -> B', or a "
        "name; " + suggestion(text, _known_names())
    )


def _from_gml(text: str) -> nx.DiGraph:
    try:
        found = nx.parse_gml(text)
    except Exception as error:  # networkx looks into what it reads without asking
        why = str(error).splitlines()[0] if str(error) else "it is damaged"
        raise ValueError(
            f"the GML text cannot be read ({why[:_SHOWN]}): write it with "
            "networkx.write_gml"
        ) from error
    names = {node: str(node) for node in found}
    validate(nx.relabel_nodes(found, names))
    edges = [(names[a], names[b]) for a, b in found.edges]
    return build(edges, nodes=names.values())


def is_file(text: str) -> bool:
    """Whether a graph's description is the path of a file."""
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # longer than a file's name may be, or no name at all
        return False


def _from_file(path: Path) -> nx.DiGraph:
    text = _text_of(path)
    try:
        return from_text(text)
    except ValueError as error:
        raise ValueError(f"{path}: {one_line(error)}") from error


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: save it as UTF-8") from error


def _read_literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(
            "the graph list cannot be read: write [['A', []], ['B', ['A']]]"
        ) from error
