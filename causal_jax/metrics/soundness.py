"""Is it a counterfactual? Composition, reversibility, effectiveness, and the truth.

Galles & Pearl (1998) characterise counterfactuals by axioms; Monteiro et al. (ICLR
2023, arXiv 2303.01274) measure how far a model of images is from them:

    composition     |x - I(x, l, l)| after 1 and more null interventions in a row;
    reversibility   |x - I(I(x, l, l'), l', l)|;
    effectiveness   whether a reader finds l' in I(x, l, l').

They say how a model hangs together, not that it is right: the identity has perfect
composition, and level three is not identified by what is seen. Where the true
counterfactual image is known (`data.faces`), `against_truth` compares with it.

A model is its `imagine_fn(images [B, H, W, 3], labels [B, n], others [B, n], key) ->
images`: what these images of these labels would have been with the other labels. All
values are given for each unit; `metrics.intervals` makes intervals of them. Distances
are mean absolute differences of pixel values in [-1, 1], so in [0, 2].

Differences from the reference protocol: everything is seeded, nothing is an average of
batch averages, and effectiveness can be balanced over the states of a label.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.networks.judge import Judge
from causal_jax.queries.draws import judge_column
from causal_jax.types import Array, Key

ImagineFn = Callable[[Array, Array, Array, Key], Array]


def composition(
    imagine_fn: ImagineFn, images: Array, labels: Array, key: Key, *, rounds: int = 10
) -> np.ndarray:
    """Distance from the image after each of several null interventions in a row.

    Args:
      imagine_fn: see above.
      images: `[B, H, W, 3]` in [-1, 1].
      labels: int `[B, n]`.
      key: random key; every round has its own.
      rounds: null interventions.

    Returns:
      `[rounds, B]`.
    """
    distances, current = [], images
    for i in range(rounds):
        current = imagine_fn(current, labels, labels, jax.random.fold_in(key, i))
        distances.append(np.asarray(distance(current, images)))
    return np.stack(distances)


def reversibility(
    imagine_fn: ImagineFn,
    images: Array,
    labels: Array,
    others: Array,
    key: Key,
    *,
    there: Array | None = None,
) -> np.ndarray:
    """Distance from the image after an intervention and the one that undoes it.

    Args:
      imagine_fn: see above.
      images: `[B, H, W, 3]` in [-1, 1].
      labels: int `[B, n]`.
      others: int `[B, n]`, under the intervention.
      key: random key.
      there: the images under the intervention, if they were imagined already.

    Returns:
      `[B]`.
    """
    key_there, key_back = jax.random.split(key)
    if there is None:
        there = imagine_fn(images, labels, others, key_there)
    back = imagine_fn(there, others, labels, key_back)
    return np.asarray(distance(back, images))


def label_agreement(judge: Judge, images: Array, labels: Array, names) -> np.ndarray:
    """Whether the judge reads each label as it should be, bool [B, n].

    Args:
      judge: reads binary labels.
      images: `[B, H, W, 3]` in [-1, 1].
      labels: int `[B, n]` in {0, 1}.
      names: n labels, each known to the judge.
    """
    columns = [judge_column(judge, name) for name in names]
    says_one = np.asarray(judge.labels(images))[:, columns] > 0.5
    return says_one == (np.asarray(labels) == 1)


class AgainstTruth(NamedTuple):
    """How near imagined images are to the true counterfactuals, unit by unit.

    Attributes:
      changed: `[B]` mean absolute difference from the truth over the pixels that differ
        between the true counterfactual and the factual; 0 where none does.
      factual: `[B]` the factual's own difference there.
      rest: `[B]` mean absolute difference over the other pixels.
      num_changed: `[B]` how many pixels the truth changes.
    """

    changed: np.ndarray
    factual: np.ndarray
    rest: np.ndarray
    num_changed: np.ndarray

    @property
    def nearer(self) -> np.ndarray:
        """Bool `[B]`: nearer to the truth than the factual is, where it changes."""
        return self.changed < self.factual


def against_truth(images: Array, factual: Array, true: Array) -> AgainstTruth:
    """Compares imagined images with the true ones; all `[B, H, W, 3]` in [-1, 1]."""
    images, factual, true = (np.asarray(x, np.float64) for x in (images, factual, true))
    # Half a grey level: what is drawn alike is alike, whatever was rounded.
    where = np.abs(true - factual).max(-1) > 0.5 / 127.5
    ours, theirs = (np.abs(x - true).mean(-1) for x in (images, factual))
    num = where.sum((1, 2))

    def mean(values, mask):
        return (values * mask).sum((1, 2)) / np.maximum(mask.sum((1, 2)), 1)

    return AgainstTruth(
        changed=mean(ours, where),
        factual=mean(theirs, where),
        rest=mean(ours, ~where),
        num_changed=num,
    )


def distance(one: Array, other: Array) -> Array:
    """Mean absolute difference of each pair of images, [B]."""
    return jnp.mean(jnp.abs(one - other), axis=(1, 2, 3))
