"""Who trains together: from flags, from SLURM, from a TPU slice, or this host alone.

Flags go before the environment. What SLURM and TPU slices say of themselves is read by
jax; here it is only found out that they are there.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

# What `srun` sets for every task, and what jax reads of it.
_SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_PROCID", "SLURM_LOCALID")
# Several names, separated by commas, on the hosts of a TPU slice (GKE, queued ones).
_TPU_HOSTS = ("TPU_PROCESS_ADDRESSES", "TPU_WORKER_HOSTNAMES")
_TPU_CHIPS = ("/dev/accel*", "/dev/vfio/[0-9]*")  # on a VM of Google's cloud


class Cluster(NamedTuple):
    """Who trains together; what is None is found out by jax.

    Attributes:
      coordinator: HOST:PORT at which process 0 listens.
      num_processes: how many there are.
      process_id: which one this is, from 0.
      device_ids: the host's devices that this process has; None leaves it to jax.
    """

    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None
    device_ids: tuple[int, ...] | None = None


def find_cluster(
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
    environment: Mapping[str, str],
) -> Cluster | None:
    """Who trains together, from the flags or the environment; None: this host alone.

    Raises:
      ValueError: something is missing or out of range.

    >>> find_cluster(None, None, None, {}) is None
    True
    >>> find_cluster("10.0.0.1:1234", 2, 0, {}).num_processes
    2
    """
    coordinator = coordinator or environment.get("JAX_COORDINATOR_ADDRESS")
    if num_processes is None:
        num_processes = _number("JAX_NUM_PROCESSES", environment)
    if process_id is None:
        process_id = _number("JAX_PROCESS_ID", environment)
    if num_processes == 1:
        return None
    given = Cluster(coordinator, num_processes, process_id)
    if None not in given[:3]:
        return _require_in_range(given)
    managed = _slurm(environment) or _tpu_slice(environment)
    if managed is None and any(value is not None for value in given):
        missing = [f"--{n}" for n, v in zip(Cluster._fields, given, strict=True)]
        missing = [n for n, v in zip(missing, given[:3], strict=False) if v is None]
        raise ValueError(
            f"{' and '.join(missing)} missing: several processes need "
            "--coordinator=HOST:PORT, --num_processes and --process_id (from 0), one "
            "host none of them"
        )
    return managed and given._replace(device_ids=managed.device_ids)


def _number(name: str, environment: Mapping[str, str]) -> int | None:
    text = environment.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise ValueError(f"the environment's {name} is a number, not {text!r}")
    return int(text)


def _require_in_range(cluster: Cluster) -> Cluster:
    coordinator, num_processes, process_id, _ = cluster
    if num_processes < 1 or not 0 <= process_id < num_processes:
        raise ValueError(
            f"--process_id={process_id} of --num_processes={num_processes}: processes "
            "are numbered from 0, each once"
        )
    host, colon, port = coordinator.rpartition(":")
    if not (host and colon and port.isdecimal()):
        raise ValueError(
            f"--coordinator={coordinator}: HOST:PORT is needed, such as 10.0.0.1:1234"
        )
    return cluster


def _slurm(environment: Mapping[str, str]) -> Cluster | None:
    """Tasks of one `srun`; jax gives each the GPU of its number on the host."""
    num_tasks = _number("SLURM_NTASKS", environment) or 1
    if num_tasks < 2 or not all(name in environment for name in _SLURM):
        return None
    one_per_host = environment.get("SLURM_STEP_NUM_NODES") == str(num_tasks)
    num_gpus = _number("SLURM_GPUS_ON_NODE", environment)
    if one_per_host and num_gpus:  # all GPUs, where jax would take the first alone
        return Cluster(device_ids=tuple(range(num_gpus)))
    return Cluster()


def _tpu_slice(environment: Mapping[str, str]) -> Cluster | None:
    """A host of a TPU slice; which one is known to jax."""
    platforms = environment.get("JAX_PLATFORMS", "")
    if (platforms and "tpu" not in platforms) or not importlib.util.find_spec("libtpu"):
        return None
    several = any("," in environment.get(name, "") for name in _TPU_HOSTS)
    has_chips = any(any(Path("/").glob(chips[1:])) for chips in _TPU_CHIPS)
    return Cluster() if several or has_chips else None
