"""Faces: a drawn data set whose causal laws and counterfactual images are exact.

The model is CausalGAN's Causal Graph 1 (Kocaoglu et al., arXiv 1709.02023) with known
tables, and one more mechanism that draws the face:

    label_i = table_i(parents of i, noise_i)        i = 1 .. 9, all binary
    image   = render(label_1 .. label_9, nuisances), nuisances ~ Uniform[0, 1]^8

The nuisances are the exogenous noise of the image node, so a true counterfactual image
is the same nuisances drawn under other labels. Every label is drawn in a place of its
own, so it can be read whatever the other eight are; every nuisance can be read whatever
the labels are.

The tables are CelebA's own frequencies (Liu et al. 2015, list_attr_celeba.txt, all
202,599 rows) rounded to two decimals and kept within [.01, .99], except that women with
a mustache and bald women have probability exactly 0: they are the combinations never
seen, which only an intervention can show.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from causal_jax.data import celeba_graphs
from causal_jax.scm import SCM
from causal_jax.tabular import categorical
from causal_jax.types import Array, Key, Params

LABELS = tuple(celeba_graphs.named("big_causal_graph"))

# P(label = 1 | parents), indexed by the parents' states in the order of LABELS.
CPTS: dict[str, Any] = {
    "Young": 0.77,
    "Male": 0.42,
    # [Young]
    "Eyeglasses": (0.17, 0.04),
    # [Young][Male]
    "Bald": ((0.0, 0.11), (0.0, 0.02)),
    "Mustache": ((0.0, 0.14), (0.0, 0.08)),
    "Smiling": ((0.68, 0.43), (0.52, 0.38)),
    "Wearing_Lipstick": ((0.74, 0.01), (0.82, 0.01)),
    # [Young][Smiling]
    "Mouth_Slightly_Open": ((0.23, 0.75), (0.22, 0.77)),
    # [Young][Male][Smiling]
    "Narrow_Eyes": (((0.10, 0.14), (0.10, 0.18)), ((0.09, 0.12), (0.08, 0.16))),
}

NUISANCES = (
    "skin_tone",
    "hair_tone",
    "background_warmth",
    "background_light",
    "offset_x",
    "offset_y",
    "face_width",
    "light",
)

# Colours are RGB in [0, 1]; a pair is the two ends of a nuisance. They were chosen by
# eye so that every feature keeps its contrast on every skin, hair and background.
_SKIN = ((0.54, 0.36, 0.26), (0.98, 0.84, 0.73))
_HAIR_YOUNG = ((0.13, 0.08, 0.07), (0.66, 0.36, 0.13))
_HAIR_OLD = ((0.56, 0.57, 0.60), (0.93, 0.93, 0.95))
_BACKGROUND_COLD = ((0.22, 0.36, 0.58), (0.62, 0.82, 0.98))
_BACKGROUND_WARM = ((0.56, 0.30, 0.24), (0.99, 0.80, 0.55))
_SHIRT = (0.20, 0.47, 0.45)
_COLLAR = (0.93, 0.95, 0.92)
_LIPSTICK = (0.82, 0.04, 0.20)
_NATURAL_LIP = (0.74, 0.42, 0.38)
_BLUSH = (0.97, 0.36, 0.36)
_DARK = (0.13, 0.09, 0.10)
_MOUTH_INSIDE = (0.28, 0.04, 0.07)
_WHITE = (1.0, 1.0, 1.0)
_FRAME = (0.07, 0.09, 0.22)
_LENS = (0.75, 0.90, 1.00)
_IRIS = (0.24, 0.17, 0.14)

# Half the range of the head's shift and of its width factor: with these the widest
# face, moved furthest, stays inside the frame.
_MAX_SHIFT = 0.10
_MAX_WIDENING = 0.12
_LIGHT_STRENGTH = (
    0.24  # share of skin brightness from one side of the face to the other
)
_EPSILON = 1e-6  # keeps square roots differentiable at 0


class _Scene(NamedTuple):
    """What every drawing step sees.

    Attributes:
      x: [size, size] horizontal coordinate of the face; the head spans [-.5, .5].
      y: [size, size] vertical coordinate, growing downwards; chin at .7.
      side: [size, size] absolute value of x: draws both sides at once.
      pixel: width of a pixel, the width of every edge.
      labels: the nine labels by name, each a scalar in [0, 1].
      skin: [size, size, 3] lit skin.
      hair: [3] colour of the hair.
    """

    x: Array
    y: Array
    side: Array
    pixel: float
    labels: dict[str, Array]
    skin: Array
    hair: Array


def render(labels: Array, nuisances: Array, *, size: int = 32) -> Array:
    """Draws one face.

    Args:
      labels: [9] in {0, 1} in the order of `LABELS` (values between are blends).
      nuisances: [8] in [0, 1] in the order of `NUISANCES`.
      size: height and width of the image in pixels; 32 and 64 show the same drawing.

    Returns:
      [size, size, 3] float32 in [-1, 1].
    """
    scene, canvas = _scene_and_background(labels, nuisances, size)
    for draw in _BACK_TO_FRONT:
        canvas = draw(scene, canvas)
    return 2.0 * canvas - 1.0


# --- shapes: signed distances, negative inside -----------------------------------


def _length(x, y):
    return jnp.sqrt(x * x + y * y + _EPSILON)


def _ellipse(x, y, centre, radii):
    # First-order distance k0 (k0 - 1) / k1 (I. Quilez, "distance to an ellipse").
    u, v = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    k0 = _length(u, v)
    return k0 * (k0 - 1.0) / _length(u / radii[0], v / radii[1])


def _capsule(x, y, start, end, radius):
    dx, dy = end[0] - start[0], end[1] - start[1]
    u, v = x - start[0], y - start[1]
    along = jnp.clip((u * dx + v * dy) / (dx * dx + dy * dy), 0.0, 1.0)
    return _length(u - along * dx, v - along * dy) - radius


def _box(x, y, centre, half, corner):
    u = jnp.abs(x - centre[0]) - half[0] + corner
    v = jnp.abs(y - centre[1]) - half[1] + corner
    outside = _length(jnp.maximum(u, 0.0), jnp.maximum(v, 0.0))
    return outside + jnp.minimum(jnp.maximum(u, v), 0.0) - corner


def _coverage(scene, distance):
    """[size, size] in [0, 1]: how much of each pixel lies inside (smoothstep)."""
    t = jnp.clip(0.5 - distance / (1.25 * scene.pixel), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _blend(low, high, t):
    low, high = jnp.asarray(low, jnp.float32), jnp.asarray(high, jnp.float32)
    return low + (high - low) * t


def _paint(canvas, cover, colour):
    return canvas + cover[..., None] * (jnp.asarray(colour, jnp.float32) - canvas)


# --- the drawing, back to front ----------------------------------------------------


def _scene_and_background(labels, nuisances, size):
    """The scene and the empty background."""
    n = dict(zip(NUISANCES, jnp.asarray(nuisances, jnp.float32), strict=True))
    named = dict(zip(LABELS, jnp.asarray(labels, jnp.float32), strict=True))
    ticks = (jnp.arange(size, dtype=jnp.float32) + 0.5) * (2.0 / size) - 1.0
    y, x = jnp.meshgrid(ticks, ticks, indexing="ij")
    canvas = _background_colours(y, n)
    x = (x - _MAX_SHIFT * (2.0 * n["offset_x"] - 1.0)) / (
        1.0 + _MAX_WIDENING * (2.0 * n["face_width"] - 1.0)
    )
    y = y - _MAX_SHIFT * (2.0 * n["offset_y"] - 1.0)
    lit = 1.0 + _LIGHT_STRENGTH * (2.0 * n["light"] - 1.0) * jnp.clip(x / 0.5, -1, 1)
    skin = jnp.minimum(_blend(*_SKIN, n["skin_tone"]) * lit[..., None], 1.0)
    young, old = (
        _blend(*_HAIR_YOUNG, n["hair_tone"]),
        _blend(*_HAIR_OLD, n["hair_tone"]),
    )
    hair = _blend(old, young, named["Young"])
    scene = _Scene(
        x=x,
        y=y,
        side=jnp.abs(x),
        pixel=2.0 / size,
        labels=named,
        skin=skin,
        hair=hair,
    )
    return scene, canvas


def _background_colours(y, n):
    cold = _blend(*_BACKGROUND_COLD, n["background_light"])
    warm = _blend(*_BACKGROUND_WARM, n["background_light"])
    colour = _blend(cold, warm, n["background_warmth"])
    return colour * (0.95 - 0.05 * y[..., None])  # a little lighter at the top


def _draw_body(s, canvas):
    """Shirt, collar and neck."""
    canvas = _paint(
        canvas, _coverage(s, _ellipse(s.x, s.y, (0.0, 1.22), (0.78, 0.46))), _SHIRT
    )
    canvas = _paint(
        canvas, _coverage(s, _ellipse(s.x, s.y, (0.0, 0.80), (0.26, 0.13))), _COLLAR
    )
    neck = _box(s.x, s.y, (0.0, 0.66), (0.18, 0.20), 0.10)
    return _paint(canvas, _coverage(s, neck), 0.80 * s.skin)


def _draw_head(s, canvas):
    """Ears, long hair at the sides (women) and the head with its jaw (wider: men)."""
    ear = _ellipse(s.side, s.y, (0.52, 0.02), (0.09, 0.13))
    canvas = _paint(canvas, _coverage(s, ear), 0.92 * s.skin)
    strand = _capsule(s.side, s.y, (0.50, -0.10), (0.53, 0.64), 0.145)
    canvas = _paint(canvas, (1.0 - s.labels["Male"]) * _coverage(s, strand), s.hair)
    oval = _ellipse(s.x, s.y, (0.0, 0.02), (0.50, 0.68))
    jaw = _box(s.x, s.y, (0.0, 0.34), (0.43, 0.36), 0.24)
    jaw = jaw + (1.0 - s.labels["Male"])  # moved out of sight for women
    return _paint(canvas, _coverage(s, jnp.minimum(oval, jaw)), s.skin)


def _draw_hair(s, canvas):
    """Temples, which nobody loses, and the crown, which the bald have lost."""
    temple = _capsule(s.side, s.y, (0.47, -0.30), (0.52, -0.10), 0.075)
    outer = _ellipse(s.x, s.y, (0.0, -0.06), (0.57, 0.74))
    inner = _ellipse(s.x, s.y, (0.07, 0.02), (0.45, 0.50))
    crown = jnp.maximum(jnp.maximum(outer, -inner), s.y + 0.16)
    canvas = _paint(canvas, _coverage(s, temple), s.hair)
    return _paint(canvas, (1.0 - s.labels["Bald"]) * _coverage(s, crown), s.hair)


def _draw_wrinkles(s, canvas):
    """Wrinkles of the old: one across the forehead and two beside the nose."""
    forehead = _capsule(s.side, s.y, (0.0, -0.405), (0.24, -0.39), 0.022)
    fold = _capsule(s.side, s.y, (0.17, 0.17), (0.31, 0.34), 0.020)
    cover = _coverage(s, jnp.minimum(forehead, fold))
    return _paint(canvas, 0.9 * (1.0 - s.labels["Young"]) * cover, 0.62 * s.skin)


def _draw_brows(s, canvas):
    radius = _blend(0.030, 0.052, s.labels["Male"])
    brow = _capsule(s.side, s.y, (0.14, -0.285), (0.37, -0.305), radius)
    return _paint(canvas, _coverage(s, brow), 0.75 * s.hair)


def _draw_eyes(s, canvas):
    """White, iris and glint; lashes for women."""
    height = _blend(0.130, 0.040, s.labels["Narrow_Eyes"])
    eye = _ellipse(s.side, s.y, (0.25, -0.05), (0.145, height))
    white = _coverage(s, eye)
    iris = _coverage(s, _length(s.side - 0.24, s.y + 0.05) - 0.078)
    glint = _coverage(
        s, _length(s.x - jnp.sign(s.x) * 0.24 + 0.025, s.y + 0.08) - 0.022
    )
    lash = jnp.maximum(jnp.abs(eye - 0.01) - 0.024, s.y + 0.045)
    wing = _capsule(s.side, s.y, (0.37, -0.08), (0.43, -0.12), 0.020)
    lash = (1.0 - s.labels["Male"]) * _coverage(s, jnp.minimum(lash, wing))
    canvas = _paint(canvas, white, _WHITE)
    canvas = _paint(canvas, white * iris, _IRIS)
    return _paint(_paint(canvas, white * iris * glint, _WHITE), lash, _DARK)


def _draw_nose(s, canvas):
    canvas = _paint(
        canvas,
        _coverage(s, _ellipse(s.x, s.y, (0.0, 0.135), (0.085, 0.055))),
        0.80 * s.skin,
    )
    return _paint(
        canvas,
        0.6 * _coverage(s, _ellipse(s.x, s.y, (0.0, 0.105), (0.055, 0.040))),
        jnp.minimum(1.10 * s.skin, 1.0),
    )


def _draw_cheeks(s, canvas):
    """Smiling: rosy, raised cheeks."""
    cheek = _coverage(s, _ellipse(s.side, s.y, (0.365, 0.215), (0.095, 0.075)))
    return _paint(canvas, 0.55 * s.labels["Smiling"] * cheek, _BLUSH)


def _draw_mouth(s, canvas):
    """Lips along a parabola (Smiling), parted (Open), coloured (Lipstick)."""
    smiling, parted = s.labels["Smiling"], s.labels["Mouth_Slightly_Open"]
    u2 = (s.x / _blend(0.20, 0.27, smiling)) ** 2
    middle = 0.47 + _blend(-0.005, 0.045, smiling) - _blend(0.0, 0.125, smiling) * u2
    from_middle = s.y - middle
    arc = jnp.sqrt(jnp.maximum(1.0 - u2, 0.0) + _EPSILON)
    gap = 0.095 * parted * arc
    lips = jnp.abs(from_middle) - gap - 0.052 * arc
    lips = jnp.maximum(lips, 0.25 * (u2 - 1.0))
    natural = _blend(s.skin, _NATURAL_LIP, 0.55)
    colour = _blend(natural, _LIPSTICK, s.labels["Wearing_Lipstick"])
    canvas = _paint(canvas, _coverage(s, lips), colour)
    inside = jnp.maximum(jnp.abs(from_middle) - gap, 0.25 * (u2 - 0.92))
    canvas = _paint(canvas, parted * _coverage(s, inside), _MOUTH_INSIDE)
    teeth = jnp.maximum(inside, jnp.abs(from_middle + gap - 0.02) - 0.028)
    canvas = _paint(canvas, parted * _coverage(s, teeth), _WHITE)
    line = jnp.maximum(jnp.abs(from_middle) - 0.015, 0.25 * (u2 - 0.9))
    return _paint(canvas, 0.7 * (1.0 - parted) * _coverage(s, line), _MOUTH_INSIDE)


def _draw_mustache(s, canvas):
    wing = _capsule(s.side, s.y, (0.04, 0.245), (0.20, 0.285), 0.055)
    return _paint(canvas, s.labels["Mustache"] * _coverage(s, wing), _DARK)


def _draw_glasses(s, canvas):
    """Faintly tinted lenses, a dark frame, a bridge and the arms."""
    worn = s.labels["Eyeglasses"]
    lens = _box(s.side, s.y, (0.255, -0.045), (0.195, 0.165), 0.08)
    bridge = _box(s.side, s.y, (0.0, -0.07), (0.08, 0.026), 0.02)
    arm = _box(s.side, s.y, (0.49, -0.09), (0.06, 0.026), 0.02)
    frame = jnp.minimum(jnp.abs(lens) - 0.030, jnp.minimum(bridge, arm))
    canvas = _paint(canvas, 0.22 * worn * _coverage(s, lens), _LENS)
    return _paint(canvas, worn * _coverage(s, frame), _FRAME)


_BACK_TO_FRONT = (
    *(_draw_body, _draw_head, _draw_hair, _draw_wrinkles, _draw_brows, _draw_eyes),
    *(_draw_nose, _draw_cheeks, _draw_mouth, _draw_mustache, _draw_glasses),
)


# --- the mechanism and the models ----------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Renderer:
    """The image node's true mechanism: nine label parents in, a face out.

    Attributes:
      size: height and width of the image in pixels.
    """

    size: int = 32

    def init(self, key: Key, parents: tuple) -> Params:
        """Nothing is learned."""
        del key, parents
        return {}

    def noise(self, key: Key, num: int) -> Array:
        """[num, 8] nuisances, uniform in [0, 1]."""
        return jax.random.uniform(key, (num, len(NUISANCES)))

    def apply(self, params: Params, parents: tuple, noise: Array) -> Array:
        """[size, size, 3] in [-1, 1] for one unit.

        Args:
          params: empty.
          parents: nine scalars in {0, 1} in the order of `LABELS`.
          noise: [8] nuisances in [0, 1].
        """
        del params
        labels = jnp.stack([jnp.asarray(p, jnp.float32) for p in parents])
        return render(labels, noise, size=self.size)


def label_scm() -> tuple[SCM, Params]:
    """Causal Graph 1 with the tables of `CPTS`: the model and its parameters."""
    mechanisms, params = {}, {}
    for name in LABELS:
        one = jnp.asarray(CPTS[name], jnp.float32)
        mechanisms[name], params[name] = categorical(jnp.stack([1.0 - one, one], -1))
    return SCM(celeba_graphs.named("big_causal_graph"), mechanisms), params


def scm(size: int = 32) -> tuple[SCM, Params]:
    """The labels and, below all nine, the node "image" drawn by `Renderer(size)`."""
    labels, params = label_scm()
    model = labels.extend("image", parents=LABELS, mechanism=Renderer(size))
    return model, {**params, "image": {}}
