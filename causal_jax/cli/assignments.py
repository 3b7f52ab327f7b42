"""What --do, --given, --labels and --nodes say: states of nodes, names of nodes.

A name or state with a comma, an equals sign, a double quote or blanks at its ends is
written in double quotes, a double quote inside it twice, as in CSV. A shell wants
single quotes around it all: --do='"Income, annual"="<=50K, low",Age=30'.
"""

import re
import shlex
from collections.abc import Mapping

from causal_jax.scm import SCM

_EXAMPLE = """'"Income, annual"="<=50K, low",Age=30'"""
_QUOTED = r'"(?:[^"]|"")*+"'
# A bare name ends before = or a comma, a bare state before a comma.
_ASSIGNMENT = re.compile(
    rf'\s*(?P<name>{_QUOTED}|[^",=]+?)\s*=\s*(?P<state>{_QUOTED}|[^",]+?)\s*(?:,|$)'
)
_NAME = re.compile(rf'\s*(?P<name>{_QUOTED}|[^",]+?)\s*(?:,|$)')
_NOTHING = re.compile(r"[\s,]*")


def read(text: str, flag: str) -> dict[str, str]:
    """Reads "Mustache=1,Bald=0".

    Raises:
      ValueError: a part that is no NODE=STATE, or a node named twice.
    """
    result = {}
    for found in _parts(_ASSIGNMENT, text, flag, "NODE=STATE"):
        name = _unquoted(found["name"])
        if name in result:
            raise ValueError(f"--{flag} names {name!r} twice")
        result[name] = _unquoted(found["state"])
    return result


def names(text: str, flag: str) -> tuple[str, ...]:
    """Reads "Male,Mustache".

    Raises:
      ValueError: a part that is no name.
    """
    return tuple(
        _unquoted(found["name"]) for found in _parts(_NAME, text, flag, "a name")
    )


def written(flag: str, assigned: Mapping[str, str]) -> str:
    """The flag that a shell and then `read` read back, whatever the names are.

    >>> print(written("do", {"Mustache": "1"}))
    --do="Mustache=1"
    >>> print(written("do", {"Income, annual": ">50K"}))
    --do='"Income, annual"=>50K'
    """
    text = ",".join(f"{_quoted(n)}={_quoted(state)}" for n, state in assigned.items())
    if any(mark in text for mark in '"$`\\!'):
        return as_flag(flag, text)
    return f'--{flag}="{text}"'


def suggested(flag: str, scm: SCM, name: str | None = None) -> str:
    """`written`, of a node's last state; of the last node that has states if None."""
    if name is None:
        name = scm.discrete[-1] if scm.discrete else "NODE"
    states = scm.states(name) if name in scm.nodes else None
    return written(flag, {name: (states or ("VALUE",))[-1]})


def _quoted(word: str) -> str:
    """A name or state, in quotes where it cannot stand bare."""
    if word and word == word.strip() and not re.search(r'[",=]', word):
        return word
    doubled = word.replace('"', '""')
    return f'"{doubled}"'


def _parts(pattern: re.Pattern, text: str, flag: str, what: str) -> list[re.Match]:
    found, at = [], _NOTHING.match(text).end()
    while at < len(text):
        part = pattern.match(text, at)
        if not part:
            raise _unreadable(text[at:], flag, what)
        found.append(part)
        at = _NOTHING.match(text, part.end()).end()
    return found


def _unreadable(text: str, flag: str, what: str) -> ValueError:
    part = text.split(",")[0].strip() if '"' not in text else text
    quotes = "has a double quote without a partner" if text.count('"') % 2 else ""
    return ValueError(
        f"--{flag}: {part[:60]!r} {quotes or f'is not {what}'}: names and states with "
        f"commas, = or double quotes stand in double quotes, --{flag}={_EXAMPLE}"
    )


def _unquoted(word: str) -> str:
    return word[1:-1].replace('""', '"') if word.startswith('"') else word


def as_flag(name: str, value: object) -> str:
    """A flag of a command that a shell reads, with its value quoted where it must be.

    >>> as_flag("workdir", "my runs/a")
    "--workdir='my runs/a'"
    """
    return f"--{name}={shlex.quote(str(value))}"
