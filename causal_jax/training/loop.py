"""The training loop: dispatches, progress, logs, checkpoints, resume."""

import functools
import json
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
from tqdm import tqdm

from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.checkpoint import Checkpoints
from causal_jax.types import Batch, Key, Params


class Fit(NamedTuple):
    """What `fit` returns.

    Attributes:
      params: what is sampled from.
      state: the final training state.
      seconds: wall time of this call, compilation included.
    """

    params: Params
    state: Any
    seconds: float


def fit(
    algorithm: Algorithm,
    data: Batch,
    *,
    key: Key,
    num_steps: int,
    stage: str = "train",
    workdir: str | Path | None = None,
    steps_per_dispatch: int = 100,
    seconds_per_checkpoint: float = 300.0,
    progress: bool = True,
    on_log: Callable[[int, dict[str, float]], None] | None = None,
) -> Fit:
    """Trains for `num_steps` steps, resuming from `workdir` by itself.

    Args:
      algorithm: what to train.
      data: {name: [N, ...]}, kept on the devices.
      key: the run's only randomness; an interrupted run repeats an uninterrupted one.
      num_steps: in all, a resumed run's earlier steps included.
      stage: names the progress bar, the log lines and the checkpoints.
      workdir: where `metrics.jsonl` and `checkpoints/<stage>` go; None keeps nothing.
      steps_per_dispatch: steps compiled into one call; also how often is logged.
      seconds_per_checkpoint: time between checkpoints; the last step always has one.
      progress: shows a progress bar.
      on_log: called with the step and its averaged info.

    Raises:
      FloatingPointError: a logged value is not finite; nothing is saved after it.
      ValueError: the batch does not divide by the devices, or a checkpoint in the
        workdir is not this algorithm's.
    """
    started = time.monotonic()
    key_init, key_steps = jax.random.split(key)
    state, first = algorithm.init(key_init), 0
    checkpoints = (
        Checkpoints(Path(workdir) / "checkpoints" / stage) if workdir else None
    )
    if checkpoints and (latest := checkpoints.latest()) is not None:
        state, first = checkpoints.restore_state(latest, state), latest
    if first >= num_steps:
        return Fit(
            params=algorithm.params(state),
            state=state,
            seconds=time.monotonic() - started,
        )
    trim_log(workdir, stage, first)
    steps = functools.cache(partial(parallel.train_steps, algorithm))
    state, data = parallel.replicate(state), parallel.replicate(data)
    saved = time.monotonic()
    with tqdm(
        total=num_steps, initial=first, desc=stage, unit="step", disable=not progress
    ) as bar:
        step = first
        bar.set_description(f"{stage}: compiling and running the first steps ...")
        while step < num_steps:
            size = min(steps_per_dispatch, num_steps - step)
            state, info = steps(num_steps=size)(state, data, key_steps, step)
            step += size
            values = _require_finite_values(parallel.unreplicate(info), step, stage)
            append_log(workdir, stage, step, values)
            if on_log:
                on_log(step, values)
            bar.set_description(stage, refresh=False)
            bar.update(size)
            bar.set_postfix({k: f"{v:.3g}" for k, v in list(values.items())[:3]})
            due = time.monotonic() - saved > seconds_per_checkpoint
            if checkpoints and (due or step == num_steps):
                one = parallel.unreplicate(state)
                checkpoints.save(step, one, algorithm.params(one))
                saved = time.monotonic()
    state = parallel.unreplicate(state)
    return Fit(
        params=algorithm.params(state),
        state=state,
        seconds=time.monotonic() - started,
    )


def _require_finite_values(info: Any, step: int, stage: str) -> dict[str, float]:
    """The logged values as numbers."""
    values = {name: float(value) for name, value in info._asdict().items()}
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
        raise FloatingPointError(
            f"{bad[0]} is not finite at step {step} of {stage}: lower the learning "
            "rate; the last checkpoint before it is kept"
        )
    return values


def append_log(
    workdir: str | Path | None, stage: str, step: int, values: dict[str, float]
) -> None:
    """Adds a line to the run's `metrics.jsonl`; without a workdir nothing."""
    if workdir:
        path = Path(workdir) / "metrics.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"stage": stage, "step": step, **values}) + "\n")


def trim_log(workdir: str | Path | None, stage: str, first: int) -> None:
    """Drops lines of steps after the checkpoint that a run resumes from."""
    path = Path(workdir) / "metrics.jsonl" if workdir else None
    if not path or not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not _is_after_step(line, stage, first)]
    if kept != lines:
        path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def _is_after_step(line: str, stage: str, first: int) -> bool:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:  # a line cut short when the run was killed
        return True
    return entry["stage"] == stage and entry["step"] > first
