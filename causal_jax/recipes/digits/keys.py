"""What the keys of this family's configs are, as `causal-jax train --help` says it."""

from causal_jax.networks.cgn import mnist
from causal_jax.recipes.settings import KEYS_OF_ALL, Settings, described_groups
from causal_jax.training.cgn import cgn

_SHARED = KEYS_OF_ALL | {
    "dataset": "a prepared set of 28x28 grey pictures, or embedded: scikit-learn's",
    "num_digits": "read at most, of training and of test rows; 0: all",
    "stage": "cgn, a network, or classifier",
    "textures": "of wildlife: a folder of pictures; drawn ones if empty",
    "variant": "of the pictures: colored, double_colored or wildlife",
}

_NETWORK = _SHARED | {
    "batch_size": "pictures of a step over all devices",
    "decay": "learning rates fall in the second half of the steps",
    "discriminator": "projection, or the reference's: linear, conv",
    "kind": "cgn, or gan: an ordinary conditional one",
    "num_steps": "updates of the network",
    "style": "whose feature maps the style loss compares: none, own (of a classifier "
    "of the training pictures, trained first) or vgg",
    "vgg": "file of VGG16's weights, .npz or torchvision's .pth, for style=vgg",
}

_CLASSIFIER = _SHARED | {
    "batch_size": "pictures of a step over all devices",
    "correlation": "of irm: how often colours tell the class in its second environment",
    "counterfactuals": "a set that `causal-jax generate` wrote, read instead of drawn",
    "counterfactuals_dir": "its tfds folder; data_dir if empty",
    "decay": "factor of the learning rate after each epoch",
    "generator": "folder of a network's run, or a published .pth",
    "learning_rate": "of Adadelta, in the first epoch",
    "num_counterfactuals": "pictures that are drawn or read",
    "num_epochs": "passes over the pictures",
    "on_the_fly": "fresh counterfactuals in every step instead of a fixed set",
    "penalty_from": "of irm: the first step that is penalised",
    "penalty_weight": "of irm: weight of its penalty",
    "per_mask": "counterfactuals that share a mask, with other textures",
    "target": "whose label is learned: shape, texture or background",
    "train_on": "original, cgn, gan, original_cgn, original_gan or irm",
}


def network_meanings(config: Settings) -> dict[str, str]:
    """{key: what it is} of a network; settings as their own functions say it."""
    del config
    return _NETWORK | described_groups({"model": mnist.scm, "cgn": cgn})


def classifier_meanings(config: Settings) -> dict[str, str]:
    """{key: what it is} of a classifier."""
    del config
    return dict(_CLASSIFIER)
