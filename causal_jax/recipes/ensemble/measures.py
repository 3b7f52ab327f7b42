"""What runs of this family reached: the numbers of their `metrics.json`.

Every share has its standard error beside it, NAME_error (`metrics.shares`).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from causal_jax.data import picture_folders
from causal_jax.data.labelled_pictures import Classes
from causal_jax.data.picture_folders import CueConflicts, LabelledPaths
from causal_jax.metrics import backgrounds as background_sets
from causal_jax.metrics import cue_conflict as conflicts
from causal_jax.metrics.shares import Share, share, top_hits
from causal_jax.networks.resnet import ENSEMBLE
from causal_jax.recipes.ensemble import data, model
from causal_jax.recipes.recipe import Measured, Run
from causal_jax.training.ensemble import read_logits

_TOP = 5
_NUM_SHOWN = 24
# The head whose gap is the ensemble's, as in the reference code.
_GAP_HEAD = "shape_texture"

Logits = dict[str, np.ndarray]
Reader = Callable[[np.ndarray], Logits]


class Shown(NamedTuple):
    """Pictures that the page shows, of which the heads say different things.

    Attributes:
      kind: "cue_conflict", "counterfactual" or "validation".
      images: uint8 [N, H, W, 3].
      truth: N lines, what the labels say.
      decisions: {head: N class names}.
    """

    kind: str
    images: np.ndarray
    truth: list[str]
    decisions: dict[str, list[str]]


class _Asked(NamedTuple):
    """A folder of pictures, and which class of it each class of the network is."""

    found: CueConflicts | dict[str, LabelledPaths]
    class_map: np.ndarray


def measure(
    run: Run,
    cue_conflict: str | None = None,
    cue_conflict_map: str | None = None,
    backgrounds: str | None = None,
    backgrounds_map: str | None = None,
) -> Measured:
    """Accuracies of every head, and what it goes by.

    Args:
      run: a trained run.
      cue_conflict: a folder as `picture_folders.cue_conflict` reads it.
      cue_conflict_map: a file with the classes of that folder that the network's are,
        as `picture_folders.read_class_map` reads it; else names are the same.
      backgrounds: a folder as `picture_folders.background_sets` reads it.
      backgrounds_map: as `cue_conflict_map`.

    Returns:
      {"validation": {"HEAD/top1", "HEAD/top5"}, "counterfactual": {"HEAD/accuracy"},
      "cue_conflict": {"HEAD/shape_bias", "HEAD/shape_accuracy",
      "HEAD/texture_accuracy"}, "backgrounds": {"HEAD/original", "HEAD/mixed_same",
      "HEAD/mixed_rand", "HEAD/gap", "gap"}}; what was not asked for is not there.

    Raises:
      ValueError: the run has no checkpoint yet, its data is gone, or a folder is of
        another layout or of other classes.
    """
    config, own = run.config, data.classes(run.config)
    _require_folders(cue_conflict, cue_conflict_map, backgrounds, backgrounds_map)
    asked_conflicts = asked_backgrounds = None
    if cue_conflict:
        asked_conflicts = _asked_conflicts(cue_conflict, cue_conflict_map, own)
    if backgrounds:
        asked_backgrounds = _asked_backgrounds(backgrounds, backgrounds_map, own)
    read = _reader(run, len(own.names))
    metrics, shown = {}, None
    metrics["validation"], shown = _on_validation(config, read, own)
    held_out, found = _on_counterfactuals(config, read, own)
    if held_out:
        metrics["counterfactual"], shown = held_out, found
    if asked_conflicts:
        metrics["cue_conflict"], shown = _on_conflicts(config, read, asked_conflicts)
    if asked_backgrounds:
        metrics["backgrounds"] = _on_backgrounds(config, read, asked_backgrounds)
    return Measured(metrics=metrics, shown=shown)


def _require_folders(cue_conflict, cue_conflict_map, backgrounds, backgrounds_map):
    for name, folder, class_map in (
        ("cue_conflict", cue_conflict, cue_conflict_map),
        ("backgrounds", backgrounds, backgrounds_map),
    ):
        if class_map and not folder:
            raise ValueError(f"--{name}_map goes with --{name}=DIR: give both")


def _asked_conflicts(root: str, path: str | None, own: Classes) -> _Asked:
    names = None if path else data.names_in(root, own, "cue_conflict")
    found = picture_folders.cue_conflict(root, names=names)
    if names:  # a texture may be of a class that is no shape
        return _Asked(found, np.arange(len(names)))
    return _Asked(found, data.class_map(found.names, own, root, "cue_conflict", path))


def _asked_backgrounds(root: str, path: str | None, own: Classes) -> _Asked:
    found = picture_folders.background_sets(root)
    names = found[background_sets.ORIGINAL].names
    return _Asked(found, data.class_map(names, own, root, "backgrounds", path))


def _reader(run: Run, num_classes: int) -> Reader:
    """From pictures to the logits of each head."""
    network = model.network(run.config, num_classes)
    variables = model.load(run.workdir, network)
    return lambda images: read_logits(network, variables, images, data.EVALUATION_BATCH)


# --- real and counterfactual pictures -------------------------------------------------


def _on_validation(config, read: Reader, own: Classes) -> tuple[dict, Shown]:
    hits, kept = {}, _Kept("validation")
    for batch in data.validation(config):
        logits, labels = read(batch["image"]), batch["label"]
        for head, x in logits.items():
            hits.setdefault(f"{head}/top1", []).append(top_hits(x, labels, 1))
            if len(own.names) > _TOP:
                hits.setdefault(f"{head}/top5", []).append(top_hits(x, labels, _TOP))
        truth = [own.words[label] for label in labels]
        # One head differs from nothing else: there it is shown what it reads wrongly.
        kept.add(batch["image"], truth, _names(logits, own), labels)
    found = {name: share(np.concatenate(parts)) for name, parts in hits.items()}
    return _flat(found), kept.shown()


def _on_counterfactuals(config, read: Reader, own: Classes) -> tuple[dict, Shown]:
    hits, kept = {}, _Kept("counterfactual")
    for batch in data.held_out(config):
        logits = read(batch["image"])
        for head in ENSEMBLE:
            found = top_hits(logits[head], batch[f"{head}_label"], 1)
            hits.setdefault(f"{head}/accuracy", []).append(found)
        parts = zip(*(batch[f"{head}_label"] for head in ENSEMBLE), strict=True)
        truth = [_parts_said([own.words[label] for label in row]) for row in parts]
        kept.add(batch["image"], truth, _names(logits, own))
    found = {name: share(np.concatenate(parts)) for name, parts in hits.items()}
    return _flat(found), kept.shown()


def _parts_said(names: list[str]) -> str:
    return ", ".join(
        f"{head} {name}" for head, name in zip(ENSEMBLE, names, strict=True)
    )


def _names(logits: Logits, own: Classes) -> dict[str, list[str]]:
    """The decisions of the heads themselves, as words."""
    own_heads = ENSEMBLE if set(ENSEMBLE) <= set(logits) else tuple(logits)
    return {
        head: [own.words[i] for i in np.argmax(logits[head], axis=1)]
        for head in own_heads
    }


class _Kept:
    """The first pictures of which heads say different things."""

    def __init__(self, kind: str):
        self._kind, self._rows = kind, []

    def add(self, images, truth: list[str], decisions: dict, labels=None) -> None:
        """Keeps some of a batch; of a single head's, those that it reads wrongly."""
        for i, image in enumerate(images):
            said = {head: names[i] for head, names in decisions.items()}
            if len(said) == 1 and labels is not None:
                is_interesting = truth[i] not in said.values()
            else:
                is_interesting = len(said) == 1 or len(set(said.values())) > 1
            if is_interesting and len(self._rows) < _NUM_SHOWN:
                self._rows.append((image, truth[i], said))

    def shown(self) -> Shown:
        """What was kept."""
        heads = self._rows[0][2] if self._rows else {}
        return Shown(
            kind=self._kind,
            images=np.stack([row[0] for row in self._rows]) if self._rows else (),
            truth=[row[1] for row in self._rows],
            decisions={head: [row[2][head] for row in self._rows] for head in heads},
        )


