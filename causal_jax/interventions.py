"""Interventions: what `do=` puts in the place of a node's mechanism.

An intervention is a registered dataclass: its values are pytree leaves (traced: one
compilation serves many values, and a grid of interventions is a `vmap`), its kind is
static. It has one method, `substitute(mechanism, params) -> (mechanism, params)`.

`Set`, `Shift`, `Scale` and `Modify` keep the node's noise slot, so that noise never
changes its structure and a counterfactual is the same noise under another model.
`Randomize` and `Replace` bring their own noise (`fresh_noise`): a counterfactual draws
it afresh there and keeps the abducted noise everywhere else.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp

from causal_jax.mechanism import Mechanism
from causal_jax.tabular import Tabular
from causal_jax.types import Array, Key, Noise, Params

_Class = TypeVar("_Class", bound=type)


@dataclass_transform(frozen_default=True)
def _pytree_dataclass(
    data_fields: list[str], meta_fields: list[str] | None = None
) -> Callable[[_Class], _Class]:
    """A frozen dataclass as a pytree whose structure tells its class.

    `jax.tree_util.register_dataclass` would not do: the structures of two classes with
    equally many data fields compare equal (jax 0.10.2), so `jax.jit` may, by chance of
    a hash, run the program that it compiled for a `Scale` on a `Shift`.
    """
    meta_fields = meta_fields or []

    def decorate(cls):
        cls = dataclasses.dataclass(frozen=True)(cls)

        def flatten_with_keys(item):
            keys = map(jax.tree_util.GetAttrKey, data_fields)
            meta = tuple(getattr(item, name) for name in meta_fields)
            return [(key, getattr(item, key.name)) for key in keys], meta

        def unflatten(meta, data):
            fields = zip(data_fields + meta_fields, (*data, *meta), strict=True)
            return cls(**dict(fields))

        jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten)
        return cls

    return decorate


class ByIdentity:
    """A function that equals itself alone, as what programs are compiled for.

    Objects that are called, and methods of objects, may equal others, or what they were
    themselves before a field was changed; some cannot be compared, or hashed.
    """

    def __init__(self, fn: Callable) -> None:
        self.fn = fn

    @classmethod
    def of(cls, fn: Callable) -> "ByIdentity":
        """Wraps a function, unless it is wrapped already."""
        return fn if isinstance(fn, cls) else cls(fn)

    def __call__(self, *args: Any) -> Any:
        return self.fn(*args)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and self.fn is other.fn

    def __hash__(self) -> int:
        return id(self.fn)


@_pytree_dataclass(["value"])
class Set:
    """do(X = value): a scalar, a state, or one value per unit `[num, ...]`.

    >>> from causal_jax import SCM, bernoulli, graph
    >>> mechanism, table = bernoulli(0.5)
    >>> scm, params = SCM(graph.build([], nodes=["A"]), {"A": mechanism}), {"A": table}
    >>> scm.sample(params, jax.random.key(0), num=3, do={"A": Set(1)})["A"].tolist()
    [1, 1, 1]
    """

    value: Array
    fresh_noise: ClassVar[bool] = False

    def substitute(
        self, mechanism: Mechanism, params: Params
    ) -> tuple[Mechanism, Params]:
        del params
        return Fixed(mechanism), {"value": self.value}


@_pytree_dataclass(["amount"])
class Shift:
    """X becomes its natural value plus `amount`; for numbers, not for states.

    >>> from causal_jax import SCM, Constant, graph
    >>> scm = SCM(graph.build([], nodes=["X"]), {"X": Constant()})
    >>> params = {"X": {"value": jnp.array(3.0)}}
    >>> scm.sample(params, jax.random.key(0), do={"X": Shift(2.0)})["X"].tolist()
    [5.0]
    """

    amount: Array
    fresh_noise: ClassVar[bool] = False

    def substitute(
        self, mechanism: Mechanism, params: Params
    ) -> tuple[Mechanism, Params]:
        return Shifted(mechanism), {"inner": params, "amount": self.amount}


@_pytree_dataclass(["factor"])
class Scale:
    """X becomes `factor` times its natural value; for numbers, not for states.

    >>> from causal_jax import SCM, Constant, graph
    >>> scm = SCM(graph.build([], nodes=["X"]), {"X": Constant()})
    >>> params = {"X": {"value": jnp.array(3.0)}}
    >>> scm.sample(params, jax.random.key(0), do={"X": Scale(2.0)})["X"].tolist()
    [6.0]
    """

    factor: Array
    fresh_noise: ClassVar[bool] = False

    def substitute(
        self, mechanism: Mechanism, params: Params
    ) -> tuple[Mechanism, Params]:
        return Scaled(mechanism), {"inner": params, "factor": self.factor}


@_pytree_dataclass([], ["fn"])
class Modify:
    """X becomes `fn(value, parents)`: a policy of its natural value and its parents.

    Attributes:
      fn: pure function of the node's natural value and the tuple of its parents'
        values, in the graph's parent order; it returns the node's own shape, and at a
        node with states an index. Compiled once for each function object.

    >>> from causal_jax import SCM, bernoulli, graph
    >>> mechanism, table = bernoulli(0.5)
    >>> scm, params = SCM(graph.build([], nodes=["A"]), {"A": mechanism}), {"A": table}
    >>> key, flip = jax.random.key(0), Modify(lambda value, parents: 1 - value)
    >>> before = scm.sample(params, key, num=4)["A"]
    >>> after = scm.sample(params, key, num=4, do={"A": flip})["A"]
    >>> (before + after).tolist()
    [1, 1, 1, 1]
    """

    fn: Callable[[Array, tuple], Array]
    fresh_noise: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "fn", ByIdentity.of(self.fn))

    def substitute(
        self, mechanism: Mechanism, params: Params
    ) -> tuple[Mechanism, Params]:
        return Modified(mechanism, self.fn), params


@_pytree_dataclass(["probs"])
class Randomize:
    """A randomised trial: the state is drawn with `probs`, whatever the parents are.

    Attributes:
      probs: [num_states], at least zero and summing to one.

    >>> from causal_jax import SCM, bernoulli, graph
    >>> mechanism, table = bernoulli(0.0)
    >>> scm, params = SCM(graph.build([], nodes=["A"]), {"A": mechanism}), {"A": table}
    >>> trial = Randomize(jnp.array([0.5, 0.5]))
    >>> drawn = scm.sample(params, jax.random.key(0), num=1000, do={"A": trial})["A"]
    >>> bool(abs(drawn.mean() - 0.5) < 0.08)
    True
    """

    probs: Array
    fresh_noise: ClassVar[bool] = True

    def substitute(
        self, mechanism: Mechanism, params: Params
    ) -> tuple[Mechanism, Params]:
        del mechanism, params
        probs = jnp.asarray(self.probs)
        return IgnoresParents(Tabular(probs.shape[-1])), {"probs": probs}


@_pytree_dataclass(["params"], ["mechanism"])
class Replace:
    """Another mechanism, with its own parameters and noise, in the node's place.

    >>> from causal_jax import SCM, bernoulli, graph
    >>> (never, table), always = bernoulli(0.0), bernoulli(1.0)
    >>> scm, params = SCM(graph.build([], nodes=["A"]), {"A": never}), {"A": table}
    >>> do = {"A": Replace(*always)}
    >>> scm.sample(params, jax.random.key(0), num=3, do=do)["A"].tolist()
    [1, 1, 1]
    """

    mechanism: Mechanism
    params: Params
    fresh_noise: ClassVar[bool] = True

    def substitute(
        self, mechanism: Mechanism, params: Params
    ) -> tuple[Mechanism, Params]:
        del mechanism, params
        return self.mechanism, self.params


KINDS = (Set, Shift, Scale, Modify, Randomize, Replace)


# --- what stands at the node afterwards ------------------------------------------


@dataclasses.dataclass(frozen=True)
class _MechanismWrapper:
    """A mechanism around the original one; the noise is the original's."""

    inner: Mechanism

    def init(self, key: Key, parents: tuple) -> Params:
        raise NotImplementedError("an intervened node gets its params by substitution")

    def noise(self, key: Key, num: int) -> Noise:
        return self.inner.noise(key, num)

    @property
    def num_states(self) -> int | None:
        return getattr(self.inner, "num_states", None)


