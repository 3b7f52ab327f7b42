"""The pictures that the configs of this family name."""

from typing import Any, NamedTuple

from causal_jax.data import labelled_pictures, streams
from causal_jax.recipes.settings import Settings
from causal_jax.training import hosts
from causal_jax.types import Batch


class Pictures(NamedTuple):
    """Training pictures.

    Attributes:
      batches: {"image": uint8 [N, size, size, 3], "label": int32 [N]} where they fit
        into memory, else a stream of such batches.
      class_names: of the labels.
    """

    batches: Batch | streams.Stream
    class_names: tuple[str, ...]


def class_names(config: Settings) -> tuple[str, ...]:
    """What the config's data set calls its classes, each but once.

    Raises:
      ValueError: no such data set, or it has no classes.
    """
    found = labelled_pictures.classes(config.dataset, data_dir=config.data_dir or None)
    return labelled_pictures.distinct(found.words)


def require_same_classes(config: Settings, names: tuple[str, ...]) -> None:
    """Raises ValueError unless the config's data set has a model's classes.

    A judge of other classes would read samples wrongly. A model whose classes have no
    names has numbers: there as many are asked for.
    """
    found = class_names(config)
    if len(names) != len(found):
        wrong = f"it has {len(found)} classes, the model {len(names)}"
    else:
        numbers = tuple(map(str, range(len(names))))
        if names in (numbers, found):
            return
        i = next(i for i, name in enumerate(names) if name != found[i])
        wrong = f"its class {i} is {found[i]!r}, the model's {names[i]!r}"
    raise ValueError(
        f"dataset={config.dataset!r} cannot judge this model's pictures: {wrong}; name "
        "a set of the same classes, or none: --config.dataset="
    )


def training(config: Settings) -> Pictures:
    """Opens the split that is trained on.

    Raises:
      ValueError: no such data set, or one without pictures or classes.
    """
    opened = open_split(
        config, config.train_split, config.batch_size, size=config.model.size
    )
    batches = opened.arrays
    return Pictures(
        batches=opened if batches is None else batches,
        class_names=class_names(config),
    )


def open_split(
    config: Settings, split: str, batch_size: int, *, size: int, **settings: Any
) -> streams.Stream:
    """A split of the config's data set at a size, this host's part."""
    return streams.open_stream(
        config.dataset,
        split,
        size=size,
        batch_size=batch_size,
        num_workers=config.num_workers,
        seed=config.seed,
        data_dir=config.data_dir or None,
        process_id=hosts.process_id(),
        num_processes=hosts.num_processes(),
        **settings,
    )
