r"""CausalBEGAN on CelebA at 64 pixels, beside `celeba_causal_gan`.

    export TFDS_DATA_DIR=DIR
    python -m experiments.train --config=experiments/configs/celeba_causal_began.py \
        --config.dataset=celeb_a --workdir=runs/celeba_began && \
    python -m experiments.evaluate --workdir=runs/celeba_began

`celeb_a` is cropped to its central 108 pixels and resized; `celeb_a_64` is used as it
is. Variants: `reference` (the original's networks and settings), `quicktest`.
"""

from experiments.configs import defaults


def get_config(variant=""):
    config = defaults.with_images(defaults.base("celeba_causal_began"))
    defaults.with_began(config)
    config.dataset = "celeb_a"
    config.image_size = 64
    config.num_images = 0
    config.num_steps = 100_000
    config.gan.flip = True
    for part in defaults.variants(variant):
        if part == "reference":
            defaults.reference_labels(config)
            defaults.reference_images(config)
        elif part == defaults.QUICKTEST:
            defaults.quicktest(config)
        else:
            raise defaults.unknown(part, ["reference"])
    return config
