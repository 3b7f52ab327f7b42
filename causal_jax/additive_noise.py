"""Mechanisms of numbers: a function of the parents with normal noise, and constants."""

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.types import Array, Key, Params


def _no_params(key: Key, parents: tuple) -> Params:
    del key, parents
    return {}


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
        size = jnp.abs(mean) + _magnitude(params["mean"], parents)
        return jnp.sum(normal_log_prob(value, mean, scale, size))

    def abduct(
        self, params: Params, parents: tuple, value: Array, key: Key | None
    ) -> Array:
        mean = self._mean(params, parents)
        scale = jnp.broadcast_to(params["scale"], self.shape)
        return abducted_normal(key, value, mean, scale)

    def undetermined(self, params: Params) -> Array:
        return jnp.broadcast_to(params["scale"], self.shape) == 0


def _magnitude(params: Params, parents: tuple) -> Array:
    """Of the numbers that a mean is taken to be added up of: of parents and weights.

    It is small where parents are; states count as one at least.
    """
    largest = jnp.zeros(())
    for parent in parents:
        least = 0 if jnp.issubdtype(jnp.result_type(parent), jnp.inexact) else 1
        largest = jnp.maximum(largest, jnp.max(jnp.abs(parent), initial=least))
    weights = [w for w in jax.tree.leaves(params) if jnp.size(w)]
    times = [jnp.max(jnp.abs(jnp.asarray(weight, float))) for weight in weights]
    return largest * (1 + sum(times, start=jnp.zeros(())))


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


def normal_log_prob(value: Array, mean: Array, scale: Array, size: Array) -> Array:
    """Log density of N(mean, scale^2), entry by entry.

    Where the scale is zero it is the log mass of a point: 0 at the mean, to rounding,
    and minus infinity elsewhere. Rounding is of `size`, the sum of the magnitudes that
    the mean was added up of.
    """
    known_scale = jnp.where(scale == 0, 1.0, scale)
    log_density = jax.scipy.stats.norm.logpdf(value, mean, jnp.abs(known_scale))
    is_mean = jnp.abs(value - mean) <= _ROUNDING * (jnp.abs(value) + size)
    log_mass = jnp.where(is_mean, 0.0, -jnp.inf)
    return jnp.where(scale == 0, log_mass, log_density)


_ROUNDING = 4e-6  # a few dozen float32 roundings: of a mean evaluated in two programs
