"""Data in shards: every device keeps some of the rows, and a step's rows are exchanged.

    device d keeps rows d n, ..., (d + 1) n - 1 of all N, where n = ceil(N / devices)

The rows that a step reads are drawn for the global batch, as where every device has all
of them. Each device looks up those of the batch that it keeps and puts zeros for the
others; the sum over devices, of which each gets its part of the batch, is exact, since
all terms but one are zero. A step sends the batch once around: (devices - 1) / devices
x batch x bytes of a row per device.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp

from causal_jax.training.algorithm import DEVICE_AXIS
from causal_jax.types import Array, Batch


@partial(
    jax.tree_util.register_dataclass, data_fields=("kept",), meta_fields=("num_rows",)
)
@dataclasses.dataclass(frozen=True)
class Shards:
    """The rows that a device keeps.

    Attributes:
      kept: {name: [n, ...]}, the rows of this device; those beyond the last are zero.
      num_rows: N, the rows of all devices.
    """

    kept: Batch
    num_rows: int

    def read(self, rows: Array) -> Batch:
        """This device's part of a batch; call inside a step.

        Args:
          rows: int [..., B] in 0 .. N - 1, the same on every device; B is split.

        Returns:
          {name: [..., B / devices, ...]}.
        """
        first = jax.lax.axis_index(DEVICE_AXIS) * _num_rows(self.kept)
        return {
            name: _exchanged(kept, rows - first) for name, kept in self.kept.items()
        }


def _num_rows(kept: Batch) -> int:
    return len(next(iter(kept.values())))


def _exchanged(kept: Array, places: Array) -> Array:
    """Rows of a batch from the devices that keep them; places count from this one's."""
    is_here = (places >= 0) & (places < len(kept))
    is_here = is_here.reshape(*places.shape, *[1] * (kept.ndim - 1))
    found = jnp.where(is_here, kept[jnp.clip(places, 0, len(kept) - 1)], 0)
    if found.dtype.itemsize < 4:  # not every device adds bytes
        wide = jnp.int32 if found.dtype.kind in "iub" else jnp.float32
        found = found.astype(wide)
    part = jax.lax.psum_scatter(
        found, DEVICE_AXIS, scatter_dimension=places.ndim - 1, tiled=True
    )
    return part.astype(kept.dtype)
