"""What a BIF file says, statement by statement; read by `networks`.

Files are written in several dialects. Here they become one: keywords in any case,
`|` between a node and its parents or not (JavaBayes), names in quotes or bare, lists
with commas or blanks, properties with anything up to their semicolon. Bare names may
hold blanks and commas, `Don't know`, `(18,65]`: a list is cut in the way that gives as
many names as it must have.
"""

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from causal_jax import archives
from causal_jax.data.bif_lists import cuts, unquoted

_COMMENT = r"//[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/"
_QUOTED = r'"[^"\n]*+"'
_BLANK = re.compile(rf"(?:\s|{_COMMENT})*+")
_WORD = re.compile(rf'{_QUOTED}|[{{}}()\[\]|,;"]|[^\s{{}}()\[\]|,;"]++')
_LINE_BREAK = re.compile(r"[^\S\n]*\n\s*")
_PROPERTY = re.compile(rf"(?:{_QUOTED}|[^;])*+;")
_UP_TO = {
    end: re.compile(rf'(?:{_QUOTED}|{_COMMENT}|[^"/\{end}]++|["/])*+(?=\{end})')
    for end in "{};]"
}
_PIECE = re.compile(rf"{_QUOTED}|(?P<comment>{_COMMENT})|.", re.S)
_MAX_BYTES = 256 << 20  # of a text; the largest network of bnlearn's has 5 MB
_SHOWN = 60  # characters of the text in an error message
# How files of other formats begin, and what reads them to be written as .bif.
_OTHER_FORMATS = (
    (r"<\?xml|<!--|<!DOCTYPE|<BIF", "XMLBIF", "pgmpy.readwrite.XMLBIFReader"),
    (r"net\s*\{|class\s+\w+\s*\{|node\s+\S+\s*\{", "Hugin NET", "bnlearn's read.net"),
    (r"belief\s+network\b", "DSC", "bnlearn's read.dsc"),
)


class Variable(NamedTuple):
    """A variable and its states."""

    name: str
    states: tuple[str, ...]


class Row(NamedTuple):
    """A statement of a probability block.

    Attributes:
      kind: "table", "default" or "row".
      configuration: of a row, the text between its parentheses.
      numbers: what follows it.
    """

    kind: str
    configuration: str
    numbers: list[float]


class Block(NamedTuple):
    """A probability block: the text of its header's parentheses, and its rows."""

    header: str
    rows: list[Row]