@dataclasses.dataclass(frozen=True)
class Fixed(_MechanismWrapper):
    """The value is `params["value"]`; the noise slot stays but is not used."""

    def apply(self, params: Params, parents: tuple, noise: Noise) -> Array:
        del parents, noise
        return params["value"]


@dataclasses.dataclass(frozen=True)
class Settable(_MechanismWrapper):
    """The value is `params["setting"]`, or the natural one where that is a NaN.

    So one program serves every set of nodes that are set.
    """

    def init(self, key: Key, parents: tuple) -> Params:
        return {"inner": self.inner.init(key, parents), "setting": jnp.nan}

    def apply(self, params: Params, parents: tuple, noise: Noise) -> Array:
        value = self.inner.apply(params["inner"], parents, noise)
        setting = params["setting"]
        is_natural = jnp.isnan(setting)
        known = jnp.where(is_natural, 0, setting).astype(value.dtype)
        return jnp.where(is_natural, value, known)


@dataclasses.dataclass(frozen=True)
class Shifted(_MechanismWrapper):
    """`inner + amount`."""

    def apply(self, params: Params, parents: tuple, noise: Noise) -> Array:
        return self.inner.apply(params["inner"], parents, noise) + params["amount"]


@dataclasses.dataclass(frozen=True)
class Scaled(_MechanismWrapper):
    """`factor * inner`."""

    def apply(self, params: Params, parents: tuple, noise: Noise) -> Array:
        return self.inner.apply(params["inner"], parents, noise) * params["factor"]


