"""What the data keys of the digit configs mean: what is trained and tested on."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from causal_jax.data import digits, mnist, textures
from causal_jax.data.mnist import Pictures
from causal_jax.recipes.settings import Settings
from causal_jax.runs.folder import Sources
from causal_jax.types import Array

DATA_KEY = 2021  # the sets are the same for every training seed
EMBEDDED = "embedded"
# What a classifier may learn from.
TRAINED_ON = ("original", "gan", "original_gan", "cgn", "original_cgn", "irm")


class DigitSets(NamedTuple):
    """The pictures of one variant.

    Attributes:
      training: colours or textures tell the class.
      tests: {protocol: pictures}, where they do not.
      in_domain: {protocol: pictures}: the same digits, where they do.
    """

    training: Pictures
    tests: dict[str, Pictures]
    in_domain: dict[str, Pictures]


def sources(config: Settings) -> Sources:
    """The user's own textures, each a file."""
    if config.variant != "wildlife" or not config.textures:
        return {}
    return textures.files(config.textures)


def require_num_digits(config: Settings) -> None:
    """Raises ValueError where `num_digits` is no number of digits."""
    if config.num_digits < 0:
        raise ValueError(f"num_digits is at least 0 (all), not {config.num_digits}")


def grey(config: Settings) -> digits.Split:
    """The grey digits that a config names.

    Raises:
      ValueError: data that is missing or no set of 28x28 grey pictures.
    """
    limit = config.num_digits or None
    if config.dataset == EMBEDDED:
        return digits.Split(*(half.rows(None, limit) for half in digits.embedded()))
    return digits.from_tfds(
        config.dataset, data_dir=config.data_dir or None, limit=limit
    )


def training(config: Settings, *, correlated: bool = True) -> Pictures:
    """Reads the digits that are trained on and paints them.

    Args:
      config: a digit config.
      correlated: False for colours or textures that tell nothing.

    Raises:
      ValueError: as `grey`; an unknown variant, or textures that cannot be read.
    """
    _require_variant(config)
    paint = _painter(config)  # textures that are no good are said at once
    digits_trained = mnist.by_protocol(grey(config), config.variant).train
    return paint(digits_trained, 0 if correlated else 3, correlated)


def classifier_training(config: Settings) -> Pictures:
    """`training` for a classifier, whose epochs have to hold a batch.

    Raises:
      ValueError: as `training`; digits that are not enough for one step.
    """
    found = training(config)
    num = len(found.labels)
    is_all = config.train_on in ("original", "irm")  # or others come to them
    if is_all and num * config.num_epochs < config.batch_size:
        raise ValueError(
            f"{num} pictures in {config.num_epochs} epochs are less than a batch of "
            f"{config.batch_size}: give more pictures or epochs"
        )
    return found


def draw(config: Settings) -> DigitSets:
    """Reads the digits and paints all that a run is trained and tested on.

    Raises:
      ValueError: as `training`.
    """
    _require_variant(config)
    paint, split = _painter(config), grey(config)
    by_protocol = {
        protocol: mnist.by_protocol(split, config.variant, protocol)
        for protocol in _protocols(config)
    }
    return DigitSets(
        training=paint(next(iter(by_protocol.values())).train, 0, True),
        tests={p: paint(part.test, 1, False) for p, part in by_protocol.items()},
        in_domain={p: paint(part.test, 2, True) for p, part in by_protocol.items()},
    )


def environments(config: Settings, originals: Pictures) -> dict[str, Array]:
    """The training digits in two halves, the environments of IRM.

    In the first colours or textures tell the class always, in the second in a share
    `config.correlation` of the pictures; the others' are independent of it.
    """
    half = len(originals.labels) // 2
    free = training(config, correlated=False)
    key = jax.random.fold_in(jax.random.key(DATA_KEY), 9)
    is_free = jax.random.uniform(key, (half,)) >= config.correlation
    second = jnp.where(
        is_free[:, None, None, None], free.images[-half:], originals.images[-half:]
    )
    return {
        "images": jnp.concatenate([originals.images[:-half], second]),
        "labels": originals.labels,
        "environments": jnp.repeat(
            jnp.arange(2), jnp.array([len(originals.labels) - half, half])
        ),
    }


def _require_variant(config: Settings) -> None:
    if config.variant not in mnist.VARIANTS:
        known = ", ".join(mnist.VARIANTS)
        raise ValueError(f"variant is one of {known}, not {config.variant!r}")


def _painter(config: Settings) -> Callable[[digits.Digits, int, bool], Pictures]:
    """(grey digits, number of the draw, correlated) -> pictures."""
    drawn_textures = _textures(config)

    def paint(part: digits.Digits, number: int, correlated: bool) -> Pictures:
        return mnist.paint(
            part,
            config.variant,
            jax.random.fold_in(jax.random.key(DATA_KEY), number),
            correlated=correlated,
            textures=drawn_textures,
        )

    return paint


def _protocols(config: Settings) -> tuple[str, ...]:
    """`colored` has the same test digits in both."""
    return mnist.PROTOCOLS[:1] if config.variant == "colored" else mnist.PROTOCOLS


def _textures(config: Settings) -> textures.Textures | None:
    if config.variant != "wildlife":
        return None
    if config.textures:
        return textures.from_folder(config.textures)
    return textures.procedural()
