"""Several runs of one algorithm at once: `vmap` over seeds, one compilation.

For small networks, whose steps leave most of a machine idle: error bars at little more
than the cost of one run. On one device.
"""

from functools import partial

import jax
import jax.numpy as jnp
from tqdm import tqdm

from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.types import Batch, Key, Params


def fit_seeds(
    algorithm: Algorithm,
    data: Batch,
    *,
    keys: Key,
    num_steps: int,
    steps_per_dispatch: int = 100,
    data_axis: int | None = None,
    description: str = "seeds",
    progress: bool = True,
) -> Params:
    """Trains one run a key; the same as `loop.fit` with each key alone, to rounding.

    Args:
      algorithm: what to train.
      data: {name: [N, ...]}, shared by all runs; or [S, N, ...] with `data_axis=0`.
      keys: [S] keys, one a run.
      num_steps: of every run.
      steps_per_dispatch: steps compiled into one call.
      data_axis: 0 where every run has data of its own.
      description: names the progress bar.
      progress: shows a progress bar.

    Returns:
      What is sampled from, with a leading axis [S].

    Raises:
      FloatingPointError: a logged value of some run is not finite.
    """
    key_init, key_steps = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    state = jax.jit(jax.vmap(algorithm.init))(key_init)

    @partial(jax.jit, static_argnames="size", donate_argnums=0)
    def steps(state, data, first, size):
        return jax.vmap(run, in_axes=(0, data_axis, 0, None, None))(
            state, data, key_steps, first, size
        )

    def run(state, data, key, first, size):
        one_step = partial(parallel.one_step, algorithm, data, key)
        state, infos = jax.lax.scan(one_step, state, first + jnp.arange(size))
        return state, jax.tree.map(jnp.mean, infos)

    with tqdm(
        total=num_steps, desc=description, unit="step", disable=not progress
    ) as bar:
        for first in range(0, num_steps, steps_per_dispatch):
            size = min(steps_per_dispatch, num_steps - first)
            state, info = steps(state, data, first, size)
            _require_finite(info, first + size, description)
            bar.update(size)
    return jax.vmap(algorithm.params)(state)


def _require_finite(info, step: int, description: str) -> None:
    for name, values in info._asdict().items():
        if not bool(jnp.isfinite(values).all()):
            run = int(jnp.argmin(jnp.isfinite(values)))
            raise FloatingPointError(
                f"{name} of run {run} is not finite at step {step} of {description}: "
                "lower the learning rate"
            )
