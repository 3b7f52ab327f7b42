"""Bootstrap intervals for means of strata of equal weight (Efron 1979).

The percentile interval of the mean over strata of the strata's means, each stratum
resampled on its own; a resample of B units varies less than B units do, and is widened
by sqrt(B / (B - 1)). Its coverage is tested on known laws. A bootstrap of a share that
is 1 in the sample has no width; with shares a resample therefore also picks from one
success and one failure more among all units (the rule of succession), each Poisson(1)
times: a share of 1 of N units has a lower end near the "rule of three", 1 - 3 / N.
"""

from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A mean and where it may lie.

    Attributes:
      value: the mean of the sample.
      low: lower end.
      high: upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def bootstrap(
    values: np.ndarray,
    *,
    share: bool = False,
    level: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Interval of a mean over units.

    Args:
      values: `[B]`, a number a unit, or `[S, B]`, B units in each of S strata.
      share: whether the numbers are shares in [0, 1], see above.
      level: of the interval.
      num_resamples: drawn with replacement.
      seed: fixes them.

    Raises:
      ValueError: fewer than two units a stratum.
    """
    strata = np.atleast_2d(np.asarray(values, np.float64))
    num_units = strata.shape[1]
    if not strata.size or num_units < 2:
        raise ValueError(
            f"a stratum has {num_units} units, of which no interval is known: give at "
            "least two"
        )
    value = strata.mean()
    random = np.random.default_rng(seed)
    shape, wider = (num_resamples, num_units), np.sqrt(num_units / (num_units - 1))
    means = np.zeros(num_resamples)
    for row in strata:
        picked = random.integers(0, num_units, shape, dtype=np.int32)
        center = row.mean()
        means += (center + wider * (row[picked].mean(1) - center)) / len(strata)
    if share:
        successes, failures = random.poisson(1, (2, num_resamples))
        num = strata.size
        means = (num * means + successes) / (num + successes + failures)
        means = np.clip(means, 0.0, 1.0)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(
        value=float(value), low=float(min(low, value)), high=float(max(high, value))
    )
