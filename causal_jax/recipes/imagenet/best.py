"""Which classes a model draws best, part by part: samples of every class are scored."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.mechanism import Mechanism
from causal_jax.metrics import best_classes
from causal_jax.networks.cgn import pictures
from causal_jax.networks.cgn.composition import LABELS, PARTS, SHAPE
from causal_jax.progress import tqdm
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Params


def find_best_classes(
    scm: SCM,
    params: Params,
    key: Key,
    *,
    per_class: int = 8,
    share: float = 0.1,
    block: int | None = None,
) -> dict[str, list[int]]:
    """Draws pictures of every class and ranks the classes of each part.

    Args:
      scm: a model of natural images.
      params: {node: params}.
      key: PRNG key.
      per_class: pictures of each class.
      share: of all classes, how many are best, see `best_classes.best_classes`.
      block: pictures drawn at once; None for `pictures.block_size`.

    Returns:
      {"shape": [class, ...], "texture": [...], "background": [...]}: what a run's
      metrics.json has under "best_classes" and `causal-jax generate --classes=best`
      draws.
    """
    labels = np.repeat(np.arange(pictures.num_classes(scm)), per_class)
    num = len(labels)
    block = min(block or pictures.block_size(scm), num)
    scores = []
    for first in tqdm(range(0, num, block), desc="best classes", unit="block"):
        # The last block begins earlier, to have the compiled shape, and is cut.
        begin = min(first, num - block)
        noise = pictures.unit_noise(scm, key, begin, num=block)
        own = dict.fromkeys(LABELS, labels[begin : begin + block])
        drawn = pictures.draw(scm, params, noise, own, block=block)
        found = part_scores(scm, params, drawn)
        scores.append([values[first - begin :] for values in found])
    joined = best_classes.PartScores(*map(np.concatenate, zip(*scores, strict=True)))
    return best_classes.best_classes(joined, dict.fromkeys(PARTS, labels), share=share)


def part_scores(
    scm: SCM, params: Params, drawn: pictures.Pictures
) -> best_classes.PartScores:
    """Scores of drawn parts; textures and backgrounds by the model's own masker."""
    saliency_fn = partial(_saliency, scm.mechanisms[SHAPE], params[SHAPE])
    return best_classes.PartScores(
        shape=best_classes.shape_scores(drawn.masks),
        texture=best_classes.texture_scores(
            drawn.textures, saliency_fn(jnp.asarray(drawn.textures))
        ),
        background=best_classes.background_scores(
            saliency_fn(jnp.asarray(drawn.backgrounds))
        ),
    )


@partial(jax.jit, static_argnames="mechanism")
def _saliency(mechanism: Mechanism, params: Params, images: Array) -> Array:
    return mechanism.saliency(params, images)
