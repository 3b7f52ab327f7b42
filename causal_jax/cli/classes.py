"""What --classes says: classes of a model's parts, by name or number.

A class is written as its name or its number; a name of several words that the data set
separates by commas ("lion, king of beasts, Panthera leo") also as any one of them, and
`_` for a blank. Classes are separated by |, parts by ; (names with these marks stand
in double quotes, a double quote inside twice):

    shape=lion|red_panda;texture=pizza;background=koala
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from causal_jax import files
from causal_jax.graph import suggestion
from causal_jax.networks.cgn.composition import LABELS, PARTS
from causal_jax.scm import SCM

RANDOM, BEST = "random", "best"
BEST_KEY = "best_classes"  # of a run's metrics.json
_QUOTED = r'"(?:[^"]|"")*+"'
_EXAMPLE = '--classes="shape=lion|red_panda;texture=pizza"'

Choices = dict[str, tuple[int, ...]]


def read_choices(text: str, scm: SCM, folder: str | Path) -> Choices:
    """Reads --classes: {label: the classes that it is drawn from, equally often}.

    Args:
      text: "random", "best", or classes of parts; what is not named has all.
      scm: the model.
      folder: where "best" is written, a run's.

    Raises:
      ValueError: an unknown part or class, or a run without its best classes.
    """
    every = {label: tuple(range(len(scm.states(label)))) for label in LABELS}
    if text.strip() in ("", RANDOM):
        return every
    if text.strip() == BEST:
        return every | _best(Path(folder), scm)
    chosen: Choices = {}
    for piece in _split(text, ";"):
        name, equals, classes = piece.partition("=")
        label = label_of(name.strip())
        if not equals or not classes.strip():
            raise ValueError(f"--classes: {piece!r} names no class: {_EXAMPLE}")
        if label in chosen:
            raise ValueError(f"--classes names {name.strip()!r} twice")
        chosen[label] = read_list(classes, scm.states(label))
    return every | chosen


def label_of(name: str, flag: str = "classes") -> str:
    """The label of a part: "shape" and "shape_label" are the same.

    Raises:
      ValueError: there is no such part; the nearest is offered.
    """
    by_name = dict(zip((*PARTS, *LABELS), (*LABELS, *LABELS), strict=True))
    if name not in by_name:
        raise ValueError(f"--{flag}: unknown part {name!r}: {suggestion(name, PARTS)}")
    return by_name[name]


def read_list(text: str, states: Sequence[str]) -> tuple[int, ...]:
    """Reads "lion|red_panda", or with commas where no name has them: "lion,pizza".

    Raises:
      ValueError: an unknown class; the nearest is offered; one that is named twice.
    """
    found = _read_indices(text, states)
    for number in found:
        if found.count(number) > 1:
            raise ValueError(
                f"--classes names {states[number]!r} twice, and classes once each"
            )
    return found


def _read_indices(text: str, states: Sequence[str]) -> tuple[int, ...]:
    words = [word.strip() for word in _split(text, "|")]
    if len(words) == 1 and "," in text and _find(words[0], states) is None:
        words = [word.strip() for word in _split(text, ",")]
    return tuple(index_of(word, states) for word in words)


def read_ends(text: str | None, states: Sequence[str]) -> tuple[int, int]:
    """Reads two classes, "lion|pizza"; None takes the first and the last.

    Raises:
      ValueError: an unknown class, or not two different ones.
    """
    found = (0, len(states) - 1) if not text else _read_indices(text, states)
    if len(found) != 2 or found[0] == found[1]:
        raise ValueError('--classes: name two different ones, --classes="lion|pizza"')
    return found


def index_of(word: str, states: Sequence[str], flag: str = "classes") -> int:
    """The number of a class.

    Raises:
      ValueError: an unknown class, or a word that several have.
    """
    if (found := _find(word, states)) is not None:
        return found
    if word.isdecimal():
        raise ValueError(
            f"--{flag}: there is no class {word}: classes are 0 to {len(states) - 1}"
        )
    several = [name for name in states if _plain(word) in _words(name)]
    if several:
        raise ValueError(
            f"--{flag}: {word!r} is each of {' | '.join(several[:4])}: name one of "
            "them whole"
        )
    near = {_shortest(name): name for name in states}
    raise ValueError(f"--{flag}: unknown class {word!r}: {suggestion(word, near)}")


def _find(word: str, states: Sequence[str]) -> int | None:
    """Its number, by the whole name, the number itself or one of the name's words."""
    word = word[1:-1].replace('""', '"') if re.fullmatch(_QUOTED, word) else word
    if word in states:
        return list(states).index(word)
    if word.isdecimal() and int(word) < len(states):
        return int(word)
    for match_fn in (lambda name: [_plain(name)], _words):
        found = [i for i, name in enumerate(states) if _plain(word) in match_fn(name)]
        if len(found) == 1:
            return found[0]
    return None


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _words(name: str) -> list[str]:
    return [_plain(word) for word in name.split(",")]


def _shortest(name: str) -> str:
    """A name as it is offered: its first word."""
    return name.partition(",")[0]


def _split(text: str, mark: str) -> list[str]:
    """The pieces between marks that stand outside double quotes."""
    pieces = re.findall(rf'(?:{_QUOTED}|[^"{mark}]|")+', text)
    return [piece for piece in pieces if piece.strip()]


def _best(folder: Path, scm: SCM) -> Choices:
    """What the evaluation of a run wrote as its best classes."""
    path = folder / "metrics.json"
    way_out = (
        f"run causal-jax evaluate --workdir={folder}, or choose --classes yourself"
    )
    found = files.read_json(path, way_out=way_out).get(BEST_KEY)
    if not isinstance(found, Mapping) or not found.keys() <= set(PARTS) or not found:
        raise ValueError(f"{path} tells no best classes: {way_out}")
    chosen = {}
    for part, classes in found.items():
        label = label_of(part)
        if not isinstance(classes, list) or not classes:
            raise ValueError(f"{path} has no best classes of {part}: {way_out}")
        states = scm.states(label)
        chosen[label] = tuple(_index_in(path, one, states) for one in classes)
    return chosen


def _index_in(path: Path, one: Any, states: Sequence[str]) -> int:
    """A class of metrics.json: its number, whatever classes are called, or a name."""
    if not isinstance(one, int):
        return index_of(str(one), states)
    if not 0 <= one < len(states):
        raise ValueError(f"{path} names class {one}: there are 0 to {len(states) - 1}")
    return one
