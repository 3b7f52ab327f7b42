r"""Graphviz's DOT and dagitty's text, by pydot's reader.

pydot knows DOT's grammar. What it reads otherwise than Graphviz is settled before, on
the text's tokens: it takes `<->` for a name, knows no ports, and needs time that
doubles with every group in a group. Comments and attributes, which say nothing of the
structure, stay behind there too. dagitty's `dag { }` is DOT but for its first word and
for edges that may point left: `A <- B` leads through a node that stands for the arrow.

In a quoted name `\"` is a double quote; no other backslash is special (Graphviz, "The
DOT Language").
"""

import functools
import re
import threading
import warnings
from collections.abc import Iterator, Mapping

import networkx as nx

from causal_jax.graph.edge_text import HIDDEN_COMMON_CAUSE, UNDIRECTED
from causal_jax.graph.structure import build

MAX_NESTED = 6  # groups in groups at the ends of edges: pydot's time doubles with each
_SHOWN = 40  # characters of the text in an error message
_COMMENT = r"//[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/|\#[^\n]*+"
_QUOTED = r'"(?:\\.|[^"\\])*+"'
_HEAD = re.compile(
    rf"""(?:\s|{_COMMENT})*+ (?:strict\b\s*+)?+ (?P<kind>digraph|graph|dag|pdag|mag|pag)
    \b \s*+ (?:{_QUOTED}|[^"{{;,<>\n]{{0,200}}?) \s*+ \{{""",
    re.X | re.I | re.S,
)
_TOKEN = re.compile(
    rf"""\s+ | {_COMMENT}
    | (?P<quoted> {_QUOTED} )
    | (?P<mark> <-> | -> | <- | -- | [{{}}\[\];,=:+] )
    | (?P<bare> (?:[\w.]|[^\x00-\x7f\s])+ | (?<![\w.])-[\d.]+ )
    | (?P<html> < ) | (?P<other> . )""",
    re.X | re.S,
)
_ANGLE = re.compile("[<>]")
_WITH_DEFAULTS = ("graph", "node", "edge")  # keywords only where [ follows
_TURNED = "\0<-"  # the node that stands for the arrow of A <- B
_READER = threading.Lock()  # pydot's parser may only be used by one thread


def is_dot(text: str) -> bool:
    """Whether a text begins as DOT or dagitty's text does."""
    return _HEAD.match(text) is not None


def read_dot(text: str) -> nx.DiGraph:
    """Reads the structure of DOT or dagitty's text, no attributes.

    Raises:
      ValueError: no DOT, undirected or two-headed edges, more than one graph.
    """
    head = _HEAD.match(text)
    kind = head["kind"].lower() if head else ""
    if kind not in ("digraph", "dag"):
        raise ValueError(
            "the DOT text is not a digraph: causal edges are directed (->)"
        )
    if kind == "dag":
        text = text[: head.start("kind")] + "digraph" + text[head.end("kind") :]
    nodes: dict[str, None] = {}
    edges: list[tuple[str, str]] = []
    _collect(_parsed(_plain_dot(text)), nodes, edges)
    nodes.pop(_TURNED, None)
    return build(edges, nodes=nodes)


# --- what pydot builds ----------------------------------------------------------------


def _parsed(text: str) -> Mapping:
    """pydot's dictionary of the one graph that a text has."""
    with _READER:
        try:
            found = _grammar().parse_string(text, parse_all=True)
        except _parse_exception() as error:
            raise _unreadable(text, error.loc) from error
    return found[0].obj_dict


@functools.cache
def _grammar():
    # Here, not above: `import causal_jax` stays light.
    with warnings.catch_warnings():  # pydot uses pyparsing's older names
        warnings.simplefilter("ignore", DeprecationWarning)
        from pydot.dot_parser import GraphParser

    return GraphParser.parser


def _parse_exception() -> type[Exception]:
    from pyparsing import ParseBaseException

    return ParseBaseException


