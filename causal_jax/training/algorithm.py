"""The interface of a training algorithm: two pure functions and how data is read."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax

from causal_jax.types import Batch, Key, Params

DEVICE_AXIS = "device"


class Algorithm(NamedTuple):
    """What `training.parallel` and `training.loop` need of an algorithm.

    Attributes:
      init: key -> state, a NamedTuple of arrays: all that the next step needs. It holds
        no key, so that a resumed run repeats an uninterrupted one exactly.
      step: (state, batch, key) -> (state, info), for ONE of the devices: it speaks to
        the others through `parallel.mean` and `parallel.local` only, which do nothing
        where there are none; info is a NamedTuple of scalars that are only logged.
      params: state -> what is sampled from (averaged weights, where there are some).
      batch_shape: rows of data a step reads, over all devices; the last axis is split.
      in_epochs: each row is read once before any is read again; else rows are drawn
        with replacement.
      sets: {name: rows that a step reads} of further data, which have a number of rows
        of their own: {"name": {...}} in the data, and in a batch.
    """

    init: Callable[[Key], Any]
    step: Callable[[Any, Batch, Key], tuple[Any, Any]]
    params: Callable[[Any], Params]
    batch_shape: tuple[int, ...]
    in_epochs: bool = False
    sets: Mapping[str, int] = MappingProxyType({})


def require_moving(average_rate: float) -> None:
    """Raises ValueError where `averaged` would stay at its start, or not settle."""
    if not 0 < average_rate <= 1:
        raise ValueError(
            f"average_rate is above 0 and at most 1 (no average), not {average_rate}"
        )


def averaged(average: Params, params: Params, rate: float) -> Params:
    """Exponential moving average: average + rate * (params - average)."""
    if isinstance(rate, float) and rate == 1:
        return params
    return jax.tree.map(lambda a, p: a + rate * (p - a), average, params)
