"""What a judge reads in generated images: labels obeyed, diversity, do against see.

Everything here measures and nothing trains or selects. The judge never sees generated
images before it reads them (see `networks.judge`). Accuracies come with
their standard errors; of a share p of n images it is sqrt(p (1 - p) / n).

A label's accuracy is *balanced*: as many images of do(label=0) as of do(label=1), so
that an image which ignores its labels scores 1/2 (on labels as they occur it would
score .74 on the faces).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from causal_jax.metrics.frechet import (
    frechet_distance,
    frechet_floor,
    random_halves,
)
from causal_jax.metrics.image_effects import do_versus_see
from causal_jax.metrics.label_effects import LabelEffects, label_effects
from causal_jax.metrics.neighbours import nearest_neighbours
from causal_jax.networks.judge import Judge
from causal_jax.queries.draws import judge_column, judged_labels, read
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Params

__all__ = (
    "combination_accuracy",
    "diversity",
    "do_versus_see",
    "frechet",
    "label_accuracy",
    "nearest_neighbours",
    "read_together",
)


class LabelAccuracy(NamedTuple):
    """How well images obey their labels.

    Attributes:
      by_label: {label: balanced accuracy}.
      standard_errors: {label: standard error of it}.
    """

    by_label: dict[str, float]
    standard_errors: dict[str, float]

    @property
    def mean(self) -> float:
        """Mean over the labels."""
        return float(np.mean(list(self.by_label.values())))

    @property
    def min(self) -> float:
        """The worst label's."""
        return min(self.by_label.values())


class CombinationAccuracy(NamedTuple):
    """How well images obey several labels set at once.

    Attributes:
      mean: over all combinations and their labels.
      standard_error: of `mean`.
      table: {"Male=0, Bald=1": {label: accuracy}}.
      together: {"Male=0, Bald=1": share of the images that show all labels at once}.
    """

    mean: float
    standard_error: float
    table: dict[str, dict[str, float]]
    together: dict[str, float]


class Diversity(NamedTuple):
    """Spread of the nuisances over the true spread.

    Attributes:
      diversity: mean of the whole table; 1 is as diverse as the truth.
      by_nuisance: {nuisance: mean over the interventions}; a collapsed one shows here.
      table: {"Label=state": {nuisance: ratio of standard deviations}}.
    """

    diversity: float
    by_nuisance: dict[str, float]
    table: dict[str, dict[str, float]]


class Frechet(NamedTuple):
    """Frechet distances on the judge's features, means over random halves.

    Attributes:
      frechet: `num` generated images against half of the real ones.
      same_labels: the same, generated from the labels of the other half: what is left
        is the images' own, and no error of the law of labels; None without labels.
      effects: of these images, see `label_effects`; None without labels, or of few.
      floor: the other half of the real ones against the first.
      num: images in each set.
    """

    frechet: float
    same_labels: float | None
    effects: LabelEffects | None
    floor: float
    num: int


def label_accuracy(
    scm: SCM, params: Params, judge: Judge, key: Key, *, num_per_state: int = 500
) -> LabelAccuracy:
    """Balanced accuracy of every label that the judge knows.

    Args:
      scm: model with a node "image".
      params: its parameters.
      judge: reads the images.
      key: random key.
      num_per_state: images of do(label=0) and as many of do(label=1), a label.
    """
    by_label, errors = {}, {}
    for name in judged_labels(scm, judge):
        reading = _intervention(scm, params, judge, key, name, num_per_state)
        says_one = reading.labels[..., judge.label_names.index(name)] > 0.5
        rates = np.array([1.0 - says_one[0].mean(), says_one[1].mean()])
        variance = rates * (1.0 - rates) / num_per_state
        by_label[name] = float(rates.mean())
        errors[name] = float(np.sqrt(variance.sum()) / 2)
    return LabelAccuracy(by_label, errors)


def _intervention(scm, params, judge, key, name, num_per_state):
    """The reading `[2, num_per_state, ...]` of do(name=0), then do(name=1)."""
    states = np.repeat(np.arange(2), num_per_state)
    key_label = jax.random.fold_in(key, judged_labels(scm, judge).index(name))
    reading = read(scm, params, judge, key_label, num=len(states), do={name: states})
    return jax.tree.map(lambda x: x.reshape(2, num_per_state, *x.shape[1:]), reading)


def combination_accuracy(
    scm: SCM,
    params: Params,
    judge: Judge,
    key: Key,
    *,
    combinations: Sequence[Mapping[str, int]],
    num: int = 500,
) -> CombinationAccuracy:
    """Accuracy of all labels of each combination on images under do(combination).

    Every combination fixes its labels, so a mean over its labels weighs them alike.

    Args:
      scm: model with a node "image".
      params: its parameters.
      judge: reads the images; must know the labels.
      key: random key.
      combinations: each {label: state index}.
      num: images a combination.
    """
    table, together, shares, variances = {}, {}, [], []
    for i, do in enumerate(combinations):
        indices = {name: np.array(state) for name, state in do.items()}
        key_one = jax.random.fold_in(key, i)
        reading = read(scm, params, judge, key_one, num=num, do=indices)
        says_one = reading.labels[:, [judge_column(judge, name) for name in do]] > 0.5
        right = says_one == np.array(list(do.values()), bool)
        by_label = dict(zip(do, map(float, right.mean(0)), strict=True))
        table[_combination_text(scm, do)] = by_label
        together[_combination_text(scm, do)] = float(right.all(1).mean())
        shares.append(right.mean())
        variances.append(right.mean(1).var() / num)  # labels of one image go together
    error = np.sqrt(np.sum(variances)) / len(combinations)
    return CombinationAccuracy(
        mean=float(np.mean(shares)),
        standard_error=float(error),
        table=table,
        together=together,
    )


