"""The models of this family: a generator by itself, or the counterfactual network."""

from causal_jax.networks.biggan import Discriminator, Generator
from causal_jax.networks.cgn import imagenet
from causal_jax.networks.cgn.imagenet import GeneratedPicture
from causal_jax.networks.feature_discriminator import FeatureDiscriminator
from causal_jax.recipes.imagenet.data import Pictures
from causal_jax.recipes.imagenet.judge import small_resnet
from causal_jax.recipes.settings import Settings
from causal_jax.scm import SCM

CHANNELS = 3  # of the last convolution of a generator that is trained here
BIGGAN, FEATURES = DISCRIMINATORS = ("biggan", "features")


def generator(config: Settings, num_classes: int) -> GeneratedPicture:
    """The picture's mechanism, as it is sampled from.

    Raises:
      ValueError: an unknown setting.
    """
    try:
        return GeneratedPicture(
            **vars(config.model),
            num_classes=num_classes,
            spectral_norm=True,
            rgb_features=CHANNELS,
        )
    except TypeError as error:
        raise ValueError(
            f"a setting of model is not one of a generator: {error}"
        ) from error


def players(
    config: Settings, num_classes: int
) -> tuple[Generator, Discriminator | FeatureDiscriminator]:
    """Generator and discriminator, as they are trained."""
    drawn = generator(config, num_classes).module()
    settings = {"width": config.discriminator_width, "num_classes": num_classes}
    if config.discriminator == FEATURES:
        classifier = small_resnet(num_classes, config.features_steps)
        judge = FeatureDiscriminator(classifier, drawn.size, **settings)
    else:
        judge = Discriminator(drawn.size, **settings)
    return drawn.clone(statistics="batch"), judge


def untrained_generator(config: Settings, data: Pictures) -> SCM:
    """A label and the picture it causes."""
    names = data.class_names
    return imagenet.label_and_picture(generator(config, len(names)), names)
