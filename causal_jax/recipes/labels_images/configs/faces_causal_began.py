r"""CausalBEGAN on the faces, beside `faces_causal_gan`.

    causal-jax train --config=faces_causal_began \
        --workdir=runs/faces_causal_began && \
    causal-jax evaluate --workdir=runs/faces_causal_began

Hardware: one CPU core.
Time: 61 s of labels and 3,434 s of images beside other trainings.
Expected: label accuracy .95, diversity .70.
Measured: label accuracy .954 on average, .868 for the worst label, .884 on unseen
  combinations, diversity .72, a Frechet distance 33 times its floor. With
  `image_weight` of 1 .949, .830, .902, .79 and 56; without the term that makes images
  vary, too (docs/results.md) .961, .718, .926, .23 and 85.
  `reference` and `size64`: not measured.

The labels weigh c3 = 1 in the generator; `--config.gan.third_margin=True` controls it,
as `reference` does. The report's curves show both convergence measures, the margins b1,
b2, b3 and their controls c1, c2, c3.

Variants: `mle` (labels by maximum likelihood), `reference` (the original's networks and
settings, 64 pixels), `size64`, `quicktest`.
"""

from causal_jax.recipes.labels_images.configs import defaults
from causal_jax.recipes.settings import QUICKTEST, unknown_variant, variants

EXISTING = ["mle", "reference", "size64"]


def get_config(variant=""):
    config = defaults.with_images(defaults.base("faces_causal_began"))
    defaults.with_began(config)
    config.num_steps = 6000
    for part in variants(variant):
        if part == "mle":
            config.trainer = "mle"
        elif part == "reference":
            defaults.reference_labels(config)
            defaults.reference_images(config)
        elif part == "size64":
            config.image_size = 64
        elif part == QUICKTEST:
            defaults.quicktest(config)
        else:
            raise unknown_variant(part, EXISTING)
    return config