def read_together(
    judge: Judge, images: Array, labels: np.ndarray, names: Sequence[str]
) -> float | None:
    """The judge's own share of real images of which it reads all these labels right.

    The mean over the combinations that occur, each weighing the same; those of fewer
    than `MIN_COMBINATION` images are left out, and it is None where none is left.

    Args:
      judge: must know the labels.
      images: `[N, H, W, 3]`, best held out.
      labels: `[N, L]` in {0, 1}, columns as the judge's `label_names`.
      names: labels that are read at once.
    """
    columns = [judge_column(judge, name) for name in names]
    true = np.asarray(labels)[:, columns] > 0.5
    right = ((judge.labels(images)[:, columns] > 0.5) == true).all(1)
    kinds, index, counts = np.unique(
        true, axis=0, return_inverse=True, return_counts=True
    )
    rates = [
        right[index.ravel() == i].mean()
        for i in range(len(kinds))
        if counts[i] >= MIN_COMBINATION
    ]
    return float(np.mean(rates)) if rates else None


MIN_COMBINATION = 30  # images, in `read_together`
MIN_FRECHET = 30  # images in each set, in `frechet`


def _combination_text(scm: SCM, do: Mapping) -> str:
    return ", ".join(f"{name}={scm.states(name)[int(v)]}" for name, v in do.items())


def diversity(
    scm: SCM,
    params: Params,
    judge: Judge,
    key: Key,
    *,
    truth: tuple[SCM, Params] | None,
    num_per_state: int = 500,
) -> Diversity | None:
    """Standard deviation of each nuisance under do(label=v), over the true one.

    Both are read by the judge, with the same keys. None if the judge reads no
    nuisances or there is no truth to compare with.

    Args:
      scm: model with a node "image".
      params: its parameters.
      judge: reads the nuisances.
      key: random key.
      truth: the model that draws true images, with the same labels.
      num_per_state: images a label and state, of the model and of the truth; the
        number of `label_accuracy` shares its compiled programs.
    """
    if truth is None or not judge.nuisance_names:
        return None
    table = {}
    for name in judged_labels(scm, judge):
        ours = _intervention(scm, params, judge, key, name, num_per_state)
        true = _intervention(*truth, judge, key, name, num_per_state)
        ratios = ours.nuisances.std(1) / np.maximum(true.nuisances.std(1), 1e-6)
        for state, row in zip(scm.states(name), ratios, strict=True):
            row = dict(zip(judge.nuisance_names, map(float, row), strict=True))
            table[f"{name}={state}"] = row
    by_nuisance = {
        name: float(np.mean([row[name] for row in table.values()]))
        for name in judge.nuisance_names
    }
    return Diversity(
        diversity=float(np.mean(list(by_nuisance.values()))),
        by_nuisance=by_nuisance,
        table=table,
    )


def frechet(
    scm: SCM,
    params: Params,
    judge: Judge,
    key: Key,
    *,
    real: Array,
    labels: Mapping[str, np.ndarray] | None = None,
    num: int = 2000,
) -> Frechet | None:
    """Generated against real images on the judge's features, with the floor.

    The real ones are halved at random, many times (`frechet.random_halves`).

    Args:
      scm: model with a node "image".
      params: its parameters.
      judge: gives the features.
      key: random key.
      real: `[N, H, W, 3]` real images, uint8 or float in [-1, 1], best held out; at
        most `2 * num` of them are taken, at random.
      labels: {label: int `[N]`}, states of the real images; of every label.
      num: images in each set; at most N / 2.

    Returns:
      None of fewer than `2 * MIN_FRECHET` real images: of few, chance moves the
      distance by as much as the floor.
    """
    num = min(num, len(real) // 2)
    if num < MIN_FRECHET:
        return None
    key_split, key_draw = jax.random.split(key)
    rows = np.asarray(jax.random.permutation(key_split, len(real)))[: 2 * num]
    features = np.asarray(judge.features(real[rows]))
    halves = random_halves(2 * num)

    def drawn(num: int, do: Mapping | None) -> np.ndarray:
        return read(scm, params, judge, key_draw, num=num, do=do).features

    def mean(others: Callable[[np.ndarray], np.ndarray]) -> float:
        """Distance of `others` of a half from the real images of the other."""
        pairs = [(others(theirs), features[half]) for half, theirs in halves]
        return float(np.mean([frechet_distance(*pair) for pair in pairs]))

    same, effects = None, None
    if labels:
        theirs = {name: states[rows] for name, states in labels.items()}
        images = drawn(2 * num, theirs)
        same = mean(lambda half: images[half])
        effects = label_effects(images, theirs, features, theirs)
    ours = drawn(num, None)
    return Frechet(
        frechet=mean(lambda _: ours),
        same_labels=same,
        effects=effects,
        floor=frechet_floor(features),
        num=num,
    )