def text_of(path: Path) -> str:
    """The text of a file, unpacked if gzip packed it (recognised by its content).

    Text that is not UTF-8 is read as Latin-1.

    Raises:
      ValueError: there is no such file, it is damaged or no text.
    """
    if not path.is_file():
        raise ValueError(f"there is no network {path}: give a .bif or .bif.gz file")
    content = archives.unpacked(path, path.read_bytes(), limit=_MAX_BYTES)
    if b"\0" in content:
        raise ValueError(f"{path} is no text: give a .bif or .bif.gz file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def read_statements(text: str) -> tuple[list[Variable], list[Block]]:
    """The variables and probability blocks of a BIF text, in its order.

    Raises:
      ValueError: the text is of another format, or truncated, or its line is named.
    """
    _refuse_other_formats(text)
    reader = _Reader(text)
    reader.expect("network")
    reader.up_to("{")
    reader.expect("{")
    while reader.peek() == "property":
        reader.skip_property()
    reader.expect("}")
    variables, blocks = [], []
    while (kind := reader.peek()) is not None:
        reader.take()
        if kind == "variable":
            variables.append(_read_variable(reader))
        elif kind == "probability":
            blocks.append(_read_block(reader))
        else:
            raise reader.error("expected 'variable' or 'probability'")
    if not variables:
        raise ValueError("it has no variable: the file is truncated")
    return variables, blocks


def _refuse_other_formats(text: str) -> None:
    start = _BLANK.match(text).end()
    for beginning, name, reader in _OTHER_FORMATS:
        if re.compile(beginning, re.I).match(text, start):
            writer = "BIFWriter" if "pgmpy" in reader else "write.bif"
            raise ValueError(
                f"it is a file of format {name}, not BIF: convert it to .bif, e.g. "
                f"with {reader} and its {writer}"
            )


def _read_variable(reader: "_Reader") -> Variable:
    name = unquoted(reader.up_to("{"))
    reader.expect("{")
    states = None
    while (word := reader.peek()) != "}":
        if word == "property":
            reader.skip_property()
            continue
        reader.expect("type", "discrete", "[")
        number = reader.up_to("]")
        reader.expect("]", "{")
        text = reader.up_to("}")
        reader.expect("}", ";")
        found = cuts(text, functools.partial(_has_length, number))
        if not _has_length(number, found):
            raise reader.error(
                f"variable {name!r} announces {number} states and names {len(found)}"
            )
        states = tuple(found)
    reader.expect("}")
    if not name or not states or len(set(states)) < len(states):
        raise reader.error(f"variable {name!r} needs one or more distinct states")
    return Variable(name=name, states=states)


def _has_length(number: str, names: Sequence[str]) -> bool:
    return str(len(names)) == number


def _read_block(reader: "_Reader") -> Block:
    header = reader.up_to("{")
    if not (header.startswith("(") and header.endswith(")")):
        raise reader.error("expected 'probability ( NODE | PARENTS )' before this")
    reader.expect("{")
    rows = []
    while (word := reader.peek()) != "}":
        if word == "property":
            reader.skip_property()
        elif word in ("table", "default", "("):
            rows.append(_read_row(reader, word))
        else:
            reader.take()
            raise reader.error("expected 'table', 'default' or a configuration")
    reader.expect("}")
    return Block(header=header[1:-1].strip(), rows=rows)


def _read_row(reader: "_Reader", word: str) -> Row:
    if word != "(":
        reader.take()
    statement = reader.up_to(";")
    reader.expect(";")
    configuration = ""
    if word == "(":
        # States may hold parentheses, numbers do not.
        configuration, _, statement = statement.rpartition(")")
        configuration = configuration.lstrip()[1:]
    return Row(
        kind="row" if word == "(" else word,
        configuration=configuration.strip(),
        numbers=[_number(reader, word) for word in statement.replace(",", " ").split()],
    )


def _number(reader: "_Reader", word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise reader.error("a probability is no number", found=word) from None


class _Reader:
    """A place in a BIF text, moving forward."""

    def __init__(self, text: str):
        self._text = text
        self._at = 0  # behind what was taken last
        self._last = 0  # where that starts

    def peek(self) -> str | None:
        """The next word or mark, a keyword in lower case; None at the end."""
        found = self._next()
        return found[0].lower() if found else None

    def take(self) -> str:
        """The next word or mark."""
        found = self._next()
        if not found:
            raise _truncated()
        self._last, self._at = found.start(), found.end()
        return found[0]

    def expect(self, *words: str) -> None:
        """Takes these words, and no others."""
        for word in words:
            if self.take().lower() != word:
                raise self.error(f"expected {word!r}")

    def up_to(self, end: str) -> str:
        """The text before a mark that is not quoted; the mark is not taken."""
        found = _UP_TO[end].match(self._text, self._at)
        if not found:
            raise _truncated()
        self._last, self._at = found.end(), found.end()
        text = _without_comments(found[0]).strip()
        return _LINE_BREAK.sub(" ", text) if "\n" in text else text

    def skip_property(self) -> None:
        """Leaves out `property ...;`, whatever stands in it."""
        self.take()
        found = _PROPERTY.match(self._text, self._at)
        if not found:
            raise _truncated()
        self._at = found.end()

    def error(self, what: str, found: str | None = None) -> ValueError:
        """An error at what was taken last, or `found` in it."""
        line = self._text.count("\n", 0, self._last) + 1
        word = _WORD.match(self._text, self._last)
        found = found or (word[0] if word else "")
        return ValueError(f"line {line}: {what}, found {found[:_SHOWN]!r}")

    def _next(self) -> re.Match | None:
        self._at = _BLANK.match(self._text, self._at).end()
        return _WORD.match(self._text, self._at)


def _truncated() -> ValueError:
    return ValueError("the text ends in the middle of a block: the file is truncated")


def _without_comments(text: str) -> str:
    if "//" not in text and "/*" not in text:
        return text
    return "".join(" " if m["comment"] else m[0] for m in _PIECE.finditer(text))
