"""Batches of units: `evaluate` of the substituted model, vmapped and compiled."""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from causal_jax import arguments
from causal_jax.mechanism import Intervention, Model, node_key
from causal_jax.types import Array, Key, Noise, Params, Shapes, Values


@partial(jax.jit, static_argnames=("scm", "num"))
def sample_batch(
    scm: Model, params: Params, key: Key, do: Mapping[str, Intervention], num: int
) -> Values:
    """Values of a batch of units whose noise is drawn."""
    model, _ = scm._substitute_parsed(params, do)
    return evaluate_batch(scm, params, model.sample_noise(key, num), do)


@partial(jax.jit, static_argnames=("scm", "num", "size"))
def sample_part(
    scm: Model,
    params: Params,
    key: Key,
    do: Mapping[str, Intervention],
    first: Array,
    num: int,
    size: int,
) -> Values:
    """`size` units from `first` on, of the `num` units that `sample_batch` draws.

    Noise is made where it is used: XLA makes that of these units alone.
    """
    model, _ = scm._substitute_parsed(params, do)
    noise = _units(model.sample_noise(key, num), first, size)
    return evaluate_batch(scm, params, noise, do)


@partial(jax.jit, static_argnames=("scm", "num", "size"))
def twins_part(
    scm: Model,
    params: Params,
    key: Key,
    do: Mapping[str, Intervention],
    first: Array,
    num: int,
    size: int,
) -> tuple[Values, Values]:
    """The same of `SCM.twins`: both worlds of some of the `num` units."""
    noise = scm.sample_noise(key, num)
    noise_do = with_fresh_noise(scm, jax.random.fold_in(key, 1), noise, do, num)
    factual = evaluate_batch(scm, params, _units(noise, first, size), {})
    return factual, evaluate_batch(scm, params, _units(noise_do, first, size), do)


def _units(tree: Any, first: Array, size: int) -> Any:
    """Some units of a batch."""
    return jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, first, size), tree)


@partial(jax.jit, static_argnames=("scm",))
def evaluate_batch(
    scm: Model, params: Params, noise: Noise, do: Mapping[str, Intervention]
) -> Values:
    """Values of a batch; one unit is `evaluate` of the substituted model."""

    def one_unit(do: Mapping[str, Intervention], noise: Noise) -> Values:
        model, model_params = scm._substitute_parsed(params, do)
        return model.evaluate(model_params, noise)

    shapes = value_shapes(scm, params) if do else {}
    axes = arguments.unit_axes(do, shapes)
    return jax.vmap(one_unit, in_axes=(axes, 0))(do, noise)


def first_unit(tree: Any) -> Any:
    """The first unit of a batch."""
    return jax.tree.map(lambda leaf: leaf[0], tree)


def value_shapes(scm: Model, params: Params) -> Shapes:
    """{node: shape and dtype of one unit's value}; traced once for each kind of model.

    Args:
      scm: the model.
      params: its parameters, of which only structure and shapes are used.
    """
    leaves, structure = jax.tree.flatten(params)
    shapes = [jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)) for x in leaves]
    return dict(_value_shapes(scm, structure, tuple(shapes)))


@lru_cache(maxsize=64)
def _value_shapes(scm: Model, structure: Any, leaves: tuple) -> Shapes:
    def one_unit(params: Params) -> Values:
        noise = scm.sample_noise(jax.random.key(0), 1)
        return scm.evaluate(params, first_unit(noise))

    return jax.eval_shape(one_unit, jax.tree.unflatten(structure, leaves))


def with_fresh_noise(
    scm: Model, key: Key, noise: Noise, do: Mapping[str, Intervention], num: int
) -> Noise:
    """`noise`, drawn afresh where an intervention brings its own."""
    noise = dict(noise)
    for name, item in do.items():
        if item.fresh_noise:
            mechanism, _ = item.substitute(scm.mechanisms[name], None)
            noise[name] = mechanism.noise(node_key(key, name), num)
    return noise
