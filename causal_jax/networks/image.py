"""The image node: a generator of images given all labels, as a mechanism.

Three architectures:
  "compact" (the default): 4x4 kernels, half the reference's width, plain label codes.
  "dcgan": CausalGAN's own (`networks.dcgan.Generator`), which receives noisy label
    logits (`networks.label_noise`); the label noise is part of the unit's exogenous
    noise, so twins share it.
  "began": CausalBEGAN's own (`networks.began.Generator`), which receives 0/1 codes and
    has no bound; what lies outside [-1, 1] is cut off in evaluation.

The first two normalise with running statistics in evaluation: a sample does not depend
on the batch it is drawn in (the reference uses the batch's, also for a batch of one).
"""

import dataclasses
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from causal_jax.networks import began, dcgan
from causal_jax.networks.controller import encode_state, encoded_size
from causal_jax.networks.image_abduction import abduct_images, with_residual
from causal_jax.networks.label_noise import NOISE_KINDS, label_noise, noisy_logits
from causal_jax.networks.layers import Conv, ConvTranspose
from causal_jax.types import Array, Key, Noise, Params

_ARCHITECTURES = ("compact", "dcgan", "began")
_FIRST_SIZE = 4  # side of the smallest feature map
_NORMAL = nn.initializers.normal(0.02)  # DCGAN's


class CompactGenerator(nn.Module):
    """[noise, label codes] -> 4x4 -> ... -> resolution, doubling; batch norm, ReLU.

    Attributes:
      resolution: side of the image, 4 times a power of two.
      width: channels of the last hidden layer.
      axis_name: device axis over which batch statistics are taken.
      modulated: noise and codes also set each layer's scales and shifts (de Vries et
        al. 2017, arXiv 1707.00683).
    """

    resolution: int = 32
    width: int = 32
    axis_name: str | None = None
    modulated: bool = False

    @nn.compact
    def __call__(self, z: Array, codes: Array, train: bool) -> Array:
        """[B, noise], [B, d] in {-1, 1} -> [B, side, side, 3] in (-1, 1)."""
        num_scales = (self.resolution // _FIRST_SIZE).bit_length() - 1
        features = self.width * 2 ** (num_scales - 1)
        x = inputs = jnp.concatenate([z, codes], axis=-1)
        x = nn.Dense(_FIRST_SIZE**2 * features, kernel_init=_NORMAL)(x)
        x = x.reshape(-1, _FIRST_SIZE, _FIRST_SIZE, features)
        for scale in range(num_scales):
            x = nn.BatchNorm(
                use_running_average=not train,
                momentum=0.9,
                axis_name=self.axis_name if train else None,
            )(x)
            if self.modulated:
                change = nn.Dense(2 * features, kernel_init=_NORMAL)(inputs)
                gain, shift = jnp.split(change[:, None, None], 2, axis=-1)
                x = x * (1 + gain) + shift
            features //= 2
            last = scale == num_scales - 1
            x = ConvTranspose(3 if last else features, (4, 4), 2, kernel_init=_NORMAL)(
                nn.relu(x)
            )
        return jnp.tanh(x)


class CompactCritics(nn.Module):
    """Discriminator, Labeler and Anti-Labeler as heads of one trunk.

    The discriminator is joint: it reads the image with its labels (`Readings.logits`).
    Nothing couples the rows of a batch. One pass reads everything, which is what makes
    a step three times cheaper than three networks.

    Attributes:
      num_outputs: length of the encoded labels.
      width: channels of the first layer; doubled at every halving.
      noise_size: length of the generator's noise, if it is to be estimated; else 0.
    """

    num_outputs: int
    width: int = 32
    noise_size: int = 0

    @nn.compact
    def __call__(self, images: Array, train: bool, learns: bool = False) -> "Readings":
        """[B, H, H, 3] in [-1, 1] -> Readings."""
        del train, learns
        x, features = images, self.width
        while x.shape[1] > _FIRST_SIZE:
            x = Conv(features, (4, 4), 2, kernel_init=nn.initializers.he_normal())(x)
            x = nn.leaky_relu(x, 0.2)
            features *= 2
        x = x.reshape(x.shape[0], -1)
        return Readings(
            real=nn.Dense(1)(x)[:, 0],
            joint=nn.Dense(self.num_outputs)(x),
            labeler=nn.Dense(self.num_outputs)(x),
            anti_labeler=nn.Dense(self.num_outputs)(x),
            noise=nn.Dense(self.noise_size)(x) if self.noise_size else None,
        )


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Readings:
    """What the critics say of a batch of images.

    Attributes:
      real: logit that the image is real, [B].
      joint: what each label adds to that logit, [B, d]; None where the discriminator
        does not read labels.
      labeler: label logits of the Labeler, [B, d].
      anti_labeler: label logits of the Anti-Labeler, [B, d].
      noise: estimate of the generator's noise, [B, noise_size], or None.
    """

    real: Array
    joint: Array | None
    labeler: Array
    anti_labeler: Array
    noise: Array | None

    def logits(self, codes: Array) -> Array:
        """Logits that images with these labels (codes [B, d] in {0, 1}) are real.

        real + sum_j (2 l_j - 1) joint_j: a projection discriminator (Miyato & Koyama
        2018), whose label part stands for log P_r(l | x) - log P_g(l | x).
        """
        if self.joint is None:
            return self.real
        return self.real + jnp.sum((2 * codes - 1) * self.joint, axis=-1)


class DCGANCritics(nn.Module):
    """CausalGAN's four separate networks: D, Labeler, Anti-Labeler, z-estimator.

    Attributes:
      num_outputs: length of the encoded labels.
      noise_size: length of the generator's noise.
      width: channels of the first layers.
      axis_name: device axis over which batch statistics are taken.
    """

    num_outputs: int
    noise_size: int = 100
    width: int = 64
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images: Array, train: bool, learns: bool = False) -> Readings:
        """[B, H, H, 3] in [-1, 1] -> Readings.

        Where the critics learn, D does not learn what the z-estimator reads in it.
        """
        shared = {"width": self.width, "axis_name": self.axis_name}
        real, hidden = dcgan.Discriminator(**shared)(images, train)
        labeler = dcgan.Labeler(self.num_outputs, **shared)
        anti_labeler = dcgan.Labeler(self.num_outputs, **shared)
        estimator = dcgan.NoiseEstimator(self.noise_size, **shared)
        return Readings(
            real=real,
            joint=None,
            labeler=labeler(images, train),
            anti_labeler=anti_labeler(images, train),
            noise=estimator(jax.lax.stop_gradient(hidden) if learns else hidden, train),
        )


