r"""CausalGAN on the faces: the longer run of the README's table.

    python -m experiments.train --config=experiments/configs/faces_causal_gan.py \
        --workdir=runs/faces_causal_gan && \
    python -m experiments.evaluate --workdir=runs/faces_causal_gan

Variants: `mle` (labels by maximum likelihood), `reference` (the original's networks and
settings, 64 pixels), `size64`, `quickstart` (what `experiments.quickstart` runs),
`quicktest`.
"""

from experiments.configs import defaults

EXISTING = ["mle", "reference", "size64", "quickstart"]


def get_config(variant=""):
    config = defaults.with_images(defaults.base("faces_causal_gan"))
    for part in defaults.variants(variant):
        if part == "mle":
            config.trainer = "mle"
        elif part == "reference":
            defaults.reference_labels(config)
            defaults.reference_images(config)
        elif part == "size64":
            config.image_size = 64
        elif part == "quickstart":
            config.num_steps = 3000
            config.label_steps = 3000
        elif part == defaults.QUICKTEST:
            defaults.quicktest(config)
        else:
            raise defaults.unknown(part, EXISTING)
    return config
