"""What a judge reads in composites of real pictures, of what no picture shows.

Of combinations that hardly occur there are no real pictures to try a judge on. The next
best is a held-out picture with a region of another (`data.composites`): a woman's with
that part of a man's which shows his mustache. A judge that was trained on pictures as
they occur takes her for a man.
"""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from causal_jax.data.composites import Regions
from causal_jax.metrics.images import MIN_COMBINATION
from causal_jax.networks.judge import Judge
from causal_jax.queries.draws import judge_column
from causal_jax.types import Array

EFFECT = 0.8  # share of a label's effect that the region has
_SEED = 0  # which pictures meet


def read_in_composites(
    judge: Judge,
    images: Array,
    labels: np.ndarray,
    regions: Regions,
    combination: Mapping[str, int],
) -> float | None:
    """Share of composites in which the judge reads the whole combination.

    The label that shows in the fewest pixels comes from a picture in its state; the
    rest of the picture is of one that has the other labels in theirs, and not this one.

    Args:
      judge: must know the labels.
      images: uint8 `[N, H, W, 3]`, best held out.
      labels: `[N, L]` in {0, 1}, columns as the judge's `label_names`.
      regions: where the judge's labels show, best found in other pictures.
      combination: {label: 0 or 1}, two or more.

    Returns:
      None where fewer than `MIN_COMBINATION` pictures could give, or receive, or where
      the region has half of another label's effect: then it is no composite of both.
    """
    columns = {name: judge_column(judge, name) for name in combination}
    shown = np.asarray(regions.ranks) <= EFFECT
    moved = min(columns, key=lambda name: shown[columns[name]].sum())
    brought = (np.asarray(regions.effects) * shown[columns[moved]]).sum((1, 2))
    if any(brought[c] >= 0.5 for name, c in columns.items() if name != moved):
        return None
    states = np.asarray(labels) > 0.5
    has = {n: states[:, c] == bool(combination[n]) for n, c in columns.items()}
    givers = np.flatnonzero(has.pop(moved))
    others = np.all(list(has.values()), axis=0) if has else np.ones(len(states), bool)
    receivers = np.setdiff1d(np.flatnonzero(others), givers)
    if min(len(givers), len(receivers)) < MIN_COMBINATION:
        return None
    donors = np.random.default_rng(_SEED).choice(givers, len(receivers))
    region = shown[columns[moved]][..., None]
    made = np.where(region, np.asarray(images)[donors], np.asarray(images)[receivers])
    says_one = np.asarray(judge.labels(jnp.asarray(made))) > 0.5
    right = [says_one[:, c] == bool(combination[n]) for n, c in columns.items()]
    return float(np.all(right, axis=0).mean())
