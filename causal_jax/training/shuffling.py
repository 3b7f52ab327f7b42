"""Which rows a step reads, when every row is read once before any is read again.

A new order each epoch, without keeping it: the order is a keyed permutation of
0 .. N - 1 that is computed at single places (a Feistel network on as many bits as N
needs, walked until it lands below N; Black & Rogaway 2002). So a step's rows depend on
the key and the step alone, and a resumed run reads what an uninterrupted one would.
"""

import math

import jax
import jax.numpy as jnp

from causal_jax.types import Array, Key

_FEISTEL_ROUNDS = 6


def rows(key: Key, step: Array, batch_shape: tuple[int, ...], num_rows: int) -> Array:
    """The rows of a step, int32 [*batch_shape].

    Batches follow one another without a gap: where the number of rows is no multiple of
    the batch, one batch holds the end of an epoch and the beginning of the next.

    Args:
      key: the run's; every epoch has an order of its own.
      step: int [], from 0.
      batch_shape: rows read in a step.
      num_rows: N, at most 2^30.
    """
    size = math.prod(batch_shape)
    epoch, place = _epoch_and_place(step, size, num_rows)
    keys = jax.vmap(
        lambda e: jax.random.bits(jax.random.fold_in(key, e), (_FEISTEL_ROUNDS,))
    )
    return permuted(place, keys(epoch), num_rows).reshape(batch_shape)


def _epoch_and_place(step: Array, size: int, num_rows: int) -> tuple[Array, Array]:
    """Epoch and place in it of a batch's rows: step * size + i, without overflow."""
    # step * size = whole epochs and a rest, by steps that begin an epoch together.
    period = num_rows // math.gcd(size, num_rows)  # steps
    cycles, step = jnp.divmod(jnp.asarray(step, jnp.int32), period)
    place = step * size + jnp.arange(size)
    epoch = cycles * (period * size // num_rows) + place // num_rows
    return epoch, place % num_rows


def permuted(places: Array, round_keys: Array, num_rows: int) -> Array:
    """The rows at some places of permutations of 0 .. num_rows - 1.

    Args:
      places: int [K] in 0 .. num_rows - 1.
      round_keys: uint32 [K, 6], equal for places of one permutation.
      num_rows: how many rows there are.
    """
    half = max(4, -(-(num_rows - 1).bit_length() // 2))  # bits
    mask = jnp.uint32(2**half - 1)

    def encrypted(value, keys):
        left, right = value >> half, value & mask
        for i in range(_FEISTEL_ROUNDS):
            left, right = right, left ^ (_hash_of_bits(right ^ keys[i]) & mask)
        return (left << half) | right

    def walk(place, keys):
        value = encrypted(place.astype(jnp.uint32), keys)
        outside = lambda value: value >= num_rows  # noqa: E731
        return jax.lax.while_loop(outside, lambda value: encrypted(value, keys), value)

    return jax.vmap(walk)(places, round_keys).astype(jnp.int32)


def _hash_of_bits(x: Array) -> Array:
    """A hash of 32 bits (the finaliser of MurmurHash3)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
