"""Whether weights are numbers: what is saved is checked, not only what is logged."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_ADVICE = "lower the learning rate; the last checkpoint before it is kept"


def require(tree: Any, *, what: str, step: int, stage: str) -> None:
    """Checks every array of a tree.

    On the host, where a checkpoint takes its arrays anyway: to compile a check of some
    hundred arrays takes two seconds, to read them milliseconds.

    Args:
      tree: arrays of any shape; those of integers are finite.
      what: what the tree is, for the message: "the state".
      step: the step after which it is as it is.
      stage: the stage that is trained.

    Raises:
      FloatingPointError: some array holds NaN or an infinity; says which.

    >>> weights = {"bias": jnp.array([0.0, jnp.inf])}
    >>> require(weights, what="the state", step=3, stage="labels")
    Traceback (most recent call last):
    FloatingPointError: ['bias'] of the state is not finite at step 3 of labels: lower \
the learning rate; the last checkpoint before it is kept
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.device_get(tree)):
        is_float = jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
        if is_float and not np.isfinite(leaf).all():
            name = jax.tree_util.keystr(path)
            raise FloatingPointError(said(f"{name} of {what}", step, stage))


def said(name: str, step: int, stage: str) -> str:
    """The message: what is not finite, at which step of which stage, what to lower."""
    return f"{name} is not finite at step {step} of {stage}: {_ADVICE}"
