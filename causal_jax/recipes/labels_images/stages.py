"""The stages of this family: the labels' fit, and the images' after it."""

from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.networks.image import ImageGenerator
from causal_jax.recipes.labels_images.data import Training
from causal_jax.recipes.labels_images.model import image_mechanism, labels_of
from causal_jax.recipes.recipe import Stage
from causal_jax.recipes.settings import Settings, require_known, require_one_of
from causal_jax.runs.load import IMAGE, IMAGES, LABELS
from causal_jax.scm import SCM
from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.causal_began import causal_began
from causal_jax.training.causal_gan import causal_gan
from causal_jax.training.image_stage import flattened
from causal_jax.training.label_mle import label_mle
from causal_jax.training.label_wgan import even_roots, label_wgan
from causal_jax.training.unseen_combinations import unseen_pairs

# Steps and batch of each label trainer where the config leaves them 0.
LABEL_DEFAULTS = {"wgan": (6000, 512), "mle": (2000, 4096)}

LABEL_ALGORITHMS = {"wgan": label_wgan, "mle": label_mle}
IMAGE_ALGORITHMS = {"causal_gan": causal_gan, "causal_began": causal_began}
CONTROLLERS = ("neural", "reference")
# What algorithms are given beside the config's own settings of them.
_GIVEN = ("batch_size", "num_steps", "unseen")


def check(config: Settings) -> None:
    """Raises ValueError before data is read where a setting cannot be right."""
    has_images = config.stage == "images"
    _require_own_data(config)
    require_one_of("trainer", config.trainer, LABEL_ALGORITHMS)
    require_one_of("controller", config.controller, CONTROLLERS)
    if has_images:
        require_one_of("algorithm", config.algorithm, IMAGE_ALGORITHMS)
    smallest = 1 if has_images else 0
    if config.num_steps < smallest or config.batch_size < smallest:
        raise ValueError(f"num_steps and batch_size are at least {smallest}")
    if config.trainer == "mle" and config.controller == "reference":
        raise ValueError(
            "trainer=mle needs controller=neural: the reference's nodes "
            "have no likelihood"
        )
    parallel.require_divisible(config.batch_size, jax.device_count())
    label_fn = LABEL_ALGORITHMS[config.trainer]
    require_known(config.trainer, label_fn, config.trainer_settings, _GIVEN)
    if has_images:  # built for one label: its settings are checked
        image_algorithm(config, image_mechanism(config, (2,)))


def _require_own_data(config: Settings) -> None:
    """Raises ValueError where one's own table, graph or pictures are not named."""
    if config.dataset == "table":
        if not config.table:
            raise ValueError("no table: give a CSV file, --config.table=FILE.csv")
        if not config.graph:
            raise ValueError(
                "no graph: give a file with lines `parent -> child`, "
                "--config.graph=FILE, or such a line itself"
            )
        if config.stage == "images" and not config.images:
            raise ValueError(
                "no pictures: give the folder that the table's first column names "
                "files of, --config.images=FOLDER"
            )
    if config.table and not Path(config.table).is_file():
        raise ValueError(
            f"there is no table {config.table}: give a CSV file or list_attr_celeba"
        )
    if config.images and not Path(config.images).is_dir():
        raise ValueError(f"there is no folder of pictures {config.images}")


def stages(config: Settings, data: Training, model: SCM) -> Iterator[Stage]:
    """The labels' stage, and the images' if the config has one."""
    yield _label_stage(config, data.labels.rows, labels_of(model))
    if data.pictures is not None:
        yield _image_stage(config, data.pictures, model.mechanisms[IMAGE])


def _label_stage(config: Settings, rows: np.ndarray, scm: SCM) -> Stage:
    rows = rows.astype(np.uint8 if rows.max() < 256 else np.int32)
    batches = {"rows": jnp.asarray(rows)}
    if config.trainer == "wgan" and config.controller == "neural":
        roots = [i for i, name in enumerate(scm.nodes) if not scm.parents[name]]
        batches["even_rows"] = jnp.asarray(even_roots(rows, roots))
    algorithm, num_steps = label_algorithm(config, scm)
    return Stage(
        name=LABELS,
        algorithm_fn=lambda _: algorithm,
        data=batches,
        num_steps=num_steps,
        key_number=0,
        steps_per_dispatch=200,
    )


def _image_stage(config: Settings, pictures, generator: ImageGenerator) -> Stage:
    rows = pictures.table.values
    algorithm = image_algorithm(
        config, generator, unseen_pairs(rows, generator.parent_states)
    )
    batches = {"images": jnp.asarray(pictures.images), "labels": jnp.asarray(rows)}
    if config.flatten:
        batches["cumulated"] = jnp.asarray(flattened(rows, config.flatten))
    return Stage(
        name=IMAGES,
        algorithm_fn=lambda _: algorithm,
        data=batches,
        num_steps=config.num_steps,
        key_number=1,
        steps_per_dispatch=25,
    )


def label_algorithm(config: Settings, scm: SCM) -> tuple[Algorithm, int]:
    """The label stage's algorithm and its number of steps."""
    if config.stage == "images":
        asked = config.label_steps, config.label_batch_size
    else:
        asked = config.num_steps, config.batch_size
    defaults = LABEL_DEFAULTS[config.trainer]
    num_steps, batch_size = (
        own or default for own, default in zip(asked, defaults, strict=True)
    )
    algorithm = LABEL_ALGORITHMS[config.trainer](
        scm,
        num_steps=num_steps,
        batch_size=batch_size,
        **vars(config.trainer_settings),
    )
    return algorithm, num_steps


def image_algorithm(
    config: Settings, generator: ImageGenerator, unseen: np.ndarray | None = None
) -> Algorithm:
    """The image stage's algorithm; `unseen` as `unseen_pairs` finds them.

    Raises:
      ValueError: a setting that it does not have, or that it cannot take.
    """
    algorithm_fn = IMAGE_ALGORITHMS[config.algorithm]
    require_known(config.algorithm, algorithm_fn, config.gan, _GIVEN)
    return algorithm_fn(
        generator,
        batch_size=config.batch_size,
        num_steps=config.num_steps if config.decay else None,
        unseen=unseen,
        **vars(config.gan),
    )
