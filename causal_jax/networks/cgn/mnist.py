"""The counterfactual generative network of the MNIST variants, as a causal model.

Sauer & Geiger (ICLR 2021, arXiv 2101.06046), the MNIST part. Here are the mechanisms of
the parts and the models that are built of them (and a conditional GAN to compare with);
the parts' networks are in `parts`, labels and image in `composition`. An image is
composed of three independent mechanisms, each a function of its own label and its own
noise:

    m = f_shape(l_1, u_1)        mask, zero mean and unit variance, cut to [1e-4, .9999]
    f = f_texture(l_2, u_2)      foreground
    b = f_background(l_3, u_3)   background
    x = m f + (1 - m) b          (eq. 1)

As a structural causal model (`scm`): the three labels are uniform and independent
roots, the three parts their children, the image the parts' child. A counterfactual puts
another label into one mechanism and keeps its noise; the factual images that are
trained on have one label for all three (`training.cgn`).

What keeps textures from drawing shapes is the shuffler: the texture is tiled and cut at
a random place, a random cyclic shift. Its offset is part of the texture's exogenous
noise, so that twins share it.

Differences from the reference code. There one label embedding serves all three
networks; here it is part of each mechanism's parameters (importing copies it), so that
mechanisms stay apart: 659,992 parameters there, twice 100 more here. There factual
images also share one noise vector. Counterfactual labels are drawn freely (there: two
permutations of a batch's labels). Running variances are biased (there: unbiased).
"""

import dataclasses
from typing import ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from causal_jax import graph as graphs
from causal_jax.networks.cgn.composition import (
    LABELS,
    PARTS,
    Composition,
    Uniform,
)
from causal_jax.networks.cgn.parts import (
    NUM_CLASSES,
    SIZE,
    ShapeNetwork,
    TextureNetwork,
    shifted,
)
from causal_jax.networks.image_abduction import abduct_images, with_residual
from causal_jax.networks.layers import AxisName
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Noise, Params

MASK_RANGE = (1e-4, 0.9999)  # reference code


