"""Mechanisms: the pure function of one node, and its smallest instances.

Beside the protocol of a mechanism stand those of an intervention and of a model: what
the parts of the core need to know of each other.

A structural causal model assigns to every node `x = f(parents, noise)` (Pearl 2009,
Definition 7.1.1). A mechanism is that f, with its learned parameters outside: it is a
frozen dataclass, equal by value and hashable, so that it can be a static argument of
`jax.jit`.
"""

import dataclasses
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from causal_jax.coupling import (
    HAIR,
    truncated_gumbel,
    uniform_of_state,
    upper_edges,
)
from causal_jax.types import Array, Key, Noise, Params, Values


@runtime_checkable
class Mechanism(Protocol):
    """What every node's function offers.

    Parents are a tuple in the graph's parent order, never a dict: JAX re-sorts the keys
    of dicts in every transform, which would silently swap columns.

    Optional methods:
      abduct(params, parents, value, key) -> noise: a draw of the noise given what was
        observed; ONE unit.
      undetermined(params) -> bool, of the noise's shape: where a value says nothing of
        the noise, which is then the prior's. With it `abduct` is given no key, and
        draws are spared where everything is determined.
      log_prob(params, parents, value) -> scalar: log density or mass of the value.
      log_probs(params, parents) -> [num_states]: the same of all states of a discrete
        node; with them it is inferred exactly where it was not observed.
      apply_train(params, parents, noise) -> (values, params): a BATCH of units, for
        mechanisms with batch statistics; returns params whose statistics are updated.
      check(name, parent_num_states): raises ValueError where the graph does not fit.
      check_params(name, params): raises ValueError where concrete parameters do not.
    """

    def init(self, key: Key, parents: tuple) -> Params:
        """Parameters, given one unit's parent values (only shapes are used)."""

    def noise(self, key: Key, num: int) -> Noise:
        """Exogenous noise, every leaf `[num, ...]`, from one key for the node."""

    def apply(self, params: Params, parents: tuple, noise: Noise) -> Array:
        """The value of ONE unit; pure, always in evaluation mode."""


class Intervention(Protocol):
    """What `do=` puts in the place of a node's mechanism, see `interventions`.

    Attributes:
      fresh_noise: whether it brings its own noise; else it keeps the node's noise slot.
    """

    fresh_noise: ClassVar[bool]

    def substitute(
        self, mechanism: Mechanism, params: Params
    ) -> tuple[Mechanism, Params]:
        """The mechanism that stands at the node afterwards, and its parameters."""


class Model(Protocol):
    """What the parts of the core need to know of an `SCM`; hashable, equal by value."""

    @property
    def graph(self) -> nx.DiGraph: ...

    @property
    def mechanisms(self) -> Mapping[str, Mechanism]: ...

    @property
    def nodes(self) -> tuple[str, ...]: ...

    @property
    def order(self) -> tuple[str, ...]: ...

    @property
    def parents(self) -> Mapping[str, tuple[str, ...]]: ...

    def states(self, name: str) -> tuple[str, ...] | None: ...

    def sample_noise(self, key: Key, num: int) -> Noise: ...

    def evaluate(self, params: Params, noise: Noise) -> Values: ...

    def _substitute_parsed(
        self, params: Params, do: Mapping[str, Intervention]
    ) -> "tuple[Model, Params]": ...


def node_key(key: Key, name: str) -> Key:
    """The key of one node's noise: independent of which other nodes exist."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def require_distinct_keys(names: Iterable[str]) -> None:
    """Raises ValueError where `node_key` would be the same for two nodes."""
    seen: dict[int, str] = {}
    for name in names:
        other = seen.setdefault(zlib.crc32(name.encode()), name)
        if other != name:
            raise ValueError(
                f"nodes {other!r} and {name!r} would share their random key: "
                "rename one of them"
            )


def require_mechanism(name: str, mechanism: Any) -> None:
    """Raises ValueError where a node's mechanism is something else."""
    if isinstance(mechanism, tuple) and not hasattr(mechanism, "apply"):
        raise ValueError(
            f"the mechanism of node {name!r} is a tuple: of the pair that such as "
            "bernoulli(.3) return, give SCM the first; the second are its parameters"
        )
    for method in ("init", "noise", "apply"):
        if not callable(getattr(mechanism, method, None)):
            raise ValueError(
                f"the mechanism of node {name!r}, a {type(mechanism).__name__}, has no "
                f"method {method!r}: give one such as Tabular(2) or AdditiveNoise(fn)"
            )


