"""Do against see, in the images: the effect that a judge reads off them.

A cause and its effect are two labels of the model. A causal generator shows P(effect)
in images under do(cause = 1), a conditional one shows P(effect | cause = 1) in both.
The example of Kocaoglu et al. 2017, section 1: who has a mustache is a man; who is made
to have one is as likely a woman as before.
"""

from typing import NamedTuple

import jax
import numpy as np

from causal_jax.networks.judge import Judge
from causal_jax.queries import laws
from causal_jax.queries.draws import (
    draw_labels,
    draw_with,
    judge_column,
    label_model,
    read_all,
)
from causal_jax.scm import SCM
from causal_jax.types import Key, Params

_ONE = np.array(1)  # an index, as arrays are


class Rate(NamedTuple):
    """A share of `num` images.

    Attributes:
      value: the share.
      standard_error: sqrt(value (1 - value) / num).
      num: number of images.
    """

    value: float
    standard_error: float
    num: int


class DoVersusSee(NamedTuple):
    """The effect after do(cause) and given the cause, as the judge reads it.

    Attributes:
      do: P(effect = 1 in the image | do(cause = 1)).
      given: P(effect = 1 in the image | cause = 1), of as many images as met it; None
        if none did.
      true_do: the truth's P(effect = 1 | do(cause = 1)); None if it was not given.
      true_given: the truth's P(effect = 1 | cause = 1).
    """

    do: Rate
    given: Rate | None
    true_do: float | None
    true_given: float | None


def do_versus_see(
    scm: SCM,
    params: Params,
    judge: Judge,
    key: Key,
    *,
    cause: str,
    effect: str,
    num: int = 1000,
    truth: tuple[SCM, Params] | None = None,
    max_draws: int = 500_000,
) -> DoVersusSee:
    """P(effect = 1), read off the images, under do(cause = 1) and given cause = 1.

    Args:
      scm: model with a node "image".
      params: its parameters.
      judge: must know `effect`.
      key: random key.
      cause: a label.
      effect: a binary label.
      num: images of each kind.
      truth: the true model; its laws are exact where they can be enumerated.
      max_draws: labels drawn at most to meet the condition.
    """
    key_do, key_given, key_truth = jax.random.split(key, 3)

    says_one = _saying_one(scm, params, judge, effect)
    labels_do = draw_labels(scm, params, key_do, num=num, do={cause: _ONE})
    model, model_params = label_model(scm, params)
    conditioned = model.sample_given(
        model_params, key_given, num=num, given={cause: _ONE}, max_draws=max_draws
    )
    filled = int(conditioned.filled)
    labels_given = {name: v[:filled] for name, v in conditioned.values.items()}
    true_do, true_given = (
        _true_effects(*truth, key_truth, cause, effect) if truth else (None, None)
    )
    key_do, key_given = (jax.random.fold_in(key, 1) for key in (key_do, key_given))
    return DoVersusSee(
        do=says_one(key_do, labels_do),
        given=says_one(key_given, labels_given) if filled else None,
        true_do=true_do,
        true_given=true_given,
    )


def _saying_one(scm, params, judge, effect):
    """A function of key and labels: the Rate of images in which the effect is read."""
    column = judge_column(judge, effect)

    def rate(key, labels) -> Rate:
        reading = read_all(judge, draw_with(scm, params, key, labels))
        num = len(reading.labels)
        share = float((reading.labels[:, column] > 0.5).mean())
        error = float(np.sqrt(share * (1.0 - share) / num))
        return Rate(value=share, standard_error=error, num=num)

    return rate


def _true_effects(scm, params, key, cause, effect, num=200_000):
    """P(effect = 1 | do(cause = 1)) and P(effect = 1 | cause = 1)."""
    model, model_params = label_model(scm, params)
    if not laws.is_enumerable(model):
        done = draw_labels(scm, params, key, num=num, do={cause: _ONE})
        seen = draw_labels(scm, params, key, num=num)
        met = np.asarray(seen[cause]) == 1
        return (
            float(np.mean(np.asarray(done[effect]) == 1)),
            float(np.mean(np.asarray(seen[effect])[met] == 1)),
        )
    rows = laws.all_rows(laws.cardinalities(model))
    has_cause, has_effect = (
        rows[:, model.nodes.index(name)] == 1 for name in (cause, effect)
    )
    done = laws.exact_law(model, model_params, {cause: 1})
    seen = laws.exact_law(model, model_params) * has_cause
    return float(done[has_effect].sum()), float(seen[has_effect].sum() / seen.sum())
