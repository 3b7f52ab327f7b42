"""The states of one's own columns, and their order, as a config declares them."""

import csv

import networkx as nx

from causal_jax import graph as graphs
from causal_jax.data import celeba_graphs
from causal_jax.recipes.settings import Settings


def own_states(config: Settings) -> dict[str, tuple[str, ...]]:
    """{column: its states in their order} of `config.states`.

    Each is "COLUMN=STATE,STATE,..."; a state with a comma or a double quote stands in
    double quotes, as in CSV.

    Raises:
      ValueError: one that does not read so, or where there is no table.

    >>> own_states(Settings(table="people.csv", states=("Level=low,medium,high",)))
    {'Level': ('low', 'medium', 'high')}
    """
    texts = getattr(config, "states", ())  # older runs do not say
    if not isinstance(texts, tuple):
        raise ValueError(
            f'states are a list such as ("Level=low,high",), or (), not {texts!r}'
        )
    if texts and not config.table:
        raise ValueError(
            "states are of columns of your own table: give --config.table=FILE.csv, or "
            "--config.states='()'"
        )
    result: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, _, listed = str(text).partition("=")
        words = next(csv.reader([listed], skipinitialspace=True), [])
        states = tuple(word.strip() for word in words)
        if len(set(states)) < max(2, len(states)) or not all(states):
            raise ValueError(
                f"states has {text!r}: give a column and its different states in their "
                'order, such as "Level=low,medium,high"'
            )
        if name.strip() in result:
            raise ValueError(f"states name {name.strip()!r} twice: give one order")
        result[name.strip()] = states
    return result


def known_states(config: Settings, graph: nx.DiGraph) -> dict[str, tuple[str, ...]]:
    """{column: its states}, of those that the config or the graph declares.

    Raises:
      ValueError: the config names a column that is not in the graph.
    """
    declared = own_states(config)
    for name in declared:
        graphs.require_node(graph, name, role="column in --config.states")
    if config.graph in celeba_graphs.GRAPHS:  # their states are CelebA's
        return declared
    found = {name: graphs.states(graph, name) for name in graph}
    return {name: states for name, states in found.items() if states} | declared
