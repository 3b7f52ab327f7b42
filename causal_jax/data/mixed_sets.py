"""Folders of mixed pictures, in the layouts of published sets (`picture_folders`).

    FOLDER/cue_conflict/SHAPE/SHAPE12-TEXTURE7.png
    FOLDER/backgrounds/{original,mixed_same,mixed_rand}/val/00_CLASS/12.png

The numbers are those of the records in their split. A name below `backgrounds` is its
object's, and the same in all three. `mixed_same` has a background of the object's own
class, of another picture; `mixed_rand` one of a class drawn among the others (in Xiao
et al. 2020 it may be the same by chance).
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from causal_jax import files
from causal_jax.data import images, mixture_pairs, mixtures, quilting
from causal_jax.data.masked_pictures import MaskedPictures
from causal_jax.data.picture_folders import VARIANTS, cue_conflict_name

KINDS = ("cue_conflict", "backgrounds")
BACKGROUNDS = ("grey", "patches")  # of cue conflicts

_MAX_NUMBERED = 100  # classes, of two digits
_PATCH = 1 / 4  # of the side: of patches beside objects
_NUM_PATCHES = 200  # of as many pictures, for one background
_CONFLICTS, _BACKGROUNDS = 1, 2  # streams of random numbers


def require_names(names: Sequence[str], kinds: Sequence[str]) -> None:
    """Raises ValueError where classes cannot name the folders and files of a set."""
    for name in names:
        if not name or "/" in name or "\\" in name or name.startswith("."):
            raise ValueError(f"class {name!r} cannot be the name of a folder")
    if "cue_conflict" in kinds:
        _require_told_apart(names)
    if "backgrounds" in kinds and len(names) > _MAX_NUMBERED:
        raise ValueError(
            f"there are {len(names)} classes: the layout of mixed backgrounds has two "
            f"digits, for at most {_MAX_NUMBERED}"
        )


def _require_told_apart(names: Sequence[str]) -> None:
    """cat1 with the number 2 is cat with the number 12."""
    for name in names:
        stem = name.rstrip("0123456789")
        for end in range(len(stem), len(name)):
            if name[:end] in names:
                raise ValueError(
                    f"classes {name[:end]!r} and {name!r} cannot be told apart in "
                    "SHAPE1-TEXTURE2.png: a set of cue conflicts needs other names"
                )


def write_cue_conflicts(
    folder: Path,
    pictures: MaskedPictures,
    *,
    num: int,
    shading: float = mixtures.SHADING,
    background: str = "grey",
    seed: int = 0,
    progress: bool = True,
) -> np.ndarray:
    """Writes `num` pictures of each shape; textures are balanced too.

    Args:
      folder: made, with a folder for each shape.
      pictures: those that are mixed.
      num: pictures per class of shapes.
      shading: see `mixtures.cue_conflict`.
      background: "grey", the same in all, or "patches", quilted of the least salient
        patches of 200 pictures of all classes.
      seed: of everything random.
      progress: shows a progress bar.

    Returns:
      int [K * num, 2], the records of each one's shape and texture.

    Raises:
      ValueError: a setting out of range, or more pairs than there are.
    """
    mixtures.require_shading(shading)
    labels, names = pictures.labels, pictures.names
    random = np.random.default_rng([seed, _CONFLICTS])
    pairs = mixture_pairs.conflict_pairs(labels, num, random, names=names)
    background_fn = _background_fn(background, pictures)
    for k, (i, j) in _with_progress(pairs, "cue conflicts", progress):
        random = np.random.default_rng([seed, _CONFLICTS, k])
        texture = quilting.texture(pictures.images[j], pictures.masks[j], random)
        found = mixtures.cue_conflict(
            pictures.images[i],
            pictures.masks[i],
            texture,
            background_fn(random),
            shading=shading,
        )
        shape, other = names[labels[i]], names[labels[j]]
        records = pictures.records
        name = cue_conflict_name(shape, records[i], other, records[j])
        _write(folder / name, found)
    return pictures.records[pairs]


def _background_fn(kind: str, pictures: MaskedPictures) -> Callable:
    if kind not in BACKGROUNDS:
        raise ValueError(f"background={kind!r}: it is {' or '.join(BACKGROUNDS)}")
    if kind == "grey":
        return lambda random: np.full(pictures.images.shape[1:], mixtures.GREY)
    size = pictures.images.shape[1]
    side = quilting.patch_side(size, _PATCH)
    both = zip(pictures.images, pictures.masks, strict=True)
    pool = np.stack([quilting.least_masked(*one, side) for one in both])

    def quilt(random: np.random.Generator) -> np.ndarray:
        chosen = random.permutation(len(pool))[:_NUM_PATCHES]
        return quilting.quilted(pool[chosen], size, random)

    return quilt


def write_backgrounds(
    folder: Path,
    pictures: MaskedPictures,
    *,
    num: int,
    max_hole: float = mixtures.Limits.max_hole,
    seed: int = 0,
    progress: bool = True,
) -> np.ndarray:
    """Writes the three variants of at most `num` objects per class.

    Args:
      folder: made, with a folder for each variant.
      pictures: those that are mixed.
      num: objects per class, at most; none is used twice.
      max_hole: see `mixtures.Limits`.
      seed: of everything random.
      progress: shows a progress bar.

    Returns:
      int [M, 3], the records of each object and of its two backgrounds.

    Raises:
      ValueError: a class that cannot give a background.
    """
    labels, names = pictures.labels, pictures.names
    gives = np.array(
        [mixtures.hole(mask).mean() <= max_hole for mask in pictures.masks]
    )
    random = np.random.default_rng([seed, _BACKGROUNDS])
    pairs = mixture_pairs.background_pairs(labels, gives, num, random, names=names)
    for _, (at, *donors) in _with_progress(pairs, "backgrounds", progress):
        image, mask, label = pictures.images[at], pictures.masks[at], labels[at]
        shown = [image]
        for i in donors:
            behind = mixtures.background_of(pictures.images[i], pictures.masks[i])
            shown.append(mixtures.composed(image, mask, behind))
        for variant, picture in zip(VARIANTS, shown, strict=True):
            place = folder / variant / "val" / f"{label:02}_{names[label]}"
            _write(place / f"{pictures.records[at]}.png", picture)
    return pictures.records[pairs]


def _with_progress(pairs: np.ndarray, text: str, show: bool):
    return images.with_progress(
        enumerate(pairs.tolist()), total=len(pairs), text=text, show=show
    )


def _write(path: Path, picture: np.ndarray) -> None:
    with files.whole(path, "wb") as file:
        file.write(images.encoded_png(picture))
