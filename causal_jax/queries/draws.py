"""Many images of many interventions with one compiled generator.

`scm.sample(params, key, do=...)` compiles once for every set of intervened nodes, which
is dear where a node is a large network. Here the labels, which are cheap, are drawn
first, under `do` and `given` (under `do` alone by one program, whichever labels are
set); then the rest of the model is drawn with *every* label set to its value, unit by
unit. Both have the same law: given its parents, a node does not depend on how they came
about (the causal Markov condition; Pearl 2009, section 1.4.2), and without `given` even
the same draws, since a node's noise depends on the key and its name alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from causal_jax import chunked
from causal_jax import graph as graphs
from causal_jax.interventions import Set, Settable
from causal_jax.networks.judge import Judge, Reading
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Noise, Params, Values

CHUNK = 256  # units drawn at once: one compiled shape, bounded memory


def label_model(scm: SCM, params: Params) -> tuple[SCM, Params]:
    """The discrete nodes and all their ancestors: a model of its own, and its params.

    Raises:
      ValueError: no node is discrete.
    """
    if not scm.discrete:
        raise ValueError("no node of the model has states: there are no labels to draw")
    kept = set(scm.discrete).union(*(nx.ancestors(scm.graph, n) for n in scm.discrete))
    names = [name for name in scm.nodes if name in kept]
    edges = [(p, name) for name in names for p in scm.parents[name]]
    states = {name: scm.states(name) for name in names if scm.states(name)}
    graph = graphs.build(edges, nodes=names, states=states)
    model = SCM(graph, {name: scm.mechanisms[name] for name in names})
    return model, {name: params[name] for name in names}


def draw_labels(
    scm: SCM,
    params: Params,
    key: Key,
    *,
    num: int,
    do: Mapping | None = None,
    given: Mapping | None = None,
    max_draws: int = 2_000_000,
) -> Values:
    """The nodes of `label_model`, each `[num, ...]`.

    Interventions on other nodes are ignored. Without `given`, one program serves every
    set of nodes that are set, if all have states.

    Raises:
      ValueError: see `SCM.sample`.
    """
    model, model_params = label_model(scm, params)
    for name in do or {}:
        graphs.require_node(scm.graph, name, role="node in do")
    do = {name: value for name, value in (do or {}).items() if name in model.nodes}
    if given is None and _is_settable(model):
        parsed, _ = model._parse(model_params, key, do, num)
        if all(isinstance(item, Set) for item in parsed.values()):
            settings = {
                name: jnp.broadcast_to(jnp.asarray(item.value, jnp.float32), num)
                for name, item in parsed.items()
            }
            natural = dict.fromkeys(model.nodes, jnp.full(num, jnp.nan, jnp.float32))
            values = _sample_set(model, model_params, key, {**natural, **settings})
            return model._ordered(values)
    return model.sample(
        model_params, key, num=num, do=do, given=given, max_draws=max_draws
    )


def _is_settable(scm: SCM) -> bool:
    """Whether all nodes have states, and are evaluated one by one."""
    return len(scm.discrete) == len(scm.nodes) and not chunked.is_large(scm)


@partial(jax.jit, static_argnames=("scm",))
def _sample_set(scm: SCM, params: Params, key: Key, settings: Values) -> Values:
    """`SCM.sample` with states set, `[num]` a node, where they are no NaN."""
    mechanisms = {name: Settable(each) for name, each in scm.mechanisms.items()}
    settable = SCM(scm.graph, mechanisms)

    def one_unit(settings: Values, noise: Noise) -> Values:
        both = {
            name: {"inner": params[name], "setting": settings[name]}
            for name in scm.nodes
        }
        return settable.evaluate(both, noise)

    num = len(settings[scm.nodes[0]])
    return jax.vmap(one_unit)(settings, scm.sample_noise(key, num))


def with_labels(
    scm: SCM, params: Params, key: Key, labels: Values, *, node: str = "image"
) -> Array:
    """The node below labels that are all set; one compile for one number of units.

    Args:
      scm: the model.
      params: its parameters.
      key: the same key gives the same noise, whatever the labels are.
      labels: what `draw_labels` returns, `[num, ...]` each.
      node: which node; must exist.
    """
    require_image(scm, node)
    if node in labels:  # an image above the labels: they have been drawn from it
        return labels[node]
    num = len(next(iter(labels.values())))
    return scm.sample(params, key, num=num, do=labels)[node]


def draw(
    scm: SCM,
    params: Params,
    key: Key,
    *,
    num: int,
    do: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
    node: str = "image",
) -> Iterator[tuple[dict[str, np.ndarray], Array]]:
    """Yields (labels, images) in chunks of at most `CHUNK` units.

    Labels are {node: `[n, ...]`}, images `[n, H, W, 3]` in [-1, 1].

    Raises:
      ValueError: see `SCM.sample`; an intervention on a node that is neither a label
        nor above one.
    """
    require_image(scm, node)
    drawn_first = label_model(scm, params)[0].nodes if do else ()
    for name in do or {}:
        graphs.require_node(scm.graph, name, role="node in do")
        if name not in drawn_first:
            raise ValueError(
                f"do on {name!r}, which is neither a label nor above one: draw it with "
                "SCM.sample"
            )
    key_labels, key_images = jax.random.split(key)
    labels = draw_labels(scm, params, key_labels, num=num, do=do, given=given)
    yield from draw_with(scm, params, key_images, labels, node=node)


def draw_with(
    scm: SCM, params: Params, key: Key, labels: Values, *, node: str = "image"
) -> Iterator[tuple[dict[str, np.ndarray], Array]]:
    """`draw` for labels that are there already."""
    labels = {name: np.asarray(value) for name, value in labels.items()}
    num = len(next(iter(labels.values())))
    chunk = min(CHUNK, num)
    for index, start in enumerate(range(0, num, chunk)):
        # The last chunk starts earlier, to have the compiled shape, and is cut.
        first = min(start, num - chunk)
        part = {name: value[first : first + chunk] for name, value in labels.items()}
        key_chunk = jax.random.fold_in(key, index)
        images = with_labels(scm, params, key_chunk, part, node=node)
        skip = start - first
        yield {name: value[skip:] for name, value in part.items()}, images[skip:]


def draw_images(scm: SCM, params: Params, key: Key, **settings) -> np.ndarray:
    """All images of `draw` as uint8 `[num, H, W, 3]`; the same settings."""
    parts = []
    for _, images in draw(scm, params, key, **settings):
        levels = jnp.round((jnp.clip(images, -1.0, 1.0) + 1.0) * 127.5)
        parts.append(np.asarray(levels.astype(jnp.uint8)))
    return np.concatenate(parts)


def read(
    scm: SCM, params: Params, judge: Judge, key: Key, *, num: int, do=None, given=None
) -> Reading:
    """The judge's reading of `num` drawn images, as numpy arrays."""
    return read_all(judge, draw(scm, params, key, num=num, do=do, given=given))


