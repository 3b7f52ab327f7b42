"""The keys that the digit configs have in common."""

import ml_collections

from causal_jax.data.mnist import VARIANTS


def base(name: str, variant: str) -> ml_collections.ConfigDict:
    """Which pictures are learned from."""
    config = ml_collections.ConfigDict()
    config.name = name
    config.seed = 0
    config.variant = variant  # colored, double_colored or wildlife
    # A prepared set of 28x28 grey pictures (mnist, fashion_mnist), or "embedded": the
    # 1,797 digits that scikit-learn ships.
    config.dataset = "mnist"
    config.data_dir = ""  # tfds folder; $TFDS_DATA_DIR if empty
    config.num_digits = 0  # read at most, of training and test rows; 0: all
    config.textures = ""  # of wildlife: a folder of pictures; drawn ones if empty
    return config


def split(text: str | None) -> tuple[str, list[str]]:
    """The data variant among a config's variants, and the others.

    Raises:
      SystemExit: several data variants.
    """
    parts = [part for part in (text or "").split(",") if part]
    chosen = [part for part in parts if part in VARIANTS] or [VARIANTS[1]]
    if len(chosen) > 1:
        raise SystemExit(f"usage: one of {', '.join(VARIANTS)}, not {text!r}")
    return chosen[0], [part for part in parts if part not in VARIANTS]


def embedded(config: ml_collections.ConfigDict) -> None:
    """No download: scikit-learn's digits."""
    config.dataset = "embedded"
