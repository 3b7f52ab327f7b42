"""The structural causal model: a DAG and one pure function a node.

Pearl (2009), Definition 7.1.1: a model is a set of functions `x_i = f_i(pa_i, u_i)`.
*See* evaluates them on drawn noise; *do* evaluates the model whose intervened functions
were substituted (the truncated factorisation, eq. 3.10); *imagine* evaluates the
substituted model on the noise abducted from what was observed (Theorem 7.1.7). All
three are `evaluate` with other parameters and noise put in.
"""

import dataclasses
import zlib
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import networkx as nx

from causal_jax import abduction, arguments
from causal_jax import graph as graphs
from causal_jax.conditioning import accept, accept_or_raise
from causal_jax.mechanism import Mechanism
from causal_jax.types import Array, Key, Noise, Params, Values


class Conditioned(NamedTuple):
    """What `sample_given` returns; also inside `jit`, where nothing can be raised.

    Attributes:
      values: {node: [num, ...]}; rows from `filled` on are undefined.
      filled: how many rows met the condition, int32 [].
      drawn: how many units were drawn for them, int32 [].
    """

    values: Values
    filled: Array
    drawn: Array


@dataclasses.dataclass(frozen=True, eq=False)
class SCM:
    """A causal graph and a mechanism for each of its nodes; frozen, equal by value.

    Attributes:
      graph: what `graph.read` accepts; kept as a frozen `networkx.DiGraph` whose nodes
        carry their state names. Discrete nodes without names get "0", "1", ...
      mechanisms: {node: mechanism}, one for every node.

    Raises:
      ValueError: the graph is no DAG, a node has no mechanism or a mechanism no node,
        or the numbers of states do not fit.
    """

    graph: nx.DiGraph
    mechanisms: Mapping[str, Mechanism]

    def __post_init__(self):
        graph = graphs.read(self.graph)
        for name in self.mechanisms:
            graphs.require_node(graph, name, role="node of a mechanism")
        missing = [name for name in graph if name not in self.mechanisms]
        if missing:
            raise ValueError(f"node {missing[0]!r} has no mechanism: give it one")
        object.__setattr__(self, "graph", _named_states(graph, self.mechanisms))
        object.__setattr__(self, "mechanisms", {n: self.mechanisms[n] for n in graph})
        _require_distinct_keys(self.graph)
        for name in graph:
            self._check_mechanism(name)

    def _check_mechanism(self, name: str) -> None:
        check = getattr(self.mechanisms[name], "check", None)
        if check:
            parents = (self.states(p) for p in self.parents[name])
            check(name, tuple(None if s is None else len(s) for s in parents))

    @cached_property
    def _signature(self) -> tuple:
        return graphs.signature(self.graph), tuple(self.mechanisms.items())

    def __hash__(self) -> int:
        return hash(self._signature)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SCM) and self._signature == other._signature

    # --- structure -----------------------------------------------------------------

    @property
    def nodes(self) -> tuple[str, ...]:
        """Node names in the graph's declared order."""
        return tuple(self.graph)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Node names in topological order."""
        return graphs.order(self.graph)

    @cached_property
    def parents(self) -> dict[str, tuple[str, ...]]:
        """{node: its parents in the graph's declared order}."""
        return {name: graphs.parents(self.graph, name) for name in self.graph}

    def states(self, name: str) -> tuple[str, ...] | None:
        """State names of a discrete node, None for any other."""
        return graphs.states(self.graph, name)

    @property
    def discrete(self) -> tuple[str, ...]:
        """The nodes that have states, in the graph's declared order."""
        return tuple(name for name in self.graph if self.states(name))

    def extend(self, name: str, *, parents, mechanism: Mechanism) -> "SCM":
        """The model with one more node below `parents`; other draws do not change."""
        if name in self.graph:
            raise ValueError(f"node {name!r} exists already: choose another name")
        for parent in parents:
            graphs.require_node(self.graph, parent, role="parent")
        graph = nx.DiGraph(self.graph)
        graph.add_node(name)
        graph.add_edges_from((parent, name) for parent in parents)
        return SCM(graph, {**self.mechanisms, name: mechanism})

    # --- the definition --------------------------------------------------------------

    def init(self, key: Key) -> Params:
        """{node: its mechanism's fresh parameters}."""
        params, shapes = {}, {}
        for name in self.order:
            mechanism = self.mechanisms[name]
            parents = tuple(jnp.zeros(s.shape, s.dtype) for s in self._of(name, shapes))
            params[name] = mechanism.init(node_key(key, name), parents)
            noise = jax.eval_shape(lambda m=mechanism: _first(m.noise(key, 1)))
            shapes[name] = jax.eval_shape(mechanism.apply, params[name], parents, noise)
        return params

    def _of(self, name: str, values: Mapping[str, Any]) -> tuple:
        return tuple(values[parent] for parent in self.parents[name])

    def sample_noise(self, key: Key, num: int) -> Noise:
        """{node: noise `[num, ...]`}; a node's draws depend on its name alone."""
        return {
            name: mechanism.noise(node_key(key, name), num)
            for name, mechanism in self.mechanisms.items()
        }

    def evaluate(self, params: Params, noise: Noise) -> Values:
        """The values of ONE unit: the definition, a loop in topological order."""
        values = {}
        for name in self.order:
            parents = self._of(name, values)
            values[name] = self.mechanisms[name].apply(
                params[name], parents, noise[name]
            )
        return values

    def substitute(self, params: Params, do: Mapping) -> tuple["SCM", Params]:
        """The intervened model and its parameters: what every `do=` goes through."""
        mechanisms, params = dict(self.mechanisms), dict(params)
        for name, intervention in arguments.interventions(self, do).items():
            mechanisms[name], params[name] = intervention.substitute(
                mechanisms[name], params[name]
            )
        return SCM(self.graph, mechanisms), params

    # --- see, do, imagine ------------------------------------------------------------

    def sample(
        self,
        params: Params,
        key: Key,
        *,
        num: int = 1,
        do: Mapping | None = None,
        given: Mapping | None = None,
        max_draws: int = 2_000_000,
    ) -> Values:
        """Draws units: what is seen, or what would be seen if we did something.

        Args:
          params: {node: parameters}.
          key: the same key gives the same noise, whatever `do` is: non-descendants of
            an intervention are bit-identical.
          num: number of units.
          do: {node: intervention}: a state's name or index, a number, an array with one
            value a unit (recognised by its rank), a function of the natural value and
            the parents, or one of `causal_jax.interventions`.
          given: {node: state or predicate}: keep only units that meet these conditions
            in the intervened world.
          max_draws: how many units are drawn at most to fill a condition.

        Returns:
          {node: `[num, ...]`}, at an intervened node the intervened value.

        Raises:
          ValueError: unknown nodes or states, `do` and `given` contradict each other,
            or the condition is (nearly) never met; the acceptance rate is said.
        """
        do = self._interventions(params, do, num)
        if not given:
            return self._ordered(_sample(self, params, key, do, num))
        noise = accept_or_raise(self, params, key, num, do, given, max_draws)
        return self._ordered(_evaluate(self, params, noise, do))

    def sample_given(
        self,
        params: Params,
        key: Key,
        *,
        num: int,
        given: Mapping,
        do: Mapping | None = None,
        max_draws: int = 2_000_000,
    ) -> Conditioned:
        """Like `sample(given=)`, but returns the counts and raises nothing on them."""
        do = self._interventions(params, do, num)
        accepted = accept(self, params, key, num, do, given, max_draws)
        values = _evaluate(self, params, accepted.noise, do)
        return Conditioned(self._ordered(values), accepted.filled, accepted.drawn)

    def twins(
        self,
        params: Params,
        key: Key,
        *,
        num: int = 1,
        do: Mapping,
        given: Mapping | None = None,
        max_draws: int = 2_000_000,
    ) -> tuple[Values, Values]:
        """Drawn units twice: as they are, and as the same noise would be under `do`.

        `given` conditions the factual world. A `Randomize` or `Replace` draws its own
        noise, independent of what the unit was.
        """
        if given:
            noise = accept_or_raise(self, params, key, num, {}, given, max_draws)
        else:
            noise = self.sample_noise(key, num)
        do = self._interventions(params, do, num)
        key_fresh = jax.random.fold_in(key, 1)  # not the key of the factual
        noise_do = self._with_fresh_noise(key_fresh, noise, do, num)
        factual = _evaluate(self, params, noise, {})
        counterfactual = _evaluate(self, params, noise_do, do)
        return self._ordered(factual), self._ordered(counterfactual)

    def abduct(
        self, params: Params, key: Key, factual: Values, *, num_particles: int = 256
    ) -> Noise:
        """A draw of the units' noise from its posterior given what was observed.

        Args:
          params: {node: parameters}.
          key: PRNG key.
          factual: {node: `[num, ...]`} or, for one unit, {node: value}. Nodes that are
            left out were not observed: they are drawn by likelihood weighting with
            `num_particles` particles where an observed node lies below them (exact as
            their number grows), and from the prior elsewhere (exact).
          num_particles: see above.

        Raises:
          ValueError: a node that cannot be abducted, by name, or a factual that the
            model says is impossible.
        """
        shapes = self.value_shapes(params)
        factual, is_unit, _ = arguments.factual(self, shapes, factual)
        noise, consistent = abduction.abduct(self, params, key, factual, num_particles)
        abduction.require_possible(consistent)
        return _first(noise) if is_unit else noise

    def counterfactual(
        self,
        params: Params,
        key: Key,
        factual: Values,
        *,
        do: Mapping | None = None,
        num_particles: int = 256,
    ) -> Values:
        """What these units would have been: abduct, substitute, evaluate.

        Level three is not identified by what is seen: the answer depends on how noise
        is coupled to values (for discrete nodes `Discrete.coupling`).

        Args:
          params: {node: parameters}.
          key: PRNG key.
          factual: as in `abduct`.
          do: as in `sample`.
          num_particles: as in `abduct`.

        Returns:
          {node: `[num, ...]`}, or the values of one unit if `factual` is one.
        """
        shapes = self.value_shapes(params)
        factual, is_unit, num = arguments.factual(self, shapes, factual)
        do = self._interventions(params, do, num)
        noise, consistent = abduction.abduct(self, params, key, factual, num_particles)
        abduction.require_possible(consistent)
        key_fresh = jax.random.fold_in(key, 1)  # not the key of the abduction
        noise = self._with_fresh_noise(key_fresh, noise, do, num)
        values = self._ordered(_evaluate(self, params, noise, do))
        return _first(values) if is_unit else values

    def value_shapes(self, params: Params) -> dict[str, jax.ShapeDtypeStruct]:
        """{node: shape and dtype of one unit's value}."""

        def one_unit(params, key):
            return self.evaluate(params, _first(self.sample_noise(key, 1)))

        return jax.eval_shape(one_unit, params, jax.random.key(0))

    def _interventions(self, params, do: Mapping | None, num: int) -> dict[str, Any]:
        if not do:
            return {}
        return arguments.interventions(self, do, self.value_shapes(params), num)

    def _ordered(self, values: Values) -> Values:
        """Graph order again: `jax.jit` sorts the keys of the dicts it returns."""
        return {name: values[name] for name in self.nodes}

    def _with_fresh_noise(self, key, noise: Noise, do: Mapping, num: int) -> Noise:
        """`noise`, drawn afresh where an intervention brings its own."""
        fresh = {
            name: item.substitute(None, None)[0].noise(node_key(key, name), num)
            for name, item in do.items()
            if item.fresh_noise
        }
        return {**noise, **fresh}


def node_key(key: Key, name: str) -> Key:
    """The key of one node: independent of which other nodes exist."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


@partial(jax.jit, static_argnames=("scm", "num"))
def _sample(scm: SCM, params: Params, key: Key, do: dict, num: int) -> Values:
    model, _ = scm.substitute(params, do)
    return _evaluate(scm, params, model.sample_noise(key, num), do)


@partial(jax.jit, static_argnames=("scm",))
def _evaluate(scm: SCM, params: Params, noise: Noise, do: dict) -> Values:
    """Values of a batch; one unit is `evaluate` of the substituted model."""

    def one_unit(do, noise):
        model, model_params = scm.substitute(params, do)
        return model.evaluate(model_params, noise)

    shapes = scm.value_shapes(params) if do else {}
    axes = {name: arguments.unit_axis(item, shapes[name]) for name, item in do.items()}
    return jax.vmap(one_unit, in_axes=(axes, 0))(do, noise)


def _first(tree):
    """The first unit of a batch."""
    return jax.tree.map(lambda leaf: leaf[0], tree)


def _named_states(graph: nx.DiGraph, mechanisms: Mapping) -> nx.DiGraph:
    """The graph with a name for every state of every discrete mechanism."""
    named = {}
    for name in graph:
        num_states = getattr(mechanisms[name], "num_states", None)
        states = graphs.states(graph, name)
        if states and num_states and len(states) != num_states:
            raise ValueError(
                f"node {name!r} has {len(states)} states, {', '.join(states[:20])}, "
                f"but its mechanism has {num_states}"
            )
        if num_states and not states:
            named[name] = tuple(map(str, range(num_states)))
    return graphs.with_states(graph, named) if named else graph


def _require_distinct_keys(graph: nx.DiGraph) -> None:
    seen = {}
    for name in graph:
        other = seen.setdefault(zlib.crc32(name.encode()), name)
        if other != name:
            raise ValueError(
                f"nodes {other!r} and {name!r} would share their random key: "
                "rename one of them"
            )
