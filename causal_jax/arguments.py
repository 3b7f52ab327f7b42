"""What users may write in a call (`do=`, a factual, a key), checked and made arrays."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import graph as graphs
from causal_jax import interventions as iv
from causal_jax.encoding import described_states, encode, has_nan
from causal_jax.mechanism import Intervention, Model, require_mechanism, require_parents
from causal_jax.messages import of_node
from causal_jax.parameters import require_node_params
from causal_jax.types import Array, Params, Shapes, Values


def require_seed(seed: Any) -> None:
    """Raises ValueError where a seed is none, or draws what another one does."""
    if type(seed) is not int or not 0 <= seed < 1 << 32:
        raise ValueError(f"a seed is a whole number from 0 to 2^32 - 1, not {seed!r}")


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
    for name, value in as_mapping({} if do is None else do, "do").items():
        graphs.require_node(scm.graph, name, role="node in do")
        result[name] = _parsed_intervention(scm, name, value)
        if shapes is not None:
            result[name] = _fitted_to_shape(name, result[name], shapes[name], num)
            _require_shape_of_replacement(scm, name, result[name], shapes)
            _require_no_truth_value(scm, name, result[name], shapes)
    return result


def _require_no_truth_value(
    scm: Model, name: str, intervention: Intervention, shapes: Shapes
) -> None:
    """Raises where a function says True or False at a node that has other states."""
    states = scm.states(name)
    if not isinstance(intervention, iv.Modify) or not states:
        return
    parents = tuple(shapes[parent] for parent in scm.parents[name])
    value = jax.eval_shape(intervention.fn, shapes[name], parents)
    is_truth = jnp.issubdtype(value.dtype, jnp.bool_)
    if is_truth and states[:2] != graphs.BINARY:
        raise ValueError(
            f"the function in do returns a truth value for {name!r}: return an index, "
            f"{described_states(states)}"
        )


def _parsed_intervention(scm: Model, name: str, value: Any) -> Intervention:
    if isinstance(value, iv.Set):
        return iv.Set(encode(scm, name, value.value))
    if isinstance(value, iv.Shift | iv.Scale) and scm.states(name):
        raise ValueError(
            f"node {name!r} has states, not numbers: {type(value).__name__} does not "
            "apply; set a state, randomise or modify it"
        )
    if isinstance(value, iv.Shift | iv.Scale):
        leaves = jax.tree.leaves(value)
        _as_numbers(leaves[0] if len(leaves) == 1 else None, f"do on {name!r}")
    if isinstance(value, iv.Randomize):
        return _checked_randomize(scm, name, value)
    if isinstance(value, iv.Replace):
        require_mechanism(name, value.mechanism)
        require_node_params(name, value.mechanism, value.params)
        _require_fitting_mechanism(scm, name, value.mechanism)
    if isinstance(value, iv.KINDS):
        return value
    if not callable(value):
        return iv.Set(encode(scm, name, value))
    require_arguments(value, ("value", "parents"), f"do on {name!r}")
    return iv.Modify(value)


def _require_fitting_mechanism(scm: Model, name: str, mechanism: Any) -> None:
    """Raises ValueError where a mechanism cannot stand in a node's place."""
    own = getattr(mechanism, "num_states", None)
    if own is not None and scm.states(name) and own != len(scm.states(name)):
        raise ValueError(
            f"do replaces node {name!r}, which has {len(scm.states(name))} states, by "
            f"a mechanism of {own}"
        )
    require_parents(scm, name, mechanism)


def _require_shape_of_replacement(
    scm: Model, name: str, intervention: Intervention, shapes: Shapes
) -> None:
    """Raises where the mechanism in a node's place has values of another shape."""
    if not isinstance(intervention, iv.Replace):
        return

    def one_unit(params: Params, parents: tuple) -> Array:
        noise = intervention.mechanism.noise(jax.random.key(0), 1)
        noise = jax.tree.map(lambda leaf: leaf[0], noise)
        return jnp.asarray(intervention.mechanism.apply(params, parents, noise))

    parents = tuple(shapes[parent] for parent in scm.parents[name])
    with of_node(name, scm.parents[name]):
        found = jax.eval_shape(one_unit, intervention.params, parents)
    if found.shape != shapes[name].shape:
        raise ValueError(
            f"do replaces node {name!r}, whose values have shape {shapes[name].shape}, "
            f"by a mechanism of values of shape {found.shape}"
        )


def require_arguments(fn: Callable, names: tuple[str, ...], where: str) -> None:
    """Raises ValueError unless a function takes so many arguments."""
    try:
        inspect.signature(fn).bind(*names)
    except TypeError as error:
        raise ValueError(
            f"{where}: the function is called with ({', '.join(names)}), which it "
            f"does not take ({error})"
        ) from error
    except ValueError:  # of C, without a signature
        return


def _checked_randomize(scm: Model, name: str, value: iv.Randomize) -> iv.Randomize:
    states = scm.states(name)
    if not states:
        raise ValueError(
            f"node {name!r} has no states: Randomize does not apply; replace its "
            "mechanism"
        )
    probs = _as_numbers(value.probs, f"Randomize on {name!r}")
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


