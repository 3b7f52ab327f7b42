"""What the keys of this family's configs are, as `causal-jax train --help` says it."""

from causal_jax.recipes.settings import KEYS_OF_ALL, Settings, described_groups
from causal_jax.training.ensemble import ensemble

_KEYS = KEYS_OF_ALL | {
    "batch_size": "real pictures of a step over all devices",
    "blocks": "of network=own: residual blocks of each stage",
    "counterfactuals": "a set of counterfactuals, with three labels",
    "counterfactuals_dir": "its tfds folder; data_dir if empty",
    "crop": "of training pictures: random, or as evaluation_crop",
    "dataset": "a prepared set of pictures with classes, such as imagenet2012",
    "decay_epochs": "the learning rate falls to a tenth after each; 0: a cosine",
    "evaluation_crop": "of pictures that are measured on: centre or square",
    "held_out": "per cent of the counterfactuals that are measured on",
    "network": "resnet50, resnet18, or own: of blocks, width and stem",
    "num_epochs": "passes over the real pictures",
    "num_steps": "instead of num_epochs; 0: by those",
    "num_validation": "batches that are measured on, of each kind; 0: all",
    "num_workers": "processes that decode pictures which are streamed",
    "plain": "one head, and no counterfactuals",
    "size": "pixels of a side that the network sees",
    "stage": "ensemble",
    "stem": "of network=own: side of the first convolution's kernel",
    "train_split": "of the data set: what is learned from",
    "validation_split": "of the data set: what is measured on",
    "warm_up": "share of the run in which the learning rate rises",
    "weights": "folder that `causal-jax import` wrote; begins anew if empty",
    "width": "of network=own: channels of its first stage",
}


def meanings(config: Settings) -> dict[str, str]:
    """{key: what it is}; settings of the training as its own arguments say it."""
    del config
    return _KEYS | described_groups({"training": ensemble})