def _unreadable(text: str, at: int) -> ValueError:
    near = text[at : at + _SHOWN].strip() or "its end"
    return ValueError(
        f"the DOT text cannot be read at {near!r}: write A -> B; names with other "
        "signs than letters, digits and _ stand in double quotes"
    )


def _collect(
    contents: Mapping, nodes: dict[str, None], edges: list[tuple[str, str]]
) -> list[str]:
    """Adds a group's nodes and edges in reading order; returns the group's nodes."""
    statements = [
        (statement["sequence"], kind, statement)
        for kind in ("nodes", "edges", "subgraphs")
        for same in contents[kind].values()
        for statement in same
        if statement.get("name") not in _WITH_DEFAULTS  # names are quoted by now
    ]
    members: dict[str, None] = {}
    turned: list[str] = []  # the left end of the last <-
    for _, kind, statement in sorted(statements, key=lambda entry: entry[0]):
        points = {"nodes": [statement.get("name")], "subgraphs": [statement]}
        points = points.get(kind) or statement["points"]
        ends = [_end(point, nodes, edges) for point in points]
        members.update((name, None) for end in ends for name in end)
        if ends[-1] == [_TURNED]:
            turned = ends[0]
        elif ends[0] == [_TURNED]:
            edges += [(b, a) for a in turned for b in ends[1]]
        elif kind == "edges":
            edges += [(a, b) for a in ends[0] for b in ends[1]]
    members.pop(_TURNED, None)
    return list(members)


def _end(point: "str | Mapping", nodes: dict, edges: list) -> list[str]:
    """The names of an end of an edge: one, or those of a group."""
    if not isinstance(point, str):
        return _collect(point, nodes, edges)
    name = _name(point)
    nodes.setdefault(name)
    return [name]


def _name(written: str) -> str:
    if written.startswith("<"):
        raise ValueError(
            f"the DOT text has a name in HTML, {written[:_SHOWN]!r}: write names in "
            "double quotes, and HTML in labels only"
        )
    return written[1:-1].replace('\\"', '"') if written.startswith('"') else written


# --- before pydot ---------------------------------------------------------------------


def _plain_dot(text: str) -> str:
    """DOT with the same structure: no comments, attributes, ports and `<-`."""
    tokens = _without_attributes(_tokens(text))
    for i, token in enumerate(tokens):
        near = " ".join(tokens[max(i - 1, 0) : i + 2])
        if token == "<->":
            raise ValueError(f"the DOT text has {near!r}: {HIDDEN_COMMON_CAUSE}")
        if token == "--":
            raise ValueError(f"the DOT text has {near!r}: {UNDIRECTED}")
    return " ".join(_for_pydot(_without_idle_groups(tokens)))


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while match := _TOKEN.match(text, at):
        is_html = text[at] == "<" and (
            match.lastgroup == "html" or tokens[-1:] == ["="]
        )
        at = _html_end(text, at) if is_html else match.end()
        if match.lastgroup == "other":
            raise _unreadable(text, match.start())
        if match.lastgroup:
            tokens.append(text[match.start() : at])
    return tokens


def _html_end(text: str, start: int) -> int:
    depth = 0
    for mark in _ANGLE.finditer(text, start):
        depth += 1 if mark[0] == "<" else -1
        if not depth:
            return mark.end()
    raise ValueError("the DOT text has a < without its >")


def _without_attributes(tokens: list[str]) -> list[str]:
    """Empties [...], drops ports."""
    kept: list[str] = []
    at = 0
    while at < len(tokens):
        if tokens[at] == "[":
            end = _closing_bracket(tokens, at)
            _refuse_direction(tokens[at:end])
            kept += ["[", "]"]
            at = end
        elif tokens[at] == ":":
            at += 1
        else:
            kept.append(tokens[at])
        at += 1
    return kept