def require_parents(model: Model, name: str, mechanism: Any) -> None:
    """Raises ValueError where a mechanism does not fit the parents of a node."""
    if check := getattr(mechanism, "check", None):
        parents = (model.states(parent) for parent in model.parents[name])
        check(name, tuple(None if s is None else len(s) for s in parents))


def _no_params(key: Key, parents: tuple) -> Params:
    del key, parents
    return {}


class Discrete:
    """Base of binary and categorical mechanisms: a state in 0..num_states-1.

    Subclasses are frozen dataclasses with the fields `num_states` and `coupling`, and
    define `init` and `log_probs(params, parents) -> [num_states]`.

    The noise of a unit is coupled to its state in one of two ways. They agree on
    everything that can be seen or done, but are different counterfactual laws for more
    than two states:
      "inverse_cdf": one uniform u; the state is the number of cumulated probabilities
        not above u, states in their declared order. Monotone; for binary nodes the
        canonical choice.
      "gumbel": one Gumbel variable per state; the state is argmax(log p + g), which is
        counterfactually stable (Oberst & Sontag 2019).
    """

    num_states: int
    coupling: str
    hair: ClassVar[float] = HAIR  # see `coupling.uniform_between`

    def __post_init__(self) -> None:
        if type(self).apply is Discrete.apply:  # or its coupling is its own affair
            _require_word(self, "coupling", ("inverse_cdf", "gumbel"))

    def log_probs(self, params: Params, parents: tuple) -> Array:
        raise NotImplementedError

    def probs(self, params: Params, parents: tuple) -> Array:
        """`exp(log_probs)`, zero only where they are minus infinity."""
        log_probs = self.log_probs(params, parents)
        smallest = jnp.finfo(log_probs.dtype).tiny
        probs = jnp.maximum(jnp.exp(log_probs), smallest)
        return jnp.where(jnp.isneginf(log_probs), 0.0, probs)

    def noise(self, key: Key, num: int) -> Array:
        """Uniforms `[num]`, or Gumbel variables `[num, num_states]`."""
        if self.coupling == "gumbel":
            return jax.random.gumbel(key, (num, self.num_states))
        return jax.random.uniform(key, (num,))

    def apply(self, params: Params, parents: tuple, noise: Array) -> Array:
        """The state, int32 []."""
        law = self.law(params, parents)
        if self.coupling == "gumbel":
            return jnp.argmax(law + noise).astype(jnp.int32)
        return jnp.sum(noise >= upper_edges(law)).astype(jnp.int32)

    def log_prob(self, params: Params, parents: tuple, value: Array) -> Array:
        """Minus infinity where the value is no state."""
        state, last = value.astype(jnp.int32), self.num_states - 1
        log_prob = self.log_probs(params, parents)[jnp.clip(state, 0, last)]
        return jnp.where((state < 0) | (state > last), -jnp.inf, log_prob)

    def abduct(self, params: Params, parents: tuple, value: Array, key: Key) -> Array:
        """A draw of the noise from its exact posterior given the observed state."""
        if self.coupling == "gumbel":
            return truncated_gumbel(key, self.log_probs(params, parents), value)
        probs = self.probs(params, parents)
        return uniform_of_state(probs, value, jax.random.uniform(key), self.hair)

    def law(self, params: Params, parents: tuple) -> Array:
        """What the coupling needs: `log_probs` of "gumbel", `probs` of the other."""
        is_gumbel = self.coupling == "gumbel"
        return (self.log_probs if is_gumbel else self.probs)(params, parents)


def _require_word(mechanism: Any, field: str, known: tuple[str, ...]) -> None:
    """Raises ValueError where a field of a mechanism is none of the words it may be."""
    word = getattr(mechanism, field)
    if word not in known:
        raise ValueError(
            f"{field} of {type(mechanism).__name__} is {word!r}: it is "
            f"{' or '.join(map(repr, known))}"
        )


def safe_log(probs: Array) -> Array:
    """Log of probabilities; at zero minus infinity, and a gradient of zero."""
    return jnp.where(probs > 0, jnp.log(jnp.where(probs > 0, probs, 1.0)), -jnp.inf)


