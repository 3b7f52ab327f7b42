r"""Counterfactual generative networks on digits whose colours tell the class.

    causal-jax train --workdir=runs/cgn \
        --config=mnist_cgn:double_colored
    causal-jax evaluate --workdir=runs/cgn
    causal-jax sample --workdir=runs/cgn --do="texture_label=3" \
        --out=three.png

Hardware: one CPU core, or one NVIDIA H200 for five seeds at once.
Time: per run on the CPU 570 s (`colored`), 598 s (`double_colored`) and 885 s
  (`wildlife`); on the H200 62, 52 and 53 s.
Expected: masks that are read and differ, nothing collapsed; what counts is the
  classifier of its pictures, see `mnist_classifier`.
Measured: on the CPU, masks read by a classifier of real ones: .978 (`colored`),
  .977 (`double_colored`), .960 (`wildlife`); none has collapsed. `reference`: not
  measured (published weights are: see docs/mnist.md).

Variants, combined with commas: the set, `colored`, `double_colored` (the default) or
`wildlife`, whose digits have textures; `reference` (the settings of the published runs;
its style loss needs VGG16's weights, --config.vgg=FILE), `style` (our settings with a
style loss of features that the project trains), `gan` (an ordinary conditional GAN, for
comparison), `no_mask`, `no_shuffler`, `no_style`, `embedded` (no download),
`quicktest`.
"""

import ml_collections

from causal_jax.data.mnist import VARIANTS
from causal_jax.recipes.digits.configs import defaults
from causal_jax.recipes.settings import QUICKTEST, unknown_variant
from causal_jax.training import cgn

EXISTING = [
    "reference",
    "style",
    "gan",
    "no_mask",
    "no_shuffler",
    "no_style",
    "embedded",
]


# Of foreground and background; the background of `colored` is black. Without, patches
# of one class have a sixth of the real ones' deviation (wildlife, 3,000 steps).
_SPREAD_WEIGHTS = {
    "colored": (0.1, 0.0),
    "double_colored": (0.1, 0.1),
    "wildlife": (0.03, 0.03),
}

# Of masks drawn with less than their noise's deviation more are read, and they differ
# less: of wildlife's at 1, .9, .8 and .7 are read .91, .94, .96 and .97, and their
# diversity is .98, .93, .87 and .81 (the same weights, `causal-jax evaluate` of a run
# whose scm.json says so: training does not read it).
_TRUNCATION = {"colored": 0.9, "double_colored": 0.85, "wildlife": 0.8}


def get_config(variant=""):
    chosen, parts = defaults.split(variant)
    config = defaults.base("mnist_cgn", chosen)
    config.stage = "cgn"
    config.kind = "cgn"  # or "gan"
    # The three networks, see `networks.cgn.scm`.
    settings = {"width": 32, "texture_width": 32 if chosen == "wildlife" else 16}
    settings |= {"noise_size": 32, "truncation": _TRUNCATION[chosen], "shuffle": True}
    # Batch-normalised, one of ten black backgrounds may become white.
    settings["norm_output"] = False
    config.model = ml_collections.ConfigDict(settings | cgn.MODEL[chosen])
    config.discriminator = "projection"  # or the reference's, "linear" and "conv"
    # Whose feature maps the style loss compares: "none", "own" (of a classifier of the
    # training pictures, trained first) or "vgg" (VGG16's, from the file `vgg`).
    config.style = "none"
    config.vgg = ""
    config.num_steps = 10_000
    config.decay = True  # learning rates fall in the second half
    settings = dict(cgn.REFERENCE[chosen])
    config.batch_size = settings.pop("batch_size")
    settings |= {"learning_rate": 5e-4, "discriminator_learning_rate": 5e-4}
    settings["border_weight"] = 1.0
    settings["smoothness"] = 2.0  # without it D wins, and masks are broken
    # A smooth D does not see a flat texture's jitter: all of a class's become one.
    settings["spread_weights"] = _SPREAD_WEIGHTS[chosen]
    settings |= {"style_weights": (), "shared_noise": False, "average_rate": 1e-3}
    settings["dtype"] = "float32"  # what networks compute in, or "bfloat16"
    config.cgn = ml_collections.ConfigDict(settings)  # see `training.cgn.cgn`
    order = {"reference": 0, QUICKTEST: 2}  # one sets all, one overrides all
    for part in sorted(parts, key=lambda part: order.get(part, 1)):
        _change(config, part)
    return config


def _change(config, part: str) -> None:
    if part == "reference":
        settings = dict(cgn.REFERENCE[config.variant])
        config.batch_size = settings.pop("batch_size")
        config.cgn = ml_collections.ConfigDict(settings | {"dtype": config.cgn.dtype})
        config.num_steps = cgn.NUM_STEPS[config.variant]
        config.model.width = config.model.texture_width = 32
        config.model.truncation, config.model.norm_output = 1.0, True
        config.discriminator = "conv" if config.variant == "wildlife" else "linear"
        config.decay, config.style = False, "vgg"
    elif part == "style":
        config.style = "own"
        config.cgn.style_weights = (0.1,) * 4  # of features of one size
    elif part == "gan":
        config.kind = "gan"
        config.cgn.spread_weights = ()
        config.model.width = 32
    elif part == "no_mask":
        config.cgn.mask_weight = 0.0
    elif part == "no_shuffler":
        config.model.shuffle = False
    elif part == "no_style":
        config.style, config.cgn.style_weights = "none", ()
    elif part == "embedded":
        defaults.embedded(config)
    elif part == QUICKTEST:
        defaults.embedded(config)
        config.num_steps, config.batch_size = 2, 4
        config.model.width = config.model.texture_width = 4
    else:
        raise unknown_variant(part, [*VARIANTS, *EXISTING])
