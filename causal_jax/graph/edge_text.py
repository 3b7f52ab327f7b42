"""Edge text: `A -> B`, chains, lists of names, one statement per line or between `;`.

A name of letters, digits, `_`, `.` and `-` stands as it is; any other stands in double
quotes, a double quote inside it written twice, as in CSV: `"the ""old"" price" -> B`.
"""

import re
from typing import NamedTuple

import networkx as nx

from causal_jax.graph.structure import build

HIDDEN_COMMON_CAUSE = (
    "hidden common causes are not supported yet: write the common cause as a node of "
    "its own, U -> A and U -> B"
)
UNDIRECTED = "it is undirected: causal edges are directed, A -> B"
_SHOWN = 60  # characters of a statement in an error message

# Hyphens are part of a name where no arrow begins: A->B, 5-o-clock -> B.
_TOKEN = re.compile(
    r"""[^\S\n]+ | \#[^\n]*
    | (?P<quoted> "(?:[^"\n]|"")*+" )
    | (?P<mark> <-> | -> | <- | -- | [,;\n] )
    | (?P<bare> (?:\w|[^\x00-\x7f\s]) (?:[\w.]|[^\x00-\x7f\s]|-(?![->]))* )
    | (?P<other> . )""",
    re.X,
)


class _Token(NamedTuple):
    """A name (`is_name`) or a mark, where it starts, and the line it is in."""

    text: str
    is_name: bool
    start: int
    line: int


def read_edge_text(text: str) -> nx.DiGraph:
    """Reads edge text, see the module; nodes are in reading order.

    Raises:
      ValueError: names the line that cannot be read.
    """
    text = text.replace("\r\n", "\n")
    nodes: dict[str, None] = {}
    edges = []
    statement: list[_Token] = []
    for token in _tokens(text):
        if token.text in (";", "\n") and not token.is_name:
            edges += _edges_of_statement(text, statement, token.start, nodes)
            statement = []
        else:
            statement.append(token)
    edges += _edges_of_statement(text, statement, len(text), nodes)
    return build(edges, nodes=nodes)


def _tokens(text: str) -> list[_Token]:
    tokens, line = [], 1
    for match in _TOKEN.finditer(text):
        kind, found = match.lastgroup, match[0]
        if kind == "quoted":
            found = found[1:-1].replace('""', '"')
        if kind:
            is_name = kind in ("quoted", "bare")
            tokens.append(_Token(found, is_name, match.start(), line))
        line += match[0] == "\n"
    return tokens


def _edges_of_statement(
    text: str, statement: list[_Token], end: int, nodes: dict[str, None]
) -> list[tuple[str, str]]:
    """Edges of one statement; its names are added to `nodes` in reading order."""
    if not statement:
        return []
    if not _is_well_formed(statement):
        raise _unreadable(text, statement, end)
    groups: list[list[str]] = [[]]
    arrows: list[str] = []
    for token in statement:
        if token.is_name:
            groups[-1].append(token.text)
        elif token.text != ",":
            arrows.append(token.text)
            groups.append([])
    nodes.update((name, None) for group in groups for name in group)
    edges = []
    for left, arrow, right in zip(groups, arrows, groups[1:], strict=False):
        pairs = [(a, b) for a in left for b in right]
        edges += pairs if arrow == "->" else [(b, a) for a, b in pairs]
    return edges


def _is_well_formed(statement: list[_Token]) -> bool:
    """Whether names and marks take turns, a name first and last."""
    names, marks = statement[::2], statement[1::2]
    return (
        len(names) == len(marks) + 1
        and all(token.is_name for token in names)
        and all(not t.is_name and t.text in (",", "->", "<-") for t in marks)
    )


def _unreadable(text: str, statement: list[_Token], end: int) -> ValueError:
    marks = {token.text for token in statement if not token.is_name}
    shown = text[statement[0].start : end].split("\n")[0].strip()
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
    where = f"line {statement[0].line} of the graph, {shown!r},"
    if "<->" in marks:
        return ValueError(f"{where} cannot be read: {HIDDEN_COMMON_CAUSE}")
    if "--" in marks and "-->" in shown:
        return ValueError(f"{where} cannot be read: write -> for -->")
    if "--" in marks:
        return ValueError(f"{where} cannot be read: {UNDIRECTED}")
    if '"' in marks:
        return ValueError(
            f'{where} cannot be read: a double quote has no partner; write "A b" -> C, '
            "and a quote inside a name twice"
        )
    return ValueError(
        f"{where} cannot be read: write 'A -> B', 'A, B -> C' or a lone node; names "
        'with other signs stand in double quotes, "Income, annual"'
    )
