"""Lists of names in BIF files, bare or quoted, with commas or blanks between them."""

import re
from collections.abc import Callable, Iterator, Sequence

_PIECE = re.compile(r'(?P<quoted>"[^"\n]*+")|.', re.S)


def cuts(text: str, fits: Callable[[Sequence[str]], bool]) -> list[str]:
    """A list's names, cut in the first way that fits; else in the likeliest one."""
    ways = []
    for names in _ways(text):
        if fits(names):
            return names
        ways.append(names)
    return ways[0] if "," in text else ways[-1]


def _ways(text: str) -> Iterator[list[str]]:
    """Cut at commas; at those before a blank; at those outside brackets; at blanks."""
    if '"' not in text:  # the ways below agree, but are slow
        yield [piece for part in text.split(",") if (piece := part.strip())]
    marks = [m for m in _PIECE.finditer(text) if not m["quoted"]]
    commas = [m.start() for m in marks if m[0] == ","]
    blanks = [m.start() for m in marks if m[0].isspace()]
    depth, outside = 0, []
    for mark in marks:
        depth += (mark[0] in "([") - (mark[0] in ")]")
        if mark[0] == "," and depth == 0:
            outside.append(mark.start())
    yield _pieces(text, commas)
    yield _pieces(text, [at for at in commas if text[at + 1 : at + 2].isspace()])
    yield _pieces(text, outside)
    yield _pieces(text, sorted(commas + blanks))


def _pieces(text: str, at: Sequence[int]) -> list[str]:
    starts, ends = [0, *(i + 1 for i in at)], [*at, len(text)]
    pieces = [text[a:b].strip() for a, b in zip(starts, ends, strict=True)]
    return [unquoted(piece) for piece in pieces if piece]


def unquoted(name: str) -> str:
    """A name without the quotes around it."""
    is_quoted = len(name) > 1 and name[0] == name[-1] == '"'
    return name[1:-1] if is_quoted else name
