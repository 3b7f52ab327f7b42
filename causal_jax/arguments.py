"""What users may write in `do=` and as a factual, checked and turned into arrays."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import graph as graphs
from causal_jax import interventions as iv
from causal_jax.mechanism import Intervention, Model
from causal_jax.types import Array, Shapes, Values


def interventions(
    scm: Model,
    do: Mapping[str, Any] | None,
    shapes: Shapes | None = None,
    num: int | None = None,
) -> dict[str, Intervention]:
    """`do` as {node: intervention object}; checked as far as values are concrete.

    Every public method of a model parses what users wrote here, and once only.

    Args:
      scm: the model.
      do: {node: state, number, array, function or intervention}.
      shapes: {node: shape and dtype of one unit's value}; if given, shapes are checked
        and scalars are spread over the node's own shape.
      num: how many units there are: the length of an array with one value per unit.

    Raises:
      ValueError: unknown node or state, a shape that fits neither, or a kind of
        intervention that a node with states does not have.
    """
    result = {}
    for name, value in (do or {}).items():
        graphs.require_node(scm.graph, name, role="node in do")
        result[name] = _parsed_intervention(scm, name, value)
        if shapes is not None:
            result[name] = _fitted_to_shape(name, result[name], shapes[name], num)
    return result


def _parsed_intervention(scm: Model, name: str, value: Any) -> Intervention:
    if isinstance(value, iv.Set):
        return iv.Set(encode(scm, name, value.value))
    if isinstance(value, iv.Shift | iv.Scale) and scm.states(name):
        raise ValueError(
            f"node {name!r} has states, not numbers: {type(value).__name__} does not "
            "apply; set a state, randomise or modify it"
        )
    if isinstance(value, iv.Randomize):
        return _checked_randomize(scm, name, value)
    if isinstance(value, iv.KINDS):
        return value
    return iv.Modify(value) if callable(value) else iv.Set(encode(scm, name, value))


def _checked_randomize(scm: Model, name: str, value: iv.Randomize) -> iv.Randomize:
    states = scm.states(name)
    if not states:
        raise ValueError(
            f"node {name!r} has no states: Randomize does not apply; replace its "
            "mechanism"
        )
    probs = jnp.asarray(value.probs, float)
    if probs.shape != (len(states),):
        raise ValueError(
            f"Randomize on {name!r} has probabilities of shape {probs.shape}: it needs "
            f"one for each of its {len(states)} states"
        )
    concrete = not isinstance(probs, jax.core.Tracer)
    if concrete and not (np.all(probs >= 0) and np.isclose(probs.sum(), 1, atol=1e-5)):
        raise ValueError(
            f"Randomize on {name!r}: probabilities are >= 0 and sum to one"
        )
    return iv.Randomize(probs)


def _fitted_to_shape(
    name: str,
    intervention: Intervention,
    shape: jax.ShapeDtypeStruct,
    num: int | None,
) -> Intervention:
    """Checks an intervention's shape against its node's; spreads scalars."""
    if not isinstance(intervention, iv.Set | iv.Shift | iv.Scale):
        return intervention
    (leaf,), structure = jax.tree.flatten(intervention)
    leaf = jnp.asarray(leaf)
    if leaf.ndim == 0:
        leaf = jnp.broadcast_to(leaf, shape.shape)
    if leaf.shape not in (shape.shape, (num, *shape.shape)):
        raise ValueError(
            f"do on {name!r} has shape {leaf.shape}: one value has shape "
            f"{shape.shape}, one value per unit {(num, *shape.shape)}"
        )
    fitted = leaf.astype(shape.dtype)
    if isinstance(intervention, iv.Set):  # rounded like its node, but as it was encoded
        fitted = fitted.astype(leaf.dtype)
    return jax.tree.unflatten(structure, [fitted])


def unit_axes(do: Mapping[str, Intervention], shapes: Shapes) -> dict[str, int | None]:
    """{node: 0 where it has one intervention per unit, None where all units share it}.

    Args:
      do: {node: intervention object}, fitted to shapes.
      shapes: {node: shape and dtype of one unit's value}, at least for the nodes in do.
    """
    return {name: _unit_axis(item, shapes[name]) for name, item in do.items()}


def _unit_axis(intervention: Intervention, shape: jax.ShapeDtypeStruct) -> int | None:
    if not isinstance(intervention, iv.Set | iv.Shift | iv.Scale):
        return None
    (leaf,) = jax.tree.leaves(intervention)
    return 0 if jnp.ndim(leaf) == len(shape.shape) + 1 else None


def encode(scm: Model, name: str, value: Any) -> Array:
    """A state's name, index, number or an array of them, as the node's values.

    Raises:
      ValueError: it is no state of the node; those that exist are listed.
    """
    states = scm.states(name)
    if states is None:
        return _encoded_number(name, value)
    if isinstance(value, jax.core.Tracer):
        return value.astype(jnp.int32)
    value = np.asarray(value)
    if value.dtype.kind in "OUS":
        indices = [_state_index(name, states, state) for state in value.ravel()]
        return jnp.asarray(np.reshape(indices, value.shape).astype(np.int32))
    wrong = value[~np.isin(value, np.arange(len(states)))]
    if wrong.size:
        raise ValueError(
            f"{wrong.ravel()[0]!s} is no state of {name!r}: its states are "
            f"{_described_states(states)}"
        )
    return jnp.asarray(value.astype(np.int32))


def _encoded_number(name: str, value: Any) -> Array:
    try:
        return jnp.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{value!r} is no number: node {name!r} has no states, it takes numbers"
        ) from error


def _state_index(name: str, states: tuple[str, ...], state: Any) -> int:
    if str(state) not in states:
        raise ValueError(
            f"{str(state)!r} is no state of {name!r}: "
            + graphs.suggestion(state, states)
        )
    return states.index(str(state))


def _described_states(states: tuple[str, ...]) -> str:
    if states == tuple(map(str, range(len(states)))):
        return f"0 to {len(states) - 1}"
    return ", ".join(f"{i} ({state})" for i, state in enumerate(states[:20]))


def factual(
    scm: Model, shapes: Shapes, observed: Mapping[str, Any]
) -> tuple[Values, bool, int]:
    """What was observed, as a batch; whether it was one unit; the number of units.

    Raises:
      ValueError: nothing observed, unknown node or state, or shapes that are neither
        one unit nor one batch.
    """
    if not observed:
        raise ValueError("the factual is empty: give what was observed, by node")
    encoded = {}
    for name, value in observed.items():
        graphs.require_node(scm.graph, name, role="node in the factual")
        encoded[name] = encode(scm, name, value)
        _require_unit_shape(name, encoded[name].shape, shapes[name].shape)
    extra = {v.ndim - len(shapes[n].shape) for n, v in encoded.items()}
    if extra == {0}:
        return {n: v[None] for n, v in encoded.items()}, True, 1
    nums = {v.shape[0] for v in encoded.values() if v.ndim}
    if extra != {1} or len(nums) != 1:
        shown = {n: v.shape for n, v in encoded.items()}
        raise ValueError(
            f"the factual's shapes {shown} are neither one unit nor one batch: "
            "give every node the same leading number of units"
        )
    return encoded, False, nums.pop()


def _require_unit_shape(
    name: str, shape: tuple[int, ...], unit: tuple[int, ...]
) -> None:
    """Raises where the last axes of a factual are not those of one unit's value."""
    found = shape[len(shape) - len(unit) :]
    if len(shape) >= len(unit) and found != unit:
        raise ValueError(
            f"the factual's {name!r} has shape {found} per unit, but the model's "
            f"has {unit}"
        )
