r"""The invariant classifier ensemble on ImageNet, and a plain classifier beside it.

    causal-jax import --as=resnet50 --from=resnet50-11ad3fa6.pth --out=resnet50
    causal-jax train --config=imagenet_ensemble --config.weights=resnet50 \
        --config.counterfactuals=NAME --config.counterfactuals_dir=DIR \
        --workdir=runs/ensemble
    causal-jax evaluate --workdir=runs/ensemble --cue_conflict=DIR --backgrounds=DIR

Hardware: accelerators for ImageNet; two CPU cores for `tiny`.
Time: on two CPU cores 420 s for `tiny`, 210 s for `tiny,plain`; ImageNet not measured.
Expected: a larger shape bias and a smaller background gap than the plain classifier's.
Measured: `tiny,plain` reads .70 of the held-out pictures; docs/natural_images.md has
  both, and why the shape head's bias is not larger there.

NAME is a set of pictures with the labels of shape, texture and background, of the same
classes, in DIR. The default is that of the reference code: ResNet-50 as it was
imported, its statistics fixed, SGD of rate .001 at 32 pictures, 45 epochs, a tenth of
the rate every 15. Variants, combined with commas: `tiny`, 20 classes of Tiny ImageNet
at 64 pixels by a narrow network that begins anew (`--config.dataset` names others of
that size); `plain`, one head and no counterfactuals, over as many real pictures;
`quicktest`.
"""

import ml_collections

from causal_jax.recipes.settings import QUICKTEST, unknown_variant, variants


def get_config(variant=""):
    config = ml_collections.ConfigDict()
    config.name = "imagenet_ensemble"
    config.stage = "ensemble"
    config.seed = 0
    config.dataset = "imagenet2012"
    config.data_dir = ""  # tfds folder; $TFDS_DATA_DIR if empty
    config.train_split, config.validation_split = "train", "validation"
    config.counterfactuals = ""  # a set of counterfactuals
    config.counterfactuals_dir = ""  # its tfds folder; data_dir if empty
    config.held_out = 5  # per cent of the counterfactuals that are measured on
    config.num_validation = 0  # batches that are measured on, of each kind; 0: all
    config.plain = False  # one head, and no counterfactuals
    config.size = 224
    config.crop, config.evaluation_crop = "random", "centre"
    config.num_workers = 8  # processes that decode pictures which are streamed
    config.network = "resnet50"  # resnet18, or own: the next three keys
    config.blocks, config.width, config.stem = (2, 2, 2), 32, 3
    config.weights = ""  # folder that `causal-jax import` wrote; begins anew if empty
    config.num_epochs = 45.0  # over the real pictures
    config.num_steps = 0  # instead of epochs
    config.batch_size = 32
    config.warm_up = 0.0  # share of the run in which the rate rises
    config.decay_epochs = 15.0  # the rate falls to a tenth after each; 0: cosine
    config.training = {
        "cf_ratio": 1.0,  # counterfactual pictures per real one
        "learning_rate": 1e-3,
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 1e-4,
        "mirror": True,
        "shift": 0,  # pixels, at most
    }
    for part in variants(variant):
        if part == "tiny":
            _tiny(config)
        elif part == "plain":
            config.plain = True
        elif part == QUICKTEST:
            _quicktest(config)
        else:
            raise unknown_variant(part, ["tiny", "plain"])
    return config


def _tiny(config):
    """What two CPU cores do in 400 s, compilation included."""
    config.dataset, config.size = "tiny_imagenet_20", 64
    config.crop = config.evaluation_crop = "square"
    config.num_workers = 0
    # 4 ms of a CPU core per picture and step (a quarter of the size after the stem). A
    # fourth stage, of 2x2 positions, costs three times as much. 7 epochs are 1,093
    # steps of 64 real and 64 counterfactual pictures, .52 s of a core each.
    config.network = "own"
    config.num_epochs, config.batch_size = 7.0, 64
    config.warm_up, config.decay_epochs = 0.05, 0.0
    config.training.update(
        {"learning_rate": 0.05, "nesterov": True, "weight_decay": 5e-4, "shift": 6}
    )


def _quicktest(config):
    """Two steps of everything, on whatever set of pictures is named."""
    config.network, config.weights = "own", ""
    config.blocks, config.width = (1,), 4
    config.size, config.num_workers, config.num_validation = 16, 0, 1
    config.crop = config.evaluation_crop = "square"
    config.num_steps, config.batch_size = 2, 4
