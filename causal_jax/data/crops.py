"""Crops of a picture to a small square: as it is, as in evaluation, at random.

    square   the largest central square, by area (as `images.decode`)
    centre   the central square of 7/8 of the shorter side: to evaluate classifiers
    random   a random part, then mirrored or not: to train classifiers

`random` is the random resized crop of Szegedy et al. 2015 (arXiv 1409.4842, section 6)
with torchvision's settings: an area of 8 to 100 %, a side ratio of 3/4 to 4/3 that is
uniform in its logarithm, ten tries, else the largest part that the ratios allow.
`centre` is "shorter side to 256, then the central 224" in one step, without rounding
the side in between. Both resize by Pillow's BILINEAR, which averages over area where it
makes smaller.
"""

import math

import numpy as np
from PIL import Image

from causal_jax.data import images
from causal_jax.graph import suggestion

FIXED = ("square", "centre")
CROPS = (*FIXED, "random")
MIN_AREA = 0.08  # of the picture; torchvision's
_RATIOS = (3 / 4, 4 / 3)  # width to height; torchvision's
_TRIES = 10  # torchvision's
_CENTRE = 224 / 256  # of the shorter side

Box = tuple[float, float, float, float]  # left, top, right, bottom


def require_known(crop: str) -> None:
    """Raises ValueError unless there is such a crop."""
    if crop not in CROPS:
        raise ValueError(f"there is no crop {crop!r}: {suggestion(crop, CROPS)}")


def fixed(image: Image.Image, crop: str, size: int) -> np.ndarray:
    """The `square` or `centre` crop of an RGB picture, uint8 [size, size, 3].

    >>> fixed(Image.new("RGB", (400, 256), "red"), "centre", 224).shape
    (224, 224, 3)
    """
    if crop == "square":
        return images.resized_square(image, size)
    side = _CENTRE * min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return _resized(image, (left, top, left + side, top + side), size)


def random(
    image: Image.Image,
    size: int,
    generator: np.random.Generator,
    *,
    min_area: float = MIN_AREA,
) -> np.ndarray:
    """A random part of an RGB picture, mirrored half of the times.

    Args:
      image: the picture.
      size: side of the result.
      generator: all randomness.
      min_area: the smallest part, in (0, 1]; 1 leaves a crop only where the picture's
        own ratio asks for it.

    Returns:
      uint8 [size, size, 3].
    """
    box = random_box(image.width, image.height, generator, min_area=min_area)
    found = _resized(image, box, size)
    return found[:, ::-1] if generator.random() < 0.5 else found


def random_box(
    width: int, height: int, generator: np.random.Generator, *, min_area: float
) -> Box:
    """Left, top, right and bottom of the part, in pixels; see `random`."""
    low, high = map(math.log, _RATIOS)
    for _ in range(_TRIES):
        area = width * height * generator.uniform(min_area, 1.0)
        ratio = math.exp(generator.uniform(low, high))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left = int(generator.integers(0, width - w + 1))
            top = int(generator.integers(0, height - h + 1))
            return left, top, left + w, top + h
    w = min(width, max(round(height * _RATIOS[1]), 1))
    h = min(height, max(round(width / _RATIOS[0]), 1))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def _resized(image: Image.Image, box: Box, size: int) -> np.ndarray:
    return np.asarray(image.resize((size, size), Image.BILINEAR, box=box))
