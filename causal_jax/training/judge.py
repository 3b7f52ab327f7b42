"""Training of a judge (`networks.judge`), on arrays or on pictures drawn as it goes.

    minimise  sum_labels w BCE(label) + 12 sum_nuisances (read - true)^2

over augmented images. A label is 0 or 1, or between the two in a composite of two
pictures, where the optimum is the label itself; w weighs both states alike where their
rates are known, and is between their weights in a composite. 12 is one over the
variance of a uniform nuisance, so that both sums start at order one.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from causal_jax.data import composites
from causal_jax.networks.classifier import Classifier
from causal_jax.networks.judge import Judge, to_float
from causal_jax.training.image_stage import flattened
from causal_jax.types import Array, Key, Params

# Of what a judge that runs train for themselves learns from: raised when that changes.
VERSION = 1
_FLATTEN = 0.5  # how evenly combinations are drawn, see `image_stage.flattened`
_COMPOSITES = 0.5  # share of the pictures


class Example(NamedTuple):
    """A batch the judge learns from.

    Attributes:
      images: `[B, size, size, 3]` float in [-1, 1].
      labels: `[B, L]` in [0, 1].
      nuisances: `[B, K]` in [0, 1]; K may be 0.
    """

    images: Array
    labels: Array
    nuisances: Array


class _JudgeState(NamedTuple):
    """What the next step needs.

    Attributes:
      params: of the network.
      optimizer: optimiser state.
    """

    params: Params
    optimizer: Any


def train_judge(
    batch_fn: Callable[[Any, Key, int], Example],
    data: Any = (),
    *,
    label_names: Iterable[str],
    nuisance_names: Iterable[str] = (),
    size: int = 32,
    width: int = 32,
    num_stages: int = 2,
    num_steps: int = 6000,
    batch_size: int = 64,
    seed: int = 0,
    learning_rate: float = 5e-3,
    label_rates: Array | None = None,
    progress_fn: Callable[[Iterable], Iterable] = iter,
) -> Judge:
    """Trains a judge from scratch.

    The loss is the module's; Adam (Kingma & Ba 2015, arXiv 1412.6980).

    Args:
      batch_fn: `batch_fn(data, key, batch_size) -> Example`, pure (it runs inside
        jit): `array_batch` for arrays, or a renderer. Images are augmented afterwards.
      data: what `batch_fn` reads, any pytree of arrays; kept on the device.
      label_names: names of the label columns.
      nuisance_names: names of the nuisance columns.
      size: height and width of the images that `batch_fn` returns; a multiple
        of 2^(num_stages + 1).
      width: width of the network, see `Classifier`.
      num_stages: number of its convolutions; larger images want more.
      num_steps: number of gradient steps.
      batch_size: images per step.
      seed: fixes the weights' start and every batch.
      learning_rate: peak rate of Adam; 2 % warm-up, then a cosine to zero.
      label_rates: `[L]` share of ones of each label in the data. If given, both states
        of a label weigh the same, so that 1/2 is the threshold of balanced accuracy.
      progress_fn: wraps the iterable of steps, e.g. `tqdm.tqdm`.

    Returns:
      The judge of one network, its weights rounded to float16, as they are saved.
    """
    label_names, nuisance_names = tuple(label_names), tuple(nuisance_names)
    num_outputs = len(label_names) + len(nuisance_names)
    module = Classifier(num_outputs, width, num_stages)
    key_init, key_steps = jax.random.split(jax.random.key(seed))
    params = module.init(key_init, jnp.zeros((1, size, size, 3)))
    optimizer = _adam_with_warmup(learning_rate, num_steps)
    state = _JudgeState(params=params, optimizer=optimizer.init(params))
    weights = _label_weights(label_rates, len(label_names))
    step = jax.jit(
        _training_step(batch_fn, module, optimizer, batch_size, len(label_names))
    )
    for i in progress_fn(range(num_steps)):
        state = step(state, data, weights, jax.random.fold_in(key_steps, i))
    return Judge(
        params=jax.tree.map(
            lambda x: x.astype(jnp.float16).astype(jnp.float32)[None], state.params
        ),
        label_names=label_names,
        nuisance_names=nuisance_names,
        size=size,
        width=width,
        num_stages=num_stages,
        version=VERSION,
    )


def array_batch(data: tuple[Array, Array], key: Key, batch_size: int) -> Example:
    """A batch drawn with replacement from resident arrays, half of it mirrored.

    Args:
      data: images `[N, size, size, 3]` uint8 and labels `[N, L]` in {0, 1}.
      key: random key.
      batch_size: number of images.
    """
    images, labels = data
    key_rows, key_flip = jax.random.split(key)
    rows = jax.random.randint(key_rows, (batch_size,), 0, images.shape[0])
    return _mirrored(images[rows], labels[rows], key_flip)


def _mirrored(images: Array, labels: Array, key: Key) -> Example:
    """Half of a uint8 batch mirrored; an example without nuisances."""
    flip = jax.random.bernoulli(key, 0.5, (len(images), 1, 1, 1))
    images = to_float(images)
    return Example(
        images=jnp.where(flip, images[:, :, ::-1], images),
        labels=labels.astype(jnp.float32),
        nuisances=jnp.zeros((len(images), 0)),
    )


class Composed(NamedTuple):
    """What `composite_batch` draws from.

    Attributes:
      images: uint8 `[N, size, size, 3]`.
      labels: `[N, L]` in {0, 1}.
      cumulated: `[N]` cumulated weights of the rows, ending in 1.
      regions: where each label shows.
    """

    images: Array
    labels: Array
    cumulated: Array
    regions: composites.Regions


def composed(images: np.ndarray, labels: np.ndarray) -> Composed:
    """Resident data for `composite_batch`; the arguments are its first attributes."""
    return Composed(
        images=jnp.asarray(images),
        labels=jnp.asarray(labels),
        cumulated=jnp.asarray(flattened(labels, _FLATTEN)),
        regions=composites.find_regions(images, labels),
    )


def label_rates(data: Composed) -> Array:
    """`[L]`: how often each label is 1 in what `composite_batch` draws."""
    weights = np.diff(np.asarray(data.cumulated, np.float64), prepend=0.0)
    return weights @ np.asarray(data.labels, np.float64)


def composite_batch(data: Composed, key: Key, batch_size: int) -> Example:
    """As `array_batch`, rare combinations more often, and half of it composites.

    Args:
      data: see `composed`.
      key: random key.
      batch_size: number of images.
    """
    key_rows, key_flip, key_regions = jax.random.split(key, 3)
    rows = jnp.searchsorted(data.cumulated, jax.random.uniform(key_rows, (batch_size,)))
    example = _mirrored(data.images[rows], data.labels[rows], key_flip)
    images, labels = composites.mixed(
        example.images, example.labels, data.regions, key_regions, share=_COMPOSITES
    )
    return example._replace(images=images, labels=labels)


def augment(images: Array, key: Key) -> Array:
    """Slightly imperfect images: colour, blur and noise, drawn per image.

    The ranges are those of a good generator's flaws, small enough that every label
    and nuisance stays readable: gain +-6 %, offset +-.05, up to half of a 3x3 blur,
    noise of standard deviation up to .1.

    Args:
      images: `[B, H, W, 3]` in [-1, 1].
      key: random key.
    """
    keys = jax.random.split(key, 5)
    one, three = (images.shape[0], 1, 1, 1), (images.shape[0], 1, 1, 3)
    gain = jax.random.uniform(keys[0], three, minval=0.94, maxval=1.06)
    offset = jax.random.uniform(keys[1], three, minval=-0.05, maxval=0.05)
    share = jax.random.uniform(keys[2], one, maxval=0.5)
    scale = jax.random.uniform(keys[3], one, maxval=0.1)
    images = images * gain + offset
    images = images + share * (_mean_of_neighbours(images) - images)
    noisy = images + scale * jax.random.normal(keys[4], images.shape)
    return jnp.clip(noisy, -1.0, 1.0)


def _mean_of_neighbours(images: Array) -> Array:
    """Mean of each pixel and its eight neighbours, edges repeated."""
    padded = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 9.0


def _adam_with_warmup(
    learning_rate: float, num_steps: int
) -> optax.GradientTransformation:
    warmup = max(num_steps // 50, 1)
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, learning_rate, warmup, max(num_steps, warmup + 1)
    )
    return optax.adam(schedule)


def _label_weights(label_rates: Array | None, num_labels: int) -> Array:
    """[2, L]: the weight of a zero and of a one of each label."""
    if label_rates is None:
        return jnp.ones((2, num_labels))
    rates = jnp.clip(jnp.asarray(label_rates, jnp.float32), 1e-3, 1.0 - 1e-3)
    return jnp.stack([0.5 / (1.0 - rates), 0.5 / rates])


def _training_step(batch_fn, module, optimizer, batch_size, num_labels):
    def loss_fn(params, images, example, weights):
        outputs, _ = module.apply(params, images)
        logits, labels = outputs[:, :num_labels], example.labels
        weight = weights[0] + (weights[1] - weights[0]) * labels
        errors = weight * (jax.nn.softplus(logits) - labels * logits)
        squares = (outputs[:, num_labels:] - example.nuisances) ** 2
        # 12 = 1 / variance of a uniform nuisance: both sums start at order one.
        return jnp.mean(jnp.sum(errors, -1) + 12.0 * jnp.sum(squares, -1))

    def step(state: _JudgeState, data, weights, key) -> _JudgeState:
        key_batch, key_augment = jax.random.split(key)
        example = batch_fn(data, key_batch, batch_size)
        images = augment(example.images, key_augment)
        gradient = jax.grad(loss_fn)(state.params, images, example, weights)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer)
        return _JudgeState(
            params=optax.apply_updates(state.params, updates),
            optimizer=optimizer_state,
        )

    return step
