"""The counterfactual generative network of natural images, as a causal model.

Sauer & Geiger (ICLR 2021, arXiv 2101.06046), the ImageNet part. Each of the three
mechanisms is a BigGAN of its own, of its own label and its own noise:

    m = S(G_shape(l_1, u_1))        mask: S is a saliency network (U2-Net), cut to
                                    [1e-4, .9999]
    f = G_texture(l_2, u_2)         foreground
    b = G_background(l_3, u_3)      background
    x = m f + (1 - m) b             (eq. 1)

All four networks start from published weights and S stays as it is
(`training.cgn_imagenet`). Labels, parts and image are the nodes of `composition`, as on
the MNIST variants (`mnist`): sampling, interventions and counterfactuals know neither.

The reference code gives one noise vector to all three mechanisms, so that a
counterfactual of the texture alone has the pose of the shape. `shared_noise=True` is
that variant, with the vector as a node of its own above the parts.
"""

import dataclasses
from functools import partial
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from causal_jax import graph as graphs
from causal_jax.networks import u2net
from causal_jax.networks.biggan import Generator
from causal_jax.networks.cgn.composition import LABELS, PARTS, Composition, Uniform
from causal_jax.networks.cgn.mnist import MASK_RANGE
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Noise, Params

NOISE = "noise"  # the node of a shared noise vector
LABEL, IMAGE = "label", "image"  # nodes of a generator by itself
MASKERS = {"u2net": u2net.FULL, "u2netp": u2net.SMALL}


