"""The keys that every config has, with the values that most of them share."""

import ml_collections
from ml_collections import config_dict

from causal_jax.training import causal_began, causal_gan, label_wgan


def base(name: str) -> ml_collections.ConfigDict:
    """A label run: keys that a config file changes, and `--config.KEY=` overrides."""
    config = ml_collections.ConfigDict()
    config.name = name
    config.stage = "labels"  # or "images": labels first, then the images
    config.seed = 0
    # What is learned from: a data set of faces, celeb_a or any tfds folder with
    # `image` and `attributes`; or your own table (CSV, or list_attr_celeba.txt).
    config.dataset = "faces"
    config.data_dir = ""  # tfds folder; $TFDS_DATA_DIR if empty
    config.table = ""
    config.missing = config_dict.placeholder(str)  # "drop" rows that lack a value
    config.states = ()  # "Level=low,medium,high": a column's states in their order
    config.images = ""  # folder of the pictures that the table names
    config.pictures_outside = False  # True: the table may name others, by ../ or links
    config.image_column = config_dict.placeholder(str)  # found in the table if None
    config.bif = ""  # a Bayesian network to draw num_rows rows from
    config.graph = "big_causal_graph"  # a name, a file or edge text
    config.num_rows = 202_599  # rows of faces: as many as CelebA has
    # Fraction of the rows, and of one's own pictures, that is only measured against.
    config.holdout = 0.0
    # The label stage.
    config.trainer = "wgan"  # or "mle", or "best": the one held-out rows prefer
    config.controller = "neural"  # or "reference", the original's networks
    config.hidden = (32, 32)
    config.coupling = "inverse_cdf"  # or "gumbel": of noise and states, see `Discrete`
    config.num_steps = 0  # 0: as many as the trainer needs, see label_stage
    config.batch_size = 0
    config.trainer_settings = ml_collections.ConfigDict()  # of that algorithm
    return config


def with_images(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """Adds the image stage: `num_steps` and `batch_size` are then the images'."""
    config.stage = "images"
    config.algorithm = "causal_gan"  # or "causal_began"
    config.label_steps = config.num_steps
    config.label_batch_size = config.batch_size
    config.num_steps = 30_000
    config.batch_size = 32
    config.image_size = 32
    config.num_images = 20_000  # faces drawn, or pictures read at most (0: all)
    config.flatten = 0.7  # how evenly combinations are drawn, see image_stage
    config.composites = ()  # labels: their unseen pairs are composed, data.composites
    config.label_factors = ()  # "LABEL=4": what it weighs beside the others
    config.keep_every = 0  # steps between what the report's curve is measured at
    config.generator = ml_collections.ConfigDict(
        {
            "architecture": "compact",
            "width": 32,
            "noise_size": 64,
            "label_noise": "",
            "modulated": True,  # see networks.image
        }
    )
    config.decay = True  # learning rates fall in the second half
    config.gan = ml_collections.ConfigDict(  # the algorithm's, see training.causal_gan
        {
            "learning_rate": 5e-4,
            "critic_learning_rate": 5e-4,
            "joint": True,
            "label_weight": 1.0,
            "anti_labeler_weight": 1.0,
            "noise_weight": 0.0,
            "smoothness": 0.1,
            "additivity": 10.0,
            "unseen_every": 1,
            "average_rate": 0.01,
            "dtype": "float32",  # what networks compute in, or "bfloat16"
            "flip": False,
            "augmentation": (),  # of what critics see, see training.augmentation
            "augmented_share": 0.5,
        }
    )
    return config


def with_began(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """Trains the images by CausalBEGAN instead: `gan` are then its settings.

    The margins alone ask for means of errors, which the mean face of every combination
    of labels meets: diversity .23 after 6,000 steps at gamma1 = .7. The distance makes
    images vary. They are then as hard to reconstruct as real ones, so gamma1 is 1: at
    .7 and weights of 2 and more its control c1 fell to 0, and nothing made them sharp;
    at 1 it fades, too, where images do not weigh four times (docs/celeba.md).
    """
    config.algorithm = "causal_began"
    config.generator.modulated = False  # as it was measured
    config.gan = ml_collections.ConfigDict(  # see training.causal_began
        {
            "learning_rate": 2e-4,
            "critic_learning_rate": 2e-4,
            "gammas": (1.0, 0.5, 0.5),
            "rates": (1e-2, 1e-2, 1e-2),
            "label_loss": "squarediff",
            "third_margin": False,
            "conditional": True,
            "image_weight": 4.0,
            "distance_weight": 4.0,
            "additivity": 1.0,
            "average_rate": 0.01,
            "dtype": "float32",  # what networks compute in, or "bfloat16"
            "flip": False,
            "augmentation": (),  # of what the labeler sees, see training.augmentation
            "augmented_share": 0.5,
        }
    )
    return config


def quicktest(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """Two steps of everything: whether it runs, not what it learns."""
    config.num_steps = 2
    config.batch_size = 8
    config.num_rows = 500
    if config.stage == "images":
        config.label_steps = 2
        config.label_batch_size = 8
        config.num_images = 64
        config.generator.width = 4
    return config


def reference_labels(config: ml_collections.ConfigDict) -> None:
    """The label stage with the original's networks and settings."""
    config.trainer = "wgan"
    config.controller = "reference"
    settings = dict(label_wgan.REFERENCE)
    batch_size = settings.pop("batch_size")
    config.trainer_settings = ml_collections.ConfigDict(settings)
    if config.stage == "labels":
        config.num_steps, config.batch_size = 10_000, batch_size
    else:
        config.label_steps, config.label_batch_size = 10_000, batch_size


def reference_images(config: ml_collections.ConfigDict) -> None:
    """The image stage with the original's networks and settings, at 64 pixels."""
    if config.algorithm == "causal_began":
        settings, config.num_steps = dict(causal_began.REFERENCE), 250_000
        networks = ("began", 128, 64, "")
    else:
        settings, config.num_steps = dict(causal_gan.REFERENCE), 100_000
        networks = ("dcgan", 64, 100, "reference")
    config.batch_size = config.label_batch_size = settings.pop("batch_size")
    config.image_size = 64
    config.flatten = 0.0
    config.composites, config.label_factors = (), ()
    config.decay = False
    settings |= {"flip": config.gan.flip, "dtype": config.gan.dtype}
    config.gan = ml_collections.ConfigDict(settings)
    names = ("architecture", "width", "noise_size", "label_noise")
    config.generator.update(dict(zip(names, networks, strict=True)), modulated=False)
