r"""CausalBEGAN on CelebA at 64 pixels, beside `celeba_causal_gan`.

    export TFDS_DATA_DIR=DIR
    causal-jax train --config=celeba_causal_began \
        --config.dataset=celeb_a --workdir=runs/celeba_began && \
    causal-jax evaluate --workdir=runs/celeba_began

`celeb_a` is cropped to its central 108 pixels and resized; `celeb_a_64` is used as it
is. Variants: `reference` (the original's networks and settings), `quicktest`.
"""

from causal_jax.recipes.labels_images.configs import defaults
from causal_jax.recipes.settings import QUICKTEST, unknown_variant, variants


def get_config(variant=""):
    config = defaults.with_images(defaults.base("celeba_causal_began"))
    defaults.with_began(config)
    config.dataset = "celeb_a"
    config.image_size = 64
    config.num_images = 0
    config.num_steps = 100_000
    config.gan.flip = True
    for part in variants(variant):
        if part == "reference":
            defaults.reference_labels(config)
            defaults.reference_images(config)
        elif part == QUICKTEST:
            defaults.quicktest(config)
        else:
            raise unknown_variant(part, ["reference"])
    return config
