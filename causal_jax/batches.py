"""Batches of units: `evaluate` of the substituted model, vmapped and compiled.

Large models are evaluated chunk by chunk (see `chunked`), with the same result.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax

from causal_jax import abduction, arguments, chunked, factors, kinds
from causal_jax.mechanism import Intervention, Model, node_key
from causal_jax.types import Array, Key, Noise, Params, Shapes, Values

_MANY_UNITS = 1 << 16  # a program of its own for every set of nodes in do pays off


def sample_batch(
    scm: Model, params: Params, key: Key, do: Mapping[str, Intervention], num: int
) -> Values:
    """Values of a batch of units whose noise is drawn."""
    if chunked.is_large(scm):
        return chunked.sample(scm, params, key, do, num)
    return _sample_batch(scm, params, key, do, num)


@partial(jax.jit, static_argnames=("scm", "num"))
def _sample_batch(
    scm: Model, params: Params, key: Key, do: Mapping[str, Intervention], num: int
) -> Values:
    model, _ = scm._substitute_parsed(params, do)
    return evaluate_batch(scm, params, model.sample_noise(key, num), do)


def sample_part(
    scm: Model,
    params: Params,
    key: Key,
    do: Mapping[str, Intervention],
    first: int,
    num: int,
    size: int,
) -> Values:
    """`size` units from `first` on, of the `num` units that `sample_batch` draws.

    Noise is made where it is used: XLA makes that of these units alone.
    """
    if chunked.is_large(scm):
        return chunked.sample(scm, params, key, do, num, first=first, size=size)
    return _sample_part(scm, params, key, do, first, num, size)


@partial(jax.jit, static_argnames=("scm", "num", "size"))
def _sample_part(
    scm: Model,
    params: Params,
    key: Key,
    do: Mapping[str, Intervention],
    first: Array,
    num: int,
    size: int,
) -> Values:
    model, _ = scm._substitute_parsed(params, do)
    noise = _units(model.sample_noise(key, num), first, size)
    return evaluate_batch(scm, params, noise, do)


def twins_part(
    scm: Model,
    params: Params,
    key: Key,
    do: Mapping[str, Intervention],
    first: int,
    num: int,
    size: int,
) -> tuple[Values, Values]:
    """The same of `SCM.twins`: both worlds of some of the `num` units."""
    if not chunked.is_large(scm):
        return _twins_part(scm, params, key, do, first, num, size)
    part = partial(chunked.sample, scm, params, key, num=num, first=first, size=size)
    return part(do={}), part(do=do, key_fresh=jax.random.fold_in(key, 1))


@partial(jax.jit, static_argnames=("scm", "num", "size"))
def _twins_part(
    scm: Model,
    params: Params,
    key: Key,
    do: Mapping[str, Intervention],
    first: Array,
    num: int,
    size: int,
) -> tuple[Values, Values]:
    noise = scm.sample_noise(key, num)
    noise_do = with_fresh_noise(scm, jax.random.fold_in(key, 1), noise, do, num)
    factual = evaluate_batch(scm, params, _units(noise, first, size), {})
    return factual, evaluate_batch(scm, params, _units(noise_do, first, size), do)


def _units(tree: Any, first: Array, size: int) -> Any:
    """Some units of a batch."""
    return jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, first, size), tree)


def evaluate_batch(
    scm: Model, params: Params, noise: Noise, do: Mapping[str, Intervention]
) -> Values:
    """Values of a batch; one unit is `evaluate` of the substituted model."""
    if chunked.is_large(scm):
        return chunked.evaluate(scm, params, noise, do)
    return _evaluate_batch(scm, params, noise, do)


@partial(jax.jit, static_argnames=("scm",))
def _evaluate_batch(
    scm: Model, params: Params, noise: Noise, do: Mapping[str, Intervention]
) -> Values:
    def one_unit(do: Mapping[str, Intervention], noise: Noise) -> Values:
        model, model_params = scm._substitute_parsed(params, do)
        return model.evaluate(model_params, noise)

    shapes = kinds.value_shapes(scm, params) if do else {}
    axes = arguments.unit_axes(do, shapes)
    return jax.vmap(one_unit, in_axes=(axes, 0))(do, noise)


def is_imagined_at_once(scm: Model, factual: Values, shapes: Shapes, num: int) -> bool:
    """Whether counterfactuals of numbers are worth one program, see `imagined`."""
    return (
        num >= _MANY_UNITS
        and not chunked.is_large(scm)
        and all(shape.shape == () for shape in shapes.values())
        and not factors.groups(scm, factual)
    )


def imagined(
    scm: Model,
    params: Params,
    key: Key,
    factual: Values,
    do: Mapping[str, Intervention],
    num: int,
) -> tuple[Values, dict[str, Array]]:
    """What units would have been, and which of what was observed fits, by node.

    Abduction and evaluation in one program: noise of many units is never written down.
    """
    abduction.require_laws(scm, factual)
    free = abduction.undetermined(scm, params, factual)
    return _imagined(scm, params, key, factual, do, num, free)


@partial(jax.jit, static_argnames=("scm", "num", "free"))
def _imagined(
    scm: Model,
    params: Params,
    key: Key,
    factual: Values,
    do: Mapping[str, Intervention],
    num: int,
    free: frozenset[str],
) -> tuple[Values, dict[str, Array]]:
    noise, fits = abduction.noise_of_values(
        scm, params, key, factual, {}, {}, {}, num=num, free=free
    )
    noise = with_fresh_noise(scm, jax.random.fold_in(key, 1), noise, do, num)
    return evaluate_batch(scm, params, noise, do), fits


def first_unit(tree: Any) -> Any:
    """The first unit of a batch."""
    return jax.tree.map(lambda leaf: leaf[0], tree)


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
