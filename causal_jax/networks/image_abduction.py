"""Abduction of images: the noise of a generator that draws a given image.

An image generator is x = G(l, z), not invertible: z is found by descent,

    z* = argmin_{z in [-1, 1]^k} |x - G(l, z)|^2 / number of pixels,

with Adam, a rate that falls to 0 along a cosine and every step clipped into the noise's
support, for all images of a batch at once. What no z draws is kept as part of the
unit's noise, the residual r = x - g of what it draws, g = G(l, z*), and the model of a
*given* image is

    x = clip(G(l', z) + w r, -1, 1),    w = exp(-(d / s)^2),

with d, of each pixel, how far G(l', z) is from g around it. So the null counterfactual
is the image itself, and pixels that the labels do not move stay as they were (the
additive noise of Pawlowski et al. 2020, arXiv 2006.06485, at the last layer). Where
labels move them, what the generator could not draw shows the old ones (half a pair of
glasses, hair on a bald head) and is left out: with w = 1 everywhere labels are obeyed
less, and drawn faces are further from their true counterfactuals where these differ
(`SCALE`). Without a residual (`without_residual`) the generator alone draws.

A descent from a draw of the prior finds *a* noise that fits, not a draw of its
posterior: other starts end elsewhere, equally well.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from causal_jax.types import Array, Key, Noise, Params

# Measured on 256 drawn faces and a CausalGAN of 23,000 steps, mean squared error from a
# start at 0: .0177 after 60 steps, .0166 after 200. Absolute errors, at one scale or at
# three, end at the same images, labels and edits.
NUM_STEPS = 200
LEARNING_RATE = 0.1
# s above, of images in [-1, 1]. Of 360 training photographs, one label of each changed,
# under a CausalGAN of 24,000 steps .62 of the changed labels read as set with the whole
# residual (images were .12 from the given ones), .75 at a scale of .15 (.14), .78 at .1
# (.16), .80 at .07 (.18), .82 without a residual (.23). 216 drawn faces under a
# quickstart were .218 from the truth, where it changes, with the whole residual, .191
# at .15, .197 at .1, .205 without; everywhere .077, .075, .081 and .125. (By hand; of
# digits' parts, where it is as wide a share of their range, it was not measured.)
SCALE = 0.1
_AROUND = 32  # a side of so many pixels: the mean is over one more to each, twice


class Abducted(NamedTuple):
    """What `abduct_images` found.

    Attributes:
      noise: of the generator, {"z": [B, k], "residual" and "drawn": [B, H, H, 3], ...}.
      reconstruction: `[B, H, H, 3]` in [-1, 1], what the generator draws without the
        residual.
      error: `[B]` mean absolute difference of the reconstruction, in [0, 2].
    """

    noise: Noise
    reconstruction: Array
    error: Array


def without_residual(noise: Noise) -> Noise:
    """The noise of the generator alone."""
    left_out = ("residual", "drawn")
    return {name: leaf for name, leaf in noise.items() if name not in left_out}


def with_residual(
    images: Array, noise: Noise, value_range: tuple[float, float] = (-1.0, 1.0)
) -> Array:
    """Adds what the generator could not draw, where it draws what it drew then.

    Args:
      images: `[B, H, W, C]`, what the generator draws.
      noise: as `abduct_images` finds it; images are as they were without a residual.
      value_range: what the sum is clipped to.

    >>> ones = jnp.ones((1, 32, 32, 3))
    >>> noise = {"residual": 0.5 * ones, "drawn": 0 * ones}
    >>> found = [with_residual(x * ones, noise).mean() for x in (0.0, 0.1, -1.0)]
    >>> [round(float(x), 3) for x in found]
    [0.5, 0.284, -1.0]
    """
    if "residual" not in noise:
        return images
    moved = jnp.abs(images - noise["drawn"]).mean(-1, keepdims=True)
    low, high = value_range
    scale = SCALE * (high - low) / 2
    weight = jnp.exp(-((_blurred(moved) / scale) ** 2))
    return jnp.clip(images + weight * noise["residual"], low, high)


def _blurred(images: Array) -> Array:
    """Mean over a square around each pixel, twice, `[B, H, W, C]`."""
    radius = images.shape[1] // _AROUND
    size, pads = 2 * radius + 1, ((0, 0), (radius, radius), (radius, radius), (0, 0))
    for _ in range(2):
        images = nn.avg_pool(jnp.pad(images, pads, mode="edge"), (size, size))
    return images


@partial(jax.jit, static_argnames=("generator", "num_steps", "num_starts"))
def abduct_images(
    generator,
    params: Params,
    images: Array,
    codes: Array,
    key: Key,
    *,
    start: Array | None = None,
    num_steps: int = NUM_STEPS,
    num_starts: int = 1,
    learning_rate: float = LEARNING_RATE,
) -> Abducted:
    """Finds the noise of a batch of images.

    Args:
      generator: an `ImageGenerator`, whose `images` draws a batch; or a mechanism like
        it (its `noise_limit` says where its noise is sought, 1 if it has none).
      params: its parameters.
      images: `[B, H, H, 3]` in [-1, 1].
      codes: encoded labels, `[B, d]` in {0, 1}.
      key: random key: the starts, and the label noise of generators that have one
        (which is drawn, not refined).
      start: `[B, k]` in [-1, 1], where the first descent starts, e.g. an encoder's
        estimate; a draw of the prior if None.
      num_steps: steps of each descent; 0 keeps the start.
      num_starts: descents an image, the further ones from draws of the prior; the one
        with the smallest error is kept.
      learning_rate: of Adam, at the first step.
    """

    def descend(key: Key, start: Array | None) -> tuple[Noise, Array, Array]:
        noise = generator.noise(key, images.shape[0])
        noise |= {} if start is None else {"z": start}

        def draw(z):
            return generator.images(params, codes, {**noise, "z": z})

        limit = getattr(generator, "noise_limit", 1.0)
        z = refine(draw, images, noise["z"], num_steps, learning_rate, limit)
        drawn = draw(z)
        return {**noise, "z": z}, drawn, _mean_squares(drawn - images)

    noise, drawn, squares = descend(key, start)
    for i in range(1, num_starts):
        other = descend(jax.random.fold_in(key, i), None)
        noise, drawn, squares = _better_row_by_row((noise, drawn, squares), other)
    noise |= {"residual": images - drawn, "drawn": drawn}
    return Abducted(
        noise=noise,
        reconstruction=drawn,
        error=jnp.mean(jnp.abs(images - drawn), axis=(1, 2, 3)),
    )


def refine(
    draw_fn,
    images: Array,
    start: Array,
    num_steps: int,
    rate: float,
    limit: float = 1.0,
) -> Array:
    """Descends from `start` to noise that draws the images.

    Args:
      draw_fn: `[B, k]` noise -> `[B, H, W, C]`, row by row, differentiable.
      images: `[B, H, W, C]`.
      start: `[B, k]` in [-limit, limit].
      num_steps: steps of Adam; the rate falls to 0 along a cosine.
      rate: of the first step.
      limit: largest absolute value of the noise.

    Returns:
      `[B, k]` in [-limit, limit].
    """
    if not num_steps:
        return start
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, num_steps))

    def loss_fn(z):  # a sum: no image's gradient depends on how many there are
        return jnp.sum(_mean_squares(draw_fn(z) - images))

    def step(state, _):
        z, optimizer_state = state
        updates, optimizer_state = optimizer.update(
            jax.grad(loss_fn)(z), optimizer_state
        )
        z = jnp.clip(optax.apply_updates(z, updates), -limit, limit)
        return (z, optimizer_state), None

    state = (start, optimizer.init(start))
    return jax.lax.scan(step, state, None, length=num_steps)[0][0]


def _mean_squares(difference: Array) -> Array:
    """Mean square of each row, [B]."""
    return jnp.mean(difference**2, axis=(1, 2, 3))


def _better_row_by_row(one: tuple, other: tuple) -> tuple:
    """Row by row the attempt whose last leaf, the error, is smaller."""
    wins = one[-1] <= other[-1]

    def pick(a, b):
        return jnp.where(wins.reshape(-1, *(1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(pick, one, other)
