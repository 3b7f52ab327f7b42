"""The words and marks of a BIF file, packed or not; read by `networks`."""

import gzip
import re
import zlib
from pathlib import Path

_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|(?P<token>"[^"\n]*"|[{}()\[\]|,;]|[^\s{}()\[\]|,;"]+|")', re.S
)


def text_of(path: Path) -> str:
    """The text of a file, unpacked if gzip packed it (recognised by its content).

    Raises:
      ValueError: there is no such file, it is damaged or no text.
    """
    if not path.is_file():
        raise ValueError(f"there is no network {path}: give a .bif or .bif.gz file")
    content = path.read_bytes()
    try:
        if content.startswith(b"\x1f\x8b"):  # gzip's magic number
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is truncated or damaged: unpacking it fails ({error}); fetch it "
            "again"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text: give a .bif or .bif.gz file") from error


class Tokens:
    """The words and marks of a BIF text, read one by one."""

    def __init__(self, text: str):
        self._text = text
        found = [m for m in _TOKEN.finditer(text) if m["token"]]
        self._tokens = [m["token"] for m in found]
        self._starts = [m.start() for m in found]
        self._next = 0

    def peek(self) -> str | None:
        """The next token; None at the end."""
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def take(self) -> str:
        """The next token, unquoted."""
        token = self.peek()
        if token is None:
            raise ValueError(
                "the text ends in the middle of a block: the file is truncated"
            )
        self._next += 1
        return token if token == '"' else token.strip('"')

    def expect(self, *words: str) -> None:
        """Takes these tokens, and no others."""
        for word in words:
            if self.take() != word:
                raise self.error(f"expected {word!r}")

    def until(self, end: str) -> list[str]:
        """The tokens before `end`, which is taken too; commas are dropped."""
        found = []
        while (token := self.take()) != end:
            if token in ("{", "}", "(", ")", "[", "]", "|", ";"):
                raise self.error(f"expected {end!r}")
            if token != ",":
                found.append(token)
        return found

    def error(self, what: str) -> ValueError:
        """An error at the token taken last."""
        at = self._next - 1
        line = self._text.count("\n", 0, self._starts[at]) + 1
        return ValueError(f"line {line}: {what}, found {self._tokens[at]!r}")