@dataclasses.dataclass(frozen=True)
class Tabular(Discrete):
    """A conditional probability table.

    Attributes:
      num_states: number of states of the node.
      parent_states: number of states of each parent, in the graph's parent order.
      coupling: "inverse_cdf" or "gumbel", see `Discrete`.

    Params: `{"probs": [*parent_states, num_states]}`, rows summing to one. `init` draws
    the rows from a flat Dirichlet.

    >>> params = Tabular(2, (2,)).init(jax.random.key(0), ())
    >>> params["probs"].shape, params["probs"].sum(-1).round(3).tolist()
    ((2, 2), [1.0, 1.0])
    """

    num_states: int = 2
    parent_states: tuple[int, ...] = ()
    coupling: Literal["inverse_cdf", "gumbel"] = "inverse_cdf"
    hair: ClassVar[float] = 0.0

    def init(self, key: Key, parents: tuple) -> Params:
        del parents
        concentration = jnp.ones(self.num_states)
        return {"probs": jax.random.dirichlet(key, concentration, self.parent_states)}

    def log_probs(self, params: Params, parents: tuple) -> Array:
        return safe_log(self.probs(params, parents))

    def probs(self, params: Params, parents: tuple) -> Array:
        return params["probs"][tuple(p.astype(jnp.int32) for p in parents)]

    def check(self, name: str, parent_num_states: tuple) -> None:
        if self.parent_states != parent_num_states:
            raise ValueError(
                f"the table of node {name!r} is for parents with {self.parent_states} "
                f"states, but its parents have {parent_num_states}"
            )

    def check_params(self, name: str, params: Params) -> None:
        shape = (*self.parent_states, self.num_states)
        require_tables(params, shape, what=f"the table of node {name!r}")


def bernoulli(prob: float) -> tuple[Tabular, Params]:
    """A binary root with P(1) = prob: the mechanism and its parameters.

    >>> mechanism, params = bernoulli(0.25)
    >>> params["probs"].tolist()
    [0.75, 0.25]
    """
    return categorical((1.0 - prob, prob))


def categorical(probs) -> tuple[Tabular, Params]:
    """A table from an array `[*parent_states, num_states]` of probabilities.

    Raises:
      ValueError: a negative entry, or a row that does not sum to one.

    >>> mechanism, params = categorical([[0.5, 0.5], [0.25, 0.75]])  # given a parent
    >>> mechanism.num_states, mechanism.parent_states
    (2, (2,))
    """
    probs = jnp.asarray(probs, dtype=float)
    require_tables({"probs": probs}, probs.shape, what="the table")
    mechanism = Tabular(num_states=probs.shape[-1], parent_states=probs.shape[:-1])
    return mechanism, {"probs": probs}


_SUM_ERROR = 1e-4  # of a row; tables are written with few digits


def require_tables(params: Params, shape: tuple[int, ...], *, what: str) -> None:
    """Raises ValueError unless `params["probs"]` are laws of this shape.

    Args:
      params: a table's parameters, concrete.
      shape: `[*parent_states, num_states]`.
      what: whose they are, for the message.
    """
    if not isinstance(params, Mapping) or "probs" not in params:
        raise ValueError(f'{what} is missing: give {{"probs": {list(shape)}}}')
    if not hasattr(params["probs"], "shape"):
        raise ValueError(f"{what} is no array: give jnp.array(...) of shape {shape}")
    probs = np.asarray(params["probs"], np.float64)
    needed = "one row per combination of its parents' states, which sums to one"
    if probs.shape != shape:
        raise ValueError(f"{what} has shape {probs.shape}, it needs {shape}: {needed}")
    if not np.isfinite(probs).all() or (probs < 0).any():
        raise ValueError(
            f"{what} has entries that are negative, infinite or NaN: every row is >= 0 "
            "and sums to one"
        )
    sums = probs.sum(-1)
    if np.allclose(sums, 1.0, atol=_SUM_ERROR):
        return
    if np.allclose(sums, 100.0, atol=100 * _SUM_ERROR):
        hint = "it seems to be in per cent, divide by 100"
    elif np.allclose(probs.sum(0), 1.0, atol=_SUM_ERROR):
        hint = "its columns do: transpose it, states along the last axis"
    else:
        hint = f"it needs {needed}"
    worst = sums.ravel()[np.argmax(np.abs(sums - 1.0))]
    raise ValueError(f"a row of {what} sums to {worst:.6g}, not to one: {hint}")


