"""Cells that a spreadsheet would take for formulas, and the mark that says: text.

A spreadsheet runs what begins with = + - @, a tab or a carriage return, whoever wrote
it (OWASP, "CSV injection"). Such a word is written with an apostrophe before it, which
spreadsheets take for "this is text"; numbers stay as they are. When a table is read,
one apostrophe before such a word is left out, so that names come back unchanged:

    word      =1+1     '=1+1     -2     -x
    written   '=1+1    ''=1+1    -2     '-x
"""

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_MARKED = re.compile(r"''*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def marked(word: str) -> str:
    """The word as it is written.

    >>> [marked(word) for word in ("=1+1", "'=1+1", "-2", "-x", "it's")]
    ["'=1+1", "''=1+1", '-2', "'-x", "it's"]
    """
    is_formula = _FORMULA.match(word) and not _NUMBER.fullmatch(word)
    return f"'{word}" if is_formula else word


def unmarked(word: str) -> str:
    """The word that was written.

    >>> [unmarked(word) for word in ("'=1+1", "''=1+1", "-2", "'-x", "'tis")]
    ['=1+1', "'=1+1", '-2', '-x', "'tis"]
    """
    return word[1:] if _MARKED.match(word) else word


def may_be_marked(data: bytes) -> bool:
    """Whether any cell of a text could be marked; most texts have none."""
    return any(b"'" + mark in data for mark in (b"=", b"+", b"-", b"@", b"\t", b"\r"))
