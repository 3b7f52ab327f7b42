"""What the data keys of the configs mean: real pictures, and counterfactual ones."""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from causal_jax.data import labelled_pictures, picture_folders, streams, tfds
from causal_jax.data.counterfactuals import LABELS
from causal_jax.data.labelled_pictures import Classes
from causal_jax.data.picture_folders import NO_CLASS
from causal_jax.graph import suggestion
from causal_jax.recipes.settings import Settings
from causal_jax.training import hosts
from causal_jax.training.ensemble import COUNTERFACTUAL
from causal_jax.types import Batch

EVALUATION_BATCH = 100
_SEED_APART = 1  # added to the run's seed for the order of the counterfactuals


class Sets(NamedTuple):
    """What is trained on.

    Attributes:
      rows: what `training.ensemble` reads: arrays, or a stream of batches.
      num_rows: real pictures.
      classes: of all labels.
    """

    rows: Any
    num_rows: int
    classes: Classes


def classes(config: Settings) -> Classes:
    """The classes that the config's networks tell apart."""
    return labelled_pictures.classes(
        config.dataset, data_dir=_data_dir(config, config.dataset)
    )


def require_fitting(config: Settings) -> None:
    """Raises ValueError unless the counterfactuals are of the real pictures' kind.

    It reads descriptions of data sets and no picture; the splits that are trained and
    measured on are there, too.
    """
    own = classes(config)
    for split in (config.train_split, config.validation_split):
        tfds.require_split(
            config.dataset, split, data_dir=_data_dir(config, config.dataset)
        )
    if config.plain:
        return
    name = config.counterfactuals
    data_dir = _data_dir(config, name)
    for label in LABELS:
        found = labelled_pictures.classes(name, label=label, data_dir=data_dir)
        if not _are_alike(found.names, own):
            raise ValueError(_other_classes(name, label, found, config.dataset, own))
    shape = tuple(tfds.features(name, data_dir=data_dir)["image"].shape[:2])
    if config.crop != "random" and shape != (config.size, config.size):
        raise ValueError(
            f"the pictures of {name!r} are {shape[0]}x{shape[1]}, the run's are "
            f"{config.size}x{config.size}: write the set with that size"
        )


def _are_alike(names: tuple[str, ...], own: labelled_pictures.Classes) -> bool:
    """Whether a set's names are the classes' names, or their words made distinct."""
    plain = tuple(name.removesuffix(f" ({i})") for i, name in enumerate(names))
    return names == own.names or plain == own.words


def _other_classes(name, label, found, dataset, own) -> str:
    if len(found.names) != len(own.names):
        return (
            f"{label} of {name!r} has {len(found.names)} classes, {dataset!r} has "
            f"{len(own.names)}: name a set of counterfactuals of the same classes"
        )
    i = next(i for i, one in enumerate(found.names) if one != own.names[i])
    return (
        f"class {i} of {label} of {name!r} is {found.names[i]!r}, that of {dataset!r} "
        f"is {own.names[i]!r}: name a set of the same classes in the same order "
        "(causal-jax generate --class_names=FILE)"
    )


def read(config: Settings) -> Sets:
    """Opens what is trained on; pictures that fit are read into memory.

    Raises:
      ValueError: as `require_fitting`, and as `streams.open_stream`.
    """
    require_fitting(config)
    real = _open(config, config.dataset, config.train_split, config.batch_size)
    found, counterfactual = real, None
    if not config.plain:
        counterfactual = _open(
            config,
            config.counterfactuals,
            f"train[:{100 - config.held_out}%]",
            int(config.training.cf_ratio * config.batch_size),
            labels=LABELS,
            seed=config.seed + _SEED_APART,
        )
        found = WithCounterfactuals(real, counterfactual)
    rows = found if config.crop == "random" else _arrays(real, counterfactual)
    return Sets(
        rows=found if rows is None else rows,
        num_rows=real.num_records,
        classes=classes(config),
    )


def _arrays(real, counterfactual) -> Batch | None:
    """Both sets where both are in memory, else None."""
    if real.arrays is None or counterfactual is None:
        return real.arrays
    if counterfactual.arrays is None:
        return None
    return {**real.arrays, COUNTERFACTUAL: counterfactual.arrays}


def _open(config: Settings, name: str, split: str, batch_size: int, **settings):
    settings = {"seed": config.seed} | settings
    return streams.open_stream(
        name,
        split,
        size=config.size,
        batch_size=batch_size,
        crop=config.crop,
        num_workers=config.num_workers,
        process_id=hosts.process_id(),
        num_processes=hosts.num_processes(),
        data_dir=_data_dir(config, name),
        **settings,
    )


