"""Labels as an image generator sees them: soft, noisy, as logits.

CausalGAN (arXiv 1709.02023), supplementary and ``causal_dcgan/CausalGAN.py``. A
binary label `l` is moved to `y0 = .3 + .4 l`, then drawn towards 1/2 by `s` and away
from it by `t`, both truncated exponential::

    y = y0 + (.5 - y0) / .2 * s + (y0 - .5) / .2 * t,   s in [0, .2], t in [0, .3]

so that `y` stays on its label's side of 1/2, and the generator receives `logit(y)`.

The noise is drawn apart from its use, so that it can be part of a unit's exogenous
noise: a counterfactual keeps it, where the reference draws it anew in every image.

Differences from the reference code: "corrected" (the default) has the rates that the
code's own comment intends (25 and 50; the code has 5 and 15) and one draw a label
(the code has one a row); "reference" has the code's. The logit is kept finite at
`y = 1`, where the reference gives nan.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# Largest draw towards 1/2 and away from it: they keep y within [0, 1] and on its side.
TOWARDS_RIGHT = 0.2
AWAY_RIGHT = 0.3

# Added to y before the logit (reference code), and y's distance from 1 after it.
_EPSILON = 1e-6


class LabelNoise(NamedTuple):
    """Exogenous noise of the labels a generator sees.

    Fields:
      towards: `[..., n]` or `[..., 1]` in [0, .2], moves towards 1/2.
      away: `[..., n]` or `[..., 1]` in [0, .3], moves away from 1/2.
    """

    towards: jax.Array
    away: jax.Array


class NoiseKind(NamedTuple):
    """A law of the label noise.

    Fields:
      towards_rate: rate of the draw towards 1/2, None for no noise.
      away_rate: rate of the draw away from 1/2, None for no noise.
      shared: whether all labels of a row share one draw.
    """

    towards_rate: float | None
    away_rate: float | None
    shared: bool


NOISE_KINDS = {
    # The code's comment.
    "corrected": NoiseKind(towards_rate=25.0, away_rate=50.0, shared=False),
    # The code.
    "reference": NoiseKind(towards_rate=5.0, away_rate=15.0, shared=True),
    # Its label_type=discrete.
    "discrete": NoiseKind(towards_rate=None, away_rate=None, shared=True),
}


def truncated_exponential(key, shape, rate, right):
    """Draws from the exponential law of a rate, kept to [0, right].

    Args:
      key: a PRNG key.
      shape: shape of the draws.
      rate: rate of the exponential law, positive.
      right: upper end of the support, positive.

    Returns:
      `shape` draws in [0, right], by the inverse of the distribution function.
    """
    uniform = jax.random.uniform(key, shape)
    inside = -jnp.expm1(-rate * right)  # mass that the truncation keeps
    return jnp.minimum(-jnp.log1p(-uniform * inside) / rate, right)


def label_noise(key, num, num_labels, *, kind="corrected"):
    """Draws the noise of `num` units.

    Args:
      key: a PRNG key.
      num: number of units.
      num_labels: number of labels `n` of a unit.
      kind: "corrected", "reference" or "discrete" (no noise), see `NOISE_KINDS`.

    Returns:
      A `LabelNoise` of `[num, n]` arrays, `[num, 1]` where a row shares its draw.

    Raises:
      ValueError: if there is no such kind.
    """
    if kind not in NOISE_KINDS:
        raise ValueError(f"kind must be one of {sorted(NOISE_KINDS)}, got {kind!r}")
    law = NOISE_KINDS[kind]
    shape = (num, 1 if law.shared else num_labels)
    if law.towards_rate is None:
        return LabelNoise(jnp.zeros(shape), jnp.zeros(shape))
    key_towards, key_away = jax.random.split(key)
    return LabelNoise(
        truncated_exponential(key_towards, shape, law.towards_rate, TOWARDS_RIGHT),
        truncated_exponential(key_away, shape, law.away_rate, AWAY_RIGHT),
    )


def noisy_labels(labels, noise):
    """Moves labels off 0 and 1.

    Args:
      labels: `[..., n]` in {0, 1}.
      noise: a `LabelNoise` of matching leading axes.

    Returns:
      `[..., n]` in [0, .5] where the label is 0 and in [.5, 1] where it is 1.
    """
    side = 2.0 * labels - 1.0
    # (y0 - .5) / .2 is the side, -1 or 1; .2 is y0's own distance from 1/2.
    return 0.5 + side * (0.2 - noise.towards + noise.away)


def noisy_logits(labels, noise):
    """The logits of `noisy_labels`, which the generator receives.

    Args:
      labels: `[..., n]` in {0, 1}.
      noise: a `LabelNoise` of matching leading axes.

    Returns:
      `[..., n]` finite logits, within about [-13.8, 13.8].
    """
    y = jnp.clip(noisy_labels(labels, noise) + _EPSILON, _EPSILON, 1.0 - _EPSILON)
    return jnp.log(y) - jnp.log1p(-y)
