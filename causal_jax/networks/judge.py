"""The judge: an independent reader of labels, nuisances and features of images.

A judge says how well a generator obeys its labels. It was trained on real images and
composites of them, never on generated ones, and is used for nothing but measuring. (A
generator of photographs may learn from composites of the same kind: `data.composites`.)
Here are its network with the names of what it reads, and its file; `training.judge`
trains one on any set of labelled images, `metrics.accuracy` says how good it is.
"""

import dataclasses
import os
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import archives, files
from causal_jax.networks.classifier import Classifier, average_pool
from causal_jax.types import Array, Params

_CHUNK = 512  # images read at once: bounds memory, larger is not faster on a CPU


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

    It may be an ensemble: networks that differ in the seed of their training, read
    together. Probabilities and nuisances are their means, features the first one's.

    Attributes:
      params: the networks' parameters, each array `[num_members, ...]`.
      label_names: names of the columns of `labels`.
      nuisance_names: names of the columns of `nuisances`; may be empty.
      size: height and width the network was trained on.
      width: width of the network, see `Classifier`.
      num_stages: number of its convolutions.
      version: of how it was trained (`training.judge.VERSION`); what judges of
        different versions read is not comparable.
    """

    params: Params
    label_names: tuple[str, ...]
    nuisance_names: tuple[str, ...] = ()
    size: int = 32
    width: int = 32
    num_stages: int = 2
    version: int = 0

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
            reading = _read_batch(
                self._sized_network, self._num_labels, self.params, part
            )
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

    def of(self, names: Collection[str]) -> "Judge":
        """The same reader of those of its labels that are among `names`.

        Raises:
          ValueError: it reads none of them.
        """
        kept = [i for i, name in enumerate(self.label_names) if name in names]
        if not kept:
            raise ValueError(
                f"the judge reads {', '.join(self.label_names[:20])}: none of them is "
                "a label of the model"
            )
        columns = np.array([*kept, *range(self._num_labels, self._num_outputs)])
        arrays = self.params["params"]
        last = {name: x[..., columns] for name, x in arrays["Dense_1"].items()}
        return dataclasses.replace(
            self,
            params={"params": {**arrays, "Dense_1": last}},
            label_names=tuple(self.label_names[i] for i in kept),
        )

    @property
    def num_members(self) -> int:
        """How many networks read together."""
        return jax.tree.leaves(self.params)[0].shape[0]

    @property
    def _num_labels(self) -> int:
        return len(self.label_names)

    @property
    def _num_outputs(self) -> int:
        return self._num_labels + len(self.nuisance_names)

    @property
    def _sized_network(self) -> "_SizedClassifier":
        module = Classifier(self._num_outputs, self.width, self.num_stages)
        return _SizedClassifier(module, self.size)

    def _require_shape(self, shape: tuple[int, ...]) -> None:
        fits = len(shape) == 4 and shape[0] > 0 and shape[1] == shape[2]
        if not fits or shape[3] != 3 or shape[1] % self.size:
            raise ValueError(
                f"the judge cannot read images of shape {tuple(shape)}: give "
                f"[B, H, H, 3] with B > 0 and H a multiple of {self.size}"
            )


class _SizedClassifier(NamedTuple):
    """The network with the size it reads; hashable, static under jit."""

    module: Classifier
    size: int


@partial(jax.jit, static_argnums=(0, 1))
def _read_batch(
    network: _SizedClassifier, num_labels: int, params: Params, images: Array
) -> Reading:
    images = to_float(images)
    images = average_pool(images, images.shape[1] // network.size)
    outputs, features = jax.vmap(network.module.apply, (0, None))(params, images)
    labels = jax.nn.sigmoid(outputs[..., :num_labels])
    nuisances = jnp.clip(outputs[..., num_labels:], 0.0, 1.0)
    return Reading(labels.mean(0), nuisances.mean(0), features[0])


def ensemble(judges: Sequence[Judge]) -> Judge:
    """Judges of the same names and sizes as one that reads with all of them.

    Raises:
      ValueError: they are not, or not of one version.
    """
    if len({_kind(judge) for judge in judges}) != 1:
        raise ValueError(
            "judges that read together have the same names, sizes and version"
        )
    params = jax.tree.map(lambda *x: jnp.concatenate(x), *(j.params for j in judges))
    return dataclasses.replace(judges[0], params=params)


def _kind(judge: Judge) -> tuple:
    """All that a judge is beside its weights."""
    return tuple(getattr(judge, name) for name in (*_NAMES, *_NUMBERS))


def to_float(images: Array) -> Array:
    """Images as float32 in [-1, 1]; uint8 is rescaled, floats are taken as they are."""
    if images.dtype == jnp.uint8:
        return images.astype(jnp.float32) / 127.5 - 1.0
    return images.astype(jnp.float32)


# --- files ---------------------------------------------------------------------------

# What a judge's file holds beside the network's arrays.
_NAMES = ("label_names", "nuisance_names")
_MAX_BYTES = 1 << 28  # of a judge's file; the faces' has 0.4 MB
_NUMBERS = ("size", "width", "num_stages", "version")


def save_judge(path: str | os.PathLike, judge: Judge) -> None:
    """Writes a judge as .npz: float16 weights, its names and sizes, no pickle."""
    arrays = {
        "/".join(str(k.key) for k in keys): np.asarray(leaf, np.float16)
        for keys, leaf in jax.tree_util.tree_leaves_with_path(judge.params)
    }
    path = Path(path)
    with files.whole(path, "wb") as file:
        np.savez_compressed(
            file,
            **{name: np.asarray(getattr(judge, name), np.str_) for name in _NAMES},
            **{name: getattr(judge, name) for name in _NUMBERS},
            **arrays,
        )


def load_judge(path: str | os.PathLike) -> Judge:
    """Reads what `save_judge` wrote.

    Raises:
      ValueError: there is no such file, or it holds no judge.
    """
    try:
        arrays = archives.read_arrays(path, limit=_MAX_BYTES)
        names = {name: tuple(map(str, arrays.pop(name))) for name in _NAMES}
        arrays.setdefault("version", np.int64(0))  # older files do not say
        numbers = {name: int(arrays.pop(name)) for name in _NUMBERS}
        params = _nested_params(arrays)
        if params["params"]["Dense_0"]["bias"].ndim == 1:  # older files: one network
            params = jax.tree.map(lambda x: x[None], params)
    except FileNotFoundError:
        raise ValueError(f"there is no judge at {path}: train one first") from None
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no judge: give a file of save_judge") from error
    return Judge(params=params, **names, **numbers)


def _nested_params(arrays: dict[str, np.ndarray]) -> Params:
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *path, last = name.split("/")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = jnp.asarray(array, jnp.float32)
    return tree
