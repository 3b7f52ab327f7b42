"""Mechanisms: the pure function of one node, and the base of those with states.

Beside the protocol of a mechanism stand those of an intervention and of a model: what
the parts of the core need to know of each other.

A structural causal model assigns to every node `x = f(parents, noise)` (Pearl 2009,
Definition 7.1.1). A mechanism is that f, with its learned parameters outside: it is a
frozen dataclass, equal by value and hashable, so that it can be a static argument of
`jax.jit`.
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import networkx as nx

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
    try:
        hash(mechanism)
    except TypeError as error:
        raise ValueError(
            f"the mechanism of node {name!r} cannot be hashed ({error}): make it a "
            "frozen dataclass whose fields are numbers, words, functions and tuples"
        ) from error


def require_parents(model: Model, name: str, mechanism: Any) -> None:
    """Raises ValueError where a mechanism does not fit the parents of a node."""
    if check := getattr(mechanism, "check", None):
        parents = (model.states(parent) for parent in model.parents[name])
        check(name, tuple(None if s is None else len(s) for s in parents))


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
            require_word(self, "coupling", ("inverse_cdf", "gumbel"))

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


def require_word(mechanism: Any, field: str, known: tuple[str, ...]) -> None:
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
