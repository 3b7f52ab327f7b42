r"""CausalBEGAN on CelebA at 64 pixels, beside `celeba_causal_gan`.

    export TFDS_DATA_DIR=DIR
    causal-jax train --config=celeba_causal_began \
        --config.dataset=celeb_a --workdir=runs/celeba_began && \
    causal-jax evaluate --workdir=runs/celeba_began

Hardware: one CPU core for what was measured; an accelerator for all 100,000 steps.
Time: 7,460 s for 16,000 steps of images, and 32 s of labels; 100,000 not measured.
Expected: label accuracies over the judge's own .95 (lowest .85), unseen combinations
  over the judge's own .60, Frechet distance 4 times its floor.
Measured: after 16,000 steps on `celeb_a_64`, 24,152 pictures: 1.01 (lowest .78,
  lipstick), .62, 3.87 times; `augmented`, 10,000: 1.02 (.84,
  baldness; lipstick .92), .44, 6.2 times; see docs/celeba.md.

`celeb_a` is cropped to its central 108 pixels and resized; `celeb_a_64` is used as it
is. Variants: `reference` (the original's networks and
settings), `augmented` (labels by cross-entropies, a labeler of augmented pictures),
`quicktest`.
"""

from causal_jax.recipes.labels_images.configs import defaults
from causal_jax.recipes.labels_images.configs.celeba_causal_gan import GRAPH
from causal_jax.recipes.settings import QUICKTEST, unknown_variant, variants


def get_config(variant=""):
    config = defaults.with_images(defaults.base("celeba_causal_began"))
    defaults.with_began(config)
    config.dataset = "celeb_a"
    config.image_size = 64
    config.num_images = 0
    config.num_steps = 100_000
    config.graph, config.composites = GRAPH, ("Male",)
    config.gan.flip = True
    config.label_factors = ("Wearing_Lipstick=3",)  # see docs/celeba.md
    for part in variants(variant):
        if part == "reference":
            config.graph = "big_causal_graph"
            defaults.reference_labels(config)
            defaults.reference_images(config)
        elif part == "augmented":
            _augmented(config)
        elif part == QUICKTEST:
            defaults.quicktest(config)
        else:
            raise unknown_variant(part, ["reference", "augmented"])
    return config


def _augmented(config):
    """Labels that are obeyed so that other readers see it.

    By squares a label that is read with certainty pulls no more, and what only the
    Labeler reads is not visible yet: cross-entropies pull on, and of augmented pictures
    a Labeler learns less by heart. Images, codes and additivity weigh twice as much, as
    cross-entropies are larger.
    """
    config.gan.label_loss = "xe"
    config.gan.image_weight = config.gan.distance_weight = 8.0
    config.gan.additivity, config.gan.average_rate = 2.0, 0.002
    config.gan.augmentation = ("colour", "translation", "cutout")
    config.gan.augmented_share = 0.3
    config.label_factors = ("Wearing_Lipstick=8",)
