"""What the trainers of image mechanisms share: rows, pixels, rates and averages."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from causal_jax.networks.controller import encoded_size
from causal_jax.training import parallel
from causal_jax.training.algorithm import averaged
from causal_jax.types import Array, Key, Params

FEWEST = 30  # rows of a combination: fewer are not drawn more often for it


def flattened(labels: np.ndarray, power: float) -> np.ndarray:
    """Cumulated row weights under which label combinations are drawn more evenly.

    Args:
      labels: int [N, n].
      power: a combination seen c times is drawn in proportion to c ** (1 - power): 0
        leaves the data's law as it is, 1 makes all combinations equally likely. One
        seen less than `FEWEST` times is drawn in proportion to c, as its rows would
        else be learned by heart (and of the rarest many have a wrong label).

    Returns:
      float32 [N], ending in 1; see `parallel.draw`.
    """
    _, index, counts = np.unique(
        labels, axis=0, return_inverse=True, return_counts=True
    )
    weights = np.maximum(counts, FEWEST)[index.ravel()] ** -float(power)
    return (np.cumsum(weights) / weights.sum()).astype(np.float32)


def factors_of_codes(
    factors: Sequence[float] | None, num_states: Sequence[int]
) -> np.ndarray | float:
    """Factors of labels as factors of their codes' columns, [d]; 1.0 for None.

    >>> factors_of_codes((1, 4), (2, 3)).tolist()
    [1.0, 4.0, 4.0, 4.0]

    Raises:
      ValueError: they are not as many as labels.
    """
    if factors is None:
        return 1.0
    if len(factors) != len(num_states):
        raise ValueError(f"{len(factors)} label_factors for {len(num_states)} labels")
    return np.repeat(np.float32(factors), [encoded_size(k) for k in num_states])


def require_average_rate(rate: float) -> None:
    """Raises ValueError where `moved_average` would not settle."""
    if not 0 <= rate <= 1:
        raise ValueError(
            f"average_rate is between 0 (the mean of all steps) and 1, not {rate}"
        )


def pixels(images: Array, key: Key, batch_size: int, *, flip: bool) -> Array:
    """A device's real images, uint8 [B, H, W, 3], as floats in [-1, 1].

    Args:
      images: this device's part of the batch.
      key: which images are mirrored.
      batch_size: images of the batch, over all devices.
      flip: mirror half of them, at random.
    """
    real = images.astype(jnp.result_type(float)) / 127.5 - 1
    if not flip:
        return real
    mirrored = parallel.local(jax.random.bernoulli(key, 0.5, (batch_size,)))
    return jnp.where(mirrored[:, None, None, None], real[:, :, ::-1], real)


def late_decay(rate: float, num_steps: int | None) -> optax.Schedule | float:
    """Constant for half of the run, then along a cosine to a tenth; None: constant."""
    if num_steps is None:
        return rate
    half = max(num_steps // 2, 1)
    return optax.join_schedules(
        [optax.constant_schedule(rate), optax.cosine_decay_schedule(rate, half, 0.1)],
        [num_steps - half],
    )


def moved_average(average: Params, params: Params, rate: float, step: Array) -> Params:
    """The moving average after `step` earlier ones; at first a plain mean.

    (So it does not remember the start.)
    """
    return averaged(average, params, jnp.maximum(rate, 1 / (step + 1)))
