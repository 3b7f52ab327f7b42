"""States, numbers and truth values, as a node's values are in the model."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import graph as graphs
from causal_jax.mechanism import Model
from causal_jax.messages import one_line
from causal_jax.types import Array


def encode(scm: Model, name: str, value: Any) -> Array:
    """A state, a number or one of them per unit, as the node's values.

    At a node with states, strings are names and arrays are indices, as `SCM.sample`
    returns them. A bare integer is an index where it cannot be mistaken for a name.
    True and False are the states of these names, whatever their order, or 1 and 0.

    Raises:
      ValueError: it is no state of the node, those that exist are listed; a bare
        integer at a node some of whose states have other integers for names; or a
        truth value where states have other names.
    """
    if np.ma.is_masked(value):
        raise ValueError(
            f"a value of {name!r} is masked: leave out what was not observed"
        )
    states = scm.states(name)
    if states is None:
        return _encoded_number(name, value)
    _require_array(name, value)
    if _are_truth_values(value):
        false, true = _truth_indices(name, states)
        return jnp.where(jnp.asarray(value), true, false).astype(jnp.int32)
    if isinstance(value, jax.core.Tracer):
        return value.astype(jnp.int32)
    if not isinstance(value, jax.Array | np.ndarray):
        _require_no_integer_names(name, states, value)
    given, value = value, np.asarray(value)
    if value.dtype.kind in "OUS":
        indices = [_state_index(name, states, state) for state in value.ravel()]
        return jnp.asarray(np.reshape(indices, value.shape).astype(np.int32))
    if value.dtype.kind in "iu":
        is_wrong = (value < 0) | (value >= len(states))
    else:
        is_wrong = ~np.isin(value, np.arange(len(states)))
    if is_wrong.any():
        wrong = value[is_wrong]
        raise ValueError(
            f"{wrong.ravel()[0]!s} is no state of {name!r}: its states are "
            f"{described_states(states)}"
        )
    is_done = isinstance(given, jax.Array) and given.dtype == jnp.int32
    return given if is_done else jnp.asarray(value.astype(np.int32))


def _require_array(name: str, value: Any) -> None:
    """Raises ValueError where numpy can make no array of what was given."""
    try:
        np.asarray(value) if not isinstance(value, jax.Array) else None
    except Exception as error:  # of lists of unequal lengths and others: any class
        raise ValueError(
            f"a {type(value).__name__} at {name!r} is neither a state nor an array of "
            "states with one for each unit"
        ) from error


def _are_truth_values(value: Any) -> bool:
    if isinstance(value, jax.Array):
        return value.dtype == bool
    return np.asarray(value).dtype.kind == "b"


def _truth_indices(name: str, states: tuple[str, ...]) -> tuple[int, int]:
    """Indices of what False and True name: "False" and "True", in any case, or 0, 1.

    Raises:
      ValueError: the states have other names, of which True could be either.
    """
    words = [state.casefold() for state in states]
    if "false" in words and "true" in words:
        return words.index("false"), words.index("true")
    if states[:2] == graphs.BINARY:
        return 0, 1
    raise ValueError(
        f"a truth value at {name!r} names no state: its states are "
        f"{described_states(states)}; give a state's name"
    )


def _require_no_integer_names(name: str, states: tuple[str, ...], value: Any) -> None:
    """Raises where a number could be a state's name or another state's index."""
    numbers = np.asarray(value)
    if numbers.dtype.kind in "US" or not _have_other_numbers_for_names(states):
        return
    bare = [v for v in numbers.ravel() if not isinstance(v, str)]
    if bare:
        number = str(bare[0])
        index = states.index(number) if number in states else None
        by_name = "no state has that name" if index is None else f"its index is {index}"
        raise ValueError(
            f"{number} at {name!r} could be a state's name ({by_name}) or an index "
            f"(its states are {described_states(states)}): write "
            f"{number!r} for the name (all of a data frame: df.astype(str)), "
            f"jnp.array({number}) for the index"
        )


def _have_other_numbers_for_names(states: tuple[str, ...]) -> bool:
    return any(_is_other_number(state, index) for index, state in enumerate(states))


def _is_other_number(state: str, index: int) -> bool:
    """Whether a name is read as a number that is not its index: "2", "2.0"."""
    try:
        number = float(state)
    except ValueError:
        return False
    return math.isfinite(number) and number != index


def _encoded_number(name: str, value: Any) -> Array:
    try:
        number = jnp.asarray(value, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        shown = one_line(repr(value), limit=200)
        raise ValueError(
            f"{shown} is no number: node {name!r} has no states, it takes numbers"
        ) from error
    traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value))
    if not traced and has_nan(value):
        raise ValueError(
            f"a value of {name!r} is NaN: give a number; what was not observed is left "
            "out of the factual"
        )
    return number


def has_nan(value: Any) -> bool:
    """Whether a concrete value is NaN somewhere.

    By numpy: inside `jit` even constants would be traced.
    """
    has_type = isinstance(value, jax.Array | np.ndarray)
    if not has_type or not jnp.issubdtype(value.dtype, jnp.floating):
        value = np.asarray(value, float)
    return bool(np.isnan(np.min(np.asarray(value), initial=0.0)))  # NaN is the least


def _is_missing(value: Any) -> bool:
    """None, NaN, and the NA and NaT of pandas: no value, though they print as one."""
    is_nan = isinstance(value, float | np.floating) and np.isnan(value)
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")


def _state_index(name: str, states: tuple[str, ...], state: Any) -> int:
    if _is_missing(state):
        raise ValueError(
            f"a value of {name!r} is {state}: give a state; what was not observed is "
            "left out of the factual"
        )
    if str(state) not in states:
        shown = one_line(repr(str(state)), limit=200)
        hint = graphs.suggestion(state, states)
        if str(state) == "-1" and states == graphs.BINARY:
            hint = "there are 0, 1; the -1 of a table of -1 and 1 is state 0"
        raise ValueError(f"{shown} is no state of {name!r}: {hint}")
    return states.index(str(state))


def described_states(states: tuple[str, ...]) -> str:
    """Indices and names, as an error shows them.

    >>> described_states(("low", "high"))
    '0 (low), 1 (high)'
    """
    if states == tuple(map(str, range(len(states)))):
        return f"0 to {len(states) - 1}"
    return ", ".join(f"{i} ({state})" for i, state in enumerate(states[:20]))