@dataclasses.dataclass(frozen=True, kw_only=True)
class _PartMechanism:
    """A part of the image as a function of its label and its noise.

    Params are Flax's collections, {"params": ..., "batch_stats": ...}, the label
    embedding included.

    Attributes:
      width: channels of the last hidden layer, at least 1.
      noise_size: length of the standard normal noise, at least 1.
      init_kind: law of the initial kernels, "orthogonal" or "normal".
      init_scale: its gain or standard deviation, see `parts`.
      num_classes: number of states of the label.
      abduction_steps: steps of the descent when a part is abducted.
      truncation: deviation of the noise that is drawn. Training draws 1; below it parts
        are more typical of their class and differ less (Brock et al. 2019, arXiv
        1809.11096, section 3.1; their law is cut, this one is narrower).

    Raises:
      ValueError: a size below 1, an unknown `init_kind`, or a truncation that is not
        above 0.
    """

    width: int = 32
    noise_size: int = 32
    init_kind: Literal["orthogonal", "normal"] = "orthogonal"
    init_scale: float = 0.1
    num_classes: int = NUM_CLASSES
    abduction_steps: int = 100
    truncation: float = 1.0

    network: ClassVar[type[nn.Module]]
    value_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    # Noise is sought within three deviations when a part is abducted.
    noise_limit: ClassVar[float] = 3.0

    def __post_init__(self):
        if self.width < 1 or self.noise_size < 1:
            raise ValueError(
                "width and noise_size are at least 1, not "
                f"{self.width} and {self.noise_size}"
            )
        if self.init_kind not in ("orthogonal", "normal"):
            raise ValueError(
                f"init_kind is orthogonal or normal, not {self.init_kind!r}"
            )
        if not self.truncation > 0:
            raise ValueError(f"truncation is above 0, not {self.truncation}")

    def module(self, axis_name: AxisName = None) -> nn.Module:
        """The network, its batch statistics taken over `axis_name` too."""
        return self.network(
            self.width, self.init_kind, self.init_scale, axis_name, self.num_classes
        )

    def init(self, key: Key, parents: tuple) -> Params:
        del parents
        z, labels = jnp.zeros((1, self.noise_size)), jnp.zeros(1, jnp.int32)
        return self.module().init(key, z, labels, train=False)

    def noise(self, key: Key, num: int) -> Noise:
        """{"z": [num, noise_size]}, normal with deviation `truncation`."""
        normal = jax.random.normal(key, (num, self.noise_size))
        return {"z": self.truncation * normal}

    def apply(self, params: Params, parents: tuple, noise: Noise) -> Array:
        noise = jax.tree.map(lambda leaf: leaf[None], noise)
        return self.images(params, jnp.asarray(parents[0])[None], noise)[0]

    def images(self, params: Params, labels: Array, noise: Noise) -> Array:
        """A batch with running statistics: int [B] labels -> [B, 32, 32, C].

        Abducted noise has a residual (see `image_abduction.with_residual`).
        """
        raw = self.module().apply(params, noise["z"], labels, False)
        values = self.finish(raw, noise)
        return with_residual(values, noise, self.value_range)

    def apply_train(
        self,
        params: Params,
        labels: Array,
        noise: Noise,
        *,
        axis_name: AxisName = None,
    ) -> tuple[Array, Params]:
        """A batch in training mode.

        Args:
          params: Flax collections.
          labels: int [B].
          noise: as `noise` draws it.
          axis_name: device axis.

        Returns:
          values [B, 32, 32, C] and the params with updated statistics.
        """
        raw, updated = self.module(axis_name).apply(
            params, noise["z"], labels, True, mutable=["batch_stats"]
        )
        # bfloat16 has no number between a clipped mask and 1, whose logarithm is taken.
        raw = raw.astype(jnp.promote_types(raw.dtype, jnp.float32))
        return self.finish(raw, noise), {**params, **updated}

    def finish(self, raw: Array, noise: Noise) -> Array:
        """From what the network draws to the node's value."""
        raise NotImplementedError

    def abduct(self, params: Params, parents: tuple, value: Array, key: Key) -> Noise:
        """Noise that gives the part back, residual included; ONE unit.

        Found by descent from a draw of the prior, which is *a* fitting noise and no
        draw of its posterior. A texture's offset is drawn, not sought.
        """
        found = abduct_images(
            self,
            params,
            value[None],
            jnp.asarray(parents[0])[None],
            key,
            num_steps=self.abduction_steps,
        )
        return jax.tree.map(lambda leaf: leaf[0], found.noise)

    def check(self, name: str, parent_num_states: tuple) -> None:
        if parent_num_states != (self.num_classes,):
            raise ValueError(
                f"node {name!r} has one parent, a label with {self.num_classes} "
                f"states, but its parents have {parent_num_states}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shape(_PartMechanism):
    """The mask, [32, 32, 1] in [1e-4, .9999].

    >>> mechanism = Shape(width=2, noise_size=3)
    >>> label, noise = jnp.array(7), mechanism.noise(jax.random.key(0), 1)
    >>> params = mechanism.init(jax.random.key(1), (label,))
    >>> mechanism.apply(params, (label,), jax.tree.map(lambda x: x[0], noise)).shape
    (32, 32, 1)
    """

    network: ClassVar[type[nn.Module]] = ShapeNetwork
    value_range: ClassVar[tuple[float, float]] = MASK_RANGE

    def finish(self, raw: Array, noise: Noise) -> Array:
        del noise
        return jnp.clip(raw, *MASK_RANGE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Texture(_PartMechanism):
    """A foreground or background, [32, 32, 3] in [-1, 1].

    Attributes:
      shuffle: whether the texture is shifted by a random offset. Offsets are uniform on
        0..32 along both axes, where 32 is the same as 0 (the reference's crops).
      norm_output: batch normalisation before tanh, see `parts.TextureNetwork`.

    >>> mechanism = Texture(width=2, noise_size=3)
    >>> mechanism.noise(jax.random.key(0), 5)["offset"].shape  # of the shuffler
    (5, 2)
    """

    shuffle: bool = True
    norm_output: bool = True

    network: ClassVar[type[nn.Module]] = TextureNetwork

    def module(self, axis_name: AxisName = None) -> nn.Module:
        return super().module(axis_name).clone(norm_output=self.norm_output)

    def noise(self, key: Key, num: int) -> Noise:
        """{"z": [num, noise_size]} and, with the shuffler, "offset" int [num, 2]."""
        key_z, key_offset = jax.random.split(key)
        noise = super().noise(key_z, num)
        if self.shuffle:
            noise["offset"] = jax.random.randint(key_offset, (num, 2), 0, SIZE + 1)
        return noise

    def finish(self, raw: Array, noise: Noise) -> Array:
        return shifted(raw, noise["offset"]) if self.shuffle else raw


def scm(
    *,
    width: int = 32,
    texture_width: int | None = None,
    noise_size: int = 32,
    init_kind: Literal["orthogonal", "normal"] = "orthogonal",
    init_scale: float = 0.1,
    shuffle: bool = True,
    norm_output: bool = True,
    truncation: float = 1.0,
    abduction_steps: int = 100,
) -> SCM:
    """The model: three labels, three parts and the image.

    Args:
      width: channels of the networks' last hidden layers.
      texture_width: the same of the textures' networks; None for `width`.
      noise_size: length of each part's noise.
      init_kind: law of the initial kernels, "orthogonal" or "normal".
      init_scale: its gain or standard deviation, see `parts`.
      shuffle: whether textures are shifted at random.
      norm_output: whether textures are batch-normalised before tanh, see `Texture`.
      truncation: deviation of the shape's noise when it is drawn, see `Shape`.
      abduction_steps: steps of the descent when a part is abducted.
    """
    edges = [*zip(LABELS, PARTS, strict=True), *((part, "image") for part in PARTS)]
    shared = {
        "noise_size": noise_size,
        "init_kind": init_kind,
        "init_scale": init_scale,
        "abduction_steps": abduction_steps,
    }
    own = {"shuffle": shuffle, "norm_output": norm_output}
    texture_width = width if texture_width is None else texture_width
    texture = Texture(width=texture_width, **shared, **own)
    parts = (Shape(width=width, **shared, truncation=truncation), texture, texture)
    mechanisms = {
        **dict.fromkeys(LABELS, Uniform()),
        **dict(zip(PARTS, parts, strict=True)),
        "image": Composition(),
    }
    return SCM(graphs.build(edges, nodes=mechanisms), mechanisms)


def gan(
    *,
    width: int = 32,
    noise_size: int = 32,
    init_kind: Literal["orthogonal", "normal"] = "orthogonal",
    init_scale: float = 0.1,
    norm_output: bool = True,
    abduction_steps: int = 100,
) -> SCM:
    """A conditional GAN as a model: one label and the image it causes.

    The image's network is a texture's, without the shuffler; what counterfactual
    generative networks are compared with. Arguments as `scm` has them.
    """
    image = Texture(
        width=width,
        noise_size=noise_size,
        init_kind=init_kind,
        init_scale=init_scale,
        abduction_steps=abduction_steps,
        shuffle=False,
        norm_output=norm_output,
    )
    mechanisms = {"label": Uniform(), "image": image}
    return SCM(graphs.build([("label", "image")], nodes=mechanisms), mechanisms)


def trained_nodes(model: SCM) -> tuple[str, ...]:
    """The nodes that have a network, in the model's order."""
    return tuple(
        n for n in model.nodes if isinstance(model.mechanisms[n], _PartMechanism)
    )
