"""The training loop: dispatches, progress, logs, checkpoints, resume, stop."""

import contextlib
import math
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from causal_jax.progress import tqdm
from causal_jax.training import feeding, finite, hosts, log, parallel, signals
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.checkpoint import Checkpoints
from causal_jax.types import Batch, Key, Params

_GIB = 2**30
SECONDS_PER_CHECKPOINT = 60.0  # what a machine that dies takes with it, at most


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
    data: Batch | feeding.Stream,
    *,
    key: Key,
    num_steps: int,
    stage: str = "train",
    workdir: str | Path | None = None,
    steps_per_dispatch: int = 100,
    seconds_per_checkpoint: float = SECONDS_PER_CHECKPOINT,
    keep_every: int = 0,
    before_manifests: bool = False,
    progress: bool = True,
    on_log: Callable[[int, dict[str, float]], None] | None = None,
    on_checkpoint: Callable[[int], None] | None = None,
) -> Fit:
    """Trains for `num_steps` steps, resuming from `workdir` by itself.

    SIGTERM and SIGINT wait for the end of a dispatch and for its checkpoint; then they
    do what they would have done (`signals.held`).

    Args:
      algorithm: what to train.
      data: {name: [N, ...]}, kept on the devices; or a stream of batches
        (`data.streams.Stream`), of which a dispatch's are there at a time.
      key: the run's only randomness; an interrupted run repeats an uninterrupted one.
      num_steps: in all, a resumed run's earlier steps included.
      stage: names the progress bar, the log lines and the checkpoints.
      workdir: where `metrics.jsonl` and `checkpoints/<stage>` go; None keeps nothing.
      steps_per_dispatch: steps compiled into one call; also how often is logged.
      seconds_per_checkpoint: time between checkpoints; a call's first dispatch has one,
        and so has the last step.
      keep_every: steps between checkpoints that are kept for good; 0 for none.
      before_manifests: the workdir's checkpoints may lack a manifest (`Checkpoints`).
      progress: shows a progress bar.
      on_log: called with the step and its averaged info.
      on_checkpoint: called with the step when its checkpoint is complete.

    Raises:
      FloatingPointError: a logged value or the state is not finite; nothing is saved
        after it.
      OSError: the workdir is full, gone or read-only.
      ValueError: the batch does not divide by the devices, or a checkpoint in the
        workdir is not this algorithm's, or all of them are damaged.
    """
    started = time.monotonic()
    key_init, key_steps = jax.random.split(key)
    fresh, checkpoints = (algorithm.init(key_init), 0), None
    if workdir:
        checkpoints = Checkpoints(
            Path(workdir) / "checkpoints" / stage,
            keep_every=keep_every,
            before_manifests=before_manifests,
        )
    state, first = hosts.from_writer(partial(_last, checkpoints, fresh), like=fresh)
    first = int(first)
    if first >= num_steps:
        return Fit(
            params=algorithm.params(state),
            state=state,
            seconds=time.monotonic() - started,
        )
    if hosts.is_writer():
        log.trim(workdir, stage, first)
    fed = feeding.is_stream(data)
    programs: dict[int, Callable] = {}
    sizes = _dispatches(first, num_steps, steps_per_dispatch, keep_every)
    state, feed = parallel.replicate(state), _feed(algorithm, data, first, sizes)
    saved = -math.inf  # the first dispatch has a checkpoint: killed runs get on
    progress = progress and hosts.is_writer()
    bar = tqdm(
        total=num_steps, initial=first, desc=stage, unit="step", disable=not progress
    )
    stopped = False
    with signals.held() as stopping, bar, contextlib.closing(feed):
        step = first
        bar.set_description(f"{stage}: compiling and running the first steps ...")
        for size in sizes:
            read = feed.take(size)
            if size not in programs:
                steps = parallel.train_steps(algorithm, num_steps=size, fed=fed)
                programs[size] = _compiled(steps, state, read, key_steps, step)
                if len(programs) == 1:
                    _tell_memory(bar, programs[size], stage)
            state, info = programs[size](state, read, key_steps, step)
            step += size
            values = _require_finite_values(parallel.unreplicate(info), step, stage)
            if hosts.is_writer():
                log.append(workdir, stage, step, values)
            if on_log:
                on_log(step, values)
            bar.set_description(stage, refresh=False)
            bar.update(size)
            bar.set_postfix({k: f"{v:.3g}" for k, v in list(values.items())[:3]})
            stopped = hosts.any_of(stopping())
            last = stopped or step == num_steps
            due = time.monotonic() - saved > seconds_per_checkpoint
            due |= keep_every > 0 and step % keep_every == 0
            if last or hosts.any_of(due):
                one = parallel.unreplicate(state)
                finite.require(one, what="the state", step=step, stage=stage)
                if checkpoints:
                    one = step, one, algorithm.params(one)
                    hosts.on_writer(partial(_save, checkpoints, *one, on_checkpoint))
                saved = time.monotonic()
            if last:
                break
    if stopped and hosts.num_processes() > 1:  # by a signal to another process
        raise signals.Stopped(signal.SIGTERM)
    state = parallel.unreplicate(state)
    return Fit(
        params=algorithm.params(state),
        state=state,
        seconds=time.monotonic() - started,
    )


def _compiled(steps: Callable, *arguments: Any) -> Callable:
    """The call compiled ahead; as it is on several hosts.

    There a mapped program that is compiled ahead wants the shapes of all devices.
    """
    if hosts.num_processes() > 1:
        return steps
    return steps.lower(*arguments).compile()


def _tell_memory(bar: tqdm, program: Any, stage: str) -> None:
    """Says before the first step what it takes, where that is worth a line."""
    if bar.disable or hosts.num_processes() > 1:
        return
    taken = parallel.memory(program)
    if taken is not None and taken.total >= _GIB:
        bar.write(
            f"{stage}: {taken.total / _GIB:.1f} GiB of memory per device, "
            f"{taken.kept / _GIB:.1f} for weights, optimiser and data, "
            f"{taken.of_step / _GIB:.1f} for a step"
        )


def _dispatches(first: int, num_steps: int, size: int, keep_every: int) -> list[int]:
    """How many steps each dispatch has; one ends wherever a checkpoint is kept."""
    ends = {*range(first + size, num_steps, size), num_steps}
    if keep_every:
        ends |= set(
            range(first - first % keep_every + keep_every, num_steps, keep_every)
        )
    return np.diff([first, *sorted(ends)]).tolist()


def _feed(
    algorithm: Algorithm, data: Any, first: int, sizes: list[int]
) -> feeding.Feed | feeding.Resident:
    if feeding.is_stream(data):
        return feeding.Feed(data, algorithm.batch_shape, first, sizes)
    return feeding.Resident(data)


def _last(checkpoints: Checkpoints | None, fresh: tuple[Any, int]) -> tuple[Any, int]:
    """The state and step that a run goes on from: its last checkpoint's, or fresh."""
    if checkpoints and (latest := checkpoints.recover()) is not None:
        return checkpoints.restore_state(latest, fresh[0]), latest
    return fresh


def _save(checkpoints, step: int, state: Any, params: Params, on_checkpoint) -> None:
    checkpoints.save(step, state, params)
    if on_checkpoint:
        on_checkpoint(step)


def _require_finite_values(info: Any, step: int, stage: str) -> dict[str, float]:
    """The logged values as numbers."""
    values = {name: float(value) for name, value in info._asdict().items()}
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
        raise FloatingPointError(finite.said(bad[0], step, stage))
    return values
