"""The arrays of a checkpoint on the disk, as Orbax writes and reads them."""

import functools
import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp

from causal_jax.types import Params

ITEMS = ("state", "params")


def write(folder: Path, state: Any, params: Params) -> None:
    """Writes both items into a new folder.

    Raises:
      OSError: it could not be written.
    """
    args = _orbax().args
    items = args.Composite(
        state=args.StandardSave(state), params=args.StandardSave(params)
    )
    try:
        _checkpointer().save(folder, args=items)
    except OSError:
        raise
    except Exception as error:  # Orbax and TensorStore have many kinds
        raise OSError(
            f"{folder.parent} took no checkpoint ({_first_line(error)}): see that it "
            "has room and can be written, and run this again"
        ) from error


def read(folder: Path, item: str, like: Any) -> Any:
    """An item, with the shapes and kinds of `like`.

    Raises:
      ValueError: the checkpoint is damaged or is another model's.
    """
    # On one device here, however many devices it was saved from.
    place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), like
    )
    args = _orbax().args
    items = args.Composite(**{item: args.StandardRestore(shapes)})
    try:
        restored = _checkpointer().restore(folder, args=items)[item]
    except Exception as error:  # Orbax raises many kinds for files it cannot read
        raise ValueError(
            f"the checkpoint {folder} cannot be read as this model's {item} (damaged, "
            "or another model's): delete that folder to fall back on an earlier one, "
            "or choose another workdir"
        ) from error
    _require_shapes(restored, shapes, folder)
    return jax.tree.map(jnp.asarray, restored)


def read_all(folder: Path) -> dict[str, Any]:
    """{"state": ..., "params": ...} as they were saved, in plain containers."""
    args = _orbax().args
    items = args.Composite(**{item: args.StandardRestore() for item in ITEMS})
    found = _checkpointer().restore(folder, args=items)
    return {item: found[item] for item in ITEMS}


def num_bytes(tree: Any) -> int:
    """About as many as a checkpoint of it takes: what Orbax says of arrays included."""
    leaves = jax.tree.leaves(tree)
    return sum(leaf.nbytes for leaf in leaves) + 2048 * len(leaves) + 2**17


def _orbax() -> ModuleType:
    """Orbax, imported at the first checkpoint: `--help` does not wait for it."""
    import orbax.checkpoint

    return orbax.checkpoint


@functools.cache
def _checkpointer() -> Any:
    """One for all checkpoints; its threads do not print, too, what it raises."""
    logging.getLogger("absl").addFilter(
        lambda record: "_SignalingThread" not in record.getMessage()
    )
    logging.getLogger("asyncio").addFilter(
        lambda record: "never retrieved" not in record.getMessage()
    )
    ocp = _orbax()
    return ocp.Checkpointer(ocp.CompositeCheckpointHandler())


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


def _require_shapes(restored: Any, shapes: Any, path: Path) -> None:
    found = jax.tree.map(lambda x: (x.shape, x.dtype), restored)
    wanted = jax.tree.map(lambda x: (x.shape, x.dtype), shapes)
    if found != wanted:
        raise ValueError(
            f"the checkpoint {path} has arrays of other shapes than this model: it is "
            "another model's; choose another workdir"
        )
