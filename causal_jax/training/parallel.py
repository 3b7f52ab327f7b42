"""Devices: several steps per dispatch, on all of them, equal to one by construction.

`jax.pmap` runs the same program on every device of every process. Randomness is drawn
for the *global* batch and each device takes its rows, gradients and metrics are
averaged with `pmean`, so that N devices compute what one would. Arrays with a device
axis hold this process's devices alone: `replicate`, `spread`, what the steps return.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from causal_jax.training import hosts, shuffling
from causal_jax.training.algorithm import DEVICE_AXIS, Algorithm
from causal_jax.training.shards import Shards
from causal_jax.types import Array, Batch, Key

_SHUFFLING_NUMBER = 2**32 - 1  # folded into the run's key; no step has this number
_CUMULATED, _SHARDS = "cumulated", "shards"  # what is no row in a run's data


def num_devices() -> int:
    """Number of devices a step runs on, a Python int; call inside a step."""
    try:
        return jax.lax.psum(1, DEVICE_AXIS)
    except NameError:  # no device axis: a single device
        return 1


def axis_name() -> str | None:
    """Name of the device axis, None on a single device; call inside a step."""
    return DEVICE_AXIS if num_devices() > 1 else None


def local(tree: Any, *, axis: int = 0) -> Any:
    """This device's rows of arrays drawn for the global batch, along `axis`."""

    if num_devices() == 1:
        return tree

    def rows(leaf: Array) -> Array:
        size = leaf.shape[axis] // num_devices()
        start = jax.lax.axis_index(DEVICE_AXIS) * size
        return jax.lax.dynamic_slice_in_dim(leaf, start, size, axis % leaf.ndim)

    return jax.tree.map(rows, tree)


def mean(tree: Any) -> Any:
    """Average over devices: of gradients, metrics, statistics."""
    if num_devices() == 1:
        return tree
    return jax.lax.pmean(tree, DEVICE_AXIS)


def draw(data: Batch, key: Key, batch_shape: tuple[int, ...]) -> Batch:
    """This device's part of a batch drawn with replacement from resident data.

    Rows are equally likely, or drawn by the cumulated weights `data["cumulated"]`.
    """
    if _CUMULATED in data:
        uniform = jax.random.uniform(key, batch_shape)
        rows = jnp.searchsorted(data[_CUMULATED], uniform, side="right")
        rows = jnp.minimum(rows, _num_rows(data) - 1)
    else:
        rows = jax.random.randint(key, batch_shape, 0, _num_rows(data))
    return _local_rows(data, rows)


def draw_in_epochs(
    data: Batch, key: Key, step: Array, batch_shape: tuple[int, ...]
) -> Batch:
    """This device's part of a step's batch, every row once before any again."""
    rows = shuffling.rows(key, step, batch_shape, _num_rows(data))
    return _local_rows(data, rows)


def _local_rows(data: Batch, rows: Array) -> Batch:
    if _SHARDS in data:
        return data[_SHARDS].read(rows)
    rows = local(rows, axis=-1)
    return {name: leaf[rows] for name, leaf in data.items() if name != _CUMULATED}


def _num_rows(data: Batch) -> int:
    if _SHARDS in data:
        return data[_SHARDS].num_rows
    return next(len(leaf) for name, leaf in data.items() if name != _CUMULATED)


def one_step(algorithm: Algorithm, data: Batch, key: Key, state: Any, index: Array):
    """Step `index` of the run whose key is `key`: reads its batch, returns its info."""
    key_data, key_step = jax.random.split(jax.random.fold_in(key, index))
    key_order = jax.random.fold_in(key, _SHUFFLING_NUMBER)

    def read(rows: Batch, batch_shape: tuple[int, ...], number: int) -> Batch:
        keys = key_data, key_order
        if number:  # of a further set: it has an order of its own
            keys = (jax.random.fold_in(one, _SHUFFLING_NUMBER - number) for one in keys)
        of_step, of_run = keys
        if algorithm.in_epochs:
            return draw_in_epochs(rows, of_run, index, batch_shape)
        return draw(rows, of_step, batch_shape)

    sets = algorithm.sets
    main = {name: leaf for name, leaf in data.items() if name not in sets}
    batch = read(main, algorithm.batch_shape, 0)
    for number, (name, size) in enumerate(sets.items(), 1):
        batch[name] = read(data[name], (size,), number)
    return algorithm.step(state, batch, key_step)


