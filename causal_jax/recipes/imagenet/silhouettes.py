"""Whether a mask alone tells the class of its object.

A second judge learns classes from the masks that the saliency network finds in REAL
pictures, and reads those of generated shapes: a mask that nobody labelled, and that is
no object's of its class, is read by chance.
"""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import files
from causal_jax.metrics.shares import Share, share, top_hits
from causal_jax.networks.cgn.composition import SHAPE
from causal_jax.progress import tqdm
from causal_jax.recipes.imagenet import judge
from causal_jax.recipes.imagenet.judge import Rows
from causal_jax.recipes.settings import Settings
from causal_jax.reporting.grids import to_uint8
from causal_jax.scm import SCM
from causal_jax.types import Params

_BLOCK = 50  # pictures whose masks are found at once
_FEW = 10  # of a quicktest


class Silhouettes(NamedTuple):
    """What the second judge read.

    Attributes:
      read: share of generated masks whose class it reads.
      held_out: the same of masks of held-out real pictures.
    """

    read: Share
    held_out: Share


def read(
    config: Settings,
    folder: Path,
    model: tuple[SCM, Params],
    real: tuple[Rows, Rows],
    masks: np.ndarray,
    labels: np.ndarray,
) -> Silhouettes:
    """Finds masks of real pictures, learns from them, and reads generated ones.

    Args:
      config: with `judge_steps`.
      folder: where the judge and the masks of real pictures are kept.
      model: whose saliency network is used, and its parameters.
      real: training and held-out pictures.
      masks: generated ones, float32 [N, H, W, 1] in [0, 1].
      labels: int [N], the classes of their shapes.
    """
    scm, params = model
    training, held_out = _real_masks(folder, model, real, config)
    reader = judge.trained(
        config,
        folder,
        training,
        held_out,
        num_classes=scm.mechanisms[SHAPE].num_classes,
    )
    hits = top_hits(reader.logits(_as_pictures(masks)), np.asarray(labels), 1)
    return Silhouettes(read=share(hits), held_out=reader.accuracy)


def _real_masks(
    folder: Path, model: tuple[SCM, Params], real: tuple[Rows, Rows], config: Settings
) -> tuple[Rows, Rows]:
    """The pictures' masks, from the folder if an earlier evaluation found them."""
    if config.judge_steps < _FEW:
        real = tuple(Rows(*(values[:_FEW] for values in rows)) for rows in real)
    file = folder / "masks.npz"
    if not file.exists():
        training, held_out = (_found_masks(*model, rows.images) for rows in real)
        with files.whole(file, "wb") as opened:
            np.savez_compressed(opened, training=training, held_out=held_out)
    with np.load(file, allow_pickle=False) as kept:
        found = kept["training"], kept["held_out"]
    if [len(masks) for masks in found] != [len(rows.images) for rows in real]:
        raise ValueError(
            f"{file} has the masks of other pictures than the run's data set has now: "
            "remove it, and they are found anew"
        )
    training, held_out = (
        Rows(images=np.repeat(masks, 3, axis=-1), labels=rows.labels)
        for masks, rows in zip(found, real, strict=True)
    )
    return training, held_out


def _found_masks(scm: SCM, params: Params, images: np.ndarray) -> np.ndarray:
    """Of uint8 [N, H, W, 3]: uint8 [N, H, W, 1]."""
    mechanism = scm.mechanisms[SHAPE]

    @jax.jit
    def find(variables, block):
        return mechanism.saliency(variables, block.astype(jnp.float32) / 127.5 - 1)

    found = []
    with tqdm(total=len(images), desc="masks of real pictures", unit="picture") as bar:
        for first in range(0, len(images), _BLOCK):
            block = images[first : first + _BLOCK]
            filled = np.resize(block, (_BLOCK, *block.shape[1:]))
            masks = find(params[SHAPE], filled)[: len(block)]
            found.append(np.asarray(jnp.round(masks * 255)).astype(np.uint8))
            bar.update(len(block))
    return np.concatenate(found)


def _as_pictures(masks: np.ndarray) -> np.ndarray:
    """Masks in [0, 1] as grey pictures, uint8 [N, H, W, 3]."""
    return np.repeat(to_uint8(2 * np.asarray(masks) - 1), 3, axis=-1)
