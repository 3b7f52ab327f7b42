"""A batch taken a few images at a time, so that what is formed stays in the cache."""

from collections.abc import Callable

from jax import lax

from causal_jax.types import Array


def block_size(num: int, rows: int, limit: int) -> int:
    """The largest divisor of `num` images that keeps a block near `limit` rows.

    A symbolic number of images, of a program exported for all, is divided by 1 alone.
    """
    if not isinstance(num, int):
        return 1
    # At least 2 images: one alone measured slower, however many rows it has.
    largest = min(num, max(2, limit // max(rows, 1)))
    return max(size for size in range(1, largest + 1) if num % size == 0)


def map_blocks(
    block_fn: Callable[[Array], Array], x: Array, rows: int, limit: int
) -> Array:
    """Applies `block_fn` to blocks of the batch and joins the results.

    Args:
      block_fn: [b, ...] -> [b, ...].
      x: [B, ...].
      rows: how many rows of the block's matrix an image makes.
      limit: how many of them are formed at once.
    """
    size = block_size(x.shape[0], rows, limit)
    if size == x.shape[0]:
        return block_fn(x)
    y = lax.map(block_fn, x.reshape(-1, size, *x.shape[1:]))
    return y.reshape(-1, *y.shape[2:])
