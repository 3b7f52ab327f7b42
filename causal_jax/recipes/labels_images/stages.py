"""The stages of this family: the labels' fit, and the images' after it."""

import math
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import graph as graphs
from causal_jax.networks.image import ImageGenerator
from causal_jax.recipes.labels_images import label_stage
from causal_jax.recipes.labels_images.data import Training, are_faces
from causal_jax.recipes.labels_images.faces_judge import FACES_JUDGE_SIZE
from causal_jax.recipes.labels_images.model import image_mechanism, labels_of
from causal_jax.recipes.labels_images.own_states import own_states
from causal_jax.recipes.recipe import Stage
from causal_jax.recipes.settings import Settings, require_known, require_one_of
from causal_jax.runs.load import IMAGE, IMAGES
from causal_jax.scm import SCM
from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.causal_began import causal_began
from causal_jax.training.causal_gan import causal_gan
from causal_jax.training.image_stage import flattened
from causal_jax.training.unseen_combinations import unseen_pairs

IMAGE_ALGORITHMS = {"causal_gan": causal_gan, "causal_began": causal_began}
# What algorithms are given beside the config's own settings of them.
_GIVEN = ("batch_size", "num_steps", "unseen", "label_factors")


def check(config: Settings) -> None:
    """Raises ValueError before data is read where a setting cannot be right."""
    has_images = config.stage == "images"
    if not 0 <= config.holdout < 1:
        raise ValueError(
            f"holdout is a share, at least 0 and below 1: {config.holdout}"
        )
    _require_own_data(config)
    own_states(config)
    label_stage.check(config, _GIVEN)
    if has_images:
        require_one_of("algorithm", config.algorithm, IMAGE_ALGORITHMS)
    smallest = 1 if has_images else 0
    if config.num_steps < smallest or config.batch_size < smallest:
        raise ValueError(f"num_steps and batch_size are at least {smallest}")
    if not has_images:
        return
    for key in ("keep_every", "label_steps", "label_batch_size", "num_images"):
        if getattr(config, key, 0) < 0:
            raise ValueError(f"{key} is at least 0, not {getattr(config, key)}")
    if not isinstance(getattr(config, "composites", ()), tuple):
        raise ValueError(
            'composites are a list of labels, such as ("Male",), or (), and not '
            f"{config.composites!r}"
        )
    if not 0 <= config.flatten <= 1:
        raise ValueError(f"flatten is between 0 and 1, not {config.flatten}")
    if are_faces(config) and config.num_images < 1:
        raise ValueError(
            f"num_images={config.num_images}: of faces, which are drawn, give at least "
            "1; 0 is all pictures of a tfds set"
        )
    if config.images and config.num_images:
        raise ValueError(
            f"num_images={config.num_images} is for pictures that are drawn or of a "
            "tfds set; of one's own all that the table names are read: give 0"
        )
    label_factors(config)
    parallel.require_divisible(config.batch_size, jax.device_count())
    algorithm = image_algorithm(config, image_mechanism(config, (2,)))
    jax.eval_shape(algorithm.init, jax.random.key(0))  # sizes that fit no network
    if are_faces(config) and config.image_size % FACES_JUDGE_SIZE:
        raise ValueError(
            f"image_size={config.image_size}: drawn faces are measured by a judge of "
            f"{FACES_JUDGE_SIZE} pixels; give a multiple of {FACES_JUDGE_SIZE}"
        )


def label_factors(config: Settings) -> list[float] | None:
    """What each label's cross-entropy counts more, in the graph's order; None: all 1.

    Raises:
      ValueError: no "LABEL=NUMBER", or a label that is not in the graph.
    """
    texts = getattr(config, "label_factors", ())
    if not isinstance(texts, tuple):
        raise ValueError(
            'label_factors are a list such as ("Wearing_Lipstick=4",), or (), and not '
            f"{texts!r}"
        )
    if not texts:
        return None
    factors, named = dict.fromkeys(graphs.read(config.graph), 1.0), set()
    for text in texts:
        name, _, number = str(text).partition("=")
        if name in named:
            raise ValueError(f"label_factors name {name!r} twice: give one factor")
        named.add(name)
        if name not in factors:
            raise ValueError(
                f"label_factors name {name!r}, which is no label here: give some of "
                f"{', '.join(factors)}, or --config.label_factors='()'"
            )
        try:
            factors[name] = float(number)
        except ValueError:
            factors[name] = math.nan
        if not 0 <= factors[name] < math.inf:
            raise ValueError(
                f"label_factors has {text!r}: give a number of at least 0, such as "
                f"{name}=4"
            )
    return list(factors.values())


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
                "no pictures: give the folder whose files a column of the table "
                "names, --config.images=FOLDER"
            )
    if config.table and not Path(config.table).is_file():
        raise ValueError(
            f"there is no table {config.table}: give a CSV file or list_attr_celeba"
        )
    if config.images and not Path(config.images).is_dir():
        raise ValueError(f"there is no folder of pictures {config.images}")


def stages(config: Settings, data: Training, model: SCM) -> Iterator[Stage]:
    """The labels' stage, and the images' if the config has one."""
    yield label_stage.label_stage(config, data.labels.rows, labels_of(model))
    if data.pictures is not None:
        yield _image_stage(config, data.pictures, model.mechanisms[IMAGE])


def _image_stage(config: Settings, pictures, generator: ImageGenerator) -> Stage:
    rows = pictures.table.values
    algorithm = image_algorithm(
        config,
        generator,
        unseen_pairs(rows, generator.parent_states),
        label_factors(config),
    )
    batches = {"images": jnp.asarray(pictures.images), "labels": jnp.asarray(rows)}
    if config.flatten:
        batches["cumulated"] = jnp.asarray(flattened(rows, config.flatten))
    keep_every = getattr(config, "keep_every", 0)
    return Stage(
        name=IMAGES,
        algorithm_fn=lambda _: algorithm,
        data=batches,
        num_steps=config.num_steps,
        key_number=1,
        steps_per_dispatch=25,
        keep_every=keep_every,
        alone="keep_every keeps checkpoints of one run" if keep_every else "",
    )


def image_algorithm(
    config: Settings,
    generator: ImageGenerator,
    unseen: np.ndarray | None = None,
    factors: list[float] | None = None,
) -> Algorithm:
    """The image stage's algorithm; `unseen` as `unseen_pairs` finds them, `factors` as
    `label_factors` gives them.

    Raises:
      ValueError: a setting that it does not have, or that it cannot take.
    """
    algorithm_fn = IMAGE_ALGORITHMS[config.algorithm]
    require_known(config.algorithm, algorithm_fn, config.gan, _GIVEN)
    factored = {"label_factors": factors} if factors else {}
    return algorithm_fn(
        generator,
        batch_size=config.batch_size,
        num_steps=config.num_steps if config.decay else None,
        unseen=unseen,
        **factored,
        **vars(config.gan),
    )
