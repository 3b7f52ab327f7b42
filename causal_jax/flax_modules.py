"""Flax modules as mechanisms."""

import dataclasses
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from causal_jax.mechanism import require_word
from causal_jax.types import Array, Key, Params


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
        require_word(self, "noise_law", ("uniform", "normal"))

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
