"""Linear-Gaussian nodes: `x = bias + weights . parents + scale * noise`.

Where hidden nodes and the observed ones below them are all of this kind, the noises are
jointly normal given what was observed, and are drawn exactly: with standard normal
noises u, observing y says `G u = r` for a matrix G that depends on the parameters
alone, and (Matheron's rule, e.g. Doucet 2010)

    u' = u - G^+ (G u - r)       for a prior draw u

has the law of u given `G u = r`; G^+ is the pseudo-inverse, so scales may be zero.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.additive_noise import abducted_normal, normal_log_prob
from causal_jax.factors import Group
from causal_jax.mechanism import Model, node_key
from causal_jax.types import Array, Key, Noise, Params, Values


@dataclasses.dataclass(frozen=True)
class LinearGaussian:
    """`x = bias + sum_i weights[i] * parents[i] + scale * noise`, a number.

    Parents are numbers, or states that enter as their indices. A `scale` of zero makes
    the node a function of its parents.

    Attributes:
      num_parents: how many parents the node has.

    Params: `{"weights": [num_parents], "bias": [], "scale": []}`. `init` draws standard
    normal weights, and has bias zero and scale one.

    Example:
      >>> import jax
      >>> from causal_jax import SCM, linear_gaussian
      >>> (x, x_params), (y, y_params) = linear_gaussian(), linear_gaussian([2.0])
      >>> scm = SCM("x -> y", {"x": x, "y": y})
      >>> params, unit = {"x": x_params, "y": y_params}, {"x": 1.0, "y": 5.0}
      >>> scm.counterfactual(params, jax.random.key(0), unit, do={"x": 0.0})["y"].item()
      3.0
    """

    num_parents: int = 0

    def init(self, key: Key, parents: tuple) -> Params:
        del parents
        weights = jax.random.normal(key, (self.num_parents,))
        return {"weights": weights, "bias": jnp.zeros(()), "scale": jnp.ones(())}

    def noise(self, key: Key, num: int) -> Array:
        """Standard normal variables, [num]."""
        return jax.random.normal(key, (num,))

    def apply(self, params: Params, parents: tuple, noise: Array) -> Array:
        return self.mean(params, parents) + params["scale"] * noise

    def mean(self, params: Params, parents: tuple) -> Array:
        """The value without noise, []."""
        total = params["bias"]
        for i, parent in enumerate(parents):
            total = total + params["weights"][i] * parent
        if shape := jnp.shape(total):
            raise ValueError(
                f"a linear-Gaussian node is a number, and a parent makes it of shape "
                f"{shape}: take AdditiveNoise(mean_fn, shape) below an array"
            )
        return total

    def log_prob(self, params: Params, parents: tuple, value: Array) -> Array:
        """Log density; where the scale is zero, log mass: 0 at the mean."""
        mean, size = self.mean(params, parents), jnp.abs(params["bias"])
        for i, parent in enumerate(parents):
            size = size + jnp.abs(params["weights"][i] * parent)
        return normal_log_prob(value, mean, params["scale"], size)

    def abduct(
        self, params: Params, parents: tuple, value: Array, key: Key | None
    ) -> Array:
        return abducted_normal(key, value, self.mean(params, parents), params["scale"])

    def undetermined(self, params: Params) -> Array:
        return params["scale"] == 0

    def check(self, name: str, parent_num_states: tuple) -> None:
        if len(parent_num_states) != self.num_parents:
            raise ValueError(
                f"node {name!r} has weights for {self.num_parents} parents, but "
                f"{len(parent_num_states)} parents"
            )

    def check_params(self, name: str, params: Params) -> None:
        if not isinstance(params, Mapping):
            raise ValueError(
                f"node {name!r} needs the params 'weights', 'bias' and 'scale'"
            )
        shapes = {"weights": (self.num_parents,), "bias": (), "scale": ()}
        for part, shape in shapes.items():
            found = np.shape(params[part]) if part in params else None
            if found != shape:
                raise ValueError(
                    f"{part!r} of node {name!r} has shape {found}, it needs {shape}"
                )
        if np.asarray(params["scale"]) < 0:
            raise ValueError(f"the scale of node {name!r} is negative: it is >= 0")


def linear_gaussian(
    weights=(), *, bias=0.0, scale=1.0
) -> tuple[LinearGaussian, Params]:
    """A linear-Gaussian node: the mechanism and its parameters.

    Args:
      weights: one number per parent, in the graph's parent order.
      bias: the mean where all parents are zero.
      scale: standard deviation of what is added, at least zero.

    Raises:
      ValueError: a negative scale, or numbers of other shapes.

    >>> from causal_jax import SCM
    >>> (cause, prior), (effect, law) = linear_gaussian(), linear_gaussian([2.0])
    >>> scm, params = SCM("X -> Y", {"X": cause, "Y": effect}), {"X": prior, "Y": law}
    >>> seen = {"Y": jnp.full(4000, 10.0)}  # then X has mean 4, variance 1/5
    >>> unseen = scm.counterfactual(params, jax.random.key(0), seen)["X"]
    >>> bool(abs(unseen.mean() - 4) < 0.05)
    True
    """
    params = {
        "weights": jnp.asarray(weights, dtype=float),
        "bias": jnp.asarray(bias, dtype=float),
        "scale": jnp.asarray(scale, dtype=float),
    }
    for name, ndim in (("weights", 1), ("bias", 0), ("scale", 0)):
        if params[name].ndim != ndim:
            raise ValueError(
                "weights are one number per parent, [2.0] of one; bias and scale are "
                f"numbers: {name} has shape {params[name].shape}"
            )
    if params["scale"] < 0:
        raise ValueError(f"the scale is at least 0, not {scale}")
    return LinearGaussian(params["weights"].shape[0]), params


def is_linear(scm: Model, group: Group) -> bool:
    """Whether a group's hidden nodes and those below them are all linear-Gaussian."""
    return all(type(scm.mechanisms[n]) is LinearGaussian for n in group.factors)


