"""The states of one's own columns, and their order, as a config declares them."""

import csv
import re

import networkx as nx

from causal_jax import graph as graphs
from causal_jax.data import celeba_graphs
from causal_jax.recipes.settings import Settings

_DECLARED = re.compile(
    r'(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<bare>[^"=]+?))\s*=(?P<states>[^\r\n]*)'
)


def own_states(config: Settings) -> dict[str, tuple[str, ...]]:
    """{column: its states in their order} of `config.states`.

    Each is "COLUMN=STATE,STATE,..."; a column with "=" or a state with a comma stands
    in double quotes, as in CSV.

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
        found = _DECLARED.fullmatch(str(text).strip())
        name, states = ("", ()) if found is None else _read(found)
        if len(set(states)) < max(2, len(states)) or not all(states):
            raise ValueError(
                f"states has {text!r}: give a column and its different states in their "
                'order, such as "Level=low,medium,high"'
            )
        if name in result:
            raise ValueError(f"states name {name!r} twice: give one order")
        result[name] = states
    return result


def _read(found: re.Match) -> tuple[str, tuple[str, ...]]:
    """A column and its states, without their quotes."""
    words = next(csv.reader([found["states"]], skipinitialspace=True), [])
    name = found["quoted"]
    name = found["bare"].strip() if name is None else name.replace('""', '"')
    return name, tuple(word.strip() for word in words)


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
