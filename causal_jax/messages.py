"""What a file says, shown in an error message: one line, and not a long one."""

import re

_NO_PRINT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MAX = 1000  # characters of a message that quotes a file


def one_line(text: object, *, limit: int = _MAX) -> str:
    r"""The text with line breaks and other control characters written as escapes.

    >>> one_line("a\nb\x1d")
    'a\\nb\\x1d'
    """
    shown = _NO_PRINT.sub(lambda found: ascii(found[0])[1:-1], str(text))
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."
