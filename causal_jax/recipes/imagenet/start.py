"""What a counterfactual network starts from: a generator, a masker and features."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

from causal_jax.importers import imported
from causal_jax.networks.cgn import imagenet
from causal_jax.networks.cgn.composition import PARTS, SHAPE
from causal_jax.networks.cgn.imagenet import IMAGE, GeneratedPicture
from causal_jax.recipes.imagenet import data, opened
from causal_jax.recipes.settings import Settings
from causal_jax.runs.load import load, require_finished
from causal_jax.scm import SCM
from causal_jax.types import Params

GENERATORS = tuple(f"biggan-deep-{size}" for size in (128, 256, 512))
FEATURES = "vgg16"
_HOW = {
    "generator": "a folder that causal-jax import --as=biggan-deep-256 wrote, or that "
    "of an imagenet_biggan run",
    "masker": "a folder that causal-jax import --as=u2net (or u2netp) wrote",
    "features": "a folder that causal-jax import --as=vgg16 wrote",
}


class Start(NamedTuple):
    """Networks that are trained already.

    Attributes:
      picture: the generator's mechanism.
      generator: its variables.
      masker: a key of `imagenet.MASKERS`.
      masker_variables: the saliency network's.
      features: VGG16's variables.
      class_names: of the labels; None for numbers.
    """

    picture: GeneratedPicture
    generator: Params
    masker: str
    masker_variables: Params
    features: Params
    class_names: tuple[str, ...] | None


def require_folders(config: Settings) -> None:
    """Raises ValueError where a folder is not given or not there."""
    for name, how in _HOW.items():
        path = getattr(config, name)
        if not path:
            raise ValueError(f"--config.{name} is missing: give {how}")
        if not Path(path).is_dir():
            raise ValueError(f"{name}: there is no folder {path}: give {how}")


def read(config: Settings) -> Start:
    """Reads the networks that a config names.

    Raises:
      ValueError: a folder that is missing, damaged or of another network; names that
        do not fit, or a data set of other classes.
    """
    picture, variables, names = _generator(Path(config.generator))
    if config.class_names:
        names = opened.read_class_names(config.class_names)
    if config.dataset:
        numbers = tuple(map(str, range(picture.num_classes)))
        data.require_same_classes(config, names or numbers)
    picture = dataclasses.replace(
        picture, truncation=config.truncation, reference=config.reference
    )
    return Start(
        picture=picture,
        generator=variables,
        masker=imported.about(config.masker)["name"],
        masker_variables=imported.load(config.masker, names=imagenet.MASKERS),
        features=imported.load(config.features, names=[FEATURES]),
        class_names=names,
    )


def _generator(folder: Path) -> tuple[GeneratedPicture, Params, tuple | None]:
    """A generator's mechanism, its variables and the names of its classes."""
    if opened.is_imported(folder):
        variables = imported.load(folder, names=GENERATORS)
        settings = opened.generator_settings(variables)
        return GeneratedPicture(**settings), variables, None
    scm, params = load(folder)
    picture = scm.mechanisms.get(IMAGE)
    if not isinstance(picture, GeneratedPicture):
        raise ValueError(f"{folder} is no run of a generator: give {_HOW['generator']}")
    require_finished(folder)
    (label,) = scm.parents[IMAGE]
    names = tuple(map(str, scm.states(label)))
    return picture, params[IMAGE]["generator"], names


def model(config: Settings, start: Start) -> SCM:
    """The counterfactual network, of mechanisms as the generator's.

    Raises:
      ValueError: names that do not fit, or settings that cannot be right.
    """
    settings = dataclasses.asdict(start.picture)
    del settings["shared_noise"]
    return imagenet.scm(
        class_names=start.class_names,
        shared_noise=config.shared_noise,
        masker=start.masker,
        masker_size=config.masker_size or None,
        normalize=config.normalize,
        align_corners=config.align_corners,
        **settings,
    )


def params(scm: SCM, start: Start) -> tuple[Params, Params, Params]:
    """Of the model, of the fixed generator and of the features, before training."""
    generator = {"generator": start.generator}
    found = {name: generator if name in PARTS else {} for name in scm.nodes}
    found[SHAPE] = {**generator, "masker": start.masker_variables}
    return found, generator, start.features