@dataclasses.dataclass(frozen=True)
class ImageGenerator:
    """The image as a function of its labels and noise; values in [-1, 1].

    Attributes:
      parent_states: number of states of each label, in the graph's parent order.
      resolution: side of the image, a power of two from 8 on.
      width: base number of channels.
      noise_size: length of the uniform [-1, 1] noise.
      architecture: "compact", "dcgan" or "began".
      label_noise: None for plain codes in {-1, 1}, or the kind of noise on the label
        logits, see `networks.label_noise`.
      modulated: of "compact", see `CompactGenerator`.

    >>> generator = ImageGenerator((2, 2), width=4, noise_size=8)
    >>> labels = (jnp.array(0), jnp.array(1))
    >>> noise = jax.tree.map(lambda x: x[0], generator.noise(jax.random.key(0), 1))
    >>> params = generator.init(jax.random.key(1), labels)
    >>> generator.apply(params, labels, noise).shape
    (32, 32, 3)
    """

    parent_states: tuple[int, ...]
    resolution: int = 32
    width: int = 32
    noise_size: int = 64
    architecture: Literal["compact", "dcgan", "began"] = "compact"
    label_noise: Literal["corrected", "reference", "discrete"] | None = None
    modulated: bool = False

    def __post_init__(self):
        if self.architecture not in _ARCHITECTURES:
            raise ValueError(
                f"architecture is one of {', '.join(_ARCHITECTURES)}, not "
                f"{self.architecture!r}"
            )
        if self.label_noise not in (None, *NOISE_KINDS):
            raise ValueError(
                f"label_noise is none or one of {', '.join(NOISE_KINDS)}, not "
                f"{self.label_noise!r}"
            )
        for name in ("width", "noise_size"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} is at least 1, not {getattr(self, name)}: give --config."
                    f"generator.{name}=64"
                )
        side = self.resolution
        if side < 8 or side & (side - 1):
            raise ValueError(
                f"resolution (a config's image_size) is a power of two from 8 on, such "
                f"as 32 or 64, not {side}"
            )
        if self.modulated and self.architecture != "compact":
            raise ValueError(
                f"only a compact generator is modulated, not {self.architecture!r}: "
                "give modulated=False"
            )

    @property
    def num_outputs(self) -> int:
        """Length of the encoded labels."""
        return sum(map(encoded_size, self.parent_states))

    def module(self, axis_name: str | None = None) -> nn.Module:
        """The network, its batch statistics taken over `axis_name` too."""
        settings = (self.resolution, self.width, axis_name)
        if self.architecture == "compact":
            return CompactGenerator(*settings, self.modulated)
        kinds = {"dcgan": dcgan.Generator, "began": began.Generator}
        return kinds[self.architecture](*settings)

    def init(self, key: Key, parents: tuple) -> Params:
        z, codes = jnp.zeros((1, self.noise_size)), jnp.zeros((1, self.num_outputs))
        return self.module().init(key, z, codes, train=False)

    def noise(self, key: Key, num: int) -> Noise:
        """{"z": [num, noise_size]} and, where there is label noise, "labels"."""
        key_z, key_labels = jax.random.split(key)
        shape = (num, self.noise_size)
        noise = {"z": jax.random.uniform(key_z, shape, minval=-1.0)}
        if self.label_noise:
            noise["labels"] = label_noise(
                key_labels, num, self.num_outputs, kind=self.label_noise
            )
        return noise

    def encode(self, parents: tuple) -> Array:
        """One unit's labels as 0/1 codes, [d]."""
        pairs = zip(parents, self.parent_states, strict=True)
        return jnp.concatenate([encode_state(p, k) for p, k in pairs])

    def features(self, codes: Array, noise: Noise) -> Array:
        """What the network receives for 0/1 codes [..., d]."""
        if self.label_noise:
            return noisy_logits(codes, noise["labels"])
        return codes if self.architecture == "began" else 2 * codes - 1

    def apply(self, params: Params, parents: tuple, noise: Noise) -> Array:
        noise = jax.tree.map(lambda leaf: leaf[None], noise)
        return self.images(params, self.encode(parents)[None], noise)[0]

    def images(self, params: Params, codes: Array, noise: Noise) -> Array:
        """A batch with running statistics: 0/1 codes [B, d] -> [B, H, H, 3].

        Abducted noise has a residual (see `image_abduction.with_residual`).
        """
        features = self.features(codes, noise)
        images = self.module().apply(params, noise["z"], features, False)
        if self.architecture == "began":
            images = jnp.clip(images, -1, 1)
        return with_residual(images, noise)

    def abduct(self, params: Params, parents: tuple, value: Array, key: Key) -> Noise:
        """Noise that gives the image back, residual included; ONE unit.

        Found by descent from a draw of the prior, which is *a* fitting noise and no
        draw of its posterior; `abduct_images` takes an encoder's start.
        """
        codes = self.encode(parents)[None]
        found = abduct_images(self, params, value[None], codes, key)
        return jax.tree.map(lambda leaf: leaf[0], found.noise)

    def apply_train(
        self,
        params: Params,
        codes: Array,
        noise: Noise,
        *,
        axis_name: str | None = None,
    ) -> tuple[Array, Params]:
        """A batch in training mode.

        Args:
          params: Flax collections.
          codes: encoded labels, [B, d] in {0, 1}.
          noise: as `noise` draws it.
          axis_name: device axis.

        Returns:
          images [B, H, H, 3] and the params with updated statistics.
        """
        features = self.features(codes, noise)
        images, updated = self.module(axis_name).apply(
            params, noise["z"], features, True, mutable=["batch_stats"]
        )
        return images, {**params, **updated}

    def check(self, name: str, parent_num_states: tuple) -> None:
        if parent_num_states != self.parent_states:
            raise ValueError(
                f"the generator of {name!r} is for parents with {self.parent_states} "
                f"states, but its parents have {parent_num_states}"
            )
        side = self.resolution // _FIRST_SIZE
        if self.resolution % _FIRST_SIZE or side & (side - 1) or side < 2:
            raise ValueError(
                f"resolution {self.resolution} is not 8, 16, 32, 64 or 128"
            )

    def critics(
        self,
        axis_name: str | None = None,
        width: int | None = None,
        *,
        estimates_noise: bool = False,
    ):
        """The critics that fit this generator: discriminator and both labelers.

        Those of "dcgan" always estimate the noise.
        """
        if self.architecture == "dcgan":
            return DCGANCritics(
                self.num_outputs, self.noise_size, width or self.width, axis_name
            )
        noise_size = self.noise_size if estimates_noise else 0
        return CompactCritics(self.num_outputs, width or self.width, noise_size)
