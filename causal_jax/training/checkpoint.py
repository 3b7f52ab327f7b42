"""Checkpoints of one training stage: complete, intact, or not used.

    <step>/          a checkpoint: arrays, and a manifest of its files, written last
    <step>.partial/  one that is being written; it is renamed when it is complete
    <step>.damaged/  one that was found damaged: set aside, never deleted

A checkpoint holds two items: `state`, all that the next step needs, and `params`, what
is sampled from, so that a model can be loaded without its optimiser. Before a restore
its files are held against its manifest (`manifest`). The last ones and the first are
kept, and those at every so many steps where that is asked for.
"""

import contextlib
import errno
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

from causal_jax import files
from causal_jax.training import checkpoint_arrays, manifest
from causal_jax.types import Params

_DAMAGED, _REPLACED = ".damaged", ".replaced"
# What killed writers leave; the last is what versions before manifests have left.
_LEFTOVERS = (f"*{files.UNFINISHED}*", f"*{_REPLACED}", "*.orbax-checkpoint-tmp*")


class Checkpoints:
    """The checkpoints of a stage in `directory`; created at the first save.

    Args:
      directory: of this stage alone.
      keep: how many of the last ones are kept, beside the first.
      keep_every: those whose steps it divides are kept, too; 0 for none.
      before_manifests: takes checkpoints without a manifest, and warns: those of a run
        that was begun before there were any.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        keep: int = 2,
        keep_every: int = 0,
        before_manifests: bool = False,
    ):
        self.directory = Path(directory).absolute()
        self._num_kept = keep
        self._kept_every = keep_every
        self._before_manifests = before_manifests
        self._intact: set[int] = set()  # what this object has verified or written
        self._damage: dict[int, str] = {}

    # --- which there are --------------------------------------------------------------

    def steps(self) -> list[int]:
        """The steps of the checkpoints that are there, whether intact or not."""
        if not self.directory.is_dir():
            return []
        names = [p.name for p in self.directory.iterdir() if p.is_dir()]
        return sorted(int(n) for n in names if n.isascii() and n.isdigit())

    def intact_steps(self) -> list[int]:
        """Those of `steps` that are intact; there is a warning of each other one."""
        return [step for step in self.steps() if self._is_intact(step)]

    def latest(self) -> int | None:
        """Step of the last intact checkpoint, None if there is none at all.

        Those that are damaged are passed over with a warning, and stay where they are.

        Raises:
          ValueError: there are some, and all are damaged.
        """
        steps = self.steps()
        intact = next(filter(self._is_intact, reversed(steps)), None)
        if steps and intact is None:
            raise ValueError(
                f"{self.directory} has no checkpoint that is not damaged "
                f"({self._said_of(steps)}): run causal-jax train with this run's "
                "--config and --workdir to train this stage again"
            )
        return intact

    def recover(self) -> int | None:
        """What `latest` says, and tidies up; for the one process that writes here.

        Removes what killed writers have left. Checkpoints that are damaged are renamed.

        Raises:
          ValueError: all are damaged; they are set aside, so that the next call begins
            anew.
        """
        with files.named_in_errors(self.directory):
            self._remove_leftovers()
            steps = self.steps()
            damaged = [step for step in steps if not self._is_intact(step)]
            for step in damaged:
                self._set_aside(step)
        if damaged and damaged == steps:
            raise ValueError(
                f"{self.directory} has no checkpoint that is not damaged "
                f"({self._said_of(steps)}): they are set aside as STEP{_DAMAGED}; the "
                "same command again trains this stage from its beginning"
            )
        return max(self._intact.intersection(steps), default=None)

    def _is_intact(self, step: int) -> bool:
        is_new = step not in self._damage
        damage = self._find_damage(step)
        if damage and is_new:
            warnings.warn(
                f"the checkpoint {self.directory / str(step)} is damaged ({damage}) "
                "and passed over: the one before it has to do",
                stacklevel=4,
            )
        return not damage

    def _find_damage(self, step: int) -> str:
        """What is wrong with a checkpoint, "" if nothing; files are read once."""
        if step not in self._intact and step not in self._damage:
            damage = self._read_damage(self.directory / str(step))
            if damage:
                self._damage[step] = damage
            else:
                self._intact.add(step)
        return self._damage.get(step, "")

    def _read_damage(self, folder: Path) -> str:
        if self._before_manifests and not manifest.exists(folder):
            warnings.warn(
                f"the checkpoint {folder} was not verified: its run was begun before "
                "there were manifests",
                stacklevel=5,
            )
            return ""
        return manifest.damage(folder)

    def _said_of(self, steps: list[int]) -> str:
        return "; ".join(f"{step}: {self._damage[step]}" for step in steps)

    def _set_aside(self, step: int) -> None:
        folder = self.directory / str(step)
        target, number = folder.with_name(f"{step}{_DAMAGED}"), 1
        while target.exists():
            number += 1
            target = folder.with_name(f"{step}{_DAMAGED}{number}")
        folder.rename(target)

    def _remove_leftovers(self) -> None:
        for pattern in _LEFTOVERS:
            for path in self.directory.glob(pattern):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    # --- writing ----------------------------------------------------------------------

    def save(self, step: int, state: Any, params: Params) -> None:
        """Writes a checkpoint; it counts only once it is complete.

        Raises:
          OSError: the folder is full, gone or read-only.
        """
        unfinished = self.directory / f"{step}{files.UNFINISHED}"
        with files.named_in_errors(self.directory):
            self._require_directory()
            self._remove_leftovers()
            num_bytes = checkpoint_arrays.num_bytes((state, params))
            files.require_room(self.directory, num_bytes)
            try:
                checkpoint_arrays.write(unfinished, state, params)
                manifest.write(unfinished)
                self._put_in_place(unfinished, step)
            except BaseException:
                with contextlib.suppress(OSError):
                    self._remove_leftovers()
                raise
            self._remove_older()

    def _require_directory(self) -> None:
        """Made at the first save; one that has vanished since is not made again."""
        if not self._intact:
            self.directory.mkdir(parents=True, exist_ok=True)
        elif not self.directory.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def _put_in_place(self, unfinished: Path, step: int) -> None:
        final = self.directory / str(step)
        with contextlib.suppress(FileNotFoundError):  # usually there is none
            final.rename(final.with_name(f"{step}{_REPLACED}"))
        unfinished.rename(final)
        files.sync_folder(self.directory)
        self._intact.add(step)

    def _remove_older(self) -> None:
        first, *others = self.steps()
        for step in others[: -self._num_kept]:
            if self._kept_every and step % self._kept_every == 0:
                continue
            folder = self.directory / str(step)
            leaving = folder.with_name(f"{step}{_REPLACED}")  # at once, not by halves
            folder.rename(leaving)
        self._remove_leftovers()

    # --- reading ----------------------------------------------------------------------

    def restore_state(self, step: int, like: Any) -> Any:
        """The training state; `like` is a state of the same algorithm.

        Raises:
          ValueError: the checkpoint is damaged or is another algorithm's.
        """
        return self._read(step, "state", like)

    def restore_params(self, step: int, like: Params) -> Params:
        """What is sampled from; `like` has the shapes that the model expects.

        Raises:
          ValueError: the checkpoint is damaged or is another model's.
        """
        return self._read(step, "params", like)

    def restore_all(self, step: int) -> dict[str, Any]:
        """{"state": ..., "params": ...} as they were saved, in plain containers.

        Raises:
          ValueError: the checkpoint is damaged.
        """
        self._require_intact(step)
        return checkpoint_arrays.read_all(self.directory / str(step))

    def _read(self, step: int, item: str, like: Any) -> Any:
        self._require_intact(step)
        return checkpoint_arrays.read(self.directory / str(step), item, like)

    def _require_intact(self, step: int) -> None:
        if damage := self._find_damage(step):
            raise ValueError(
                f"the checkpoint {self.directory / str(step)} is damaged "
                f"({damage}): use an earlier or another one, or choose "
                "another workdir"
            )
