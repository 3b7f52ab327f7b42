"""Label mechanisms by small networks: the nodes of a causal controller.

The causal controller of CausalGAN (Kocaoglu et al. 2017, section 4) is a generator over
labels wired like the causal graph, one small network a node. Two kinds of node:

`NeuralCategorical` (the default): the network maps the parents' states to the logits of
  the node's states, and the noise is a single uniform. The conditional law is explicit:
  exact abduction, exact likelihood, and one model for adversarial training and for
  maximum likelihood.
`ImplicitBinary` (the reference): the network maps the parents' labels and ten uniform
  variables to one logit; the label is its sign. Differences from the reference code: in
  evaluation children see the rounded parents, not the sigmoid's output.
"""

import dataclasses
import math
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from causal_jax import graph as graphs
from causal_jax.mechanism import Discrete
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Params

SLOPE = 0.2  # of leaky rectifiers below zero


def encode_state(state: Array, num_states: int) -> Array:
    """How networks see a state: 0 or 1 for binary nodes, else one-hot; float [k]."""
    if num_states == 2:
        return state[None].astype(float)
    return jax.nn.one_hot(state, num_states)


def encoded_size(num_states: int) -> int:
    """Length of `encode_state`."""
    return 1 if num_states == 2 else num_states


def mlp_init(key: Key, sizes: tuple[int, ...]) -> Params:
    """Glorot-uniform weights and zero biases, {"0": {"w", "b"}, "1": ...}."""
    layers = {}
    for i, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        limit = math.sqrt(6 / (fan_in + fan_out))
        shape = (fan_in, fan_out)
        w = jax.random.uniform(jax.random.fold_in(key, i), shape, minval=-1) * limit
        layers[str(i)] = {"w": w, "b": jnp.zeros(fan_out)}
    return layers


def mlp(params: Params, x: Array) -> Array:
    """[sizes[0], ...] -> [sizes[-1], ...]; leaky ReLU of slope .2 between layers.

    Features come first: many units of few features are contiguous so.
    """
    for i in range(len(params)):
        layer = params[str(i)]
        bias = layer["b"].reshape(-1, *[1] * (x.ndim - 1))
        x = jnp.tensordot(layer["w"], x, ((0,), (0,))) + bias
        if i + 1 < len(params):
            x = jax.nn.leaky_relu(x, SLOPE)
    return x


@dataclasses.dataclass(frozen=True)
class NeuralCategorical(Discrete):
    """State ~ softmax(network(parents)).

    Attributes:
      num_states: number of states of the node.
      parent_states: number of states of each parent, in the graph's parent order.
      hidden: widths of the hidden layers.
      coupling: see `Discrete`.

    >>> mechanism = NeuralCategorical(num_states=3, parent_states=(2,), hidden=(4,))
    >>> params = mechanism.init(jax.random.key(0), ())
    >>> law = jnp.exp(mechanism.log_probs(params, (jnp.array(1),)))
    >>> law.shape, round(float(law.sum()), 4)
    ((3,), 1.0)
    """

    num_states: int = 2
    parent_states: tuple[int, ...] = ()
    hidden: tuple[int, ...] = (32, 32)
    coupling: Literal["inverse_cdf", "gumbel"] = "inverse_cdf"

    def init(self, key: Key, parents: tuple) -> Params:
        del parents
        fan_in = sum(map(encoded_size, self.parent_states))
        if not fan_in:  # a root has no input: its logits are a bias
            return {"bias": jnp.zeros(self._num_logits)}
        return mlp_init(key, (fan_in, *self.hidden, self._num_logits))

    @property
    def _num_logits(self) -> int:
        return encoded_size(self.num_states)

    def log_probs(self, params: Params, parents: tuple) -> Array:
        """Log probabilities of the states, [num_states]."""
        pairs = zip(parents, self.parent_states, strict=True)
        encoded = [encode_state(parent, k) for parent, k in pairs]
        logits = mlp(params, jnp.concatenate(encoded)) if encoded else params["bias"]
        if self.num_states == 2:
            logits = jnp.concatenate([jnp.zeros(1), logits])
        return jax.nn.log_softmax(logits)

    def parent_norms(self, params: Params) -> Array:
        """Norm of each parent's weights in the first layer, [number of parents].

        A parent whose norm is 0 has no influence. (Rounded up by 1e-4 there, so that
        it has a gradient.)
        """
        if not self.parent_states:
            return jnp.zeros(0)
        sizes = [encoded_size(k) for k in self.parent_states]
        parts = jnp.split(params["0"]["w"], np.cumsum(sizes)[:-1])
        return jnp.stack([jnp.sqrt(jnp.sum(part**2) + 1e-8) for part in parts])


