r"""CausalGAN on the faces: the longer run of the README's table.

    causal-jax train --config=faces_causal_gan \
        --workdir=runs/faces_causal_gan && \
    causal-jax evaluate --workdir=runs/faces_causal_gan

Hardware: one or two CPU cores.
Time: 10 s of labels and 1,906 s of images on one core, beside other work;
  `quickstart` 216 s in all on two, measuring included.
Expected: label accuracy .97 on average and .90 for the worst label, .80 on unseen
  combinations, diversity .80, P(Male) within .03 of .420 under do(Mustache = 1) and of
  1 given it; `quickstart` accuracy .90 in under 6 minutes.
Measured: .997 and .986, .998, .916, .419 and 1.000;
  `quickstart` .984 and .941, .990, diversity .821. `reference`, `size64`: not measured.

Variants: `mle` (labels by maximum likelihood), `reference` (the original's networks and
settings, 64 pixels), `size64`, `quickstart` (what `causal-jax quickstart` runs),
`quicktest`.
"""

from causal_jax.recipes.labels_images.configs import defaults
from causal_jax.recipes.settings import QUICKTEST, unknown_variant, variants

EXISTING = ["mle", "reference", "size64", "quickstart"]


def get_config(variant=""):
    config = defaults.with_images(defaults.base("faces_causal_gan"))
    for part in variants(variant):
        if part == "mle":
            config.trainer = "mle"
        elif part == "reference":
            defaults.reference_labels(config)
            defaults.reference_images(config)
        elif part == "size64":
            config.image_size = 64
        elif part == "quickstart":
            config.num_steps = 4800
            config.label_steps = 2000
            # Few steps: little noise, all of which is to show, and rare combinations
            # every second step, which makes time for more steps.
            config.generator.noise_size = 16
            config.gan.noise_weight = 1.0
            config.gan.unseen_every = 2
        elif part == QUICKTEST:
            defaults.quicktest(config)
        else:
            raise unknown_variant(part, EXISTING)
    return config