def one_fed_step(algorithm: Algorithm, key: Key, state: Any, fed: tuple[Array, Batch]):
    """The same, of a batch that is given: `fed` is the step's index and its batch."""
    index, batch = fed
    _, key_step = jax.random.split(jax.random.fold_in(key, index))
    return algorithm.step(state, batch, key_step)


def num_dispatched(num_steps: int) -> int:
    """Steps of a call of `train_steps` for networks with the compiler's convolutions.

    On a CPU one, see `scan`.
    """
    return 1 if jax.default_backend() == "cpu" else num_steps


def scan(body: Callable, carry: Any, inputs: Any) -> tuple[Any, Any]:
    """`jax.lax.scan`, but a single turn is not put into a loop.

    What is in one, or was, a CPU's compiler takes apart too late to see its
    convolutions' gradients: 45 times as slow.
    """
    if jax.tree.leaves(inputs)[0].shape[0] > 1:
        return jax.lax.scan(body, carry, inputs)
    carry, found = body(carry, jax.tree.map(lambda leaf: leaf[0], inputs))
    return carry, jax.tree.map(lambda leaf: leaf[None], found)


def train_steps(
    algorithm: Algorithm,
    *,
    num_steps: int,
    devices: list | None = None,
    fed: bool = False,
) -> Callable:
    """Compiles `num_steps` steps into one call over `devices`.

    Args:
      algorithm: what to train.
      num_steps: steps of a call.
      devices: None takes those of all processes.
      fed: data are the steps' batches, and not rows that batches are drawn from.

    Returns:
      (state, data, key, first_step) -> (state, info averaged over the steps). The state
      is replicated (`replicate`) and donated, data are `spread` (or `feeding.Feed`'s);
      the key is the run's, and step t uses `fold_in(key, t)`.

    Raises:
      ValueError: the batch does not divide by the number of devices.
    """
    devices = devices or all_devices()
    for size in (algorithm.batch_shape[-1], *algorithm.sets.values()):
        require_divisible(size, len(devices))

    def steps(state, data, key, first_step):
        indices = first_step + jnp.arange(num_steps)
        if fed:
            body, inputs = partial(one_fed_step, algorithm, key), (indices, data)
        else:
            body, inputs = partial(one_step, algorithm, data, key), indices
        state, infos = scan(body, state, inputs)
        return state, mean(jax.tree.map(jnp.mean, infos))

    if len(devices) == 1:
        return _compile_for_one_device(steps)
    return jax.pmap(
        steps,
        axis_name=DEVICE_AXIS,
        in_axes=(0, 0, None, None),
        devices=devices,
        donate_argnums=0,
    )


def _compile_for_one_device(steps: Callable) -> Callable:
    """The same call without `pmap`, which is slow there for programs of many leaves.

    (70 times for the 40-attribute label model: 938 against 13 ms per step.)
    """

    @partial(jax.jit, donate_argnums=0)
    def on_one_device(state, data, key, first_step):
        state, data = jax.tree.map(lambda leaf: leaf[0], (state, data))
        state, info = steps(state, data, key, first_step)
        return jax.tree.map(lambda leaf: leaf[None], (state, info))

    return on_one_device


class Memory(NamedTuple):
    """What a compiled program takes on one device, bytes.

    Attributes:
      kept: what is given to it: state and data.
      of_step: what it makes itself, and results that do not take the place of inputs.
    """

    kept: int
    of_step: int

    @property
    def total(self) -> int:
        """Both."""
        return self.kept + self.of_step