@dataclasses.dataclass(frozen=True)
class Constant:
    """A root that always has the same value, kept in `params["value"]`.

    >>> float(Constant().apply({"value": jnp.array(3.0)}, (), None))
    3.0
    """

    shape: tuple[int, ...] = ()

    def init(self, key: Key, parents: tuple) -> Params:
        del key, parents
        return {"value": jnp.zeros(self.shape)}

    def noise(self, key: Key, num: int) -> Array:
        del key
        return jnp.zeros((num, 0))

    def apply(self, params: Params, parents: tuple, noise: Array) -> Array:
        del parents, noise
        return params["value"]

    def check_params(self, name: str, params: Params) -> None:
        found = params.get("value") if isinstance(params, Mapping) else None
        if found is None or np.shape(found) != self.shape:
            shown = "no value" if found is None else f"one of shape {np.shape(found)}"
            raise ValueError(
                f"node {name!r} has {shown}: give {{'value': an array of shape "
                f"{self.shape}}}"
            )

    def log_prob(self, params: Params, parents: tuple, value: Array) -> Array:
        """Log mass: 0 at the value, to rounding, and minus infinity elsewhere."""
        del parents
        known = params["value"]
        zeros = jnp.zeros(self.shape)
        return jnp.sum(normal_log_prob(value, known, zeros, jnp.abs(known)))

    def abduct(self, params: Params, parents: tuple, value: Array, key: Key) -> Array:
        del params, parents, value, key
        return jnp.zeros((0,))


