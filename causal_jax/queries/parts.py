"""Many units, part by part: the memory of a part, and the units of one call.

A node's noise depends on the key, its name and how many units there are, so a part is
cut out of all units' noise (which is never all in memory) and evaluated. Where `given`
conditions the units, every part has a key of its own: they have the same law as one
call's, and are other draws.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from causal_jax import arguments, batches
from causal_jax.scm import SCM
from causal_jax.types import Key, Params, Values

SIZE = 1 << 18  # units in a part: some 100 MiB for a network of nine labels


def sample(
    scm: SCM,
    params: Params,
    key: Key,
    *,
    num: int,
    do: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
    size: int = SIZE,
) -> Iterator[Values]:
    """Yields the units of `scm.sample` in parts, {node: numpy array `[n, ...]`}.

    Up to `size` units are one part, the call's own. Without `given` the parts together
    are the same units, too, but for rounding where a device adds numbers of a large
    batch in another order.

    Args:
      scm: the model.
      params: {node: parameters}.
      key: PRNG key.
      num: number of units.
      do: as in `SCM.sample`, the same for all units.
      given: as in `SCM.sample`.
      size: units in a part.

    Raises:
      ValueError: as `SCM.sample` does; an intervention that differs between units.

    Example:
      >>> from causal_jax import bernoulli
      >>> rain, params = bernoulli(0.3)
      >>> scm = SCM([["Rain", []]], {"Rain": rain})
      >>> drawn = sample(scm, {"Rain": params}, jax.random.key(0), num=5, size=2)
      >>> [len(values["Rain"]) for values in drawn]
      [2, 2, 1]
    """
    if num <= size:
        yield _arrays(scm.sample(params, key, num=num, do=do, given=given))
    elif given:
        _same_for_all(scm, params, key, do, num)
        for index, rest in enumerate(range(num, 0, -size)):
            own = jax.random.fold_in(key, index)
            found = scm.sample(params, own, num=size, do=do, given=given)
            yield _last(_arrays(found), min(rest, size))
    else:
        parsed = _same_for_all(scm, params, key, do, num)
        for first, kept in _places(num, size):
            found = batches.sample_part(scm, params, key, parsed, first, num, size)
            yield _last(_arrays(scm._checked(found, parsed)), kept)


def twins(
    scm: SCM,
    params: Params,
    key: Key,
    *,
    num: int,
    do: Mapping[str, Any],
    given: Mapping[str, Any] | None = None,
    size: int = SIZE,
) -> Iterator[tuple[Values, Values]]:
    """Yields both worlds of `scm.twins` in parts; arguments and errors as `sample`."""
    if num <= size:
        yield _both(scm.twins(params, key, num=num, do=do, given=given), num)
    elif given:
        _same_for_all(scm, params, key, do, num)
        for index, rest in enumerate(range(num, 0, -size)):
            own = jax.random.fold_in(key, index)
            found = scm.twins(params, own, num=size, do=do, given=given)
            yield _both(found, min(rest, size))
    else:
        parsed = _same_for_all(scm, params, key, do, num)
        for first, kept in _places(num, size):
            before, after = batches.twins_part(
                scm, params, key, parsed, first, num, size
            )
            pair = scm._ordered(before), scm._checked(after, parsed)
            yield _both(pair, kept)


def _same_for_all(scm: SCM, params: Params, key: Key, do: Any, num: int) -> dict:
    """The parsed interventions, checked as those of a call are."""
    parsed, shapes = scm._parse(params, key, do, num)
    axes = arguments.unit_axes(parsed, shapes)
    if any(axis == 0 for axis in axes.values()):
        raise ValueError(
            "an intervention with a value for each unit is not drawn in parts: call "
            "SCM.sample"
        )
    return parsed


def _places(num: int, size: int) -> Iterator[tuple[int, int]]:
    """(first unit, how many of its last are new); every part is of one size."""
    for first in range(0, num, size):
        yield min(first, num - size), min(size, num - first)


def _arrays(values: Values) -> Values:
    return {name: np.asarray(value) for name, value in values.items()}


def _last(values: Values, num: int) -> Values:
    return {name: value[-num:] for name, value in values.items()}


def _both(pair: tuple[Values, Values], num: int) -> tuple[Values, Values]:
    before, after = (_last(_arrays(values), num) for values in pair)
    return before, after