def draw_noise(
    scm: Model, params: Params, key: Key, group: Group, evidence: Values, num: int
) -> Noise:
    """An exact draw of the hidden nodes' noise given what was observed.

    Args:
      scm: the model.
      params: its parameters.
      key: PRNG key.
      group: see `is_linear`.
      evidence: {node: `[num]`}, at least the group's evidence.
      num: number of units.

    Returns:
      {hidden node: `[num]`}. Where scales of zero contradict what was observed, the
      nearest noise; the observed nodes' own `log_prob` then says so. Parameters that
      are traced are worked with in float32: of a prior that is 10^5 times as wide as
      what observes it, some of the evidence is lost then.
    """
    own = {name: params[name] for name in group.factors}
    is_traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(own))
    seen = _seen_directions(scm, own, group, jnp if is_traced else np)
    return _draw_beside(scm, params, key, group, evidence, num, *seen)


# Below such a share of a row, what two rows differ by is rounding: of parameters in
# float32 where both are functions of the hidden nodes, of the computation elsewhere.
_SAME_FUNCTION, _SAME, _SAME_IN_FLOAT32 = 3e-7, 1e-12, 1e-6


def _seen_directions(
    scm: Model, params: Params, group: Group, xp: Any
) -> tuple[Array, Array]:
    """How the noise of all factors makes the observed values: its directions, inverse.

    In float64 where parameters are known: of a wide prior, rows that differ by a
    millionth say different things.

    Args:
      scm: the model.
      params: those of the group's factors.
      group: see `is_linear`.
      xp: numpy, or jax.numpy inside `jit`.

    Returns:
      Orthonormal rows `[below, factors]`, zero where others say the same, and the
      pseudo-inverse `[factors, below]`.
    """
    known = jax.tree.map(lambda leaf: xp.asarray(leaf, float), params)
    each = dict(zip(group.factors, xp.eye(len(group.factors)), strict=True))
    rows: dict[str, Any] = {}
    for name in sorted(group.factors, key=scm.order.index):
        rows[name] = known[name]["scale"] * each[name]
        for i, parent in enumerate(scm.parents[name]):
            if parent in group.hidden:
                rows[name] = rows[name] + known[name]["weights"][i] * rows[parent]
    design = xp.stack([rows[name] for name in group.below])
    scale = xp.stack([known[name]["scale"] for name in group.below])
    least = xp.where(scale == 0, _SAME_FUNCTION, _SAME)
    least = least if xp is np else xp.full_like(scale, _SAME_IN_FLOAT32)
    size = xp.linalg.norm(design, axis=1)
    unit = (xp.where(size > 0, size, 1.0) * least)[:, None]
    u, strength, directions = xp.linalg.svd(design / unit, full_matrices=False)
    inverse = xp.where(strength > 1, 1 / xp.where(strength > 1, strength, 1.0), 0.0)
    directions = xp.where(strength[:, None] > 1, directions, 0.0)
    return directions, (directions.T * inverse) @ u.T / unit.T


@partial(jax.jit, static_argnames=("scm", "group", "num"))
def _draw_beside(
    scm: Model,
    params: Params,
    key: Key,
    group: Group,
    evidence: Values,
    num: int,
    directions: Array,
    inverse: Array,
) -> Noise:
    """The prior beside the directions that are seen, in these what was observed."""
    matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
    directions, inverse = jnp.asarray(directions, float), jnp.asarray(inverse, float)
    prior = jnp.stack(
        [jax.random.normal(node_key(key, name), (num,)) for name in group.factors], -1
    )
    prior = prior - matmul(matmul(prior, directions.T), directions)

    def residual(noise: Array, evidence: Values) -> Array:
        """What the noise of all nodes leaves of the observed values, `[below]`."""
        slots = dict(zip(group.factors, noise, strict=True))
        values = dict(evidence)
        for name in scm.order:
            if name in slots:
                parents = tuple(values[parent] for parent in scm.parents[name])
                value = scm.mechanisms[name].apply(params[name], parents, slots[name])
                slots[name] = value
                values.setdefault(name, value)
        return jnp.stack([slots[name] - evidence[name] for name in group.below])

    def conditioned(noise: Array, evidence: Values) -> Array:
        for _ in range(3):  # the later ones remove the rounding of the first
            noise = noise - matmul(inverse, residual(noise, evidence))
        return noise

    noise = jax.vmap(conditioned)(prior, {n: evidence[n] for n in group.evidence})
    return {name: noise[:, i] for i, name in enumerate(group.hidden)}