def _as_numbers(value: Any, where: str) -> Array:
    try:
        numbers = jnp.asarray(value, float)
    except Exception as error:  # of words, None, lists of unequal lengths: any class
        raise ValueError(
            f"{where} holds a {type(value).__name__} where numbers are needed"
        ) from error
    if not isinstance(numbers, jax.core.Tracer) and has_nan(numbers):
        raise ValueError(f"{where} holds a NaN where numbers are needed")
    return numbers


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
        per_unit = f", one value per unit {(num, *shape.shape)}" if num else ""
        raise ValueError(
            f"do on {name!r} has shape {leaf.shape}: one value has shape "
            f"{shape.shape}{per_unit}"
        )
    if not isinstance(intervention, iv.Set) and shape.dtype.kind in "bu":
        raise ValueError(
            f"node {name!r} is of type {shape.dtype}, without negative numbers: "
            f"{type(intervention).__name__} does not apply; give a function of its "
            "value"
        )
    fitted = _as_values_of(name, leaf, shape, "give a function of its value")
    return jax.tree.unflatten(structure, [fitted])


def _as_values_of(
    name: str, values: Array, unit: jax.ShapeDtypeStruct, way_out: str
) -> Array:
    """Numbers in the type of a node's values.

    Raises:
      ValueError: a node of whole numbers or truth values cannot have these.
    """
    fitted = values.astype(unit.dtype)
    is_narrow = unit.dtype.kind in "iub" and not isinstance(values, jax.core.Tracer)
    if is_narrow and (lost := np.asarray(values) != np.asarray(fitted)).any():
        raise ValueError(
            f"node {name!r} has values of type {unit.dtype}: "
            f"{np.asarray(values)[lost].ravel()[0]} would be cut; {way_out}"
        )
    return fitted


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


def factual(
    scm: Model, shapes: Shapes, observed: Mapping[str, Any]
) -> tuple[Values, bool, int]:
    """What was observed, as a batch; whether it was one unit; the number of units.

    Raises:
      ValueError: nothing observed, unknown node or state, or shapes that are neither
        one unit nor one batch.
    """
    observed = as_mapping(observed, "factual")
    if not observed:
        raise ValueError("the factual is empty: give what was observed, by node")
    encoded = {}
    for name, value in observed.items():
        graphs.require_node(scm.graph, name, role="node in the factual")
        _require_no_bytes(name, value, shapes[name])
        encoded[name] = encode(scm, name, value)
        if scm.states(name) is None:
            encoded[name] = _as_values_of(
                name, encoded[name], shapes[name], "it is no value of this node"
            )
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


def _require_no_bytes(name: str, value: Any, unit: jax.ShapeDtypeStruct) -> None:
    """Raises where pixels of a file are given for an array of floats."""
    is_array = unit.shape and jnp.issubdtype(unit.dtype, jnp.floating)
    if is_array and getattr(value, "dtype", None) == jnp.uint8:
        raise ValueError(
            f"the factual's {name!r} holds bytes, the model's values are floats: give "
            "pixels in [-1, 1], value / 127.5 - 1"
        )


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


def as_mapping(values: Any, role: str) -> Mapping[str, Any]:
    """A dict, a data frame or a row of one (pandas, polars, pyarrow) as {name: values}.

    Raises:
      ValueError: it is none of these.
    """
    if isinstance(values, Mapping):
        return values
    columns = getattr(values, "column_names", getattr(values, "columns", None))
    if columns is not None:
        return {str(name): values[name] for name in columns}
    if hasattr(values, "items"):
        return dict(values.items())
    raise ValueError(
        f"{role} is a {type(values).__name__}: give {{node: value}} or a data frame"
    )


def require_key(key: Any) -> None:
    """Raises ValueError unless it is one random key of JAX."""
    dtype, shape = getattr(key, "dtype", None), getattr(key, "shape", None)
    is_new = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
    is_old = dtype == jnp.uint32 and shape in ((2,), (4,))
    if not (is_new and shape == ()) and not is_old:
        shown = f"an array of shape {shape}" if shape else repr(key)
        raise ValueError(f"key is {shown}: give one random key, jax.random.key(0)")


def require_num(num: Any) -> None:
    """Raises ValueError unless it is a number of units."""
    if isinstance(num, bool) or not isinstance(num, int | np.integer) or num < 1:
        raise ValueError(f"num is {num!r}: give how many units to draw, at least 1")
    if num >= 2**31:  # indices are int32
        raise ValueError(f"num is {num:,}: at most {2**31 - 1:,} are drawn at once")


def require_states(scm: Model, values: Values, do: Mapping[str, Intervention]) -> None:
    """Raises ValueError where a function or mechanism in `do` made what is no state.

    In the `do` of this call, or a function in that of `SCM.substitute` before.
    """
    made = {n: m for n, m in scm.mechanisms.items() if isinstance(m, iv.Modified)}
    for name, item in (made | dict(do)).items():
        states, value = scm.states(name), values[name]
        if not isinstance(item, iv.Modify | iv.Modified | iv.Replace) or not states:
            continue
        if isinstance(value, jax.core.Tracer):
            return
        value = np.asarray(value)
        wrong = value[~np.isin(value, np.arange(len(states)))]
        if wrong.size:
            what = "mechanism" if isinstance(item, iv.Replace) else "function"
            raise ValueError(
                f"the {what} in do returns {wrong[0]} for {name!r}, which is no "
                f"state: return an index, {described_states(states)}"
            )
