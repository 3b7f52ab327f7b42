"""Twenty textures, one object's and one background's a class: a folder, or drawn ones.

The wildlife set of Counterfactual Generative Networks (Sauer & Geiger 2021, arXiv
2101.06046) paints digits with crops of ten striped and their backgrounds with ten
veined photographs. Here a texture is decoded once and kept as an array (the reference
decodes it again for every image):

    nearest resize to 150x150 (the aspect is not kept), reflected by 3 to 156x156.

The default needs no photographs: `procedural` draws stripes (two colours along a wavy
wave) and veins (thin lines where a smooth random field is near 0). Neighbouring classes
differ in hue, direction and scale.
"""

import colorsys
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from causal_jax.data.images import open_rgb

_INNER, _BORDER = 150, 3  # the reference's resize and its crop's padding
SIZE = _INNER + 2 * _BORDER
_NUM = 10
_KINDS = ("object", "background")
_ENDINGS = (".jpg", ".jpeg", ".png")


class Textures(NamedTuple):
    """One texture a class.

    Attributes:
      objects: uint8 [10, 156, 156, 3].
      backgrounds: uint8 [10, 156, 156, 3].
    """

    objects: np.ndarray
    backgrounds: np.ndarray


def from_folder(path: str | os.PathLike) -> Textures:
    """Reads DIR/object/<digit>_*.jpg and DIR/background/<digit>_*.jpg.

    Raises:
      ValueError: a folder that is not there, a digit without a picture or with several,
        or a picture that cannot be read.
    """
    return Textures(
        *(
            np.stack([_read_picture(found) for found in of_kind])
            for of_kind in _files(path).values()
        )
    )


def files(path: str | os.PathLike) -> dict[str, Path]:
    """{"object 0": its file, ...} of the twenty pictures.

    Raises:
      ValueError: a folder that is not there, a digit without a picture or with several.
    """
    return {
        f"{kind} {digit}": found
        for kind, of_kind in _files(path).items()
        for digit, found in enumerate(of_kind)
    }


def procedural(seed: int = 0) -> Textures:
    """Draws ten striped and ten veined textures; the same seed, the same textures."""
    random = np.random.default_rng(seed)
    return Textures(
        np.stack([_draw_stripes(random, i) for i in range(_NUM)]),
        np.stack([_draw_veins(random, i) for i in range(_NUM)]),
    )


# --- a folder ----------------------------------------------------------------------


def _files(path: str | os.PathLike) -> dict[str, list[Path]]:
    """{"object", "background"}: the pictures of all digits."""
    found = {}
    for kind in _KINDS:
        folder = Path(path).expanduser() / kind
        if not folder.is_dir():
            raise ValueError(
                f"there is no folder {folder}: textures lie in DIR/object/ and "
                "DIR/background/ as <digit>_*.jpg"
            )
        found[kind] = [_only_picture(folder, digit) for digit in range(_NUM)]
    return found


def _only_picture(folder: Path, digit: int) -> Path:
    """The one picture of a digit."""
    found = sorted(p for p in folder.glob(f"{digit}_*") if p.suffix.lower() in _ENDINGS)
    if not found:
        raise ValueError(
            f"{folder} has no picture {digit}_*.jpg: ten are needed, one for each digit"
        )
    if len(found) > 1:
        raise ValueError(
            f"{folder} has {len(found)} pictures {digit}_*, {found[0].name} and "
            f"{found[1].name}: keep one for each digit"
        )
    return found[0]


def _read_picture(path: Path) -> np.ndarray:
    try:
        image = open_rgb(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    image = image.resize((_INNER, _INNER), Image.NEAREST)
    return _with_border(np.asarray(image))


def _with_border(picture: np.ndarray) -> np.ndarray:
    pads = ((_BORDER, _BORDER), (_BORDER, _BORDER), (0, 0))
    return np.pad(picture, pads, mode="reflect")


# --- drawn ones ----------------------------------------------------------------------

# Directions and scales are stepped so that neighbours in hue differ in both.
_GOLDEN = 0.618


def _draw_stripes(random: np.random.Generator, index: int) -> np.ndarray:
    angle = np.pi * ((index * _GOLDEN) % 1)
    period = 5.0 + 5.0 * ((3 * index) % _NUM) / _NUM  # pixels, several in a crop
    y, x = np.mgrid[:_INNER, :_INNER]
    along = x * np.cos(angle) + y * np.sin(angle)
    phase = along / period + 0.25 * _smooth_field(random, 18.0)
    share = _soft_step(np.sin(2 * np.pi * phase) * 2.5)
    hue = index / _NUM
    dark = colorsys.hsv_to_rgb((hue + 0.08) % 1, 0.9, 0.25)
    return _coloured_texture(share, dark, colorsys.hsv_to_rgb(hue, 0.85, 1.0))


def _draw_veins(random: np.random.Generator, index: int) -> np.ndarray:
    scale = 5.0 + 6.0 * ((7 * index) % _NUM) / _NUM
    field = _smooth_field(random, scale) + 0.4 * _smooth_field(random, scale / 2)
    share = _soft_step(4.0 * (np.abs(field) / 0.25 - 1.0))
    share = share * (0.93 + 0.07 * np.clip(_smooth_field(random, 12.0), -1, 1))
    hue = (index + 0.5) / _NUM
    vein = colorsys.hsv_to_rgb((hue + 0.5) % 1, 0.35, 0.95)
    return _coloured_texture(share, vein, colorsys.hsv_to_rgb(hue, 0.85, 0.6))


def _coloured_texture(share: np.ndarray, low, high) -> np.ndarray:
    """Blends two colours, RGB in [0, 1], by [150, 150] in [0, 1]; bordered, uint8."""
    low, high = np.asarray(low), np.asarray(high)
    mixed = low + share[..., None] * (high - low)
    return _with_border(np.round(255 * np.clip(mixed, 0, 1)).astype(np.uint8))


def _smooth_field(random: np.random.Generator, scale: float) -> np.ndarray:
    """A Gaussian field of unit variance, correlated over about `scale` pixels."""
    frequency = np.fft.fftfreq(_INNER)
    squared = frequency[:, None] ** 2 + frequency[None] ** 2
    low_pass = np.exp(-2 * (np.pi * scale / 2) ** 2 * squared)
    white = random.normal(size=(_INNER, _INNER))
    field = np.fft.ifft2(np.fft.fft2(white) * low_pass).real
    return field / field.std()


def _soft_step(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