@dataclasses.dataclass(frozen=True)
class Modified(_MechanismWrapper):
    """`fn(inner, parents)`, of the node's own shape and dtype."""

    fn: Callable[[Array, tuple], Array]

    def apply(self, params: Params, parents: tuple, noise: Noise) -> Array:
        value = self.inner.apply(params, parents, noise)
        new = jnp.asarray(self.fn(value, parents))
        is_state = jnp.issubdtype(value.dtype, jnp.integer)
        if new.shape != value.shape or (
            is_state and jnp.issubdtype(new.dtype, jnp.inexact)
        ):
            raise ValueError(
                f"the function in do returns {new.dtype}{list(new.shape)}, the node's "
                f"value is {value.dtype}{list(value.shape)}: return the same"
            )
        return new.astype(value.dtype)


@dataclasses.dataclass(frozen=True)
class IgnoresParents:
    """A root mechanism at a node whose edges from its parents are cut."""

    inner: Any

    def init(self, key: Key, parents: tuple) -> Params:
        del parents
        return self.inner.init(key, ())

    def noise(self, key: Key, num: int) -> Noise:
        return self.inner.noise(key, num)

    def apply(self, params: Params, parents: tuple, noise: Noise) -> Array:
        del parents
        return self.inner.apply(params, (), noise)

    def log_prob(self, params: Params, parents: tuple, value: Array) -> Array:
        del parents
        return self.inner.log_prob(params, (), value)

    def log_probs(self, params: Params, parents: tuple) -> Array:
        del parents
        return self.inner.log_probs(params, ())

    def abduct(self, params: Params, parents: tuple, value: Array, key: Key) -> Noise:
        del parents
        return self.inner.abduct(params, (), value, key)

    @property
    def num_states(self) -> int | None:
        return getattr(self.inner, "num_states", None)

    @property
    def coupling(self) -> str | None:
        return getattr(self.inner, "coupling", None)
