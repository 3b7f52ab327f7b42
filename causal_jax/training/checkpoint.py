"""Checkpoints of one training stage, with Orbax.

A checkpoint holds two items: `state`, all that the next step needs, and `params`, what
is sampled from, so that a model can be loaded without its optimiser.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp

from causal_jax.types import Params


def _orbax() -> ModuleType:
    """Orbax, imported at the first checkpoint: `--help` does not wait for it."""
    import orbax.checkpoint

    return orbax.checkpoint


class Checkpoints:
    """The checkpoints of a stage in `directory`; created at the first save."""

    def __init__(self, directory: str | Path, *, keep: int = 2):
        self.directory = Path(directory).absolute()
        self._num_kept = keep
        self._manager: Any = None  # Orbax's CheckpointManager, once it is needed

    def _open_manager(self) -> Any:
        if self._manager is None:
            ocp = _orbax()
            options = ocp.CheckpointManagerOptions(
                max_to_keep=self._num_kept, enable_async_checkpointing=False
            )
            self._manager = ocp.CheckpointManager(self.directory, options=options)
        return self._manager

    def latest(self) -> int | None:
        """Number of the last complete checkpoint, None if there is none."""
        return self._open_manager().latest_step() if self.directory.is_dir() else None

    def save(self, step: int, state: Any, params: Params) -> None:
        """Writes a checkpoint; it counts only once it is complete."""
        ocp = _orbax()
        self._open_manager().save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state), params=ocp.args.StandardSave(params)
            ),
        )

    def restore_state(self, step: int, like: Any) -> Any:
        """The training state; `like` is a state of the same algorithm.

        Raises:
          ValueError: the checkpoint is damaged or is another algorithm's.
        """
        return self._restore_item(step, "state", like)

    def restore_params(self, step: int, like: Params) -> Params:
        """What is sampled from; `like` has the shapes that the model expects.

        Raises:
          ValueError: the checkpoint is damaged or is another model's.
        """
        return self._restore_item(step, "params", like)

    def _restore_item(self, step: int, item: str, like: Any) -> Any:
        # On one device here, however many devices it was saved from.
        place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), like
        )
        ocp = _orbax()
        args = ocp.args.Composite(**{item: ocp.args.StandardRestore(shapes)})
        try:
            restored = self._open_manager().restore(step, args=args)[item]
        except Exception as error:  # Orbax raises many kinds for files it cannot read
            raise ValueError(
                f"the checkpoint {self.directory / str(step)} cannot be read as this "
                f"model's {item} (damaged, or another model's): delete that folder to "
                "fall back on an earlier one, or choose another workdir"
            ) from error
        _require_shapes(restored, shapes, self.directory / str(step))
        return jax.tree.map(jnp.asarray, restored)


def _require_shapes(restored: Any, shapes: Any, path: Path) -> None:
    found = jax.tree.map(lambda x: (x.shape, x.dtype), restored)
    wanted = jax.tree.map(lambda x: (x.shape, x.dtype), shapes)
    if found != wanted:
        raise ValueError(
            f"the checkpoint {path} has arrays of other shapes than this model: it is "
            "another model's; choose another workdir"
        )
