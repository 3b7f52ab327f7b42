"""The labels' fit: which trainer, on what batches, and the choice between two."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.queries import laws
from causal_jax.recipes.labels_images.data import DATA_KEY
from causal_jax.recipes.recipe import Stage
from causal_jax.recipes.settings import Settings, require_known, require_one_of
from causal_jax.runs import folder
from causal_jax.runs.load import LABELS
from causal_jax.scm import SCM
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.label_local_wgan import even_families, label_local_wgan
from causal_jax.training.label_mle import label_mle
from causal_jax.training.label_wgan import label_wgan
from causal_jax.types import Batch, Params

# What `trainer` may be; `best` tries both and keeps the one that held-out rows prefer.
TRAINERS = ("wgan", "mle")
BEST = "best"
CONTROLLERS = ("neural", "reference")
COUPLINGS = ("inverse_cdf", "gumbel")

_ALGORITHMS = {
    ("wgan", "neural"): label_local_wgan,
    ("mle", "neural"): label_mle,
    ("wgan", "reference"): label_wgan,
}
# Steps and rows of a batch where the config leaves them 0.
_NUM_STEPS = {"neural": 2000, "reference": 6000}
_BATCH_SIZE = {"wgan": 512, "mle": 4096}
_HELD_OUT = 10  # one row in so many decides between two trainers


def check(config: Settings, given: tuple[str, ...]) -> None:
    """Raises ValueError where a setting of the label stage cannot be right.

    Args:
      config: the run's.
      given: arguments of algorithms that are not the config's to set.
    """
    require_one_of("trainer", config.trainer, (*TRAINERS, BEST))
    require_one_of("controller", config.controller, CONTROLLERS)
    if config.controller == "reference" and config.trainer != "wgan":
        raise ValueError(
            f"trainer={config.trainer} needs controller=neural: the reference's nodes "
            "have no likelihood (trainer=wgan trains them)"
        )
    coupling = getattr(config, "coupling", COUPLINGS[0])  # older runs do not say
    require_one_of("coupling", coupling, COUPLINGS)
    if config.controller == "reference" and coupling != COUPLINGS[0]:
        raise ValueError(
            f"coupling={coupling} needs controller=neural: the reference's nodes have "
            f"noise of their own, give --config.coupling={COUPLINGS[0]}"
        )
    if not all(type(width) is int and width > 0 for width in config.hidden):
        raise ValueError(
            f"hidden are widths of layers, at least 1, such as (32, 32), not "
            f"{config.hidden!r}"
        )
    if config.trainer == BEST:
        if vars(config.trainer_settings):
            raise ValueError(
                "trainer_settings are of one trainer: say which, --config.trainer=mle "
                "or --config.trainer=wgan"
            )
        return
    label_fn = _ALGORITHMS[config.trainer, config.controller]
    require_known(config.trainer, label_fn, config.trainer_settings, given)


def label_stage(config: Settings, rows: np.ndarray, scm: SCM) -> Stage:
    """The stage that fits the label model `scm` to rows, int [N, n]."""
    rows = rows.astype(np.uint8 if rows.max() < 256 else np.int32)
    if config.trainer != BEST:
        return _stage_of(config, config.trainer, rows, scm)
    learned_from, held_out = _split(rows)
    trials = tuple(
        _stage_of(config, trainer, learned_from, scm)._replace(
            name=_trial(trainer), key_number=100 + number
        )
        for number, trainer in enumerate(TRAINERS)
    )

    def preferred(learned: dict[str, Params]) -> Algorithm:
        scores = {
            trainer: laws.mean_log_likelihood(scm, learned[_trial(trainer)], held_out)
            for trainer in TRAINERS
        }
        return label_algorithm(config, scm, max(scores, key=scores.get))

    return Stage(
        name=LABELS,
        algorithm_fn=preferred,
        data=_batches(rows, scm, even=True),
        num_steps=_num_steps(config),
        steps_per_dispatch=200,
        needs=trials,
        alone="trainer=best tries two trainers in each run",
    )


def trial_scores(
    config: Settings, workdir: str | Path, rows: np.ndarray, scm: SCM
) -> dict[str, float]:
    """What decided between the trainers: nats of a held-out row, {trainer: mean}.

    Args:
      config: the run's.
      workdir: its folder.
      rows: int [N, n]: what the run's labels were trained on.
      scm: its label model.

    Returns:
      Empty where the config names its trainer, or a trial's checkpoints are gone.
    """
    if config.trainer != BEST:
        return {}
    _, held_out = _split(rows)
    like = jax.eval_shape(scm.init, jax.random.key(0))
    scores = {}
    for trainer in TRAINERS:
        kept = folder.checkpoints(workdir, _trial(trainer))
        if (step := kept.latest()) is None:
            return {}
        params = kept.restore_params(step, like)
        scores[trainer] = laws.mean_log_likelihood(scm, params, held_out)
    return scores


def _trial(trainer: str) -> str:
    return f"{LABELS}_{trainer}"


def _split(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from, and one in ten to judge by."""
    if len(rows) == 1:
        return rows, rows
    order = np.random.default_rng(DATA_KEY + 1).permutation(len(rows))
    is_held_out = np.zeros(len(rows), bool)
    is_held_out[order[::_HELD_OUT]] = True
    return rows[~is_held_out], rows[is_held_out]


def _stage_of(config: Settings, trainer: str, rows: np.ndarray, scm: SCM) -> Stage:
    algorithm = label_algorithm(config, scm, trainer)
    is_even = trainer == "wgan" and config.controller == "neural"
    return Stage(
        name=LABELS,
        algorithm_fn=lambda _: algorithm,
        data=_batches(rows, scm, even=is_even),
        num_steps=_num_steps(config),
        steps_per_dispatch=200,
    )


def _batches(rows: np.ndarray, scm: SCM, *, even: bool) -> Batch:
    batches = {"rows": jnp.asarray(rows)}
    if even:
        batches["even_families"] = jnp.asarray(even_families(rows, scm))
    return batches


def label_algorithm(config: Settings, scm: SCM, trainer: str = "") -> Algorithm:
    """The label stage's algorithm, by the config's trainer or the one that is named."""
    trainer = trainer or config.trainer
    has_images = config.stage == "images"
    asked = config.label_batch_size if has_images else config.batch_size
    return _ALGORITHMS[trainer, config.controller](
        scm,
        num_steps=_num_steps(config),
        batch_size=asked or _BATCH_SIZE[trainer],
        **vars(config.trainer_settings),
    )


def _num_steps(config: Settings) -> int:
    asked = config.label_steps if config.stage == "images" else config.num_steps
    return asked or _NUM_STEPS[config.controller]
