"""Generators and discriminator of the synthetic three-variable experiment.

CausalGAN (Kocaoglu et al. 2017), section 8.1: generators wired like a causal graph, one
small network a variable, against generators without structure, one network for all
three variables ("fc", fully connected). Both are SCMs here: the second of a single node
that is a vector. Every generator sees uniform noise on [0, 1]^10, once a node.

Differences from the reference code: the discriminator starts from Flax's default
weights. Its units are ReLUs, as there, where they were meant to be leaky.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from causal_jax import graph as graphs
from causal_jax.networks.layers import AxisName, MinibatchFeatures
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Params

VECTOR = "X"  # the one node of generators without structure
_SCALE = 0.7  # standard deviation of the reference's weights


@dataclasses.dataclass(frozen=True)
class TanhNetwork:
    """value = sigmoid(network(noise, parents)), tanh between the layers.

    Attributes:
      num_hidden: hidden layers.
      shape: of the value, () or (3,).
      width: of the hidden layers.
      noise_size: uniform [0, 1] variables.

    >>> mechanism, key = TanhNetwork(), jax.random.key(0)
    >>> params, noise = mechanism.init(key, ()), mechanism.noise(key, 1)[0]
    >>> 0 < float(mechanism.apply(params, (), noise)) < 1
    True
    """

    num_hidden: int = 2
    shape: tuple[int, ...] = ()
    width: int = 10
    noise_size: int = 10

    def init(self, key: Key, parents: tuple) -> Params:
        """{"0": {"w", "b"}, ...}: normal weights, zero biases."""
        first = self.noise_size + len(parents)
        sizes = (first, *[self.width] * self.num_hidden, *(self.shape or (1,)))
        return {
            str(i): {
                "w": _SCALE * jax.random.normal(jax.random.fold_in(key, i), pair),
                "b": jnp.zeros(pair[1]),
            }
            for i, pair in enumerate(zip(sizes, sizes[1:], strict=False))
        }

    def noise(self, key: Key, num: int) -> Array:
        """`[num, noise_size]` in [0, 1]."""
        return jax.random.uniform(key, (num, self.noise_size))

    def apply(self, params: Params, parents: tuple, noise: Array) -> Array:
        """The value in (0, 1), of `shape`."""
        x = jnp.concatenate([noise, *(jnp.atleast_1d(parent) for parent in parents)])
        for i in range(self.num_hidden):
            x = jnp.tanh(x @ params[str(i)]["w"] + params[str(i)]["b"])
        last = params[str(self.num_hidden)]
        return jax.nn.sigmoid(x @ last["w"] + last["b"]).reshape(self.shape)


def wired(graph) -> SCM:
    """A generator with one network a node, wired like a graph (`graph.read`)."""
    graph = graphs.read(graph)
    return SCM(graph, dict.fromkeys(graph, TanhNetwork()))


def unstructured(num_layers: int, num_variables: int = 3) -> SCM:
    """A generator of one network for all variables: `num_layers` counts the last."""
    network = TanhNetwork(num_hidden=num_layers - 1, shape=(num_variables,))
    return SCM(graphs.build(nodes=[VECTOR]), {VECTOR: network})


class RowDiscriminator(nn.Module):
    """Tells data rows from generated ones; each row also sees how close the rest is.

    Attributes:
      num_rows: rows of a batch over all devices; closeness is summed over them.
      hidden: widths of the hidden layers.
      num_kernels: minibatch features.
      kernel_dim: dimension of each one's distance.
      axis_name: mapped axis or axes over which the batch is spread.
    """

    num_rows: int
    hidden: tuple[int, ...] = (10, 10)
    num_kernels: int = 5
    kernel_dim: int = 3
    axis_name: AxisName = None

    @nn.compact
    def __call__(self, rows):
        """Logits of being data, `[B]`, of rows `[B, d]` in [0, 1]."""
        x = rows
        for width in self.hidden:
            x = nn.relu(nn.Dense(width)(x))
        features = MinibatchFeatures(
            self.num_kernels, self.kernel_dim, axis_name=self.axis_name
        )
        # Summed as in the reference; its self-term, a constant 1, is in the bias.
        x = jnp.concatenate([x, self.num_rows * features(x)], axis=-1)
        return nn.Dense(1)(x)[..., 0]
