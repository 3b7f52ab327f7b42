"""How a column's states are found in its words.

| words                                          | states                          |
|------------------------------------------------|---------------------------------|
| 0 / 1 (also 0.0 / 1.0)                         | ("0", "1")                      |
| -1 / 1, as in CelebA's list                    | ("0", "1"), -1 becoming "0"     |
| other numbers                                  | the distinct ones, number order |
| intervals: (0, 20], (20, 100]                  | by their lower ends             |
| anything else: yes / no, red / green           | the distinct ones, sorted       |

Blanks around a word are no part of it, numbers that are equal (1, 01, 1e0) are one
state where all words are numbers, and the words in `MISSING` are no state unless one is
declared. What joins two words, and states that look like one another, is said.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from causal_jax.graph import BINARY

# What pandas takes for missing, and what R, UCI, Stata and SAS write.
MISSING = frozenset(
    (
        *("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NaT"),
        *("NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
        *("NULL", "Null", "null", "None", "?", "."),
    )
)
_PLAIN = re.compile(r"([+-]?\d+)\.0+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_INTERVAL = re.compile(r"[\[(]\s*([^\s,;\[\]()]+)\s*[,;]\s*([^\s,;\[\]()]+)\s*[\])]")


class WordStates(NamedTuple):
    """What a column's words mean.

    Attributes:
      states: the names of the states.
      indices: {word: index of its state}; a word that is no state is not in it.
      notes: what was joined and what looks alike, for the user to know.
    """

    states: tuple[str, ...]
    indices: dict[str, int]
    notes: tuple[str, ...]


def is_missing(word: str, states: Sequence[str] | None = None) -> bool:
    """Whether a word stands for a value that is missing and is no declared state."""
    if states and (word in states or word.strip() in states):
        return False
    return word.strip() in MISSING


def find(words: Iterable[str], states: Sequence[str] | None = None) -> WordStates:
    """Finds the states of words, none of which is missing.

    Args:
      words: the distinct words of a column.
      states: the states to use; None finds them (table at the top of this module).
    """
    stripped = {word: word.strip() for word in sorted(set(words))}
    plain = _plain_words({*stripped.values(), *(states or ())})
    spellings = {plain[bare] for bare in stripped.values()}
    signed = "-1" in spellings and spellings <= {"-1", "1"}
    if states is None:
        states = BINARY if signed else sorted_states(spellings)
    states = tuple(states)
    index = {state: i for i, state in enumerate(states)}
    index = {plain.get(state, state): i for state, i in index.items()} | index
    if signed and states == BINARY:
        index["-1"] = 0
    meant = {}
    for word, bare in stripped.items():
        known = next((s for s in (word, bare, plain[bare]) if s in index), None)
        if known is not None:
            meant[word] = index[known]
    notes = (*_joined(stripped, plain), *_alike(states))
    return WordStates(states=states, indices=meant, notes=notes)


def _plain_words(words: set[str]) -> dict[str, str]:
    """{word: its plain spelling}: 1.0 is 1; among numbers alone +1, 01 and 1e0 too."""
    plain = {w: match[1] if (match := _PLAIN.fullmatch(w)) else w for w in words}
    if not all(_NUMBER.fullmatch(word) for word in words):
        return plain
    plain = {word: spelling.removeprefix("+") for word, spelling in plain.items()}
    plainest: dict[Decimal, str] = {}
    for spelling in sorted(set(plain.values()), key=_by_plainness):
        plainest.setdefault(Decimal(spelling), spelling)
    return {word: plainest[Decimal(spelling)] for word, spelling in plain.items()}


def _by_plainness(number: str) -> tuple[bool, int, str]:
    """Whole numbers in digits come first, then short ones."""
    return not number.removeprefix("-").isdecimal(), len(number), number


def sorted_states(words: set[str]) -> tuple[str, ...]:
    """The words in the order that states have, see the top of this module."""
    return BINARY if words <= set(BINARY) else tuple(sorted(words, key=_size(words)))


def are_by_alphabet(states: Sequence[str]) -> bool:
    """Whether found states are three or more words, whose order says nothing.

    >>> are_by_alphabet(("high", "low", "medium")), are_by_alphabet(("1", "2", "10"))
    (True, False)
    """
    return len(states) > 2 and _size(states) is None


def _size(words: Iterable[str]) -> Callable[[str], tuple] | None:
    """What sorts words that are numbers or intervals; None where they are neither."""
    for size_fn in (_number, _interval_ends):
        try:
            list(map(size_fn, words))
        except ValueError:
            continue
        return size_fn
    return None


def _number(word: str) -> tuple[float, str]:
    return float(word), word


def _interval_ends(word: str) -> tuple[float, float, str]:
    ends = _INTERVAL.fullmatch(word)
    if ends is None:
        raise ValueError(f"{word!r} is no interval")
    return float(ends[1]), float(ends[2]), word


def _joined(stripped: dict[str, str], plain: dict[str, str]) -> Iterable[str]:
    """Says which words are read as others."""
    for word, bare in stripped.items():
        if word.rstrip() != word or (word != bare and bare in stripped):
            yield f"{word!r} is read as {bare!r}"
    for bare in dict.fromkeys(stripped.values()):
        usual = match[1] if (match := _PLAIN.fullmatch(bare)) else bare
        if plain[bare] not in (usual, usual.removeprefix("+")):
            yield f"{bare!r} is read as {plain[bare]!r}"


def _alike(states: Sequence[str]) -> Iterable[str]:
    """Says which states differ in case or blanks alone."""
    groups = defaultdict(list)
    for state in states:
        groups["".join(state.casefold().split())].append(state)
    for group in groups.values():
        if len(group) > 1:
            alike = " and ".join(map(repr, group))
            yield f"{alike} are states that differ in case or blanks alone"
