"""BigGAN-deep: images of a class, generator and discriminator.

Brock, Donahue & Simonyan (ICLR 2019, arXiv 1809.11096), the "deep" variant of appendix
B; `biggan_parts` has the blocks, `biggan_layouts` how many there are of which size::

    Generator      c = [z, class embedding];  SN linear c -> 4 x 4, blocks(., c),
                   norm relu SN3x3, tanh
    Discriminator  SN3x3, blocks, relu, sum over pixels =: h;  a'h + b + v_y'h

The published weights (`importers.biggan`) are those of the PyTorch port
`pytorch-pretrained-biggan`, which has the generator only: 50,388,609, 55,880,833 and
56,163,905 parameters at 128, 256 and 512 pixels. Two things in it are not the paper's:
its last convolution draws `width` channels, of which three are used (`rgb_features`);
and between two levels of truncation it takes the nearer row's statistics with the
farther row's weight (`reference`).

A network of one's own has `statistics="batch"`: conditional batch normalisation with
the batch's statistics over `axis_name` in training, and running ones in evaluation.
`standing_statistics` makes a table of them, after which no image depends on others in
training either.

Its class embeddings begin as large as the noise. Orthogonal ones, the paper's, have
length 1 beside the noise's 7 of 64 numbers: a small network then learns nothing of
classes for hundreds of steps.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import traverse_util
from jax.typing import DTypeLike

from causal_jax.networks import biggan_parts as parts
from causal_jax.networks.biggan_layouts import DISCRIMINATORS, GENERATORS, Layout
from causal_jax.networks.layers import AxisName
from causal_jax.networks.spectral_norm import (
    SpectralConv,
    SpectralDense,
    SpectralEmbed,
)
from causal_jax.types import Array, Key, Params

FIRST_SIZE = 4  # side of the generator's first image


class Generator(nn.Module):
    """Draws images of given classes from noise. The defaults are the published ones.

    Variables: `params`; `batch_stats`, see `biggan_parts.Norm`; with `spectral_norm`
    also `spectral`, the power iterations' vectors.

    Attributes:
      size: side of the image, a key of `GENERATORS`, unless a layout is given.
      width: channels of the last hidden layer, a multiple of 4.
      num_classes: number of classes.
      noise_size: length of the noise.
      embedding_size: length of the class embedding.
      layout: blocks other than those of the size.
      statistics: "table" or "batch", see `biggan_parts.Norm`.
      num_levels: rows of the tables, for truncations of 0 to 1.
      reference: the published port's interpolation between two rows.
      spectral_norm: whether the weights are normalised here; imported weights are
        divided by their norms already, unless they are to be trained.
      rgb_features: channels of the last convolution, of which three are the image; None
        for `width`, as published. Train with 3.
      axis_name: mapped axis or axes over which the batch is spread ("batch").
      remat: whether the blocks' inner values are computed again in the backward pass,
        which keeps one feature map per block in memory.
      dtype: type in which blocks compute; normalisation, softmax, parameters and images
        are float32 in any case.

    Raises:
      ValueError: a size that has no layout, a width that cannot be divided, or a
        truncation out of range.

    >>> generator = Generator(size=32, width=4, num_classes=3, noise_size=5)
    >>> z, labels = generator.noise(jax.random.key(0), 2, 0.5), jnp.array([0, 2])
    >>> variables = generator.init(jax.random.key(1), z, labels)
    >>> images = generator.apply(variables, z, labels, 0.5)
    >>> images.shape, bool(jnp.all(jnp.abs(images) <= 1))
    ((2, 32, 32, 3), True)
    """

    size: int = 256
    width: int = 128
    num_classes: int = 1000
    noise_size: int = 128
    embedding_size: int = 128
    layout: Layout | None = None
    statistics: parts.Statistics = "table"
    num_levels: int = 51
    reference: bool = False
    spectral_norm: bool = False
    rgb_features: int | None = None
    axis_name: AxisName = None
    remat: bool = False
    dtype: DTypeLike = jnp.float32

    def noise(self, key: Key, num: int, truncation: float = 1.0) -> Array:
        """[num, noise_size]: truncation times a normal that is cut at -2 and 2."""
        cut = jax.random.truncated_normal(key, -2.0, 2.0, (num, self.noise_size))
        return truncation * cut

    @nn.compact
    def __call__(
        self,
        z: Array,
        labels: Array,
        truncation: float | Array = 1.0,
        train: bool = False,
    ) -> Array:
        """Draws images.

        Args:
          z: `[B, noise_size]` noise, times the truncation already (see `noise`).
          labels: int `[B]`, or weights of the classes, float `[B, num_classes]`.
          truncation: which rows of the tables are used, above 0 and at most 1; a number
            or `[B]`. Without tables it changes nothing.
          train: whether power iterations are done and, of "batch", batch statistics
            used; `spectral` and `batch_stats` then change.

        Returns:
          `[B, size, size, 3]` in [-1, 1]; of one unit's `[noise_size]` one image.
        """
        layout = _checked_layout(self.layout, GENERATORS, self.size, self.width)
        levels = parts.truncation_levels(
            truncation, self.num_levels, reference=self.reference
        )
        if z.ndim == 1:
            z, labels = z[None], jnp.asarray(labels)[None]
            return self._draw(layout, z, labels, levels, train)[0]
        return self._draw(layout, z, jnp.asarray(labels), levels, train)

    def _draw(self, layout, z, labels, levels, train):
        """A batch."""
        embed = SpectralEmbed(
            self.num_classes,
            self.embedding_size,
            False,
            nn.initializers.normal(1.0),
            name="label_embedding",
        )
        condition = jnp.concatenate([z, embed(labels)], axis=-1)
        features = layout.blocks[0][1] * self.width
        linear = SpectralDense(
            FIRST_SIZE**2 * features, True, self.spectral_norm, name="linear"
        )
        x = linear(condition, train).reshape(-1, FIRST_SIZE, FIRST_SIZE, features)
        x = x.astype(self.dtype)
        norm = parts.Norm(*self._norm_settings(), name="norm")
        for i, (up, _, multiple) in enumerate(layout.blocks):
            if i == layout.attention:
                x = parts.SelfAttention(self.spectral_norm, name="attention")(x, train)
            x = self._block(i, multiple, up)(x, levels, condition, train)
        x = nn.relu(norm(x, levels, None, train))
        rgb = SpectralConv(
            self.rgb_features or self.width,
            spectral_norm=self.spectral_norm,
            num_kept=3,
            name="to_rgb",
        )
        return jnp.tanh(rgb(x, train).astype(jnp.float32))

    def _block(self, i, multiple, up):
        """Block `i`, made anew in the backward pass if `remat` says so."""
        block = parts.GeneratorBlock
        if self.remat:
            block = nn.remat(block, static_argnums=(4,))  # `train`, self being 0
        settings = self._norm_settings()
        return block(multiple * self.width, up, *settings, name=f"block_{i}")

    def _norm_settings(self):
        return self.statistics, self.num_levels, self.axis_name, self.spectral_norm


class Discriminator(nn.Module):
    """Judges whether images of given classes are real, by projection.

    The class enters by an inner product (Miyato & Koyama 2018, arXiv 1802.05637).
    Variables: `params`; with `spectral_norm` also `spectral`. No batch statistics.

    Attributes:
      size: side of the image, a key of `DISCRIMINATORS`, unless a layout is given.
      width: channels of the first convolution, a multiple of 4.
      num_classes: number of classes.
      layout: blocks other than those of the size.
      spectral_norm: whether the weights are normalised.
      remat: see `Generator`.
      dtype: type in which blocks compute; parameters and logits are float32.

    Raises:
      ValueError: a size that has no layout, or a width that cannot be divided.

    >>> discriminator = Discriminator(size=32, width=4, num_classes=3)
    >>> images, labels = jnp.zeros((2, 32, 32, 3)), jnp.array([0, 2])
    >>> variables = discriminator.init(jax.random.key(0), images, labels)
    >>> logits, updated = discriminator.apply(
    ...     variables, images, labels, train=True, mutable=["spectral"]
    ... )
    >>> logits.shape
    (2,)
    """

    size: int = 128
    width: int = 128
    num_classes: int = 1000
    layout: Layout | None = None
    spectral_norm: bool = True
    remat: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: Array, labels: Array, train: bool = False) -> Array:
        """Judges images.

        Args:
          images: `[B, size, size, 3]` in [-1, 1].
          labels: int `[B]`, or weights of the classes, float `[B, num_classes]`.
          train: whether power iterations are done; `spectral` then changes.

        Returns:
          `[B]` logits of being real; of one unit's image one logit.
        """
        layout = _checked_layout(self.layout, DISCRIMINATORS, self.size, self.width)
        if images.ndim == 3:
            images, labels = images[None], jnp.asarray(labels)[None]
            return self._judge(layout, images, labels, train)[0]
        return self._judge(layout, images, jnp.asarray(labels), train)

    def _judge(self, layout, images, labels, train):
        """A batch."""
        spectral_norm = self.spectral_norm
        first = SpectralConv(self.width, spectral_norm=spectral_norm, name="from_rgb")
        x = first(images.astype(self.dtype), train)
        block = parts.DiscriminatorBlock
        if self.remat:
            block = nn.remat(block, static_argnums=(2,))  # `train`, self being 0
        for i, (down, _, multiple) in enumerate(layout.blocks):
            if i == layout.attention:
                x = parts.SelfAttention(spectral_norm, name="attention")(x, train)
            x = block(multiple * self.width, down, spectral_norm, name=f"block_{i}")(
                x, train
            )
        h = nn.relu(x).astype(jnp.float32).sum((1, 2))
        embed = SpectralEmbed(
            self.num_classes, h.shape[-1], spectral_norm, name="label_vectors"
        )
        linear = SpectralDense(1, True, spectral_norm, name="linear")
        return linear(h, train)[:, 0] + jnp.sum(embed(labels, train) * h, axis=-1)


def standing_statistics(
    generator: Generator,
    variables: Params,
    key: Key,
    *,
    num_levels: int = 1,
    batch_size: int = 64,
    num_batches: int = 8,
) -> Params:
    """Variables of `statistics="batch"` for `statistics="table"`.

    Means and variances are taken anew, with the weights as they are, for each
    truncation of the table ("standing statistics", Brock et al. 2019, appendix C.1):
    running ones belong to the weights of many steps, and to one truncation. Afterwards
    no image depends on others in training either.

    Args:
      generator: of `statistics="batch"`.
      variables: its own.
      key: of the noise and the classes.
      num_levels: rows of the tables, for truncations of 0 to 1; one is for 1.
      batch_size: images of a batch.
      num_batches: batches of each level.

    Returns:
      Variables with `batch_stats` {"means", "vars": [num_levels, C]}; the vectors of
      the power iterations have been moved on.

    >>> settings = {"size": 32, "width": 4, "num_classes": 3, "noise_size": 5}
    >>> generator = Generator(**settings, statistics="batch")
    >>> z, labels = jnp.ones((2, 5)), jnp.array([0, 2])
    >>> variables = generator.init(jax.random.key(0), z, labels)
    >>> tables = standing_statistics(generator, variables, jax.random.key(1))
    >>> Generator(**settings, num_levels=1).apply(tables, z, labels).shape
    (2, 32, 32, 3)
    """
    zeros = jax.tree.map(jnp.zeros_like, variables["batch_stats"])
    levels = jnp.linspace(0, 1, num_levels) if num_levels > 1 else jnp.ones(1)

    def of_batch(spectral: Params, read: tuple[Array, Key]):
        truncation, key = read
        key_noise, key_labels = jax.random.split(key)
        z = generator.noise(key_noise, batch_size, truncation)
        labels = jax.random.randint(key_labels, (batch_size,), 0, generator.num_classes)
        _, updated = generator.apply(
            {**variables, **spectral, "batch_stats": zeros},
            z,
            labels,
            train=True,
            mutable=["batch_stats", "spectral"],
        )
        found = updated.pop("batch_stats")
        return updated, jax.tree.map(lambda x: x / (1 - parts.MOMENTUM), found)

    keys = jax.random.split(key, num_levels * num_batches)
    read = jnp.repeat(levels, num_batches), keys
    spectral = {k: v for k, v in variables.items() if k == "spectral"}
    spectral, found = jax.lax.scan(of_batch, spectral, read)
    names = {"mean": "means", "var": "vars"}
    tables = {
        (*path[:-2], names[path[-1]]): jnp.mean(
            leaf.reshape(num_levels, num_batches, -1), axis=1
        )  # less the inner "norm" of the path
        for path, leaf in traverse_util.flatten_dict(found).items()
    }
    return {
        **variables,
        **spectral,
        "batch_stats": traverse_util.unflatten_dict(tables),
    }


def _checked_layout(layout, layouts, size, width) -> Layout:
    """The layout given, or the size's; raises where there is none that fits."""
    if layout is None and size not in layouts:
        sizes = ", ".join(map(str, layouts))
        raise ValueError(f"size is one of {sizes}, not {size}; or give a layout")
    if width < 4 or width % parts.REDUCTION:
        raise ValueError(f"width is a multiple of {parts.REDUCTION}, not {width}")
    return layouts[size] if layout is None else layout