# --- folders in the layouts of published sets -----------------------------------------


def _on_conflicts(config, read: Reader, asked: _Asked) -> tuple[dict, Shown]:
    found, decisions, kept = asked.found, {}, _Kept("cue_conflict")
    first = 0
    for images in data.pictures(config, found.paths, config.evaluation_crop):
        coarse = {
            head: conflicts.coarse_decisions(x, asked.class_map)
            for head, x in read(images).items()
        }
        for head, part in coarse.items():
            decisions.setdefault(head, []).append(part)
        rows = slice(first, first + len(images))
        first += len(images)
        pairs = zip(found.shapes[rows], found.textures[rows], strict=True)
        truth = [f"shape {found.names[s]}, texture {found.names[t]}" for s, t in pairs]
        heads = ENSEMBLE if not config.plain else coarse
        words = {head: [found.names[i] for i in coarse[head]] for head in heads}
        kept.add(images, truth, words)
    result = {}
    for head, parts in decisions.items():
        one = conflicts.cue_conflict(
            np.concatenate(parts), found.shapes, found.textures
        )
        result |= {f"{head}/{name}": value for name, value in one._asdict().items()}
    num = int(np.sum(found.shapes != found.textures))
    return {"num_pictures": num, **_flat(result)}, kept.shown()


def _on_backgrounds(config, read: Reader, asked: _Asked) -> dict:
    decisions, labels = {}, {}
    for variant, paths in asked.found.items():
        labels[variant] = paths.labels
        # Whole: their borders are what is asked about.
        for images in data.pictures(config, paths.paths, "square"):
            for head, x in read(images).items():
                coarse = background_sets.coarse_decisions(x, asked.class_map)
                of_head = decisions.setdefault(head, {})
                of_head.setdefault(variant, []).append(coarse)
    result = {}
    for head, found in decisions.items():
        joined = {variant: np.concatenate(parts) for variant, parts in found.items()}
        measured = background_sets.backgrounds(joined, labels)
        result |= {f"{head}/{name}": value for name, value in measured.items()}
    head = model.PLAIN_HEAD if config.plain else _GAP_HEAD
    return _flat({"gap": result[f"{head}/gap"], **result})


def _flat(shares: dict[str, Share]) -> dict[str, float | None]:
    """{name: share, name_error: its standard error}."""
    found = {}
    for name, one in shares.items():
        found |= {name: one.value, f"{name}_error": one.error}
    return found
