"""The stages of this family: a network's fit, or a classifier's."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.data import counterfactuals
from causal_jax.data.counterfactuals import LABELS
from causal_jax.data.mnist import Pictures
from causal_jax.importers import vgg as vgg_weights
from causal_jax.losses import cgn as losses
from causal_jax.networks import vgg
from causal_jax.networks.cgn.discriminators import (
    ConvDiscriminator,
    LinearDiscriminator,
    ProjectionDiscriminator,
)
from causal_jax.networks.cgn.sampler import sample_counterfactuals
from causal_jax.networks.digit_classifier import (
    NUM_MAPS,
    DigitClassifier,
    feature_maps,
)
from causal_jax.recipes.digits.data import (
    TRAINED_ON,
    environments,
    require_num_digits,
)
from causal_jax.recipes.digits.generator import (
    counterfactuals_root,
    draw_blocks,
    draw_generated,
    generator_of,
    require_multiple,
    require_set_of_same_digits,
)
from causal_jax.recipes.digits.model import untrained
from causal_jax.recipes.recipe import Stage
from causal_jax.recipes.settings import Settings, require_known, require_one_of
from causal_jax.runs.load import MODEL
from causal_jax.scm import SCM
from causal_jax.training import cgn, parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.classifier import classifier
from causal_jax.types import Array, Batch, Key, Params

# --- counterfactual generative networks -----------------------------------------------

_DISCRIMINATORS = {
    "projection": ProjectionDiscriminator,
    "linear": LinearDiscriminator,
    "conv": ConvDiscriminator,
}
_STYLES = ("none", "own", "vgg")
_STYLE_BATCH = 64
_STYLE, _STYLE_STEPS = "style_features", 800  # of the classifier whose maps it compares
_OWN_STYLE = "style=own trains features of each run"


def check_network(config: Settings) -> None:
    """Raises ValueError before data is read where a setting cannot be right."""
    require_num_digits(config)
    require_one_of("style", config.style, _STYLES)
    require_one_of("discriminator", config.discriminator, _DISCRIMINATORS)
    if config.vgg and config.style != "vgg":
        raise ValueError(
            f"style={config.style} does not read the file vgg: add --config.style=vgg "
            f"--config.cgn.style_weights=({NUM_MAPS} numbers), or the variant reference"
        )
    if config.style == "vgg" and not config.vgg:
        raise ValueError(
            "style=vgg needs VGG16's weights, --config.vgg=FILE (.npz, or "
            "torchvision's .pth); style=own trains features of the project's own, "
            "style=none has none"
        )
    if config.vgg and not Path(config.vgg).is_file():
        raise ValueError(
            f"there is no file {config.vgg}: --config.vgg is VGG16's weights"
        )
    if config.num_steps < 1 or config.batch_size < 1:
        raise ValueError("num_steps and batch_size are at least 1")
    parallel.require_divisible(config.batch_size, jax.device_count())
    given = ("features_fn", "batch_size", "num_steps")
    require_known("cgn", cgn.cgn, config.cgn, given)
    if config.style == "none" and any(config.cgn.style_weights):
        raise ValueError(
            "style=none compares no feature maps: leave --config.cgn.style_weights "
            "out, or add --config.style=own"
        )
    _network_algorithm(config, untrained(config), lambda images: ())  # its own checks
    if config.style != "none" and len(config.cgn.style_weights) != NUM_MAPS:
        raise ValueError(
            f"style_weights are {NUM_MAPS} numbers, one a feature map, not "
            f"{list(config.cgn.style_weights)}"
        )


def network_stages(config: Settings, data: Pictures, model: SCM) -> Iterator[Stage]:
    """One stage: all nodes at once, with the features of its style before it."""
    batches = {"images": data.images, "labels": data.labels}
    style = _style_stage(config, batches)

    def algorithm_fn(learned: dict[str, Params]) -> Algorithm:
        features_fn = _features(config, batches, learned)
        return _network_algorithm(config, model, features_fn)

    yield Stage(
        name=MODEL,
        algorithm_fn=algorithm_fn,
        data=batches,
        num_steps=config.num_steps,
        key_number=0,
        needs=style,
        alone=_OWN_STYLE if config.style == "own" else "",
    )


def _network_algorithm(
    config: Settings, model: SCM, features_fn: Callable | None
) -> Algorithm:
    return cgn.cgn(
        model,
        _DISCRIMINATORS[config.discriminator](),
        features_fn=features_fn,
        batch_size=config.batch_size,
        num_steps=config.num_steps if config.decay else None,
        **vars(config.cgn),
    )


def _compares_style(config: Settings, style: str) -> bool:
    return config.style == style and any(config.cgn.style_weights)


def _style_stage(config: Settings, batches: Batch) -> tuple[Stage, ...]:
    """The fit of the classifier whose features the style compares; none without."""
    if not _compares_style(config, "own"):
        return ()
    stage = Stage(
        name=_STYLE,
        algorithm_fn=lambda _: classifier(
            DigitClassifier(),
            steps_per_epoch=_STYLE_STEPS,
            batch_size=parallel.divisible(_STYLE_BATCH),
        ),
        data=batches,
        num_steps=min(_STYLE_STEPS, config.num_steps),
        key_number=3,
        steps_per_dispatch=100,
    )
    return (stage,)


def _features(config: Settings, batches: Batch, learned: dict[str, Params]):
    """Pictures to the maps whose style is compared; None without a style loss."""
    if _compares_style(config, "vgg"):
        return _vgg_maps_fn(config)
    if _compares_style(config, "own"):
        return _own_maps_fn(learned[_STYLE], batches["images"])
    return None


def _vgg_maps_fn(config: Settings) -> Callable[[Array], tuple]:
    num_maps = len(config.cgn.style_weights)
    needed = max(i for i, w in enumerate(config.cgn.style_weights) if w) + 1
    network = vgg.VGG16Features(num_blocks=needed)
    variables = vgg_weights.load(config.vgg)

    def vgg_maps(images: Array) -> tuple:
        maps = network.apply(variables, images)
        return maps + (None,) * (num_maps - len(maps))

    return vgg_maps


def _own_maps_fn(variables: Params, images: Array) -> Callable[[Array], tuple]:
    maps_fn = functools.partial(feature_maps, DigitClassifier(), variables)
    # In units of the pictures' own: a weight means the same for every map.
    own = maps_fn(images[:256])
    scales = [jnp.mean(jnp.abs(losses.gram(one))) ** -0.5 for one in own]
    return lambda images: tuple(
        one * scale for one, scale in zip(maps_fn(images), scales, strict=True)
    )


# --- classifiers ----------------------------------------------------------------------

STAGE = "classifier"
TARGETS = dict(zip(("shape", "texture", "background"), LABELS, strict=True))


def check_classifier(config: Settings) -> None:
    """Raises ValueError before data is read where a setting cannot be right."""
    require_one_of("train_on", config.train_on, TRAINED_ON)
    require_one_of("target", config.target, TARGETS)
    for key in ("num_epochs", "batch_size", "num_counterfactuals", "per_mask"):
        if getattr(config, key) < 1:
            raise ValueError(f"{key} is at least 1, not {getattr(config, key)}")
    parallel.require_divisible(config.batch_size, jax.device_count())
    require_num_digits(config)
    if not 0 <= config.correlation <= 1:
        raise ValueError(f"correlation is a share, not {config.correlation}")
    is_drawn = config.train_on in ("cgn", "gan")
    if is_drawn and config.num_counterfactuals < config.batch_size:
        raise ValueError(
            f"num_counterfactuals={config.num_counterfactuals} is less than a batch: "
            f"ask for {config.batch_size} or more"
        )
    require_multiple(config.num_counterfactuals, config.per_mask)
    if config.on_the_fly and config.per_mask != 1:
        raise ValueError("on_the_fly draws a mask for every picture: per_mask=1")
    if config.target != "shape" and config.train_on != "cgn":
        raise ValueError(
            f"target={config.target} goes with train_on=cgn: other pictures are "
            "labelled by their shape"
        )
    if config.target == "background" and config.variant == "colored":
        raise ValueError(
            "target=background has no truth in coloured digits, which lie on black: "
            "take shape or texture, or variant double_colored or wildlife"
        )
    if config.on_the_fly and (config.train_on != "cgn" or config.counterfactuals):
        raise ValueError(
            "on_the_fly draws counterfactuals in every step: it goes with train_on=cgn "
            "and a generator"
        )
    if config.counterfactuals and "cgn" not in config.train_on:
        raise ValueError(
            f"counterfactuals={config.counterfactuals} is a set of counterfactuals: it "
            f"goes with train_on=cgn or original_cgn, not {config.train_on}"
        )
    generator_of(config)
    if config.counterfactuals:
        require_set_of_same_digits(config)


def classifier_stages(config: Settings, data: Pictures, model: None) -> Iterator[Stage]:
    """One stage: a classifier of originals, or of a generator's pictures."""
    del model
    generator = generator_of(config)
    key = jax.random.fold_in(jax.random.key(config.seed), 2)
    batches = training_data(config, data, generator, key)
    algorithm, num_steps = classifier_algorithm(
        config, len(batches["labels"]), generator
    )
    yield Stage(
        name=STAGE,
        algorithm_fn=lambda _: algorithm,
        data=batches,
        num_steps=num_steps,
        key_number=0,
        alone="on_the_fly draws with each run's generator" if config.on_the_fly else "",
    )


