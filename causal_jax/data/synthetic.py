"""Three continuous variables whose mechanisms are random polynomials.

The data of CausalGAN's synthetic experiment (Kocaoglu et al. 2017, section 8.1 and
synthetic/ in its code): three graphs over X1, X2, X3, noises e_i ~ Uniform[0, 1], and

    x     = (1, causes, e_i)               causes: the parents, back on [0, 1]
    value = sum_abc C_abc x_a x_b x_c      C ~ Uniform[-1, 1], drawn once
    X_i   = .05 + .9 (value - low) / (high - low)

where low and high are the least and the greatest value on a grid of all causes.

Differences from the reference code: there a slip kept only the first of three causes
(X2 of the collider and X3 of the complete graph were functions of X1 alone), and
nothing was seeded.
"""

import dataclasses

import jax
import jax.numpy as jnp

from causal_jax import graph as graphs
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Params

NODES = ("X1", "X2", "X3")
GRAPHS = {
    "line": "X1 -> X2 -> X3",
    "collider": "X1; X2; X3; X1, X3 -> X2",
    "complete": "X1 -> X2; X1, X2 -> X3",
}
LOW, HIGH = 0.05, 0.95  # the range of every variable
# Points a cause of the grid. The reference has 200, eight million for three causes; a
# cubic between points this near exceeds the grid's range by less than .001, and is
# clipped there.
_GRID = 41


@dataclasses.dataclass(frozen=True)
class Polynomial:
    """A continuous node: a cubic of its parents and of uniform noise.

    Params:
      coefficients: `[k, k, k]` in [-1, 1], k = 2 + number of parents, in the order
        1, parents in the graph's order, noise.
      low: [] least value of the cubic on the grid.
      high: [] greatest.
    """

    def init(self, key: Key, parents: tuple) -> Params:
        num_causes = len(parents) + 1
        shape = (num_causes + 1,) * 3
        coefficients = jax.random.uniform(key, shape, minval=-1.0)
        axes = [jnp.linspace(0.0, 1.0, _GRID)] * num_causes
        grid = jnp.stack([x.ravel() for x in jnp.meshgrid(*axes)], axis=-1)
        values = jax.vmap(_cubic_value, in_axes=(None, 0))(coefficients, grid)
        return {
            "coefficients": coefficients,
            "low": values.min(),
            "high": values.max(),
        }

    def noise(self, key: Key, num: int) -> Array:
        """Uniforms in [0, 1], `[num]`."""
        return jax.random.uniform(key, (num,))

    def apply(self, params: Params, parents: tuple, noise: Array) -> Array:
        """The value in [.05, .95], []."""
        causes = [(jnp.asarray(parent) - LOW) / (HIGH - LOW) for parent in parents]
        value = _cubic_value(params["coefficients"], jnp.stack([*causes, noise]))
        scaled = (value - params["low"]) / (params["high"] - params["low"])
        return LOW + (HIGH - LOW) * jnp.clip(scaled, 0.0, 1.0)


def _cubic_value(coefficients: Array, causes: Array) -> Array:
    """sum_abc C_abc x_a x_b x_c with x = (1, causes), []."""
    x = jnp.concatenate([jnp.ones(1), causes])
    return coefficients @ x @ x @ x


def scm(name: str) -> SCM:
    """One of the three models; `init(key)` draws its polynomials.

    Args:
      name: "line", "collider" or "complete".

    Raises:
      ValueError: another name.
    """
    if name not in GRAPHS:
        raise ValueError(
            f"no synthetic graph {name!r}: {graphs.suggestion(name, GRAPHS)}"
        )
    return SCM(GRAPHS[name], dict.fromkeys(NODES, Polynomial()))