def _closing_bracket(tokens: list[str], start: int) -> int:
    for at in range(start + 1, len(tokens)):
        if tokens[at] == "]":
            return at
        if tokens[at] in ("[", "{"):
            break
    raise ValueError("the DOT text has a [ without its ]")


_REFUSED = {
    "both": HIDDEN_COMMON_CAUSE,
    "none": UNDIRECTED,
    "back": "write it the other way round",
}


def _refuse_direction(attributes: list[str]) -> None:
    """Refuses edges that dir= makes two-headed or headless, or turns."""
    words = [token.strip('"').lower() for token in attributes]
    for i in range(len(words) - 2):
        if words[i : i + 2] == ["dir", "="] and words[i + 2] in _REFUSED:
            why = _REFUSED[words[i + 2]]
            raise ValueError(f"the DOT text has an edge with dir={words[i + 2]}: {why}")


def _partners(tokens: list[str]) -> dict[int, int]:
    """{index of a brace: index of its partner}, both ways."""
    if "{" not in tokens:  # one stands in a comment
        raise ValueError("the DOT text has no opening brace")
    opened, partners = [], {}
    for i, token in enumerate(tokens):
        if token == "{":
            opened.append(i)
        elif token == "}":
            if not opened:
                raise ValueError("the DOT text has a } without its {")
            partners[i] = opened.pop()
            partners[partners[i]] = i
    if opened:
        raise ValueError("the DOT text has no closing brace")
    return partners


def _without_idle_groups(tokens: list[str]) -> list[str]:
    """Opens groups that are no end of an edge: `{rank=same; A}` is `; rank=same; A ;`.

    pydot's time doubles with every group in a group; files have them in plenty.
    """
    tokens, partners, nested = list(tokens), _partners(tokens), 0
    outermost = tokens.index("{")
    if partners[outermost] != len(tokens) - 1:
        raise ValueError("the DOT text goes on after its closing }: give one graph")
    for i in range(outermost + 1, len(tokens) - 1):
        if tokens[i] == "}":
            is_end = tokens[partners[i]] == "{"
            tokens[i] = "}" if is_end else ";"
            nested -= is_end
        elif tokens[i] == "{":
            first = _start_of_group(tokens, i)
            if {tokens[first - 1], tokens[partners[i] + 1]} & {"->", "<-"}:
                nested += 1
            else:
                tokens[first : i + 1] = [";"] * (i + 1 - first)
        if nested > MAX_NESTED:
            raise ValueError(
                f"the DOT text has groups more than {MAX_NESTED} deep at the ends of "
                "edges: write their edges one by one"
            )
    return tokens


def _start_of_group(tokens: list[str], brace: int) -> int:
    """Where `{`, `subgraph {` or `subgraph NAME {` begins."""
    if tokens[brace - 1].lower() == "subgraph":
        return brace - 1
    has_name = tokens[brace - 1][0] not in "{}[];,=+<-"
    return brace - 2 if has_name and tokens[brace - 2].lower() == "subgraph" else brace


def _for_pydot(tokens: list[str]) -> Iterator[str]:
    """Quotes words that are no keywords, marks `<-`, drops empty statements."""
    outermost = tokens.index("{")
    for i, token in enumerate(tokens):
        is_keyword = i < outermost and token.lower() in ("strict", "digraph")
        is_keyword |= token.lower() == "subgraph" and "{" in tokens[i + 1 : i + 3]
        is_keyword |= token.lower() in _WITH_DEFAULTS and tokens[i + 1] == "["
        if token == "<-":
            yield f'-> "{_TURNED}" ->'
        elif token == ";" and tokens[i - 1] in ("{", ";"):
            continue
        elif token.lower() == "subgraph" and not is_keyword:
            raise ValueError(
                "the DOT text has `subgraph` without braces: write subgraph NAME "
                "{...}, or a node of that name in double quotes"
            )
        elif is_keyword or token[0] in '"<{}[];,=+' or token == "->":
            yield token
        else:
            yield f'"{token}"'
