"""What a judge reads in composites of real pictures, of what no picture shows.

Of combinations that hardly occur there are no real pictures to try a judge on. The next
best is a held-out picture with a region of another (`data.composites`): a woman's with
that part of a man's which shows his mustache. A judge that was trained on pictures as
they occur takes her for a man.
"""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from causal_jax.data.composites import Regions, blended, moved_label
from causal_jax.metrics.images import MIN_COMBINATION
from causal_jax.networks.judge import Judge
from causal_jax.queries.draws import judge_column
from causal_jax.types import Array

_SEED = 0  # which pictures meet


def read_in_composites(
    judge: Judge,
    images: Array,
    labels: np.ndarray,
    regions: Regions,
    combination: Mapping[str, int],
) -> float | None:
    """Share of composites in which the judge reads the whole combination.

    The core of the label that shows in the fewest pixels comes from a picture in its
    state; the rest is of one that has the other labels in theirs, and not this one.

    Args:
      judge: must know the labels.
      images: uint8 `[N, H, W, 3]`, best held out.
      labels: `[N, L]` in {0, 1}, columns as the judge's `label_names`.
      regions: where the judge's labels show, best found in other pictures.
      combination: {label: 0 or 1}, two or more.

    Returns:
      None where fewer than `MIN_COMBINATION` pictures could give, or receive, where
      that label is not local, or where its mask has half of another label's effect.
    """
    columns = {name: judge_column(judge, name) for name in combination}
    column = moved_label(regions, columns.values())
    if column is None:
        return None
    moved = judge.label_names[column]
    states = np.asarray(labels) > 0.5
    has = {n: states[:, c] == bool(combination[n]) for n, c in columns.items()}
    givers = np.flatnonzero(has.pop(moved))
    others = np.all(list(has.values()), axis=0) if has else np.ones(len(states), bool)
    receivers = np.setdiff1d(np.flatnonzero(others), givers)
    if min(len(givers), len(receivers)) < MIN_COMBINATION:
        return None
    donors = np.random.default_rng(_SEED).choice(givers, len(receivers))
    images = np.asarray(images)
    mask = np.asarray(regions.masks[column])
    made = blended(images[receivers], images[donors], mask)
    says_one = np.asarray(judge.labels(jnp.asarray(made))) > 0.5
    right = [says_one[:, c] == bool(combination[n]) for n, c in columns.items()]
    return float(np.all(right, axis=0).mean())
