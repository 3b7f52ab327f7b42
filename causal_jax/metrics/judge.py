"""The judge: an independent reader of labels, nuisances and features of images.

A judge says how well a generator obeys its labels. It is trained on real images alone,
never on generated ones, and is used for nothing but measuring. The judge of the faces
is trained on rendered faces whose nine labels are drawn independently at 1/2 and whose
nuisances are uniform, so it cannot guess one label from another; its weights are
`faces_judge.npz`, made by `python -m experiments.train_judge`.

A judge of another data set is another instance of the same class: `train_judge` on
arrays of that set's training split, with its label names and no nuisances.
"""

import dataclasses
import os
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from causal_jax.networks.classifier import Classifier, average_pool
from causal_jax.types import Array, Key, Params

FACES_JUDGE = Path(__file__).with_name("faces_judge.npz")

_CHUNK = 512  # images read at once: bounds memory, larger is not faster on a CPU


class Example(NamedTuple):
    """A batch the judge learns from.

    Attributes:
      images: `[B, size, size, 3]` float in [-1, 1].
      labels: `[B, L]` in {0, 1}.
      nuisances: `[B, K]` in [0, 1]; K may be 0.
    """

    images: Array
    labels: Array
    nuisances: Array


class Reading(NamedTuple):
    """What a judge sees in images.

    Attributes:
      labels: `[B, L]` probability of state 1.
      nuisances: `[B, K]` in [0, 1].
      features: `[B, 64]`, for Frechet distances.
    """

    labels: Array
    nuisances: Array
    features: Array


@dataclasses.dataclass(frozen=True, eq=False)
class Judge:
    """A trained reader; images are `[B, H, W, 3]`, uint8 or float in [-1, 1].

    H = W is `size` or a multiple of it; larger images are average-pooled first.

    Attributes:
      params: the network's parameters.
      label_names: names of the columns of `labels`.
      nuisance_names: names of the columns of `nuisances`; may be empty.
      size: height and width the network was trained on.
      width: width of the network, see `Classifier`.
      num_stages: number of its convolutions.
    """

    params: Params
    label_names: tuple[str, ...]
    nuisance_names: tuple[str, ...] = ()
    size: int = 32
    width: int = 32
    num_stages: int = 2

    def read(self, images: Array) -> Reading:
        """Everything at once; large inputs are read in chunks."""
        num = images.shape[0]
        self._require_shape(images.shape)
        chunk = min(_CHUNK, 1 << max(num - 1, 0).bit_length())
        parts = []
        for start in range(0, num, chunk):
            part = images[start : start + chunk]
            missing = chunk - part.shape[0]  # one compiled shape for every chunk
            part = jnp.pad(part, ((0, missing), (0, 0), (0, 0), (0, 0)))
            reading = _read(self._network, self._num_labels, self.params, part)
            parts.append(jax.tree.map(lambda x, m=missing: x[: chunk - m], reading))
        return jax.tree.map(lambda *xs: jnp.concatenate(xs), *parts)

    def labels(self, images: Array) -> Array:
        """`[B, L]` probability that each label is 1."""
        return self.read(images).labels

    def nuisances(self, images: Array) -> Array:
        """`[B, K]` nuisances in [0, 1]."""
        return self.read(images).nuisances

    def features(self, images: Array) -> Array:
        """`[B, 64]` penultimate features."""
        return self.read(images).features

    @property
    def _num_labels(self) -> int:
        return len(self.label_names)

    @property
    def _network(self) -> "_Sized":
        num_outputs = self._num_labels + len(self.nuisance_names)
        module = Classifier(num_outputs, self.width, self.num_stages)
        return _Sized(module, self.size)

    def _require_shape(self, shape: tuple[int, ...]) -> None:
        fits = len(shape) == 4 and shape[0] > 0 and shape[1] == shape[2]
        if not fits or shape[3] != 3 or shape[1] % self.size:
            raise ValueError(
                f"the judge cannot read images of shape {tuple(shape)}: give "
                f"[B, H, H, 3] with B > 0 and H a multiple of {self.size}"
            )


class _Sized(NamedTuple):
    """The network with the size it reads; hashable, static under jit."""

    module: Classifier
    size: int


