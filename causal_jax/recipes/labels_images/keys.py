"""What the keys of this family's configs are, as `causal-jax train --help` says it."""

from causal_jax.networks.image import ImageGenerator
from causal_jax.recipes.labels_images import stages
from causal_jax.recipes.settings import KEYS_OF_ALL, Settings, described_groups

_KEYS = KEYS_OF_ALL | {
    "algorithm": "of the images: causal_gan or causal_began",
    "batch_size": "rows, or pictures, of a step over all devices; 0: the trainer's",
    "bif": "a Bayesian network, .bif, from num_rows rows of which is learned",
    "composites": "labels whose unseen pairs are composed of two pictures; () for none",
    "controller": "networks of the labels: neural, or the original's, reference",
    "coupling": "of noise and states: inverse_cdf or gumbel",
    "dataset": "table (your own), faces (drawn), or a prepared set such as celeb_a",
    "decay": "learning rates of the images fall in the second half of the steps",
    "flatten": "0: combinations as often as in the rows, to 1: all equally often",
    "graph": "a file, edges such as 'A -> B', or the name of one of CelebA's graphs",
    "hidden": "widths of the label networks' hidden layers",
    "holdout": "share of the rows and pictures that is only measured against",
    "image_column": "column that names the pictures; found in the table if None",
    "image_size": "pixels of a side",
    "images": "folder of the pictures that the table names",
    "keep_every": "steps between what the report's curve is measured at; 0: no curve",
    "label_batch_size": "rows of a step of the label stage; 0: the trainer's own",
    "label_factors": 'what labels weigh beside the others in images, ("Smiling=4",)',
    "label_steps": "steps of the label stage; 0: as many as the trainer needs",
    "missing": "drop leaves out rows that lack a value; None refuses them",
    "num_images": "faces drawn, or pictures read at most; 0: all",
    "num_rows": "rows that are drawn, of faces and of networks; not of your own table",
    "num_steps": "of the images, or of labels alone; 0: as many as the trainer needs",
    "pictures_outside": "True: the table may name files outside of the folder",
    "stage": "labels, or images: both",
    "states": 'states of columns in their order, ("Level=low,medium,high",)',
    "table": "CSV file whose header names the labels",
    "table_seed": "draws a law of the faces at random; -1: their own",
    "trainer": "of the labels: wgan, mle, or best: which held-out rows prefer",
}


def meanings(config: Settings) -> dict[str, str]:
    """{key: what it is}; settings of algorithms as their own arguments say it."""
    groups = {"generator": ImageGenerator}
    if algorithm := getattr(config, "algorithm", ""):
        groups["gan"] = stages.IMAGE_ALGORITHMS.get(algorithm)
    return _KEYS | described_groups(groups)