@dataclasses.dataclass(frozen=True)
class AdditiveNoise:
    """`x = mean_fn(params["mean"], *parents) + scale * noise`, standard normal noise.

    The counterfactual noise is exact, to rounding: `(x - mean) / scale`. A `scale` of
    zero makes the node a function of its parents: then its noise keeps the prior.

    Attributes:
      mean_fn: pure function of its parameters and the parents' values, returning an
        array of `shape`.
      shape: shape of the value, () for a continuous node.
      init_fn: `init_fn(key, parents) -> params["mean"]`.

    >>> mechanism = AdditiveNoise(lambda slope, x: slope * x)
    >>> params = {"mean": jnp.array(2.0), "scale": jnp.array(0.5)}
    >>> noise = mechanism.abduct(params, (jnp.array(3.0),), jnp.array(7.0), None)
    >>> float(noise), float(mechanism.apply(params, (jnp.array(4.0),), noise))
    (2.0, 9.0)
    """

    mean_fn: Callable[..., Array]
    shape: tuple[int, ...] = ()
    init_fn: Callable[[Key, tuple], Params] = _no_params

    def init(self, key: Key, parents: tuple) -> Params:
        return {"mean": self.init_fn(key, parents), "scale": jnp.ones(())}

    def check_params(self, name: str, params: Params) -> None:
        if not isinstance(params, Mapping) or not {"mean", "scale"} <= set(params):
            raise ValueError(f"node {name!r} needs the params 'mean' and 'scale'")
        shape = np.shape(params["scale"])
        if not _broadcasts(shape, self.shape):
            raise ValueError(
                f"the scale of node {name!r} has shape {shape}: it needs {self.shape}"
            )
        if (np.asarray(params["scale"]) < 0).any():
            raise ValueError(f"the scale of node {name!r} is negative: it is >= 0")

    def noise(self, key: Key, num: int) -> Array:
        return jax.random.normal(key, (num, *self.shape))

    def apply(self, params: Params, parents: tuple, noise: Array) -> Array:
        return self._mean(params, parents) + params["scale"] * noise

    def _mean(self, params: Params, parents: tuple) -> Array:
        mean = self.mean_fn(params["mean"], *parents)
        shape = jnp.shape(mean)
        if not _broadcasts(shape, self.shape):
            raise ValueError(
                f"mean_fn returns shape {shape}, the mechanism's value has "
                f"{self.shape}: say AdditiveNoise(..., shape={shape}) if it is the "
                "mean that is right"
            )
        return mean

    def log_prob(self, params: Params, parents: tuple, value: Array) -> Array:
        """Log density; where the scale is zero, log mass: 0 at the mean."""
        mean = self._mean(params, parents)
        scale = jnp.broadcast_to(params["scale"], self.shape)
        return jnp.sum(normal_log_prob(value, mean, scale))

    def abduct(
        self, params: Params, parents: tuple, value: Array, key: Key | None
    ) -> Array:
        mean = self._mean(params, parents)
        scale = jnp.broadcast_to(params["scale"], self.shape)
        return abducted_normal(key, value, mean, scale)

    def undetermined(self, params: Params) -> Array:
        return jnp.broadcast_to(params["scale"], self.shape) == 0


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of a shape is broadcast to another."""
    try:
        return np.broadcast_shapes(shape, to) == tuple(to)
    except ValueError:
        return False


def abducted_normal(key: Key | None, value: Array, mean: Array, scale: Array) -> Array:
    """The noise of `value = mean + scale * noise`; at scale zero its prior."""
    noise = (value - mean) / jnp.where(scale == 0, 1.0, scale)
    prior = 0.0 if key is None else jax.random.normal(key, jnp.shape(noise))
    return jnp.where(scale == 0, prior, noise)


def normal_log_prob(
    value: Array, mean: Array, scale: Array, size: Array | None = None
) -> Array:
    """Log density of N(mean, scale^2), entry by entry.

    Where the scale is zero it is the log mass of a point: 0 at the mean, to rounding,
    and minus infinity elsewhere. Rounding is of `size`, the sum of the magnitudes that
    the mean was added up of; None where it is not known: they are then taken to be
    near one at least.
    """
    known_scale = jnp.where(scale == 0, 1.0, scale)
    log_density = jax.scipy.stats.norm.logpdf(value, mean, jnp.abs(known_scale))
    size = jnp.abs(mean) + 1 if size is None else size
    is_mean = jnp.abs(value - mean) <= _ROUNDING * (jnp.abs(value) + size)
    log_mass = jnp.where(is_mean, 0.0, -jnp.inf)
    return jnp.where(scale == 0, log_mass, log_density)


_ROUNDING = 4e-6  # a few dozen float32 roundings: of a mean evaluated in two programs


@dataclasses.dataclass(frozen=True)
class FromModule:
    """A Flax linen module as a mechanism: `module(parents, noise, train) -> value`.

    The module is called on a BATCH: `parents` is a tuple of `[B, ...]` arrays and
    `noise` is `[B, noise_size]`. In evaluation mode it must treat the rows of a batch
    independently (running batch statistics, no minibatch features).

    Params are Flax's collections, `{"params": ..., "batch_stats": ...}`; optimisers see
    only "params", `apply` uses the running statistics.

    Attributes:
      module: the linen module, hashable.
      noise_size: length of the noise vector.
      noise_law: "uniform" on [-1, 1] (the GANs' habit) or "normal".
    """

    module: Any
    noise_size: int
    noise_law: Literal["uniform", "normal"] = "uniform"

    statistics: ClassVar[tuple[str, ...]] = ("batch_stats",)

    def __post_init__(self) -> None:
        _require_word(self, "noise_law", ("uniform", "normal"))

    def init(self, key: Key, parents: tuple) -> Params:
        one = jnp.zeros((1, self.noise_size))
        return self.module.init(key, _batch_of_one(parents), one, train=False)

    def noise(self, key: Key, num: int) -> Array:
        shape = (num, self.noise_size)
        if self.noise_law == "normal":
            return jax.random.normal(key, shape)
        return jax.random.uniform(key, shape, minval=-1.0)

    def apply(self, params: Params, parents: tuple, noise: Array) -> Array:
        values = self.module.apply(
            params, _batch_of_one(parents), noise[None], train=False
        )
        return values[0]

    def apply_train(
        self, params: Params, parents: tuple, noise: Array
    ) -> tuple[Array, Params]:
        values, updated = self.module.apply(
            params, parents, noise, train=True, mutable=list(self.statistics)
        )
        return values, {**params, **updated}


def from_module(module: Any, *, noise_size: int, noise_law="uniform") -> FromModule:
    """A Flax module as a mechanism, see `FromModule`.

    >>> from flax import linen
    >>> class Shifted(linen.Module):
    ...     @linen.compact
    ...     def __call__(self, parents, noise, train):
    ...         return parents[0][:, None] + linen.Dense(1)(noise)
    >>> mechanism = from_module(Shifted(), noise_size=4)
    >>> mechanism.noise(jax.random.key(0), 2).shape
    (2, 4)
    """
    return FromModule(module, noise_size, noise_law)


def _batch_of_one(parents: tuple) -> tuple:
    return tuple(jnp.asarray(parent)[None] for parent in parents)