def classifier_algorithm(
    config: Settings, num_rows: int, generator: tuple[SCM, Params] | None = None
) -> tuple[Algorithm, int]:
    """The classifier's algorithm over so many rows, and its number of steps."""
    steps_per_epoch = max(num_rows // config.batch_size, 1)
    settings = {}
    if config.train_on == "irm":
        settings = {
            "num_environments": 2,
            "penalty_weight": config.penalty_weight,
            "penalty_from": config.penalty_from,
        }
    if config.on_the_fly:
        scm, params = generator

        def draw_fn(rows, key, num):
            del rows
            drawn = sample_counterfactuals(scm, params, key, num=num)
            return drawn.images, drawn._asdict()[f"{config.target}_labels"]

        settings["draw_fn"] = draw_fn
    algorithm = classifier(
        DigitClassifier(),
        steps_per_epoch=steps_per_epoch,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        decay=config.decay,
        **settings,
    )
    return algorithm, config.num_epochs * num_rows // config.batch_size


def training_data(
    config: Settings, originals: Pictures, generator, key: Key
) -> dict[str, Array]:
    """What is trained on: {"images", "labels"} and, for IRM, "environments"."""
    if config.train_on == "irm":
        return environments(config, originals)
    if config.on_the_fly:
        return {"labels": jnp.zeros(config.num_counterfactuals, jnp.int32)}
    parts = []
    if "original" in config.train_on:
        parts.append((originals.images, originals.labels))
    if "gan" in config.train_on:
        parts.append(draw_generated(*generator, key, config.num_counterfactuals))
    if "cgn" in config.train_on:
        parts.append(_counterfactuals(config, generator, key))
    images, labels = zip(*parts, strict=True)
    return {"images": jnp.concatenate(images), "labels": jnp.concatenate(labels)}


def _counterfactuals(config: Settings, generator, key: Key) -> tuple[Array, Array]:
    if config.counterfactuals:
        read = counterfactuals.read(
            config.counterfactuals, data_dir=counterfactuals_root(config)
        )
        num = config.num_counterfactuals
        if len(read.images) < num:
            raise ValueError(
                f"{config.counterfactuals} holds {len(read.images)} pictures: "
                f"--config.num_counterfactuals={num} is too many"
            )
        images = jnp.asarray(read.images[:num], jnp.float32) / 127.5 - 1
        return images, jnp.asarray(read.labels[TARGETS[config.target]][:num])
    num, per_mask = config.num_counterfactuals, config.per_mask
    drawn = [*draw_blocks(*generator, key, num=num, per_mask=per_mask)]
    images = np.concatenate([np.asarray(block.images) for block in drawn])
    labels = np.concatenate(
        [np.asarray(block._asdict()[f"{config.target}_labels"]) for block in drawn]
    )
    return jnp.asarray(images), jnp.asarray(labels)
