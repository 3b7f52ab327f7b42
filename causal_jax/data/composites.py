"""Composites of two pictures: labels that never occur together, in one picture.

Where a label shows in few pixels, its mechanism is taken to be these pixels': a man's
upper lip in a woman's face is what a mustache on her looks like, and brings nothing of
his sex. So combinations that no picture shows can be composed, as counterfactual
generative networks compose shape and texture (Sauer & Geiger 2021, arXiv 2101.06046).

What a pixel shows of a label is the square of its coefficient in a linear regression of
pixels on all labels (`effect_maps`): of two labels that go together each has its own.
A label's core are the pixels that show at least a quarter of what its strongest one
does. The rest of its map is spread thin over what goes with it (of a mustache: eyes,
cheeks, chin): a region that held most of it would be another face.
"""

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.types import Array, Key

_NUMBERS = 1 << 24  # pixels read at once
_CORE = 0.25  # of the strongest pixel's effect
_FEW = 0.1  # of the picture's pixels at most, in the core of a local label
_MUCH = 0.4  # of its effect at least
_GIVERS = 5  # that a receiver must have: one picture is not pasted everywhere
_BROUGHT = 0.1  # of a label's effect in another's mask: what it shows there is seen


class Regions(NamedTuple):
    """Where labels show in pictures.

    Attributes:
      masks: `[L, H, W]` in [0, 1]: the label's core, two pixels wider, with soft edges.
      local: int `[K]`, the labels that show in few pixels; K may be 0.
      brought: `[L, L]`: which share of label j's effect is in the mask of label i.
    """

    masks: Array
    local: Array
    brought: Array


