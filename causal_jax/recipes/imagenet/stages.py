"""The stages of this family: a generator's fit."""

from collections.abc import Iterator

import jax

from causal_jax.networks.biggan_layouts import DISCRIMINATORS, GENERATORS
from causal_jax.recipes.imagenet import model as models
from causal_jax.recipes.imagenet.data import Pictures
from causal_jax.recipes.recipe import Stage
from causal_jax.recipes.settings import Settings, require_known
from causal_jax.runs.load import MODEL
from causal_jax.scm import SCM
from causal_jax.training import parallel
from causal_jax.training.augmentation import KINDS
from causal_jax.training.biggan import biggan


def check_generator(config: Settings) -> None:
    """Raises ValueError before data is read where a setting cannot be right."""
    models.players(config, num_classes=2)
    sizes = [size for size in GENERATORS if size in DISCRIMINATORS]
    if config.model.size not in sizes:
        raise ValueError(
            f"model.size is one of {', '.join(map(str, sizes))}, not "
            f"{config.model.size}"
        )
    if config.num_steps < 1 or config.batch_size < 1:
        raise ValueError("num_steps and batch_size are at least 1")
    parallel.require_divisible(config.batch_size, jax.device_count())
    require_known("biggan", biggan, config.gan, ("batch_size", "num_steps"))
    unknown = [kind for kind in config.gan.augmentation if kind not in KINDS]
    if unknown:
        raise ValueError(f"augmentation is of {', '.join(KINDS)}, not {unknown[0]!r}")


def generator_stages(config: Settings, data: Pictures, model: SCM) -> Iterator[Stage]:
    """One stage."""
    drawn, judge = models.players(config, len(data.class_names))
    yield Stage(
        name=MODEL,
        algorithm_fn=lambda _: biggan(
            drawn,
            judge,
            batch_size=config.batch_size,
            num_levels=config.model.num_levels,
            num_steps=config.num_steps if config.decay else None,
            **vars(config.gan),
        ),
        data=data.batches,
        num_steps=config.num_steps,
        key_number=0,
        steps_per_dispatch=config.steps_per_dispatch,
    )
