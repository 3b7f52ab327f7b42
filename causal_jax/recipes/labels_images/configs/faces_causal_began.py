r"""CausalBEGAN on the faces, beside `faces_causal_gan`.

    causal-jax train --config=faces_causal_began \
        --workdir=runs/faces_causal_began && \
    causal-jax evaluate --workdir=runs/faces_causal_began

Hardware: one CPU core.
Time: 116 s of labels, and about 1,000 s of images.
Expected: label accuracy .95, diversity .70.
Measured: the default was not yet run to its end. After 4,000 steps at a distance_weight
  of 2, one seed: label accuracy .970 on average, .890 for the worst label, .943 on
  unseen combinations, diversity .65, a Frechet distance 36 times its floor. Without the
  distance (docs/results.md) .961, .718, .926, .23 and 85: the pictures collapsed.
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