def read_all(judge: Judge, draws: Iterable) -> Reading:
    """The judge's reading of what `draw` or `draw_with` yields, as numpy arrays."""
    readings = [jax.tree.map(np.asarray, judge.read(images)) for _, images in draws]
    return jax.tree.map(lambda *parts: np.concatenate(parts), *readings)


def judged_labels(scm: SCM, judge: Judge) -> tuple[str, ...]:
    """The binary labels that the judge knows, in the graph's order.

    Raises:
      ValueError: there is none.
    """
    names = tuple(
        name
        for name in scm.discrete
        if name in judge.label_names and len(scm.states(name)) == 2
    )
    if not names:
        raise ValueError(
            f"the judge reads {', '.join(judge.label_names[:20])}: no binary label of "
            "the model is among them"
        )
    return names


def judge_column(judge: Judge, name: str) -> int:
    """Which column of a reading's labels is this one.

    Raises:
      ValueError: the judge does not read it.
    """
    if name not in judge.label_names:
        raise ValueError(
            f"the judge does not read {name!r}: "
            + graphs.suggestion(name, judge.label_names)
        )
    return judge.label_names.index(name)


def require_image(scm: SCM, node: str = "image") -> None:
    """Raises ValueError unless the model has this node."""
    graphs.require_node(scm.graph, node, role="image node")