@partial(jax.jit, static_argnums=(0, 1))
def _read(network: _Sized, num_labels: int, params: Params, images: Array) -> Reading:
    images = to_float(images)
    images = average_pool(images, images.shape[1] // network.size)
    outputs, features = network.module.apply(params, images)
    return Reading(
        labels=jax.nn.sigmoid(outputs[:, :num_labels]),
        nuisances=jnp.clip(outputs[:, num_labels:], 0.0, 1.0),
        features=features,
    )


def to_float(images: Array) -> Array:
    """Images as float32 in [-1, 1]; uint8 is rescaled, floats are taken as they are."""
    if images.dtype == jnp.uint8:
        return images.astype(jnp.float32) / 127.5 - 1.0
    return images.astype(jnp.float32)


# --- training ----------------------------------------------------------------------


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
      batch_size: images a step.
      seed: fixes the weights' start and every batch.
      learning_rate: peak rate of Adam; 2 % warm-up, then a cosine to zero.
      label_rates: `[L]` share of ones of each label in the data. If given, both states
        of a label weigh the same, so that 1/2 is the threshold of balanced accuracy.
      progress_fn: wraps the iterable of steps, e.g. `tqdm.tqdm`.

    Returns:
      The judge with its weights rounded to float16, as they are saved.
    """
    label_names, nuisance_names = tuple(label_names), tuple(nuisance_names)
    num_outputs = len(label_names) + len(nuisance_names)
    module = Classifier(num_outputs, width, num_stages)
    key_init, key_steps = jax.random.split(jax.random.key(seed))
    params = module.init(key_init, jnp.zeros((1, size, size, 3)))
    optimizer = _optimizer(learning_rate, num_steps)
    state = (params, optimizer.init(params))
    weights = _label_weights(label_rates, len(label_names))
    step = jax.jit(_step_fn(batch_fn, module, optimizer, batch_size, len(label_names)))
    for i in progress_fn(range(num_steps)):
        state = step(state, data, weights, jax.random.fold_in(key_steps, i))
    params = jax.tree.map(lambda x: x.astype(jnp.float16).astype(jnp.float32), state[0])
    return Judge(params, label_names, nuisance_names, size, width, num_stages)


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
    flip = jax.random.bernoulli(key_flip, 0.5, (batch_size, 1, 1, 1))
    batch = to_float(images[rows])
    batch = jnp.where(flip, batch[:, :, ::-1], batch)
    return Example(batch, labels[rows].astype(jnp.float32), jnp.zeros((batch_size, 0)))


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
    images = images + share * (_blur(images) - images)
    noisy = images + scale * jax.random.normal(keys[4], images.shape)
    return jnp.clip(noisy, -1.0, 1.0)


def _blur(images: Array) -> Array:
    """Mean of each pixel and its eight neighbours, edges repeated."""
    padded = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 9.0


def _optimizer(learning_rate: float, num_steps: int) -> optax.GradientTransformation:
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


def _step_fn(batch_fn, module, optimizer, batch_size, num_labels):
    def loss_fn(params, images, example, weights):
        outputs, _ = module.apply(params, images)
        weight = jnp.where(example.labels > 0.5, weights[1], weights[0])
        errors = optax.sigmoid_binary_cross_entropy(
            outputs[:, :num_labels], example.labels
        )
        squares = (outputs[:, num_labels:] - example.nuisances) ** 2
        # 12 = 1 / variance of a uniform nuisance: both sums start at order one.
        return jnp.mean(jnp.sum(weight * errors, -1) + 12.0 * jnp.sum(squares, -1))

    def step(state, data, weights, key):
        params, optimizer_state = state
        key_batch, key_augment = jax.random.split(key)
        example = batch_fn(data, key_batch, batch_size)
        images = augment(example.images, key_augment)
        gradient = jax.grad(loss_fn)(params, images, example, weights)
        updates, optimizer_state = optimizer.update(gradient, optimizer_state)
        return optax.apply_updates(params, updates), optimizer_state

    return step


# --- how good a judge is -------------------------------------------------------------


def balanced_accuracy(probs: Array, labels: Array) -> np.ndarray:
    """`[L]` mean of the accuracies on ones and on zeros.

    A label with only one state in `labels` gets the accuracy on that state.

    Args:
      probs: `[B, L]` probabilities that the label is 1.
      labels: `[B, L]` in {0, 1}.
    """
    labels = np.asarray(labels) > 0.5
    right = (np.asarray(probs) > 0.5) == labels
    by_state = []
    for state in (labels, ~labels):
        count = state.sum(0)
        hits = (right & state).sum(0)
        by_state.append(np.where(count > 0, hits / np.maximum(count, 1), np.nan))
    return np.nanmean(by_state, axis=0)


def r_squared(predicted: Array, true: Array) -> np.ndarray:
    """`[K]` share of each column's variance that is explained."""
    predicted, true = np.asarray(predicted), np.asarray(true)
    residual = ((predicted - true) ** 2).sum(0)
    return 1.0 - residual / ((true - true.mean(0)) ** 2).sum(0)


# --- files ---------------------------------------------------------------------------

_SIZES = ("size", "width", "num_stages")  # the integers of a judge, in its field order


def save_judge(path: str | os.PathLike, judge: Judge) -> None:
    """Writes a judge as .npz: float16 weights, its names and sizes, no pickle."""
    arrays = {
        "/".join(str(k.key) for k in keys): np.asarray(leaf, np.float16)
        for keys, leaf in jax.tree_util.tree_leaves_with_path(judge.params)
    }
    path = Path(path)
    partial_path = path.with_name(path.name + ".partial")
    with partial_path.open("wb") as file:
        np.savez_compressed(
            file,
            label_names=np.asarray(judge.label_names, np.str_),
            nuisance_names=np.asarray(judge.nuisance_names, np.str_),
            **{name: getattr(judge, name) for name in _SIZES},
            **arrays,
        )
    partial_path.replace(path)  # never half a file under the final name


def load_judge(path: str | os.PathLike) -> Judge:
    """Reads what `save_judge` wrote.

    Raises:
      ValueError: there is no such file, or it holds no judge.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        names = [
            tuple(map(str, arrays.pop(k))) for k in ("label_names", "nuisance_names")
        ]
        sizes = [int(arrays.pop(name)) for name in _SIZES]
    except FileNotFoundError:
        raise ValueError(f"there is no judge at {path}: train one first") from None
    except (KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} holds no judge: give a file of save_judge") from error
    return Judge(_nested(arrays), *names, *sizes)


def load_faces_judge() -> Judge:
    """The judge of `causal_jax.data.faces`: nine labels, eight nuisances, 32 pixels."""
    return load_judge(FACES_JUDGE)


def _nested(arrays: dict[str, np.ndarray]) -> Params:
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *path, last = name.split("/")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = jnp.asarray(array, jnp.float32)
    return tree
