"""Text for people: quoted files, tables, and whose mechanism an error comes from."""

import contextlib
import re
from collections.abc import Iterator, Sequence

_NO_PRINT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MAX = 1000  # characters of a message that quotes a file


def one_line(text: object, *, limit: int = _MAX) -> str:
    r"""The text with line breaks and other control characters written as escapes.

    >>> one_line("a\nb\x1d")
    'a\\nb\\x1d'
    """
    shown = _NO_PRINT.sub(lambda found: ascii(found[0])[1:-1], str(text))
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines of text, each column as wide as its longest cell.

    >>> aligned([("label", "p"), ("Mustache", "0.5")])
    ['label     p', 'Mustache  0.5']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


@contextlib.contextmanager
def of_predicate(name: str) -> Iterator[None]:
    """Adds to errors in a predicate, of whatever class, whose it is.

    >>> try:
    ...     with of_predicate("Age"):
    ...         raise TypeError("no bool")
    ... except TypeError as error:
    ...     print(*error.__notes__)
    In given on 'Age': it is traced; use jax.numpy, return an array of truth values.
    """
    try:
        yield
    except Exception as error:
        error.add_note(
            f"In given on {name!r}: it is traced; use jax.numpy, return an array of "
            "truth values."
        )
        raise


@contextlib.contextmanager
def of_node(name: str, parents: Sequence[str]) -> Iterator[None]:
    """Adds to errors in a mechanism, of whatever class, whose it is.

    >>> try:
    ...     with of_node("Wet", ("Rain",)):
    ...         raise KeyError("bias")
    ... except KeyError as error:
    ...     print(*error.__notes__)
    In the mechanism of node 'Wet', whose parents are, in order: Rain.
    """
    try:
        yield
    except Exception as error:
        listed = f"are, in order: {', '.join(parents)}" if parents else "are none"
        error.add_note(f"In the mechanism of node {name!r}, whose parents {listed}.")
        raise