@dataclasses.dataclass(frozen=True)
class ImplicitBinary:
    """Label = [network(noise, parents' labels) > 0]: the node of the original.

    Only the sign is observed, so the conditional law has no closed form: the noise is
    abducted by rejection from its prior, which is an exact draw of the posterior.

    Attributes:
      noise_size: uniform [-1, 1] variables a node (`cc_n_hidden` = 10 there).
      hidden: widths of the hidden layers (`cc_n_layers` = 6 counts all layers there).
      max_tries: noise draws of the rejection; if none fits, the factual is impossible.

    >>> mechanism = ImplicitBinary(hidden=(4,))
    >>> params = mechanism.init(jax.random.key(0), ())
    >>> noise = mechanism.noise(jax.random.key(1), 1)[0]
    >>> int(mechanism.apply(params, (), noise)) in (0, 1)
    True
    """

    noise_size: int = 10
    hidden: tuple[int, ...] = (10, 10, 10, 10, 10)
    max_tries: int = 1 << 16

    num_states: ClassVar[int] = 2

    def init(self, key: Key, parents: tuple) -> Params:
        return mlp_init(key, (self.noise_size + len(parents), *self.hidden, 1))

    def noise(self, key: Key, num: int) -> Array:
        # The same numbers as of that shape, in a third of the time.
        flat = jax.random.uniform(key, (num * self.noise_size,), minval=-1.0)
        return flat.reshape(num, self.noise_size)

    def relaxed(self, params: Params, parents: tuple, noise: Array) -> Array:
        """The label's sigmoid in (0, 1), parents relaxed too; what training sees.

        Of one unit, or of many: parents `[B]`, noise `[noise_size, B]`, then `[B]`.
        """
        logit = mlp(params, jnp.concatenate([noise, *(p[None] for p in parents)]))
        return jax.nn.sigmoid(logit[0])

    def apply(self, params: Params, parents: tuple, noise: Array) -> Array:
        labels = tuple(parent.astype(float) for parent in parents)
        return (self.relaxed(params, labels, noise) > 0.5).astype(jnp.int32)

    def abduct(self, params: Params, parents: tuple, value: Array, key: Key) -> Array:
        """The first noise of a sequence of draws that gives the observed label."""
        chunk = 64

        def draw(tries):
            drawn = self.noise(jax.random.fold_in(key, tries), chunk)
            labels = jax.vmap(lambda n: self.apply(params, parents, n))(drawn)
            return drawn, labels == value

        def unmet(state):
            return ~state[2] & (state[0] < self.max_tries)

        def one_round(state):
            drawn, fits = draw(state[0])
            return state[0] + chunk, drawn[jnp.argmax(fits)], fits.any()

        start = (0, jnp.zeros(self.noise_size), jnp.array(False))
        return jax.lax.while_loop(unmet, one_round, start)[1]

    def check(self, name: str, parent_num_states: tuple) -> None:
        if any(k != 2 for k in parent_num_states):
            raise ValueError(
                f"node {name!r}: the reference controller is for binary labels; train "
                "categorical ones with NeuralCategorical"
            )


def controller(
    graph: nx.DiGraph, *, hidden: tuple[int, ...] = (32, 32), coupling="inverse_cdf"
) -> SCM:
    """A label model wired like `graph`; every node must have state names.

    >>> graph = graphs.build([("A", "B")], states={"A": "01", "B": "xyz"})
    >>> scm = controller(graph, hidden=(4,))
    >>> scm.mechanisms["B"].num_states, scm.mechanisms["B"].parent_states
    (3, (2,))
    """
    graph = graphs.read(graph)
    return SCM(
        graph,
        {
            name: NeuralCategorical(
                num_states=_num_states(graph, name),
                parent_states=tuple(
                    _num_states(graph, p) for p in graphs.parents(graph, name)
                ),
                hidden=hidden,
                coupling=coupling,
            )
            for name in graph
        },
    )


def reference_controller(graph: nx.DiGraph) -> SCM:
    """The causal controller with the settings of the original (5,189 params for G1).

    >>> scm = reference_controller(graphs.read("big_causal_graph"))
    >>> params = scm.init(jax.random.key(0))
    >>> sum(leaf.size for leaf in jax.tree.leaves(params))
    5189
    """
    graph = graphs.read(graph)
    return SCM(graph, {name: ImplicitBinary() for name in graph})


def _num_states(graph: nx.DiGraph, name: str) -> int:
    states = graphs.states(graph, name)
    if states is None:
        raise ValueError(
            f"node {name!r} has no states: labels are binary or categorical"
        )
    return len(states)


@dataclasses.dataclass(frozen=True)
class Rows:
    """A label model over whole rows: columns in the graph's declared order.

    Attributes:
      scm: nodes all discrete; all explicit (`log_prob`) or all implicit (`relaxed`).
    """

    scm: SCM

    @property
    def explicit(self) -> bool:
        return all(hasattr(m, "log_prob") for m in self.scm.mechanisms.values())

    def relaxed(self, params: Params, noise: dict[str, Array]) -> Array:
        """Sigmoids of implicit models, float [B, n] in (0, 1)."""
        values = {}
        for name in self.scm.order:
            parents = tuple(values[parent] for parent in self.scm.parents[name])
            mechanism = self.scm.mechanisms[name]
            values[name] = mechanism.relaxed(params[name], parents, noise[name].T)
        return jnp.stack([values[name] for name in self.scm.nodes], axis=-1)

    def log_prob(self, params: Params, rows: Array) -> Array:
        """log P(row) of explicit models, [B]."""
        return jnp.sum(self.node_log_probs(params, rows), axis=-1)

    def node_log_probs(self, params: Params, rows: Array) -> Array:
        """log P(x_i | pa_i) of explicit models, [B, n]."""
        return jax.vmap(self._node_log_probs, in_axes=(None, 0))(params, rows)

    def _node_log_probs(self, params: Params, row: Array) -> Array:
        values = dict(zip(self.scm.nodes, row.astype(jnp.int32), strict=True))
        log_probs = [
            self.scm.mechanisms[name].log_prob(
                params[name],
                tuple(values[parent] for parent in self.scm.parents[name]),
                values[name],
            )
            for name in self.scm.nodes
        ]
        return jnp.stack(log_probs)


def rows(scm: SCM) -> Rows:
    """`scm` over rows.

    Raises:
      ValueError: a node is not discrete, or explicit and implicit nodes are mixed.
    """
    for name in scm.nodes:
        if scm.states(name) is None:
            raise ValueError(f"node {name!r} has no states: only labels have rows")
    result = Rows(scm)
    relaxed = [hasattr(m, "relaxed") for m in scm.mechanisms.values()]
    if not result.explicit and not all(relaxed):
        raise ValueError(
            "every node must have log_prob, or every node must be ImplicitBinary"
        )
    return result
