"""Conditional probability tables as mechanisms."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.mechanism import Discrete, safe_log
from causal_jax.types import Array, Key, Params


@dataclasses.dataclass(frozen=True)
class Tabular(Discrete):
    """A conditional probability table.

    Attributes:
      num_states: number of states of the node.
      parent_states: number of states of each parent, in the graph's parent order.
      coupling: "inverse_cdf" or "gumbel", see `Discrete`.

    Params: `{"probs": [*parent_states, num_states]}`, rows summing to one. `init` draws
    the rows from a flat Dirichlet.

    >>> params = Tabular(2, (2,)).init(jax.random.key(0), ())
    >>> params["probs"].shape, params["probs"].sum(-1).round(3).tolist()
    ((2, 2), [1.0, 1.0])
    """

    num_states: int = 2
    parent_states: tuple[int, ...] = ()
    coupling: Literal["inverse_cdf", "gumbel"] = "inverse_cdf"
    hair: ClassVar[float] = 0.0

    def init(self, key: Key, parents: tuple) -> Params:
        del parents
        concentration = jnp.ones(self.num_states)
        return {"probs": jax.random.dirichlet(key, concentration, self.parent_states)}

    def log_probs(self, params: Params, parents: tuple) -> Array:
        return safe_log(self.probs(params, parents))

    def probs(self, params: Params, parents: tuple) -> Array:
        return params["probs"][tuple(p.astype(jnp.int32) for p in parents)]

    def check(self, name: str, parent_num_states: tuple) -> None:
        if self.parent_states != parent_num_states:
            raise ValueError(
                f"the table of node {name!r} is for parents with {self.parent_states} "
                f"states, but its parents have {parent_num_states}"
            )

    def check_params(self, name: str, params: Params) -> None:
        shape = (*self.parent_states, self.num_states)
        require_tables(params, shape, what=f"the table of node {name!r}")


def bernoulli(prob: float) -> tuple[Tabular, Params]:
    """A binary root with P(1) = prob: the mechanism and its parameters.

    >>> mechanism, params = bernoulli(0.25)
    >>> params["probs"].tolist()
    [0.75, 0.25]
    """
    return categorical((1.0 - prob, prob))


def categorical(probs) -> tuple[Tabular, Params]:
    """A table from an array `[*parent_states, num_states]` of probabilities.

    Raises:
      ValueError: a negative entry, or a row that does not sum to one.

    >>> mechanism, params = categorical([[0.5, 0.5], [0.25, 0.75]])  # given a parent
    >>> mechanism.num_states, mechanism.parent_states
    (2, (2,))
    """
    probs = jnp.asarray(probs, dtype=float)
    require_tables({"probs": probs}, probs.shape, what="the table")
    mechanism = Tabular(num_states=probs.shape[-1], parent_states=probs.shape[:-1])
    return mechanism, {"probs": probs}


_SUM_ERROR = 1e-4  # of a row; tables are written with few digits


def require_tables(params: Params, shape: tuple[int, ...], *, what: str) -> None:
    """Raises ValueError unless `params["probs"]` are laws of this shape.

    Args:
      params: a table's parameters, concrete.
      shape: `[*parent_states, num_states]`.
      what: whose they are, for the message.
    """
    if not isinstance(params, Mapping) or "probs" not in params:
        raise ValueError(f'{what} is missing: give {{"probs": {list(shape)}}}')
    if not hasattr(params["probs"], "shape"):
        raise ValueError(f"{what} is no array: give jnp.array(...) of shape {shape}")
    probs = np.asarray(params["probs"], np.float64)
    needed = "one row per combination of its parents' states, which sums to one"
    if probs.shape != shape:
        raise ValueError(f"{what} has shape {probs.shape}, it needs {shape}: {needed}")
    if not np.isfinite(probs).all() or (probs < 0).any():
        raise ValueError(
            f"{what} has entries that are negative, infinite or NaN: every row is >= 0 "
            "and sums to one"
        )
    sums = probs.sum(-1)
    if np.allclose(sums, 1.0, atol=_SUM_ERROR):
        return
    if np.allclose(sums, 100.0, atol=100 * _SUM_ERROR):
        hint = "it seems to be in per cent, divide by 100"
    elif np.allclose(probs.sum(0), 1.0, atol=_SUM_ERROR):
        hint = "its columns do: transpose it, states along the last axis"
    else:
        hint = f"it needs {needed}"
    worst = sums.ravel()[np.argmax(np.abs(sums - 1.0))]
    raise ValueError(f"a row of {what} sums to {worst:.6g}, not to one: {hint}")
