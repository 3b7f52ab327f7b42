"""What the keys of this family's configs are, as `causal-jax train --help` says it."""

from causal_jax.losses.cgn_imagenet import collage
from causal_jax.networks.cgn.imagenet import GeneratedPicture
from causal_jax.recipes.settings import KEYS_OF_ALL, Settings, described_groups
from causal_jax.training.biggan import biggan
from causal_jax.training.cgn_imagenet import Weights, cgn_imagenet

_SHARED = KEYS_OF_ALL | {
    "batch_size": "pictures of a step over all devices",
    "dataset": "a prepared set of pictures with classes, such as imagenet2012",
    "judge_steps": "of the classifier that reads samples in an evaluation",
    "num_steps": "updates of the generator",
    "num_workers": "processes that decode, where the pictures do not fit into memory",
    "stage": "imagenet_biggan, a generator, or imagenet_cgn, the network from it",
    "steps_per_dispatch": "steps of one call of the device",
    "train_split": "of the data set: what is learned from",
    "validation_split": "of the data set: what is measured against",
}

_GENERATOR = _SHARED | {
    "decay": "learning rates fall in the second half of the steps",
    "discriminator": "biggan, or features: it reads a classifier's maps",
    "discriminator_width": "channels of its first block, a multiple of 4",
    "features_steps": "of that classifier's training",
}

_NETWORK = _SHARED | {
    "align_corners": "how the masker enlarges, see networks.u2net",
    "class_names": "file, one name a line; else the generator's, or numbers",
    "dataset": "real pictures of the same classes, to read samples by; none if empty",
    "dtype": "what the generators' blocks compute in: float32 or bfloat16",
    "features": "folder that `causal-jax import --as=vgg16` wrote",
    "generator": "folder: imported, or of an imagenet_biggan run",
    "masker": "folder that `causal-jax import --as=u2net` or u2netp wrote",
    "masker_size": "side that pictures are masked at; 0: their own",
    "normalize": "pictures are masked in units of ImageNet's mean and deviation",
    "num_accumulated": "parts that a batch is computed in, on each device",
    "reference": "the published port's interpolation of statistics",
    "shared_noise": "one noise for shape, texture and background",
    "truncation": "of the noise, above 0 and at most 1",
    "cgn.learning_rates.shape": "of Adam, the shape's mechanism",
    "cgn.learning_rates.texture": "of Adam, the texture's",
    "cgn.learning_rates.background": "of Adam, the background's",
}


def generator_meanings(config: Settings) -> dict[str, str]:
    """{key: what it is} of a generator; settings as their own functions say it."""
    del config
    return _GENERATOR | described_groups({"model": GeneratedPicture, "gan": biggan})


def network_meanings(config: Settings) -> dict[str, str]:
    """{key: what it is} of a counterfactual network, likewise."""
    del config
    groups = {"cgn": cgn_imagenet, "cgn.weights": Weights, "cgn.collage": collage}
    return _NETWORK | described_groups(groups)