@partial(jax.jit, static_argnums=0)
def _init(module: nn.Module, key: Key, *arguments: Array) -> Params:
    """Variables in one program, the same for equal modules.

    Hundreds of operations one by one would compile for minutes.
    """
    return module.init(key, *arguments)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratedPicture:
    """A foreground or background, [size, size, 3] in [-1, 1], drawn by a BigGAN-deep.

    Params are {"generator": variables of `biggan.Generator`}. Its parents are the label
    and, if they share their noise, the noise.

    Attributes:
      size: side of the image.
      width: channels of the generator's last hidden layer.
      num_classes: number of states of the label.
      noise_size: length of the noise.
      embedding_size: length of the class embedding.
      num_levels: rows of the tables of statistics; 1 for a network of one's own.
      spectral_norm: whether the weights are normalised as they are used, see
        `biggan.Generator`.
      rgb_features: channels of its last convolution, None for the published ones.
      reference: the published port's interpolation between two truncations.
      truncation: above 0 and at most 1: what the noise is multiplied with, and the rows
        of the tables that are used.
      shared_noise: whether the noise is a parent.

    >>> picture = GeneratedPicture(size=32, width=4, num_classes=3, num_levels=1)
    >>> label, noise = jnp.array(2), picture.noise(jax.random.key(0), 1)[0]
    >>> params = picture.init(jax.random.key(1), (label,))
    >>> picture.apply(params, (label,), noise).shape
    (32, 32, 3)
    """

    size: int = 256
    width: int = 128
    num_classes: int = 1000
    noise_size: int = 128
    embedding_size: int = 128
    num_levels: int = 51
    spectral_norm: bool = False
    rgb_features: int | None = None
    reference: bool = False
    truncation: float = 1.0
    shared_noise: bool = False

    def __post_init__(self):
        if not 0 < self.truncation <= 1:
            raise ValueError(
                f"truncation is above 0 and at most 1, not {self.truncation}"
            )

    def module(self, *, remat: bool = False, dtype: DTypeLike = jnp.float32):
        """The generator; see it for `remat` and `dtype`."""
        return Generator(
            size=self.size,
            width=self.width,
            num_classes=self.num_classes,
            noise_size=self.noise_size,
            embedding_size=self.embedding_size,
            num_levels=self.num_levels,
            reference=self.reference,
            spectral_norm=self.spectral_norm,
            rgb_features=self.rgb_features,
            remat=remat,
            dtype=dtype,
        )

    def init(self, key: Key, parents: tuple) -> Params:
        del parents
        z, labels = jnp.zeros((1, self.noise_size)), jnp.zeros(1, jnp.int32)
        return {"generator": _init(self.module(), key, z, labels)}

    def noise(self, key: Key, num: int) -> Noise:
        """[num, noise_size], as `biggan.Generator` draws it; none if it is shared."""
        if self.shared_noise:
            return jnp.zeros((num, 0))
        return self.module().noise(key, num, self.truncation)

    def apply(self, params: Params, parents: tuple, noise: Noise) -> Array:
        z = parents[1] if self.shared_noise else noise
        label = jnp.asarray(parents[0])
        return self.images(params, label[None], z[None])[0]

    def images(self, params: Params, labels: Array, z: Array) -> Array:
        """A batch: int [B] labels, or weights of the classes [B, num_classes]."""
        return self.finish(params, self.drawn(params, labels, z))

    def drawn(self, params: Params, labels: Array, z: Array) -> Array:
        """What the generator draws, [B, size, size, 3]."""
        return self.module().apply(params["generator"], z, labels, self.truncation)

    def finish(self, params: Params, images: Array) -> Array:
        """From what the generator draws to the node's value."""
        del params
        return images

    def check(self, name: str, parent_num_states: tuple) -> None:
        wanted = (self.num_classes, *((None,) if self.shared_noise else ()))
        if parent_num_states != wanted:
            raise ValueError(
                f"node {name!r} has parents with {wanted} states (a label and, if it "
                f"is shared, the noise), not {parent_num_states}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratedMask(GeneratedPicture):
    """The mask, [size, size, 1] in [1e-4, .9999]: what stands out of a drawn picture.

    Params are {"generator": ..., "masker": variables of `u2net.U2Net`}, the latter with
    batch normalisation folded in.

    Attributes:
      masker: "u2net" or "u2netp".
      masker_size: side that pictures are scaled to before they are masked, and the
        masks back from; None leaves them as they are.
      normalize: whether the masker sees pictures by ImageNet's mean and deviation, as
        it was trained; False for [-1, 1], as the reference code does.
      align_corners: whether the masker enlarges with corners on corners, as the
        reference code does, see `networks.u2net`.
    """

    masker: Literal["u2net", "u2netp"] = "u2net"
    masker_size: int | None = None
    normalize: bool = True
    align_corners: bool = False

    def __post_init__(self):
        super().__post_init__()
        if self.masker not in MASKERS:
            raise ValueError(
                f"masker is one of {', '.join(MASKERS)}, not {self.masker!r}"
            )

    def masker_module(self) -> nn.Module:
        """The saliency network."""
        return u2net.U2Net(
            MASKERS[self.masker], folded=True, align_corners=self.align_corners
        )

    def init(self, key: Key, parents: tuple) -> Params:
        images = jnp.zeros((1, self.size, self.size, 3))
        masker = _init(self.masker_module(), jax.random.fold_in(key, 1), images)
        return {**super().init(key, parents), "masker": masker}

    def saliency(self, params: Params, images: Array) -> Array:
        """Of pictures [B, H, W, 3] in [-1, 1]: [B, H, W, 1] in (0, 1)."""
        return u2net.masks(
            self.masker_module(),
            params["masker"],
            images,
            size=self.masker_size,
            normalize=self.normalize,
        )

    def finish(self, params: Params, images: Array) -> Array:
        return jnp.clip(self.saliency(params, images), *MASK_RANGE)


@dataclasses.dataclass(frozen=True)
class TruncatedNormal:
    """A noise vector as a node: a normal that is cut at -2 and 2, times `truncation`.

    Attributes:
      size: its length.
      truncation: its factor.

    >>> values = TruncatedNormal(3, 0.5).noise(jax.random.key(0), 100)
    >>> values.shape, bool(jnp.abs(values).max() <= 1)
    ((100, 3), True)
    """

    size: int = 128
    truncation: float = 1.0

    def init(self, key: Key, parents: tuple) -> Params:
        del key, parents
        return {}

    def noise(self, key: Key, num: int) -> Noise:
        return Generator(noise_size=self.size).noise(key, num, self.truncation)

    def apply(self, params: Params, parents: tuple, noise: Noise) -> Array:
        del params, parents
        return noise


def label_and_picture(
    picture: GeneratedPicture, class_names: tuple[str, ...] | None = None
) -> SCM:
    """A generator by itself as a causal model: a label, and the picture it causes.

    Args:
      picture: the generator, of its own noise.
      class_names: state names of the label, one per class.

    Raises:
      ValueError: a number of names that does not fit.
    """
    _require_names(class_names, picture.num_classes)
    mechanisms = {LABEL: Uniform(picture.num_classes), IMAGE: picture}
    states = {} if class_names is None else {LABEL: class_names}
    graph = graphs.build([(LABEL, IMAGE)], nodes=mechanisms, states=states)
    return SCM(graph, mechanisms)


def scm(
    *,
    class_names: tuple[str, ...] | None = None,
    shared_noise: bool = False,
    masker: Literal["u2net", "u2netp"] = "u2net",
    masker_size: int | None = None,
    normalize: bool = True,
    align_corners: bool = False,
    **generator,
) -> SCM:
    """The model: three labels, three parts and the image.

    Args:
      class_names: state names of the labels, one per class.
      shared_noise: one noise vector for the three parts, as in the reference code.
      masker: see `GeneratedMask`.
      masker_size: see `GeneratedMask`.
      normalize: see `GeneratedMask`.
      align_corners: see `GeneratedMask`.
      **generator: settings of the three generators, see `GeneratedPicture`.

    Raises:
      ValueError: an unknown setting, or a number of names that does not fit.
    """
    picture = GeneratedPicture(shared_noise=shared_noise, **generator)
    mask = GeneratedMask(
        **dataclasses.asdict(picture),
        masker=masker,
        masker_size=masker_size,
        normalize=normalize,
        align_corners=align_corners,
    )
    num_classes = picture.num_classes
    _require_names(class_names, num_classes)
    edges = [*zip(LABELS, PARTS, strict=True)]
    mechanisms = dict.fromkeys(LABELS, Uniform(num_classes))
    if shared_noise:
        mechanisms[NOISE] = TruncatedNormal(picture.noise_size, picture.truncation)
        edges += [(NOISE, part) for part in PARTS]
    mechanisms |= dict(zip(PARTS, (mask, picture, picture), strict=True))
    mechanisms[IMAGE] = Composition()
    edges += [(part, IMAGE) for part in PARTS]
    states = {} if class_names is None else dict.fromkeys(LABELS, class_names)
    return SCM(graphs.build(edges, nodes=mechanisms, states=states), mechanisms)


def _require_names(names: tuple[str, ...] | None, num_classes: int) -> None:
    if names is not None and len(names) != num_classes:
        raise ValueError(
            f"{len(names)} class names for {num_classes} classes: give one each"
        )