def memory(program: Any) -> Memory | None:
    """What XLA says that a compiled program takes; None where it does not."""
    found = program.memory_analysis()
    if found is None:
        return None
    new = found.output_size_in_bytes - found.alias_size_in_bytes
    return Memory(
        kept=found.argument_size_in_bytes, of_step=found.temp_size_in_bytes + new
    )


def divisible(batch_size: int) -> int:
    """The smallest batch of at least so many that all devices share alike."""
    return -(-batch_size // jax.device_count()) * jax.device_count()


def require_divisible(batch_size: int, num_devices: int) -> None:
    """Raises ValueError with the batch sizes that would be right."""
    if batch_size % num_devices:
        lower = batch_size // num_devices * num_devices
        fitting = f"{lower} or " if lower else ""
        raise ValueError(
            f"batch_size {batch_size} does not divide over {num_devices} devices: use "
            f"{fitting}{lower + num_devices}"
        )


def replicate(tree: Any, devices: list | None = None) -> Any:
    """A copy on every device of this process, with a leading device axis.

    Wherever the arrays lie: a checkpoint is read onto one device, and the run that
    continues may have others.
    """
    layout = _layout(devices or all_devices())
    num_copies = len(layout.device_set)

    def copies(leaf: Any) -> Array:
        one = np.asarray(leaf)
        stacked = np.broadcast_to(one, (num_copies, *one.shape))
        # Never an alias: the steps are given these arrays to overwrite.
        return jax.device_put(stacked, layout, may_alias=False)

    return jax.tree.map(copies, tree)


def spread(data: Batch, devices: list | None = None) -> Batch:
    """What batches are drawn from, on the devices, with a leading device axis.

    Every device has all rows where one process trains. Several share them, see
    `shards`: a host's devices keep its part. Steps read the same rows either way.

    Args:
      data: {name: [N, ...]}, in every process; `cumulated` may be among them, and
        further sets (`Algorithm.sets`).
      devices: as `train_steps` has them.
    """
    if hosts.num_processes() == 1:
        return replicate(data, devices)
    return in_shards(data, devices)


def in_shards(data: Batch, devices: list | None = None) -> Batch:
    """The same, every device with its shard of the rows, in one process too."""
    devices = devices or all_devices()
    layout = _layout(devices)
    sets = {k: in_shards(v, devices) for k, v in data.items() if isinstance(v, Mapping)}
    rows = {name: leaf for name, leaf in data.items() if name not in sets}
    kept = {
        name: jax.device_put(hosts.own_rows(leaf, devices), layout)
        for name, leaf in rows.items()
        if name != _CUMULATED
    }
    weights = {name: leaf for name, leaf in rows.items() if name == _CUMULATED}
    shards = Shards(kept=kept, num_rows=_num_rows(rows))
    return {**replicate(weights, devices), _SHARDS: shards, **sets}


def placed(tree: Any) -> Any:
    """Arrays with an axis of this process's devices in front, a part on each."""
    layout = _layout(all_devices())
    return jax.tree.map(lambda leaf: jax.device_put(leaf, layout), tree)


def num_local_devices() -> int:
    """How many of the run's devices are this process's."""
    return jax.local_device_count()


def unreplicate(tree: Any) -> Any:
    """The copy of this process's first device, on it."""

    def first(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array):
            leaf = leaf.addressable_data(0)
        return leaf[0]

    return jax.tree.map(first, tree)


def all_devices() -> list:
    """The devices of all processes, those of a process one after another."""
    processes = range(jax.process_count())
    return [device for p in processes for device in jax.local_devices(process_index=p)]


def _layout(devices: list) -> NamedSharding:
    """How arrays with a leading device axis lie: as `pmap` lays out its results.

    The axis' name is part of it: without it the steps compile a second time.
    """
    own = [device for device in devices if device.process_index == jax.process_index()]
    return NamedSharding(
        Mesh(np.array(own), (DEVICE_AXIS,)), PartitionSpec(DEVICE_AXIS)
    )
