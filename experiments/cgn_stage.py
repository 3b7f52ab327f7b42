"""Training of a counterfactual generative network, as a digit config describes it."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp

from causal_jax import workdir as workdirs
from causal_jax.data.mnist import Pictures
from causal_jax.losses import cgn as losses
from causal_jax.networks import cgn, vgg
from causal_jax.networks.cgn_discriminators import (
    ConvDiscriminator,
    LinearDiscriminator,
    ProjectionDiscriminator,
)
from causal_jax.networks.digit_classifier import (
    NUM_MAPS,
    DigitClassifier,
    feature_maps,
)
from causal_jax.scm import SCM
from causal_jax.training import cgn as cgn_training
from causal_jax.training import loop, parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.classifier import classifier
from experiments import digit_sets, stages

_DISCRIMINATORS = {
    "projection": ProjectionDiscriminator,
    "linear": LinearDiscriminator,
    "conv": ConvDiscriminator,
}
_MODELS = {"cgn": cgn.scm, "gan": cgn.gan}
# Settings that a plain GAN lacks.
_PARTS_ONLY = ("shuffle", "texture_width", "truncation")
_STYLES = ("none", "own", "vgg")
_STYLE_STEPS = 800  # of the classifier whose features the style compares


def train(config, workdir: str | Path) -> dict[str, float]:
    """Trains a config's model; returns the seconds of its stages."""
    scm = model(config)
    _check(config, scm)
    pictures = digit_sets.training(config)  # its errors leave nothing behind
    workdir = stages.open_workdir(config, workdir)
    workdirs.save_spec(workdir, scm)
    return stages.timed(workdir, workdirs.MODEL, _fit, config, scm, pictures, workdir)


def train_together(configs: list, folders: list[str | Path]) -> None:
    """Trains runs that differ in their seed at once, on one device (`fit_seeds`).

    Raises:
      ValueError: features of each run's own are to be trained for the style.
    """
    config, scm = configs[0], model(configs[0])
    _check(config, scm)
    if config.style == "own":
        raise ValueError("style=own trains features of each run: train them in turn")
    data = _data(digit_sets.training(config))
    folders = [*map(stages.open_workdir, configs, folders)]
    for folder in folders:
        workdirs.save_spec(folder, scm)
    algorithm = cgn_algorithm(config, scm, _features(config, data, folders[0]))
    stages.fit_together(
        folders,
        configs,
        workdirs.MODEL,
        algorithm,
        data,
        num_steps=config.num_steps,
    )


def model(config) -> SCM:
    """The untrained model of a config.

    Raises:
      ValueError: an unknown kind or setting.
    """
    require_one_of("kind", config.kind, _MODELS)
    settings = config.model.to_dict()
    if config.kind == "gan":
        settings = {k: v for k, v in settings.items() if k not in _PARTS_ONLY}
    return _MODELS[config.kind](**settings)


def require_one_of(key: str, value: str, known) -> None:
    """Raises ValueError with the values that a config key may have."""
    if value not in known:
        raise ValueError(f"{key} is one of {', '.join(known)}, not {value!r}")


def _check(config, scm: SCM) -> None:
    """Raises before data is read where a setting cannot be right."""
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
    if config.num_steps < 1 or config.batch_size < 1:
        raise ValueError("num_steps and batch_size are at least 1")
    parallel.require_divisible(config.batch_size, jax.device_count())
    given = ("features_fn", "batch_size", "num_steps")
    stages.require_known("cgn", cgn_training.cgn, config.cgn, given)
    if config.style != "none" and len(config.cgn.style_weights) != NUM_MAPS:
        raise ValueError(
            f"style_weights are {NUM_MAPS} numbers, one a feature map, not "
            f"{list(config.cgn.style_weights)}"
        )


def cgn_algorithm(config, scm: SCM, features_fn) -> Algorithm:
    """The algorithm of a config."""
    return cgn_training.cgn(
        scm,
        _DISCRIMINATORS[config.discriminator](),
        features_fn=features_fn,
        batch_size=config.batch_size,
        num_steps=config.num_steps if config.decay else None,
        **stages.settings_of(config.cgn),
    )


def _fit(config, scm: SCM, pictures: Pictures, workdir: Path) -> None:
    data = _data(pictures)
    features_fn = _features(config, data, workdir)
    loop.fit(
        cgn_algorithm(config, scm, features_fn),
        data,
        key=jax.random.fold_in(jax.random.key(config.seed), 0),
        num_steps=config.num_steps,
        stage=workdirs.MODEL,
        workdir=workdir,
        steps_per_dispatch=50,
    )


def _data(pictures: Pictures) -> dict:
    return {"images": pictures.images, "labels": pictures.labels}


def _features(config, data: dict, workdir: Path):
    """Pictures to the maps whose style is compared; None without a style loss."""
    if config.style == "none" or not any(config.cgn.style_weights):
        return None
    if config.style == "vgg":
        needed = max(i for i, w in enumerate(config.cgn.style_weights) if w) + 1
        network, variables = vgg.VGG16Features(num_blocks=needed), vgg.load(config.vgg)

        def vgg_maps(images):
            maps = network.apply(variables, images)
            return maps + (None,) * (len(config.cgn.style_weights) - len(maps))

        return vgg_maps
    module = DigitClassifier()
    fit = loop.fit(
        classifier(module, steps_per_epoch=_STYLE_STEPS),
        data,
        key=jax.random.fold_in(jax.random.key(config.seed), 3),
        num_steps=min(_STYLE_STEPS, config.num_steps),
        stage="style_features",
        workdir=workdir,
    )
    maps_fn = functools.partial(feature_maps, module, fit.params)
    # In units of the pictures' own: a weight means the same for every map.
    own = maps_fn(data["images"][:256])
    scales = [jnp.mean(jnp.abs(losses.gram(one))) ** -0.5 for one in own]
    return lambda images: tuple(
        one * scale for one, scale in zip(maps_fn(images), scales, strict=True)
    )
