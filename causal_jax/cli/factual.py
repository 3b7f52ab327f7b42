"""The factual that a command line names: images, and the labels they have."""

from pathlib import Path

import numpy as np

from causal_jax import encoding
from causal_jax import graph as graphs
from causal_jax.cli import assignments
from causal_jax.data import user_images
from causal_jax.recipes.labels_images import data
from causal_jax.recipes.labels_images.imagination import read_labels
from causal_jax.recipes.labels_images.model import Trained
from causal_jax.recipes.settings import with_keys
from causal_jax.runs import folder
from causal_jax.runs.load import IMAGE

MAX_PICTURES = 64  # more do not fit on a page


def pictures(text: str, trained: Trained) -> tuple[np.ndarray, list[str]]:
    """The images that --image names, and a name for each.

    Raises:
      ValueError: nothing named, an unreadable file, a number out of range.
    """
    images, names = [], []
    parts = _parts(text)
    asked = [number for part in parts for number in _numbers(part) or []]
    held_out = iter(_held_out(trained, asked) if asked else ())  # read once
    for part in parts:
        numbers = _numbers(part)
        if numbers is not None:
            images.append(np.stack([next(held_out) for _ in numbers]))
            names += [str(number) for number in numbers]
        else:
            size, crop = trained.generator.resolution, data.crop(trained.run.config)
            read = user_images.read(part, size=size, crop=crop)
            images.append(read)
            names += [
                f"{Path(part).name}{f' {i}' if i else ''}" for i in range(len(read))
            ]
    if not names or len(names) > MAX_PICTURES:
        raise ValueError(
            f"--image={text!r} names {len(names)} pictures: 1 to {MAX_PICTURES}"
        )
    return np.concatenate(images), names


def _parts(text: str) -> list[str]:
    """Files and numbers; a file's name may hold a comma."""
    parts = [text] if Path(text).is_file() else text.split(",")
    return list(filter(None, map(str.strip, parts)))


def files(text: str) -> set[Path]:
    """The files that --image names, resolved."""
    return {Path(part).resolve() for part in _parts(text) if _numbers(part) is None}


def _numbers(part: str) -> list[int] | None:
    """[3] for "3", [0, 1, 2] for "0-2", None for a file."""
    first, dash, last = part.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        return None
    start, end = int(first), int(last if dash else first) + 1
    if not 1 <= end - start <= MAX_PICTURES:
        raise ValueError(f"--image={part}: give 1 to {MAX_PICTURES} pictures, as 0-7")
    return list(range(start, end))


def _held_out(trained: Trained, numbers: list[int]) -> np.ndarray:
    config = trained.run.config
    _require_below(max(numbers), data.num_validation(config))
    # Of another table other pictures are held out.
    folder.require_sources(trained.run.workdir, data.sources(config))
    if not config.images:  # no more are drawn or read
        config = with_keys(config, num_images=max(numbers) + 1)
    found = data.images(config, trained.label_scm.graph, "validation").images
    _require_below(max(numbers), len(found))
    return np.asarray(found)[numbers].astype(np.float32) / 127.5 - 1


def _require_below(largest: int, num: int) -> None:
    if largest >= num:
        raise ValueError(
            f"--image={largest}: there are {num:,} held-out pictures, 0 to {num - 1}"
        )


def states(trained: Trained, text: str, flag: str) -> dict[str, int]:
    """{label: state index} of "Male=0,Young=1".

    Raises:
      ValueError: no label of the model, or no state of it.
    """
    scm, result = trained.label_scm, {}
    for name, state in assignments.read(text, flag).items():
        if name == IMAGE:
            raise ValueError(
                f"--{flag} names 'image', which is the picture itself: name a label, "
                f"one of {', '.join(scm.nodes[:8])}"
            )
        graphs.require_node(scm.graph, name, role=f"label in --{flag}")
        result[name] = int(encoding.encode(scm, name, state))
    return result


def labels(trained: Trained, images: np.ndarray, text: str) -> tuple[np.ndarray, str]:
    """The labels of images, int [B, n], and a sentence on where they come from.

    Raises:
      ValueError: no such label or state; labels left out, but a run without Labeler.
    """
    names, said = trained.label_scm.nodes, states(trained, text, "labels")
    rows = np.zeros((len(images), len(names)), np.int32)
    note = "All labels were given."
    if set(said) != set(names):
        rows = read_labels(trained, images)
        rest = ", ".join(n for n in names if n not in said) if said else "All labels"
        note = f"{rest}: read in the pictures by the run's Labeler, not given."
    for name, state in said.items():
        rows[:, names.index(name)] = state
    return rows, note