def effect_maps(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Where each label shows, whatever the others are.

    Args:
      images: uint8 `[N, H, W, 3]`.
      labels: `[N, L]` numbers.

    Returns:
      float32 `[L, H, W]`, each sum is 1: squared coefficients of the regression, summed
      over colours; of images mirrored and as they are. Uniform where a label shows
      nowhere, or never changes.

    >>> images = np.zeros((4, 8, 8, 3), np.uint8)
    >>> images[2:, :2] = 255
    >>> maps = effect_maps(images, np.array([[0], [0], [1], [1]]))
    >>> round(float(maps[0, :2].sum()), 3)
    1.0
    """
    design = labels - labels.mean(0)  # centred: no intercept, and constants are zero
    pixels = int(np.prod(images.shape[1:]))
    products = np.zeros((design.shape[1], pixels))
    rows = max(1, _NUMBERS // pixels)
    for start in range(0, len(images), rows):
        part = images[start : start + rows].astype(np.float32) / 255
        part = (part + part[:, :, ::-1]).reshape(len(part), -1) / 2
        products += design[start : start + rows].astype(np.float32).T @ part
    # Columns of one label's states sum to one: of the solutions the smallest.
    inverse = np.linalg.pinv(design.T @ design, rcond=1e-10, hermitian=True)
    squares = (inverse @ products).reshape(-1, *images.shape[1:]) ** 2
    maps = squares.sum(-1)
    total = maps.sum((1, 2), keepdims=True)
    even = np.full_like(maps, 1 / maps[0].size)
    shown = total > 1e-9  # more than rounding
    return np.where(shown, maps / np.where(shown, total, 1), even).astype(np.float32)


def find_regions(images: np.ndarray, labels: np.ndarray) -> Regions:
    """Where the labels show in uint8 images `[N, H, W, 3]`, and which are local.

    A label is local if its core has at most a tenth of the pixels and at least two
    fifths of the effect: of photographs of faces eyeglasses, baldness, a mustache.
    """
    effects = effect_maps(images, labels)
    core = effects >= _CORE * effects.max((1, 2), keepdims=True)
    in_core = np.einsum("lhw,lhw->l", core, effects)
    masks = _soft(core)
    brought = np.einsum("ihw,jhw->ij", masks, effects)
    is_local = (core.mean((1, 2)) <= _FEW) & (in_core >= _MUCH)
    is_local &= masks.max((1, 2)) > 0.5  # no specks, which masks leave out
    return Regions(
        masks=jnp.asarray(masks),
        local=jnp.asarray(np.flatnonzero(is_local), jnp.int32),
        brought=jnp.asarray(brought, jnp.float32),
    )


def _soft(core: np.ndarray) -> np.ndarray:
    """Bool `[L, H, W]`, two pixels wider and with edges over four, float32."""
    mask = core.astype(np.float32)
    for _ in range(2):
        mask = (_mean_of_nine(mask) > 0.3).astype(np.float32)
    return _mean_of_nine(_mean_of_nine(mask))


def _mean_of_nine(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 9


def mixed(
    images: Array, labels: Array, regions: Regions, key: Key, *, share: float
) -> tuple[Array, Array]:
    """A batch in which some pictures have a region of their neighbour's.

    Args:
      images: `[B, H, W, C]`; the first two are neighbours, the next two, and so on.
      labels: `[B, L]` in [0, 1].
      regions: of these labels.
      key: random key.
      share: of the pictures that are changed; none is where no label is local.

    Returns:
      Images and labels, of the same shapes. The label whose region it is has the
      neighbour's value, each other moves towards it by its effect in the region.
    """
    if not len(regions.local):
        return images, labels

    def one(image, label, other, other_label, own):
        key_moved, key_changed = jax.random.split(own)
        moved = jax.random.choice(key_moved, regions.local)
        is_changed = jax.random.bernoulli(key_changed, share).astype(image.dtype)
        image += is_changed * regions.masks[moved][..., None] * (other - image)
        brought = regions.brought[moved].at[moved].set(1.0)
        return image, label + is_changed * brought * (other_label - label)

    keys = jax.random.split(key, len(images))
    neighbour = jnp.minimum(jnp.arange(len(images)) ^ 1, len(images) - 1)
    return jax.vmap(one)(images, labels, images[neighbour], labels[neighbour], keys)


def blended(receivers: np.ndarray, givers: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Uint8 `[N, H, W, C]`: what `givers` show where `mask` `[H, W]` is 1."""
    own = receivers.astype(np.float32)
    return np.rint(own + mask[..., None] * (givers - own)).astype(np.uint8)


def moved_label(regions: Regions, labels: Iterable[int]) -> int | None:
    """Of several labels the one whose core a composite of all of them takes.

    Returns:
      The column of the smallest local one; None where none is local, or where its mask
      has half of another one's effect: such a composite would not show both.
    """
    labels = list(labels)
    local = set(np.asarray(regions.local).tolist()) & set(labels)
    if not local:
        return None
    sizes = np.asarray(regions.masks).sum((1, 2))
    moved = min(local, key=lambda label: sizes[label])
    brought = np.asarray(regions.brought)[moved]
    return None if any(brought[i] >= 0.5 for i in labels if i != moved) else moved


def unseen_composites(
    images: np.ndarray, labels: np.ndarray, pairs: np.ndarray, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of what hardly any picture shows: pairs of states that never meet.

    Of each pair whose composite shows both (`moved_label`) there are as many as there
    would be if the two labels were independent, or as pictures can receive. Giver and
    receiver are alike in the labels that show in the region, and none gives that has
    both states already (of photographs those are the wrongly labelled).

    Args:
      images: uint8 `[N, H, W, 3]`.
      labels: int `[N, L]` in {0, 1}.
      pairs: int `[P, 4]`, rows (i, a, j, b): label i in state a, label j in state b.
      seed: fixes which pictures meet.

    Returns:
      The composites, uint8 `[M, H, W, 3]`, and their labels `[M, L]`; M may be 0.
    """
    regions = find_regions(images, labels)
    rng = np.random.default_rng(seed)
    pictures, rows = [images[:0]], [labels[:0]]
    for i, a, j, b in np.asarray(pairs).tolist():
        moved = moved_label(regions, (i, j))
        if moved is None:
            continue
        state, other, other_state = (a, j, b) if moved == i else (b, i, a)
        gives, has_other = labels[:, moved] == state, labels[:, other] == other_state
        so_far = np.concatenate(rows)
        num = round(gives.mean() * has_other.sum()) - int(
            ((so_far[:, moved] == state) & (so_far[:, other] == other_state)).sum()
        )
        mask = np.asarray(regions.masks[moved])
        alike = np.asarray(regions.brought)[moved] >= _BROUGHT
        alike[[moved, other]] = False
        for receiver in rng.permutation(np.flatnonzero(has_other & ~gives)):
            if num <= 0:
                break
            same = (labels[:, alike] == labels[receiver, alike]).all(1)
            givers = np.flatnonzero(gives & ~has_other & same)
            if len(givers) < _GIVERS:
                continue
            giver = rng.choice(givers)
            pictures.append(blended(images[[receiver]], images[[giver]], mask))
            rows.append(labels[[receiver]])
            rows[-1][0, moved] = state
            num -= 1
    return np.concatenate(pictures), np.concatenate(rows)
