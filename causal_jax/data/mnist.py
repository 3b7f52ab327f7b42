"""Coloured, double-coloured and wildlife digits: what is easy to see says the class.

The three sets of Counterfactual Generative Networks (Sauer & Geiger 2021, arXiv
2101.06046), drawn from grey digits on the device. In the training set the colours or
textures are functions of the class; in the test set they are drawn independently of it
and of each other, so that only the shape tells the class:

    colored         colour_k * grey,                  colour ~ N(palette, .02), black
    double_colored  m * colour_k + (1 - m) * colour_j,  colours ~ N(palette, .01^2)
    wildlife        m * crop of object_k + (1 - m) * crop of background_j

with m the digit resized to 32 pixels and cut at .1. Palettes: Kim et al. 2019
(arXiv 1812.10352, "Learning not to learn") for `colored`, the reference code's for
`double_colored`, where both palettes hold the same ten colours: of the test pictures
one in ten hides its digit in its background.

Differences from the reference code. Everything is seeded and drawn once (there, jitter
and test colours change at every access). The coloured digits are drawn by the rule of
the original file, which cannot be fetched any more. The double-coloured jitter goes
beyond [-1, 1], as there.

Masks and indices are returned for evaluation only: no training reads them.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.data.digits import NUM_CLASSES, Digits, Split, checked
from causal_jax.data.textures import SIZE as TEXTURE_SIZE
from causal_jax.data.textures import Textures
from causal_jax.graph import suggestion
from causal_jax.types import Array, Key

VARIANTS = ("colored", "double_colored", "wildlife")
PROTOCOLS = ("t10k", "reference")
SIZE = 32

# RGB in 0..255, index = class: crimson, teal, lemon, bondi blue, carrot, strong violet,
# cyan, your pink, lime, maroon (Kim et al. 2019, supplement).
COLORED_PALETTE = (
    *((220, 20, 60), (0, 128, 128), (253, 233, 16), (0, 149, 182), (237, 145, 33)),
    *((145, 30, 188), (70, 240, 240), (250, 197, 187), (210, 245, 60), (128, 0, 0)),
)
COLORED_VARIANCE = 0.02  # of each channel, colours in [0, 1]

# darkgreen, darkblue, #b03060, orangered, yellow, burlywood, lime, aqua, fuchsia,
# #6495ed (reference code, dataloader.py); objects have the same, four further.
BACKGROUND_PALETTE = (
    *((0, 100, 0), (0, 0, 139), (176, 48, 96), (255, 69, 0), (255, 255, 0)),
    *((222, 184, 135), (0, 255, 0), (0, 255, 255), (255, 0, 255), (100, 149, 237)),
)
OBJECT_PALETTE = tuple(BACKGROUND_PALETTE[(i + 4) % 10] for i in range(10))
DOUBLE_COLORED_DEVIATION = 0.01  # of each channel, colours in [0, 1]
_THRESHOLD = 0.1  # of the digit's grey, reference code

# The reference tests on the last 10,000 of MNIST's 60,000 training rows; tfds has the
# rows in another order, so that its last sixth are other digits.
_HELD_OUT = 6
_BLOCK = 1000  # pictures drawn at once


class Truth(NamedTuple):
    """What is known of how a picture was made; for evaluation only.

    Attributes:
      masks: float32 [N, 32, 32, 1] in [0, 1], the digit (0 or 1, but grey where the
        variant is `colored`).
      objects: int32 [N] in 0..9, which colour or texture the digit has.
      backgrounds: int32 [N] in 0..9, which the background has; 0 where it is black.
    """

    masks: Array
    objects: Array
    backgrounds: Array


class Pictures(NamedTuple):
    """A drawn set.

    Attributes:
      images: float32 [N, 32, 32, 3] in [-1, 1] (up to jitter, see the module).
      labels: int32 [N] in 0..9, the class of the digit.
      truth: for evaluation only.
    """

    images: Array
    labels: Array
    truth: Truth


def by_protocol(split: Split, variant: str, protocol: str = "t10k") -> Split:
    """Which digits are trained on, and which are tested with.

    Both protocols train on the same digits, so that one training serves both: all
    training rows for `colored`, all but the last sixth for the others (MNIST: 60,000
    and 50,000).

    Args:
      split: the set as it comes.
      variant: one of `VARIANTS`.
      protocol: "t10k" tests with the set's own test rows; "reference" with what the
        reference code uses: the last sixth of the training rows, but for `colored` the
        set's own test rows.

    Raises:
      ValueError: an unknown variant or protocol.
    """
    _require_known(variant, VARIANTS, "variant")
    _require_known(protocol, PROTOCOLS, "protocol")
    if variant == "colored":
        return split
    first = len(split.train) - len(split.train) // _HELD_OUT
    held_out = split.train.rows(first, None)
    test = split.test if protocol == "t10k" else held_out
    return Split(split.train.rows(None, first), test)


def paint(
    digits: Digits,
    variant: str,
    key: Key,
    *,
    correlated: bool,
    textures: Textures | None = None,
) -> Pictures:
    """Draws a set on the device.

    Args:
      digits: the grey digits.
      variant: one of `VARIANTS`.
      key: the same key, the same set; row i depends on the key and i alone.
      correlated: True for training (colours and textures tell the class), False for
        testing (they are uniform, independent of it and of each other).
      textures: of `wildlife`; the other variants have none.

    Raises:
      ValueError: an unknown variant, digits of another shape, labels out of range, or
        `wildlife` without textures.
    """
    _require_known(variant, VARIANTS, "variant")
    checked(Digits(np.asarray(digits.images), np.asarray(digits.labels)))
    if (variant == "wildlife") != (textures is not None):
        raise ValueError(
            "wildlife needs textures, the other variants none: give "
            "textures.procedural() or textures.from_folder(DIR)"
        )
    if textures is not None:
        _require_textures(textures)
    return _paint_rows(
        jnp.asarray(digits.images),
        jnp.asarray(digits.labels, jnp.int32),
        key,
        jax.tree.map(jnp.asarray, textures),
        variant,
        correlated,
    )


@partial(jax.jit, static_argnames=("variant", "correlated"))
def _paint_rows(images, labels, key, textures, variant, correlated) -> Pictures:
    def one(row):
        digit, label, index = row
        key_indices, key_object, key_background = jax.random.split(
            jax.random.fold_in(key, index), 3
        )
        drawn = jax.random.randint(key_indices, (2,), 0, NUM_CLASSES)
        k, j = (label, label) if correlated else (drawn[0], drawn[1])
        if variant == "colored":
            image, mask = _colored_picture(digit, k, key_object)
            truth = Truth(masks=mask, objects=k, backgrounds=jnp.int32(0))
            return Pictures(images=image, labels=label, truth=truth)
        mask = _binary_mask(digit)
        if variant == "double_colored":
            figure = _jittered_colour(OBJECT_PALETTE, k, key_object)
            ground = _jittered_colour(BACKGROUND_PALETTE, j, key_background)
        else:
            figure = _random_crop(textures.objects[k], key_object)
            ground = _random_crop(textures.backgrounds[j], key_background)
        image = mask * figure + (1 - mask) * ground
        truth = Truth(masks=mask, objects=k, backgrounds=j)
        return Pictures(images=2 * image - 1, labels=label, truth=truth)

    rows = images, labels, jnp.arange(images.shape[0])
    return jax.lax.map(one, rows, batch_size=min(_BLOCK, images.shape[0]))


def _colored_picture(digit: Array, k: Array, key: Key) -> tuple[Array, Array]:
    """The image in [-1, 1], in 8 bits as in the original file, and the grey digit."""
    mean = jnp.asarray(COLORED_PALETTE)[k] / 255
    jitter = jnp.sqrt(COLORED_VARIANCE) * jax.random.normal(key, (3,))
    colour = jnp.clip(mean + jitter, 0, 1)
    grey = _nearest_resize(digit, centred=True)[..., None].astype(jnp.float32) / 255
    return 2 * jnp.round(255 * grey * colour) / 255 - 1, grey


def _binary_mask(digit: Array) -> Array:
    grey = _nearest_resize(digit, centred=False)[..., None].astype(jnp.float32) / 255
    return (grey > _THRESHOLD).astype(jnp.float32)


def _nearest_resize(digit: Array, *, centred: bool) -> Array:
    """[28, 28] to [32, 32].

    Pillow, which the reference uses for `colored`, samples at the middle of a pixel;
    PyTorch's `interpolate`, which it uses for the others, at its corner.
    """
    places = np.arange(SIZE) + (0.5 if centred else 0.0)
    rows = np.floor(places * digit.shape[0] / SIZE).astype(int)
    return digit[rows][:, rows]


def _jittered_colour(palette: tuple, index: Array, key: Key) -> Array:
    """A colour of the palette, RGB about [0, 1], [3]."""
    jitter = DOUBLE_COLORED_DEVIATION * jax.random.normal(key, (3,))
    return jnp.asarray(palette)[index] / 255 + jitter


def _random_crop(texture: Array, key: Key) -> Array:
    """A random 32x32 part of a texture, float in [0, 1]."""
    row, column = jax.random.randint(key, (2,), 0, TEXTURE_SIZE - SIZE + 1)
    part = jax.lax.dynamic_slice(texture, (row, column, 0), (SIZE, SIZE, 3))
    return part.astype(jnp.float32) / 255


def _require_known(value: str, known: tuple[str, ...], what: str) -> None:
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}: {suggestion(value, known)}")


def _require_textures(textures: Textures) -> None:
    shape = (NUM_CLASSES, TEXTURE_SIZE, TEXTURE_SIZE, 3)
    for name, array in textures._asdict().items():
        if array.shape != shape or array.dtype != np.uint8:
            raise ValueError(
                f"textures are uint8 {list(shape)}, but {name} are {array.dtype} "
                f"{list(array.shape)}"
            )
