"""Composition: three labels, and the image of a mask, a foreground and a background.

Sauer & Geiger (ICLR 2021, arXiv 2101.06046), eq. 1: x = m f + (1 - m) b. What every
counterfactual generative network has, whatever its parts' networks are: the names of
its nodes, the law of its labels (`Uniform`) and the image's mechanism (`Composition`).
"""

import dataclasses
from typing import Literal

import jax.numpy as jnp

from causal_jax.mechanism import Discrete
from causal_jax.networks.cgn.parts import NUM_CLASSES
from causal_jax.types import Array, Key, Params

LABELS = ("shape_label", "texture_label", "background_label")
PARTS = ("shape", "texture", "background")
SHAPE = PARTS[0]


@dataclasses.dataclass(frozen=True)
class Uniform(Discrete):
    """A label that is equally often in each of its states; it has no parameters.

    Attributes:
      num_states: number of states.
      coupling: see `Discrete`.

    >>> jnp.exp(Uniform(4).log_probs({}, ())).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """

    num_states: int = NUM_CLASSES
    coupling: Literal["inverse_cdf", "gumbel"] = "inverse_cdf"

    def init(self, key: Key, parents: tuple) -> Params:
        del key, parents
        return {}

    def log_probs(self, params: Params, parents: tuple) -> Array:
        del params, parents
        return jnp.full(self.num_states, -jnp.log(float(self.num_states)))


@dataclasses.dataclass(frozen=True)
class Composition:
    """The image, [32, 32, 3] in [-1, 1], of mask, foreground and background.

    It has no parameters and no noise.

    >>> parts = jnp.ones((2, 2, 1)), jnp.full((2, 2, 3), 0.5), jnp.zeros((2, 2, 3))
    >>> Composition().apply({}, parts, None)[0, 0].tolist()  # all foreground
    [0.5, 0.5, 0.5]
    """

    def init(self, key: Key, parents: tuple) -> Params:
        del key, parents
        return {}

    def noise(self, key: Key, num: int) -> Array:
        del key
        return jnp.zeros((num, 0))

    def apply(self, params: Params, parents: tuple, noise: Array) -> Array:
        del params, noise
        return compose(*parents)

    def abduct(self, params: Params, parents: tuple, value: Array, key: Key) -> Array:
        """Nothing: the parts decide the image."""
        del params, parents, value, key
        return jnp.zeros((0,))


def compose(mask: Array, foreground: Array, background: Array) -> Array:
    """`m f + (1 - m) b`; the mask is [..., H, W, 1], the others [..., H, W, 3]."""
    return mask * foreground + (1 - mask) * background
