"""Hosts: the processes that train one run together, each with its host's devices.

    process 0   the writer: logs, configs, checkpoints and reports are its alone
    all         the same program on the same data, step by step (`training.parallel`)

This module alone starts `jax.distributed` (`cluster` says with whom). On a single host
nothing is started, and every function here does the plain thing at once. What all have
to do together (`on_writer`, `from_writer`, `any_of`, `wait`) is called by all, in the
same order.
"""

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from causal_jax.training import last_words, signals
from causal_jax.training.cluster import find_cluster

_HEARTBEAT_SECONDS = 30  # without one a process counts as dead; jax's own 100 is long
_SHUTDOWN_SECONDS = 60  # how long the first to end waits for the others
_CONNECT_SECONDS = 300  # for all processes to start; jax's default
_WAY_OUT = "start all processes again with the same commands: they resume"


# --- starting -------------------------------------------------------------------------


def start(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> None:
    """Joins the processes of this run; on a single host nothing happens.

    Before the first use of a device. What is not given is read from the environment:
    JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID, or SLURM's variables,
    or those of a TPU slice.

    Args:
      coordinator: HOST:PORT at which process 0 listens, the same for all.
      num_processes: how many there are; 1 trains alone, whatever the environment says.
      process_id: which one this is, from 0.

    Raises:
      ValueError: something is missing or out of range, or the others cannot be reached.
    """
    cluster = find_cluster(coordinator, num_processes, process_id, os.environ)
    if cluster is None or jax.distributed.is_initialized():
        return
    if "cpu" in (jax.config.jax_platforms or "cpu"):
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # It takes SIGTERM away from Python, which saves before it ends.
    jax.config.update("jax_enable_preemption_service", False)
    last_words.listen(_name(cluster.process_id, cluster.num_processes), _WAY_OUT)
    try:
        jax.distributed.initialize(
            coordinator_address=cluster.coordinator,
            num_processes=cluster.num_processes,
            process_id=cluster.process_id,
            local_device_ids=cluster.device_ids,
            initialization_timeout=_CONNECT_SECONDS,
            heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"the processes of this run did not find each other ({_first_line(error)}):"
            " start all of them within five minutes with the same --coordinator, a host"
            " and port that all reach; --num_processes=1 trains on this host alone"
        ) from error


# --- which process this is ------------------------------------------------------------


def num_processes() -> int:
    """How many processes train this run, 1 on a single host."""
    return jax.process_count() if jax.distributed.is_initialized() else 1


def process_id() -> int:
    """Which of them this is, from 0."""
    return jax.process_index() if num_processes() > 1 else 0


def is_writer() -> bool:
    """Whether this process writes logs, configs, checkpoints and reports."""
    return process_id() == 0


def own_rows(rows: Any, devices: Sequence[jax.Device]) -> np.ndarray:
    """The rows that this process's devices keep, [its devices, ceil(N / devices), ...].

    Args:
      rows: [N, ...], the same in all processes.
      devices: of all processes; the first keeps the first rows. Zeros fill the last.
    """
    rows, own = np.asarray(rows), jax.process_index()
    size = -(-len(rows) // len(devices))
    places = [i for i, device in enumerate(devices) if device.process_index == own]
    kept = np.zeros((len(places), size, *rows.shape[1:]), rows.dtype)
    for shard, i in zip(kept, places, strict=True):
        part = rows[i * size : (i + 1) * size]
        shard[: len(part)] = part
    return kept


# --- what all do together -------------------------------------------------------------


def wait() -> None:
    """Returns when all processes have come here."""
    any_of(False)


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process: a decision that all share."""
    if num_processes() == 1:
        return flag
    return bool(multihost_utils.process_allgather(np.array(flag)).any())


def on_writer(fn: Callable[[], Any]) -> Any:
    """Runs `fn` in process 0 alone, while the others wait; all return its value.

    Args:
      fn: returns what JSON can hold.

    Raises:
      ValueError: `fn` raised an error of the library; in process 0 that error itself.
    """
    if num_processes() == 1:
        return fn()
    reply, raised = {}, None
    if is_writer():
        try:
            reply = {"value": fn()}
        except (ValueError, FloatingPointError, OSError) as error:
            reply, raised = {"error": _first_line(error)}, error
    reply = json.loads(_sent_by_writer(json.dumps(reply).encode()))
    if raised:
        raise raised
    if "error" in reply:
        raise ValueError(f"process 0: {reply['error']}")
    return reply["value"]


def from_writer(fn: Callable[[], Any], like: Any) -> Any:
    """Arrays that process 0 has, such as a restored state: all get them, to the bit.

    The others need not see the writer's files.

    Args:
      fn: returns the tree; called in process 0.
      like: a tree of the same shapes and kinds, in all processes.

    Returns:
      The tree: what `fn` returned on a single host, numpy arrays else.
    """
    if num_processes() == 1:
        return fn()
    found = []
    on_writer(lambda: found.append(jax.device_get(fn())))
    leaves, structure = jax.tree.flatten(found[0] if found else like)
    leaves = [np.asarray(leaf) for leaf in leaves]
    data = _sent_by_writer(b"".join(leaf.tobytes() for leaf in leaves))
    starts = np.cumsum([0] + [leaf.nbytes for leaf in leaves])
    received = [
        np.frombuffer(data, leaf.dtype, leaf.size, start).reshape(leaf.shape)
        for leaf, start in zip(leaves, starts, strict=False)
    ]
    return jax.tree.unflatten(structure, received)


def _sent_by_writer(data: bytes) -> bytes:
    """Process 0's bytes, in all processes."""
    halves = np.array(divmod(len(data), 1 << 30), np.int32)  # it may be above 2 GiB
    upper, lower = multihost_utils.process_allgather(halves)[0].tolist()
    size = (upper << 30) + lower
    words = np.zeros(-(-size // 4), np.uint32)  # every device adds such words
    if is_writer():
        words.view(np.uint8)[: len(data)] = np.frombuffer(data, np.uint8)
    words = multihost_utils.broadcast_one_to_all(words)
    return np.asarray(words).tobytes()[:size]


# --- ending ---------------------------------------------------------------------------


@contextlib.contextmanager
def ending_together(command: str) -> Iterator[None]:
    """Ends this process at once where it fails, so that the others do not wait for it.

    Args:
      command: its name, for the one line that is said.
    """
    try:
        yield
    except BaseException as error:
        if num_processes() == 1 or isinstance(error, signals.Stopped):
            raise  # all processes stop at the same step: they end in the usual way
        said, code = _said(error), _exit_code(error)
        sys.stdout.flush()
        if said:
            last_words.say(f"{command}: {_name()}: {said}")
        else:
            last_words.are_said()
        os._exit(code)  # sys.exit would wait for the others, who wait for this one


def _said(error: BaseException) -> str:
    """What is wrong, in a line; of errors that nobody foresaw all that Python says."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, str) else ""
    if isinstance(error, jax.errors.JaxRuntimeError):
        return (
            f"a step failed, or another process was lost ({_first_line(error)[:200]}): "
            f"{_WAY_OUT}"
        )
    if isinstance(error, ValueError | FloatingPointError | OSError):
        return " ".join(str(error).split())
    return "".join(traceback.format_exception(error))


def _exit_code(error: BaseException) -> int:
    code = error.code if isinstance(error, SystemExit) else 1
    return code if isinstance(code, int) else 1


def _name(process_id: int | None = None, num: int | None = None) -> str:
    if process_id is None and jax.distributed.is_initialized():
        process_id, num = jax.process_index(), jax.process_count()
    return "a process" if process_id is None else f"process {process_id} of {num}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
