"""Several runs of one algorithm at once: `vmap` over seeds, one compilation.

For small networks, whose steps leave most of a machine idle: error bars at little more
than the cost of one run. On one device.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.progress import tqdm
from causal_jax.training import finite, log, parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.checkpoint import Checkpoints
from causal_jax.types import Batch, Key, Params


def fit_seeds(
    algorithm: Algorithm,
    data: Batch,
    *,
    keys: Key,
    num_steps: int,
    steps_per_dispatch: int = 100,
    data_axis: int | None = None,
    stage: str = "seeds",
    workdirs: Sequence[str | Path] = (),
    progress: bool = True,
) -> Params:
    """Trains one run per key; the same as `loop.fit` with each key alone, to rounding.

    Args:
      algorithm: what to train.
      data: {name: [N, ...]}, shared by all runs; or [S, N, ...] with `data_axis=0`.
      keys: [S] keys, one per run.
      num_steps: of every run.
      steps_per_dispatch: steps compiled into one call; also how often is logged.
      data_axis: 0 where every run has data of its own.
      stage: names the progress bar, the log lines and the checkpoints.
      workdirs: S folders, one per run, in which `metrics.jsonl` and the last step's
        checkpoint are left as `loop.fit` leaves them; an interrupted call begins anew.
      progress: shows a progress bar.

    Returns:
      What is sampled from, with a leading axis [S].

    Raises:
      FloatingPointError: a logged value or the state of some run is not finite.
    """
    key_init, key_steps = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    # In turn: many QR factorisations under vmap block each other in XLA on two cores.
    state = jax.jit(partial(jax.lax.map, algorithm.init))(key_init)
    for workdir in workdirs:
        log.trim(workdir, stage, 0)

    @partial(jax.jit, static_argnames="size", donate_argnums=0)
    def steps(state, data, first, size):
        return jax.vmap(run, in_axes=(0, data_axis, 0, None, None))(
            state, data, key_steps, first, size
        )

    def run(state, data, key, first, size):
        one_step = partial(parallel.one_step, algorithm, data, key)
        state, infos = jax.lax.scan(one_step, state, first + jnp.arange(size))
        return state, jax.tree.map(jnp.mean, infos)

    with tqdm(total=num_steps, desc=stage, unit="step", disable=not progress) as bar:
        bar.set_description(f"{stage}: compiling and running the first steps ...")
        for first in range(0, num_steps, steps_per_dispatch):
            size = min(steps_per_dispatch, num_steps - first)
            state, info = steps(state, data, first, size)
            info = jax.device_get(info)._asdict()
            _require_finite(info, first + size, stage)
            for i, workdir in enumerate(workdirs):
                values = {name: float(value[i]) for name, value in info.items()}
                log.append(workdir, stage, first + size, values)
            bar.set_description(stage, refresh=False)
            bar.update(size)
    finite.require(state, what="the state of all runs", step=num_steps, stage=stage)
    for i, workdir in enumerate(workdirs):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], state)
        checkpoints = Checkpoints(Path(workdir) / "checkpoints" / stage)
        checkpoints.save(num_steps, one, algorithm.params(one))
    return jax.vmap(algorithm.params)(state)


def _require_finite(info, step: int, stage: str) -> None:
    for name, values in info.items():
        if not bool(np.isfinite(values).all()):
            run = int(np.argmin(np.isfinite(values)))
            raise FloatingPointError(finite.said(f"{name} of run {run}", step, stage))
