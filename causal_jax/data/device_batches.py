"""Batches on a device: copied ahead of use as bytes, made floats there."""

import collections
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from causal_jax.types import Array, Batch


def normalized(image: Array) -> Array:
    """Pictures uint8 in 0 .. 255 as float32 in [-1, 1]; call where they are used."""
    return image.astype(jnp.float32) / 127.5 - 1.0


class OnDevice:
    """A stream's batches on a device, pictures as floats, copied ahead of use.

    Yields {"image": float32 [B, size, size, 3], "label": int32 [B]}.

    Args:
      batches: of a `streams.Stream`: its `batches`, `resume` or `once`.
      device: whatever `jax.device_put` takes; None is the default device.
      ahead: how many batches are on their way while one is used.
    """

    def __init__(self, batches: Iterator[Batch], device: Any = None, *, ahead: int = 2):
        self._batches = batches
        self._device = device
        self._ahead = ahead
        self._waiting = collections.deque()
        self._state = self._state_of_batches()

    def __iter__(self) -> "OnDevice":
        return self

    def __next__(self) -> Batch:
        while len(self._waiting) <= self._ahead and self._send():
            pass
        if not self._waiting:
            raise StopIteration
        batch, self._state = self._waiting.popleft()
        return _with_floats(batch)

    def _send(self) -> bool:
        """Puts one more batch on its way; False where there is none."""
        batch = next(self._batches, None)
        if batch is None:
            return False
        sent = jax.device_put(batch, self._device)
        self._waiting.append((sent, self._state_of_batches()))
        return True

    def _state_of_batches(self) -> dict[str, Any] | None:
        """None of `Stream.once`, which has no state."""
        has_state = hasattr(self._batches, "state")
        return self._batches.state() if has_state else None

    def state(self) -> dict[str, Any] | None:
        """Where the batches stand that were handed out, see `streams.Batches`."""
        return self._state

    def close(self) -> None:
        """Ends the worker processes."""
        self._batches.close()

    def __enter__(self) -> "OnDevice":
        return self

    def __exit__(self, *_) -> None:
        self.close()


@jax.jit
def _with_floats(batch: Batch) -> Batch:
    return {**batch, "image": normalized(batch["image"])}
