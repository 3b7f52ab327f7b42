"""The parts and images of given units, drawn part by part and block by block.

`SCM.sample` evaluates a whole model for all units at once. A full-size model of natural
images needs hundreds of megabytes for one unit, and a sheet or an animation moves one
part while the others stay. Here every part is a compiled program of its own, which
foreground and background share where their mechanisms are equal, and runs over blocks
of units of one shape: what it needs on the device does not grow with their number.

A unit's noise depends on the key and the unit's number alone, so that neither the
block nor how many there are changes a picture: unit i is that of
`scm.sample(params, jax.random.fold_in(key, i), num=1, do=labels)`.

Labels may be mixed: weights of the classes instead of a class draw what stands between
them (the reference code's interpolation).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.mechanism import Mechanism, node_key
from causal_jax.networks.cgn.composition import LABELS, PARTS, SHAPE, compose
from causal_jax.networks.cgn.imagenet import NOISE
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Noise, Params

# Pixels that are drawn at once: 4 pictures of 256 x 256, of which the feature maps of a
# full-size generator take about 2 GB.
_BLOCK_PIXELS = 4 * 256 * 256


class Pictures(NamedTuple):
    """Parts and images of N units; what was not asked for is None.

    Attributes:
      premasks: [N, H, W, 3] in [-1, 1], what the shape's generator drew and its mask
        was made of; None where a mask is drawn itself, as of digits.
      masks: [N, H, W, 1] in [0, 1].
      textures: [N, H, W, 3] in [-1, 1], the foregrounds.
      backgrounds: [N, H, W, 3] in [-1, 1].
      images: [N, H, W, 3] in [-1, 1]; of all three parts.
    """

    premasks: np.ndarray | None
    masks: np.ndarray | None
    textures: np.ndarray | None
    backgrounds: np.ndarray | None
    images: np.ndarray | None


def require_parts(scm: SCM, name: str) -> None:
    """Raises ValueError unless the model is composed of a mask and two pictures."""
    if not {*LABELS, *PARTS, "image"} <= set(scm.nodes):
        raise ValueError(
            f"{name} is no counterfactual generative network (its nodes are not those "
            "of labels, mask, foreground and background): name one"
        )


def num_classes(scm: SCM) -> int:
    """How many classes each of the labels has."""
    return len(scm.states(LABELS[0]))


def picture_size(scm: SCM) -> int:
    """Height and width of the images; of digits 32."""
    return getattr(scm.mechanisms[SHAPE], "size", 32)


def block_size(scm: SCM) -> int:
    """How many units are drawn at once, by the size of their images."""
    return block_size_of(picture_size(scm))


def block_size_of(size: int) -> int:
    """The same, of pictures of `size` pixels a side."""
    return max(1, _BLOCK_PIXELS // size**2)


@partial(jax.jit, static_argnames=("scm", "num"))
def unit_noise(scm: SCM, key: Key, first: int | Array, *, num: int) -> Noise:
    """Noise of the parts of the units `first` to `first + num - 1`, {node: [num, ...]}.

    A vector that the parts share is that of its node.
    """
    names = [name for name in (NOISE, *PARTS) if name in scm.nodes]

    def one(number):
        key_unit = jax.random.fold_in(key, number)
        drawn = {n: scm.mechanisms[n].noise(node_key(key_unit, n), 1) for n in names}
        return jax.tree.map(lambda leaf: leaf[0], drawn)

    noise = jax.vmap(one)(first + jnp.arange(num))
    if NOISE not in noise:
        return noise
    return dict.fromkeys(PARTS, noise[NOISE])


@partial(jax.jit, static_argnames="mechanism")
def draw_part(
    mechanism: Mechanism, params: Params, labels: Array, noise: Noise
) -> tuple[Array | None, Array]:
    """One part of a block: what its generator drew, if it says so, and its value.

    Args:
      mechanism: of a part.
      params: its parameters.
      labels: int [B], or weights of the classes, float [B, num_classes].
      noise: as `unit_noise` has it, [B, ...].
    """
    if not hasattr(mechanism, "drawn"):
        return None, mechanism.images(params, labels, noise)
    drawn = mechanism.drawn(params, labels, noise)
    return drawn, mechanism.finish(params, drawn)


def draw(
    scm: SCM,
    params: Params,
    noise: Noise,
    labels: dict[str, Array],
    *,
    parts: tuple[str, ...] = PARTS,
    block: int | None = None,
) -> Pictures:
    """Draws parts of N units, and the images if all parts are asked for.

    Args:
      scm: the model, of natural images or of digits.
      params: {node: params}.
      noise: see `unit_noise`.
      labels: {label: int [N], or weights of the classes, float [N, num_classes]}.
      parts: which parts are drawn.
      block: units drawn at once; None for `block_size`.

    Returns:
      Pictures on the host.
    """
    num = len(labels[LABELS[PARTS.index(parts[0])]])
    block = min(block or block_size(scm), num)
    found: dict[str, list[np.ndarray]] = {}
    for first in range(0, num, block):
        # The last block is filled up with its last unit, so that its shape is the same.
        units = np.minimum(np.arange(first, first + block), num - 1)
        drawn = _block(scm, params, *_rows((noise, labels), units), parts)
        for name, values in drawn.items():
            found.setdefault(name, []).append(np.asarray(values)[: num - first])
    joined = {name: np.concatenate(values) for name, values in found.items()}
    return Pictures(**{name: joined.get(name) for name in Pictures._fields})


_FIELDS = dict(zip(PARTS, ("masks", "textures", "backgrounds"), strict=True))


def _rows(tree, rows: np.ndarray):
    return jax.tree.map(lambda leaf: leaf[rows], tree)


def _block(scm, params, noise, labels, parts) -> dict[str, Array]:
    """One block's values by the names of `Pictures`' fields."""
    found = {}
    for part in parts:
        label = jnp.asarray(labels[LABELS[PARTS.index(part)]])
        drawn, value = draw_part(scm.mechanisms[part], params[part], label, noise[part])
        found[_FIELDS[part]] = value
        if part == SHAPE and drawn is not None:
            found["premasks"] = drawn
    if set(parts) == set(PARTS):
        found["images"] = composed(*(found[_FIELDS[part]] for part in PARTS))
    return found


composed = jax.jit(compose)
