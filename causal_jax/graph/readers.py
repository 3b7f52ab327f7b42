"""Readers: a graph from whatever describes one."""

import ast
import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import networkx as nx

from causal_jax.graph.structure import build, suggestion, validate

# Modules with graphs that go by a name, imported when a name is asked for. Each has
# GRAPHS, whose keys are the names, and `named(name)`.
_NAMED_MODULES: list[str] = []


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


_NAME = r'"[^"]+"|\w[\w.\-]*?'  # CelebA has "5_o_Clock_Shadow"
_EDGE_LINE = re.compile(rf"^\s*(?:{_NAME})(?:\s*(?:->|<-|,)\s*(?:{_NAME}))*\s*$")


def from_text(text: str) -> nx.DiGraph:
    """Reads edge text, a CausalGAN list or DOT; recognised by its first characters.

    Edge text has one statement per line (or separated by `;`): `A -> B`, chains
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
        return from_list(_read_literal(stripped))
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
    looks_like_text = any(mark in text for mark in ("->", "<-", "\n", "[", "{", ";"))
    if not looks_like_text and text in _known_names():
        return named(text)
    if "\n" not in text and len(text) < 4096 and Path(text).is_file():
        return from_text(Path(text).read_text(encoding="utf-8"))
    if isinstance(source, str) and looks_like_text:
        return from_text(text)
    raise ValueError(
        f"no graph {text!r}: give a file, edge text such as 'A -> B', or a name; "
        + suggestion(text, _known_names())
    )


def _read_literal(text: str) -> Any:
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
                edges += _edges_of_statement(statement, nodes, number)
    return build(edges, nodes=nodes)


def _edges_of_statement(
    statement: str, nodes: dict, number: int
) -> list[tuple[str, str]]:
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
