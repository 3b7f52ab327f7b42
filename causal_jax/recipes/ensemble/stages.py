"""The stage of this family: one fit of the ensemble, or of a plain classifier."""

from collections.abc import Iterator

import jax

from causal_jax.data import crops
from causal_jax.recipes.ensemble import data, model
from causal_jax.recipes.ensemble.data import Sets
from causal_jax.recipes.recipe import Stage
from causal_jax.recipes.settings import Settings, require_known, require_one_of
from causal_jax.training import feeding, parallel
from causal_jax.training.ensemble import ensemble

_STEPS_PER_DISPATCH = 20
_GIVEN = ("num_steps", "init_fn", "batch_size", "warm_up", "decay_every")
_GIVEN += ("fixed_statistics",)


def check(config: Settings) -> None:
    """Raises ValueError before pictures are read where a setting cannot be right."""
    crops.require_known(config.crop)
    require_one_of("evaluation_crop", config.evaluation_crop, crops.FIXED)
    model.network(config, 2)
    require_known("ensemble", ensemble, config.training, _GIVEN)
    for key in ("batch_size", "size"):
        if getattr(config, key) < 1:
            raise ValueError(f"{key} is at least 1, not {getattr(config, key)}")
    if config.num_steps < 1 and not config.num_epochs > 0:
        raise ValueError("give num_epochs above 0, or num_steps of at least 1")
    if not 0 <= config.warm_up <= 1:
        raise ValueError(f"warm_up is a share of the run, not {config.warm_up}")
    if not 0 <= config.held_out < 100:
        raise ValueError(f"held_out is 0 to 99 per cent, not {config.held_out}")
    if config.plain and config.counterfactuals:
        raise ValueError(
            "the variant plain learns from real pictures alone: leave it or "
            f"--config.counterfactuals={config.counterfactuals} out"
        )
    if not config.plain and not config.counterfactuals:
        raise ValueError(
            "an ensemble needs counterfactual pictures: --config.counterfactuals=NAME, "
            "a set with three labels in --config.data_dir; without them there is the "
            "variant plain"
        )
    for size in (config.batch_size, *_algorithm(config, 2, 1, 1).sets.values()):
        parallel.require_divisible(size, jax.device_count())
    model.require_weights(config)
    data.require_fitting(config)


def stages(config: Settings, read: Sets, _: None) -> Iterator[Stage]:
    """One stage: all heads at once."""
    num_steps = config.num_steps
    if not num_steps:
        num_steps = max(int(config.num_epochs * read.num_rows) // config.batch_size, 1)
    num_classes = len(read.classes.names)
    one = model.network(config, num_classes)
    algorithm = _algorithm(
        config,
        num_classes,
        num_steps,
        read.num_rows,
        init_fn=model.init_fn(config, one),
    )
    is_stream = feeding.is_stream(read.rows)
    yield Stage(
        name=model.STAGE,
        algorithm_fn=lambda _: algorithm,
        data=read.rows,
        num_steps=num_steps,
        steps_per_dispatch=parallel.num_dispatched(_STEPS_PER_DISPATCH),
        alone="a stream feeds one run" if is_stream else "",
    )


def _algorithm(config: Settings, num_classes, num_steps, num_rows, **given):
    return ensemble(
        model.network(config, num_classes),
        num_steps=num_steps,
        batch_size=config.batch_size,
        warm_up=round(config.warm_up * num_steps),
        decay_every=round(config.decay_epochs * num_rows / config.batch_size),
        fixed_statistics=bool(config.weights),
        **given,
        **vars(config.training),
    )