@dataclasses.dataclass(frozen=True)
class WithCounterfactuals:
    """A stream of real batches, each with a counterfactual one beside it.

    Attributes:
      real: {"image", "label"}.
      counterfactual: {"image", "shape_label", "texture_label", "background_label"}.
    """

    real: streams.Stream
    counterfactual: streams.Stream

    @property
    def batch_size(self) -> int:
        """Real pictures of a step."""
        return self.real.batch_size

    @property
    def num_processes(self) -> int:
        """Hosts that share each batch."""
        return self.real.num_processes

    @property
    def num_workers(self) -> int:
        """Processes that decode real pictures."""
        return max(self.real.num_workers, self.counterfactual.num_workers)

    def batches(self, first_step: int = 0) -> Iterator[Batch]:
        """Endless, from the batches of `first_step` on; it can be closed."""
        with contextlib.ExitStack() as open_ones:
            real = open_ones.enter_context(self.real.batches(first_step))
            beside = open_ones.enter_context(self.counterfactual.batches(first_step))
            for batch in real:
                yield {**batch, COUNTERFACTUAL: next(beside)}


# --- what is measured on --------------------------------------------------------------


def validation(config: Settings) -> Iterator[Batch]:
    """The real pictures that are held out, in batches, each once."""
    return _once(config, config.dataset, config.validation_split, ("label",))


def held_out(config: Settings) -> Iterator[Batch]:
    """The counterfactuals that are held out; none without any."""
    if config.plain or not config.held_out:
        return iter(())
    split = f"train[{100 - config.held_out}%:]"
    return _once(config, config.counterfactuals, split, LABELS)


def _once(config, name, split, labels) -> Iterator[Batch]:
    stream = streams.open_stream(
        name,
        split,
        size=config.size,
        batch_size=EVALUATION_BATCH,
        labels=labels,
        crop=config.evaluation_crop,
        shuffle=False,
        num_workers=config.num_workers,
        data_dir=_data_dir(config, name),
        resident_bytes=0,
        progress=False,
    )
    batches = stream.once()
    if config.num_validation:
        batches = itertools.islice(batches, config.num_validation)
    return batches


def pictures(config: Settings, paths, crop: str) -> Iterator[np.ndarray]:
    """Pictures of a folder, uint8 [B, size, size, 3], in batches."""
    return picture_folders.read_batches(
        paths, size=config.size, batch_size=EVALUATION_BATCH, crop=crop
    )


def class_map(
    names: tuple[str, ...], own: Classes, root: str, option: str, path: str | None
) -> np.ndarray:
    """Which class of a folder each of the network's classes belongs to, int32 [K].

    Args:
      names: the folder's classes.
      own: the network's classes.
      root: the folder, for messages.
      option: the flag that names it, for messages.
      path: a file with the map; None for classes of the same names.

    Raises:
      ValueError: a class that is none of the network's, or a map that does not fit.
    """
    if path is None:
        return _same_names(names, own, root, option)
    found = picture_folders.read_class_map(path, len(own.names))
    if found.max() >= len(names):
        raise ValueError(
            f"{path} has class {found.max()}, {root} has {len(names)}: it maps the "
            "network's classes to the folder's, counted from 0 in their order"
        )
    for label in sorted(set(range(len(names))) - set(found.tolist())):
        raise ValueError(
            f"{path} maps nothing to {names[label]!r}, class {label} of {root}: give "
            "it at least one class"
        )
    return found


def names_in(root: str, own: Classes, option: str) -> tuple[str, ...]:
    """The network's classes as a folder's folders are named: by words or by names.

    Raises:
      ValueError: a folder that is named after none of them.
    """
    folders = [p.name for p in sorted(Path(root).glob("[!.]*")) if p.is_dir()]
    _same_names(folders, own, root, option)
    return own.names if set(folders) <= set(own.names) else own.words


def _same_names(names, own: Classes, root: str, option: str) -> np.ndarray:
    known = {name: i for i, name in enumerate(own.words)}
    known |= {name: i for i, name in enumerate(own.names)}
    found = np.full(len(own.names), NO_CLASS, np.int32)
    for label, name in enumerate(names):
        if name not in own.names and own.words.count(name) > 1:
            raise ValueError(
                f"class {name!r} of {root} may be any of {own.words.count(name)} of "
                f"the network's: use its full name, or give --{option}_map=FILE"
            )
        if name not in known:
            raise ValueError(
                f"class {name!r} of {root} is none of the network's (where they are "
                f"finer, give --{option}_map=FILE): {suggestion(name, own.words)}"
            )
        found[known[name]] = label
    return found


def _data_dir(config: Settings, name: str) -> str | None:
    """Where a set lies; counterfactuals may have a folder of their own."""
    if name == config.counterfactuals and config.counterfactuals_dir:
        return config.counterfactuals_dir
    return config.data_dir or None
