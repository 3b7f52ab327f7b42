"""The stages of this family: a generator's fit, or a counterfactual network's."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp

from causal_jax.data import tfds
from causal_jax.losses import cgn_imagenet as losses
from causal_jax.networks import vgg
from causal_jax.networks.biggan_layouts import DISCRIMINATORS, GENERATORS
from causal_jax.networks.biggan_parts import REDUCTION
from causal_jax.networks.cgn.composition import PARTS
from causal_jax.networks.resnet import ResNet
from causal_jax.recipes.imagenet import model as models
from causal_jax.recipes.imagenet import start as starts
from causal_jax.recipes.imagenet.data import Pictures
from causal_jax.recipes.imagenet.judge import fit_of_small_resnet
from causal_jax.recipes.recipe import Stage
from causal_jax.recipes.settings import Settings, require_known, require_one_of
from causal_jax.runs.load import MODEL
from causal_jax.scm import SCM
from causal_jax.training import parallel
from causal_jax.training.augmentation import KINDS
from causal_jax.training.biggan import biggan
from causal_jax.training.cgn_imagenet import Weights, cgn_imagenet

CLASSIFIER = "classifier"  # the stage before a generator's

# --- a generator ----------------------------------------------------------------------


def check_generator(config: Settings) -> None:
    """Raises ValueError before data is read where a setting cannot be right."""
    require_one_of("discriminator", config.discriminator, models.DISCRIMINATORS)
    models.players(config, num_classes=2)
    sizes = [size for size in GENERATORS if size in DISCRIMINATORS]
    if config.model.size not in sizes:
        raise ValueError(
            f"model.size is one of {', '.join(map(str, sizes))}, not "
            f"{config.model.size}"
        )
    for name, width in (
        ("model.width", config.model.width),
        ("discriminator_width", config.discriminator_width),
    ):
        if width < REDUCTION or width % REDUCTION:
            raise ValueError(f"{name} is a multiple of {REDUCTION}, not {width}")
    if config.num_steps < 1 or config.batch_size < 1:
        raise ValueError("num_steps and batch_size are at least 1")
    parallel.require_divisible(config.batch_size, jax.device_count())
    require_known("biggan", biggan, config.gan, ("batch_size", "num_steps", "features"))
    if config.discriminator == models.FEATURES and config.features_steps < 1:
        raise ValueError(
            "discriminator=features reads the maps of a classifier: features_steps, "
            f"steps of its training, is at least 1, not {config.features_steps}"
        )
    unknown = [kind for kind in config.gan.augmentation if kind not in KINDS]
    if unknown:
        raise ValueError(f"augmentation is of {', '.join(KINDS)}, not {unknown[0]!r}")
    _require_judge_steps(config)


def _require_judge_steps(config: Settings) -> None:
    """Raises ValueError where an evaluation would read by an untrained judge."""
    if config.dataset and config.judge_steps < 1:
        raise ValueError(f"judge_steps is at least 1, not {config.judge_steps}")
    if config.dataset:
        data_dir = config.data_dir or None
        for split in (config.train_split, config.validation_split):
            tfds.require_split(config.dataset, split, data_dir=data_dir)


def generator_stages(config: Settings, data: Pictures, model: SCM) -> Iterator[Stage]:
    """The generator's, which may need a classifier's."""
    drawn, discriminator = models.players(config, len(data.class_names))
    needs, num_dispatched = (), config.steps_per_dispatch
    if config.discriminator == models.FEATURES:
        needs = (_classifier_stage(config, data, discriminator.classifier),)
        num_dispatched = parallel.num_dispatched(num_dispatched)
    yield Stage(
        name=MODEL,
        algorithm_fn=lambda learned: biggan(
            drawn,
            discriminator,
            features=learned.get(CLASSIFIER),
            batch_size=config.batch_size,
            num_levels=config.model.num_levels,
            num_steps=config.num_steps if config.decay else None,
            **vars(config.gan),
        ),
        data=data.batches,
        num_steps=config.num_steps,
        key_number=0,
        steps_per_dispatch=num_dispatched,
        needs=needs,
    )


def _classifier_stage(config: Settings, data: Pictures, network: ResNet) -> Stage:
    """The classifier whose maps the discriminator reads."""
    return Stage(
        name=CLASSIFIER,
        algorithm_fn=lambda _: fit_of_small_resnet(
            network,
            num_steps=config.features_steps,
            batch_size=config.batch_size,
            size=config.model.size,
        ),
        data=data.batches,
        num_steps=config.features_steps,
        key_number=1,
        steps_per_dispatch=parallel.num_dispatched(config.steps_per_dispatch),
    )


# --- the counterfactual network -------------------------------------------------------

_DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
_GIVEN = ("batch_size", "num_accumulated", "dtype")


def check_network(config: Settings) -> None:
    """Raises ValueError before anything is read where a setting cannot be right."""
    starts.require_folders(config)
    if config.num_steps < 1 or config.batch_size < 1:
        raise ValueError("num_steps and batch_size are at least 1")
    per_part = config.num_accumulated * jax.device_count()
    if config.num_accumulated < 1 or config.batch_size % per_part:
        raise ValueError(
            f"batch_size={config.batch_size} is no multiple of num_accumulated="
            f"{config.num_accumulated} parts on {jax.device_count()} devices"
        )
    if not 0 < config.truncation <= 1:
        raise ValueError(
            f"truncation is above 0 and at most 1, not {config.truncation}"
        )
    require_one_of("dtype", config.dtype, _DTYPES)
    require_known("cgn", cgn_imagenet, config.cgn, _GIVEN)
    unknown = [name for name in vars(config.cgn.weights) if name not in Weights._fields]
    if unknown:
        raise ValueError(
            f"weights has no {unknown[0]!r}: there are {', '.join(Weights._fields)}"
        )
    for name in ("perceptual", "texture"):
        if len(weights := getattr(config.cgn.weights, name)) != len(vgg.BLOCKS):
            raise ValueError(
                f"weights.{name} are {len(vgg.BLOCKS)} numbers, one a feature map, not "
                f"{list(weights)}"
            )
    losses.require_collage(**vars(config.cgn.collage))
    if config.masker_size < 0:
        raise ValueError(
            f"masker_size is at least 0 (the pictures' own), not {config.masker_size}"
        )
    _require_judge_steps(config)
    if set(vars(config.cgn.learning_rates)) != set(PARTS):
        raise ValueError(f"learning_rates has {', '.join(PARTS)}, and no others")


def network_stages(config: Settings, data: starts.Start, model: SCM) -> Iterator[Stage]:
    """One stage; its data are the classes, each equally likely."""
    settings = dict(vars(config.cgn))
    settings["weights"] = Weights(**vars(settings["weights"]))
    settings["learning_rates"] = vars(settings["learning_rates"])
    settings["collage"] = vars(settings["collage"])
    algorithm = cgn_imagenet(
        model,
        lambda key: starts.params(model, data),
        vgg.VGG16Features().apply,
        batch_size=config.batch_size,
        num_accumulated=config.num_accumulated,
        dtype=_DTYPES[config.dtype],
        **settings,
    )
    yield Stage(
        name=MODEL,
        algorithm_fn=lambda _: algorithm,
        data={"labels": jnp.arange(data.picture.num_classes)},
        num_steps=config.num_steps,
        key_number=0,
        steps_per_dispatch=config.steps_per_dispatch,
        alone="runs of natural images fill a device",
    )
