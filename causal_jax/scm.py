"""The structural causal model: a DAG and one pure function per node.

Pearl (2009), Definition 7.1.1: a model is a set of functions `x_i = f_i(pa_i, u_i)`.
*See* evaluates them on drawn noise; *do* evaluates the model whose intervened functions
were substituted (the truncated factorisation, eq. 3.10); *imagine* evaluates the
substituted model on the noise abducted from what was observed (Theorem 7.1.7). All
three are `evaluate` with other parameters and noise put in.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx

from causal_jax import abduction, arguments, batches, description, kinds, messages
from causal_jax import graph as graphs
from causal_jax.abduction import Abducted
from causal_jax.conditioning import Conditioned, accept, require_filled
from causal_jax.mechanism import (
    Intervention,
    Mechanism,
    node_key,
    require_distinct_keys,
    require_mechanism,
    require_parents,
)
from causal_jax.parameters import require_params
from causal_jax.posterior import NUM_PARTICLES
from causal_jax.types import Key, Noise, Params, Shapes, Values


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

    Example:
      >>> from causal_jax import SCM, Tabular
      >>> scm = SCM("Rain -> Wet", {"Rain": Tabular(2), "Wet": Tabular(2, (2,))})
      >>> scm.parents["Wet"], scm.states("Wet")
      (('Rain',), ('0', '1'))
    """

    graph: nx.DiGraph
    mechanisms: Mapping[str, Mechanism]

    def __post_init__(self) -> None:
        graph = graphs.read(self.graph)
        for name, mechanism in self.mechanisms.items():
            graphs.require_node(graph, name, role="node of a mechanism")
            require_mechanism(name, mechanism)
        missing = [name for name in graph if name not in self.mechanisms]
        if missing:
            raise ValueError(f"node {missing[0]!r} has no mechanism: give it one")
        mechanisms = {name: self.mechanisms[name] for name in graph}
        num_states = {n: getattr(m, "num_states", None) for n, m in mechanisms.items()}
        graph = graphs.with_numbered_states(graph, num_states)
        object.__setattr__(self, "graph", graph)
        object.__setattr__(self, "mechanisms", mechanisms)
        require_distinct_keys(graph)
        for name, mechanism in mechanisms.items():
            require_parents(self, name, mechanism)

    @cached_property
    def _signature(self) -> tuple:
        return graphs.signature(self.graph), tuple(self.mechanisms.items())

    def __hash__(self) -> int:
        return hash(self._signature)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SCM) and self._signature == other._signature

    def __repr__(self) -> str:
        return description.text(self)

    def _repr_html_(self) -> str:
        return description.html(self)

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
        """State names of a discrete node, None for any other.

        Example:
          >>> from causal_jax import SCM, Tabular
          >>> scm = SCM("Rain -> Wet", {"Rain": Tabular(2), "Wet": Tabular(2, (2,))})
          >>> scm.states("Wet")
          ('0', '1')
        """
        return graphs.states(self.graph, name)

    @property
    def discrete(self) -> tuple[str, ...]:
        """The nodes that have states, in the graph's declared order."""
        return tuple(name for name in self.graph if self.states(name))

    def extend(
        self, name: str, *, parents: Sequence[str], mechanism: Mechanism
    ) -> "SCM":
        """The model with one more node below `parents`; other draws do not change.

        Raises:
          ValueError: the node exists, a parent does not, or parents are not in the
            graph's declared order, in which every mechanism takes them.

        Example:
          >>> from causal_jax import SCM, Tabular
          >>> scm = SCM("Rain -> Wet", {"Rain": Tabular(2), "Wet": Tabular(2, (2,))})
          >>> slippery = Tabular(2, (2,))
          >>> scm.extend("Slippery", parents=["Wet"], mechanism=slippery).nodes
          ('Rain', 'Wet', 'Slippery')
        """
        if name in self.graph:
            raise ValueError(f"node {name!r} exists already: choose another name")
        for parent in parents:
            graphs.require_node(self.graph, parent, role="parent")
        declared = [node for node in self.graph if node in set(parents)]
        if list(parents) != declared:
            raise ValueError(
                f"the parents of {name!r} are given as {', '.join(parents)}: name them "
                f"once each in the graph's order, {', '.join(declared)}, in which its "
                "mechanism takes them"
            )
        graph = nx.DiGraph(self.graph)
        graph.add_node(name)
        graph.add_edges_from((parent, name) for parent in parents)
        return SCM(graph, {**self.mechanisms, name: mechanism})

    # --- the definition --------------------------------------------------------------

    def init(self, key: Key) -> Params:
        """{node: its mechanism's fresh parameters}.

        Example:
          >>> import jax
          >>> from causal_jax import SCM, Tabular
          >>> scm = SCM("Rain -> Wet", {"Rain": Tabular(2), "Wet": Tabular(2, (2,))})
          >>> scm.init(jax.random.key(0))["Wet"]["probs"].shape
          (2, 2)
        """
        params: dict[str, Params] = {}
        shapes: Shapes = {}
        for name in self.order:
            mechanism = self.mechanisms[name]
            above = self._parent_values(name, shapes)
            parents = tuple(jnp.zeros(s.shape, s.dtype) for s in above)
            with messages.of_node(name, self.parents[name]):
                params[name] = mechanism.init(node_key(key, name), parents)
                kind = kinds.of_node(mechanism, params[name], above)
                shapes[name] = kinds.value_shape(kind)
        return params

    def _parent_values(self, name: str, values: Mapping[str, Any]) -> tuple:
        return tuple(values[parent] for parent in self.parents[name])

    def sample_noise(self, key: Key, num: int) -> Noise:
        """{node: noise `[num, ...]`}; a node's draws depend on its name alone.

        Example:
          >>> import jax
          >>> from causal_jax import SCM, Tabular
          >>> scm = SCM("Rain -> Wet", {"Rain": Tabular(2), "Wet": Tabular(2, (2,))})
          >>> scm.sample_noise(jax.random.key(0), 5)["Wet"].shape
          (5,)
        """
        return {
            name: mechanism.noise(node_key(key, name), num)
            for name, mechanism in self.mechanisms.items()
        }

    def evaluate(self, params: Params, noise: Noise) -> Values:
        """The values of ONE unit: the definition, a loop in topological order.

        Example:
          >>> import jax.numpy as jnp
          >>> from causal_jax import SCM, bernoulli, categorical
          >>> rain, wet = bernoulli(0.3), categorical([[1, 0], [0, 1]])
          >>> scm = SCM("Rain -> Wet", {"Rain": rain[0], "Wet": wet[0]})
          >>> params = {"Rain": rain[1], "Wet": wet[1]}
          >>> noise = {"Rain": jnp.array(0.9), "Wet": jnp.array(0.5)}
          >>> {name: int(x) for name, x in scm.evaluate(params, noise).items()}
          {'Rain': 1, 'Wet': 1}
        """
        values: Values = {}
        for name in self.order:
            mechanism, parents = (
                self.mechanisms[name],
                self._parent_values(name, values),
            )
            with messages.of_node(name, self.parents[name]):
                values[name] = mechanism.apply(params[name], parents, noise[name])
        return values

    def substitute(self, params: Params, do: Mapping[str, Any]) -> tuple["SCM", Params]:
        """The intervened model and its parameters, for a `do` as in `sample`.

        Every unit of the model is intervened on alike: no arrays with a value per unit.

        Example:
          >>> import jax
          >>> from causal_jax import SCM, bernoulli, categorical
          >>> rain, wet = bernoulli(0.3), categorical([[1, 0], [0, 1]])
          >>> scm = SCM("Rain -> Wet", {"Rain": rain[0], "Wet": wet[0]})
          >>> params = {"Rain": rain[1], "Wet": wet[1]}
          >>> model, its_params = scm.substitute(params, {"Rain": 1})
          >>> model.sample(its_params, jax.random.key(0), num=3)["Wet"].tolist()
          [1, 1, 1]
        """
        shapes = self.value_shapes(params)
        parsed = arguments.interventions(self, do, shapes)
        return self._substitute_parsed(params, parsed)

    def _substitute_parsed(
        self, params: Params, do: Mapping[str, Intervention]
    ) -> tuple["SCM", Params]:
        """What every `do=` goes through, parsed by `arguments.interventions` before."""
        mechanisms, params = dict(self.mechanisms), dict(params)
        for name, intervention in do.items():
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
        do: Mapping[str, Any] | None = None,
        given: Mapping[str, Any] | None = None,
        max_draws: int = 2_000_000,
    ) -> Values:
        """Draws units: what is seen, or what would be seen if we did something.

        Args:
          params: {node: parameters}.
          key: the same key gives the same noise, whatever `do` is: non-descendants of
            an intervention are bit-identical.
          num: number of units.
          do: {node: intervention}: a state's name or index, a number, an array with one
            value per unit (recognised by its rank), a function of the natural value and
            the parents, or one of `causal_jax.interventions`.
          given: {node: state or predicate}: units that meet these conditions in the
            intervened world. States are conditioned on exactly, however improbable,
            where all nodes above them are discrete with an explicit law (`log_probs`);
            predicates (pure functions: compiled, they read globals once), and states
            elsewhere, by rejection.
          max_draws: how many units rejection draws at most to fill a condition.

        Returns:
          {node: `[num, ...]`}, at an intervened node the intervened value.

        Raises:
          ValueError: unknown nodes or states, `do` and `given` contradict each other,
            the condition has probability zero, or rejection (nearly) never meets it;
            the acceptance rate is said.

        Example:
          >>> import jax
          >>> from causal_jax import SCM, Tabular
          >>> scm = SCM("Rain -> Wet", {"Rain": Tabular(2), "Wet": Tabular(2, (2,))})
          >>> params = scm.init(jax.random.key(0))
          >>> done = scm.sample(params, jax.random.key(1), num=3, do={"Rain": 1})
          >>> done["Rain"].tolist(), done["Wet"].shape
          ([1, 1, 1], (3,))
        """
        do, shapes = self._parse(params, key, do, num)
        if _is_nothing(given):
            return self._checked(batches.sample_batch(self, params, key, do, num), do)
        accepted = accept(
            self, params, key, do, shapes, given, num=num, max_draws=max_draws
        )
        require_filled(accepted, num, given)
        return self._checked(
            batches.evaluate_batch(self, params, accepted.noise, do), do
        )

    def sample_given(
        self,
        params: Params,
        key: Key,
        *,
        num: int,
        given: Mapping[str, Any],
        do: Mapping[str, Any] | None = None,
        max_draws: int = 2_000_000,
    ) -> Conditioned:
        """Like `sample(given=)`, but returns the counts and raises nothing on them.

        Example:
          >>> import jax
          >>> from causal_jax import SCM, bernoulli, categorical
          >>> rain, wet = bernoulli(0.3), categorical([[1, 0], [0, 1]])
          >>> scm = SCM("Rain -> Wet", {"Rain": rain[0], "Wet": wet[0]})
          >>> params = {"Rain": rain[1], "Wet": wet[1]}
          >>> key, given = jax.random.key(0), {"Wet": 1}
          >>> found = scm.sample_given(params, key, num=3, given=given)
          >>> int(found.filled), found.values["Rain"].tolist()
          (3, [1, 1, 1])
        """
        do, shapes = self._parse(params, key, do, num)
        accepted = accept(
            self, params, key, do, shapes, given, num=num, max_draws=max_draws
        )
        values = self._checked(
            batches.evaluate_batch(self, params, accepted.noise, do), do
        )
        return Conditioned(
            values=values,
            met=accepted.met,
            filled=accepted.filled,
            drawn=accepted.drawn,
        )

    def twins(
        self,
        params: Params,
        key: Key,
        *,
        num: int = 1,
        do: Mapping[str, Any],
        given: Mapping[str, Any] | None = None,
        max_draws: int = 2_000_000,
    ) -> tuple[Values, Values]:
        """Drawn units twice: as they are, and as the same noise would be under `do`.

        `given` conditions the factual world. A `Randomize` or `Replace` draws its own
        noise, independent of what the unit was.

        Example:
          >>> import jax
          >>> from causal_jax import SCM, bernoulli, categorical
          >>> rain, wet = bernoulli(0.3), categorical([[1, 0], [0, 1]])
          >>> scm = SCM("Rain -> Wet", {"Rain": rain[0], "Wet": wet[0]})
          >>> params = {"Rain": rain[1], "Wet": wet[1]}
          >>> key = jax.random.key(0)
          >>> before, after = scm.twins(params, key, num=2, do={"Rain": 1})
          >>> after["Wet"].tolist()
          [1, 1]
        """
        do, _ = self._parse(params, key, do, num)
        if not _is_nothing(given):
            accepted = accept(
                self, params, key, {}, {}, given, num=num, max_draws=max_draws
            )
            require_filled(accepted, num, given)
            noise = accepted.noise
        else:
            noise = self.sample_noise(key, num)
        key_fresh = jax.random.fold_in(key, 1)  # not the key of the factual
        noise_do = batches.with_fresh_noise(self, key_fresh, noise, do, num)
        factual = batches.evaluate_batch(self, params, noise, {})
        counterfactual = batches.evaluate_batch(self, params, noise_do, do)
        return self._ordered(factual), self._checked(counterfactual, do)

    def abduct(
        self,
        params: Params,
        key: Key,
        factual: Values,
        *,
        num_particles: int = NUM_PARTICLES,
    ) -> Noise:
        """A draw of the units' noise from its posterior given what was observed.

        Args:
          params: {node: parameters}.
          key: PRNG key.
          factual: {node: `[num, ...]`} or, for one unit, {node: value}. Nodes that are
            left out were not observed. Those with an observed descendant are drawn from
            their posterior: exactly where they are discrete with explicit laws, and
            where they and the observed nodes below them are linear-Gaussian; elsewhere
            by likelihood weighting, whose draws are constants to a gradient. All others
            come from the prior.
          num_particles: how many particles likelihood weighting draws at most for each
            256 units observed alike; it stops at 256 effective ones.

        Raises:
          ValueError: a node that cannot be abducted, by name; a factual that has
            probability zero; one that too few particles came near.

        Example:
          >>> import jax
          >>> from causal_jax import SCM, bernoulli, categorical
          >>> rain, wet = bernoulli(0.3), categorical([[1, 0], [0, 1]])
          >>> scm = SCM("Rain -> Wet", {"Rain": rain[0], "Wet": wet[0]})
          >>> params = {"Rain": rain[1], "Wet": wet[1]}
          >>> noise = scm.abduct(params, jax.random.key(0), {"Rain": 1, "Wet": 1})
          >>> bool(noise["Rain"] >= 0.7)  # above P(Rain = 0)
          True
        """
        self._require_params_and_key(params, key)
        shapes = self.value_shapes(params)
        factual, is_unit, _ = arguments.factual(self, shapes, factual)
        noise = self._noise_of(params, key, factual, num_particles)
        return batches.first_unit(noise) if is_unit else noise

    def posterior(
        self,
        params: Params,
        key: Key,
        factual: Values,
        *,
        num_particles: int = NUM_PARTICLES,
    ) -> Abducted:
        """Like `abduct` of a batch, but returns counts and raises nothing on them.

        Example:
          >>> import jax
          >>> from causal_jax import SCM, bernoulli, categorical
          >>> rain, wet = bernoulli(0.3), categorical([[1, 0], [0.1, 0.9]])
          >>> scm = SCM("Rain -> Wet", {"Rain": rain[0], "Wet": wet[0]})
          >>> params = {"Rain": rain[1], "Wet": wet[1]}
          >>> found = scm.posterior(params, jax.random.key(0), {"Wet": 1})
          >>> found.possible.tolist(), found.effective.tolist()  # exact
          ([True], [inf])
        """
        self._require_params_and_key(params, key)
        factual, _, num = arguments.factual(self, self.value_shapes(params), factual)
        found = abduction.abduct(self, params, key, factual, num_particles)
        return abduction.counted(found, num)

    def _noise_of(
        self, params: Params, key: Key, factual: Values, num_particles: int
    ) -> Noise:
        """The noise of a batch of units, which have to be possible."""
        found = abduction.abduct(self, params, key, factual, num_particles)
        abduction.require_found(found)
        return found.noise

    def counterfactual(
        self,
        params: Params,
        key: Key,
        factual: Values,
        *,
        do: Mapping[str, Any] | None = None,
        num_particles: int = NUM_PARTICLES,
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

        Example:
          >>> import jax
          >>> from causal_jax import SCM, bernoulli, categorical
          >>> rain, wet = bernoulli(0.3), categorical([[1, 0], [0, 1]])
          >>> scm = SCM("Rain -> Wet", {"Rain": rain[0], "Wet": wet[0]})
          >>> params, unit = {"Rain": rain[1], "Wet": wet[1]}, {"Rain": 1, "Wet": 1}
          >>> scm.counterfactual(params, jax.random.key(0), unit, do={"Rain": 0})
          {'Rain': Array(0, dtype=int32), 'Wet': Array(0, dtype=int32)}
        """
        self._require_params_and_key(params, key)
        shapes = self.value_shapes(params)
        factual, is_unit, num = arguments.factual(self, shapes, factual)
        do = arguments.interventions(self, do, shapes, num)
        if batches.is_imagined_at_once(self, factual, shapes, num):
            values, fits = batches.imagined(self, params, key, factual, do, num)
            abduction.require_fitting(fits)
            return self._checked(values, do)
        noise = self._noise_of(params, key, factual, num_particles)
        key_fresh = jax.random.fold_in(key, 1)  # not the key of the abduction
        noise = batches.with_fresh_noise(self, key_fresh, noise, do, num)
        values = self._checked(batches.evaluate_batch(self, params, noise, do), do)
        return batches.first_unit(values) if is_unit else values

    def value_shapes(self, params: Params) -> Shapes:
        """{node: shape and dtype of one unit's value}.

        Example:
          >>> import jax
          >>> from causal_jax import SCM, bernoulli, categorical
          >>> rain, wet = bernoulli(0.3), categorical([[1, 0], [0, 1]])
          >>> scm = SCM("Rain -> Wet", {"Rain": rain[0], "Wet": wet[0]})
          >>> params = {"Rain": rain[1], "Wet": wet[1]}
          >>> scm.value_shapes(params)["Wet"]
          ShapeDtypeStruct(shape=(), dtype=int32)
        """
        return kinds.value_shapes(self, params)

    def _parse(
        self, params: Params, key: Key, do: Mapping[str, Any] | None, num: int
    ) -> tuple[dict[str, Intervention], Shapes]:
        """A call's arguments checked; `do` parsed, and the shapes it was fitted to."""
        self._require_params_and_key(params, key)
        arguments.require_num(num)
        shapes = {} if _is_nothing(do) else self.value_shapes(params)
        return arguments.interventions(self, do, shapes, num), shapes

    def _require_params_and_key(self, params: Params, key: Key) -> None:
        require_params(self, params)
        arguments.require_key(key)

    def _ordered(self, values: Values) -> Values:
        """Graph order again: `jax.jit` sorts the keys of the dicts it returns."""
        return {name: values[name] for name in self.nodes}

    def _checked(self, values: Values, do: Mapping[str, Intervention]) -> Values:
        """Graph order again, once what functions in `do` returned was looked at."""
        arguments.require_states(self, values, do)
        return self._ordered(values)


def _is_nothing(question: Any) -> bool:
    """Whether `do` or `given` asks nothing; arrays have no truth of their own."""
    return question is None or (isinstance(question, Mapping) and not question)
