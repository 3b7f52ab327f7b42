r"""A counterfactual generative network of natural images (Sauer & Geiger 2021).

    causal-jax import --from=pytorch_model.bin --as=biggan-deep-256 --out=nets/biggan
    causal-jax import --from=u2net.pth --as=u2net --out=nets/u2net
    causal-jax import --from=vgg16.pth --as=vgg16 --out=nets/vgg16
    causal-jax train --workdir=runs/cgn --config=imagenet_cgn \
        --config.generator=nets/biggan --config.masker=nets/u2net \
        --config.features=nets/vgg16

No pictures are read: the generator draws them. It may also be the folder of an
`imagenet_biggan` run.

Hardware: `tiny` two CPU cores; the default one GPU of 24 GB or more.
Time: `tiny` 96 minutes on two busy CPU cores; the default was not measured.
Expected: masks whose mean is between .1 and .9, backgrounds without an object.
Measured: docs/natural_images.md; of `tiny`, masks cover .22 in the mean, and 59 % of
them are empty: its pictures are so coarse that U2-NetP finds no object in most.

Variants, combined with commas: `tiny` (for a generator of 64 pixels), `reference` (one
noise for the three parts, pictures masked as they are, statistics interpolated as the
published port does), `without_shape`, `without_text`, `without_bg`, `without_rec` (the
ablation of the paper's table: one loss switched off), `quicktest`.
"""

import ml_collections

from causal_jax.recipes.settings import QUICKTEST, unknown_variant, variants
from causal_jax.training import cgn_imagenet

_WITHOUT = {f"without_{name}": off for name, off in cgn_imagenet.WITHOUT.items()}
EXISTING = ["tiny", "reference", *_WITHOUT]


def get_config(variant=""):
    config = ml_collections.ConfigDict()
    config.name = "imagenet_cgn"
    config.stage = "imagenet_cgn"
    config.seed = 0
    config.generator = ""  # folder: imported, or of an imagenet_biggan run
    config.masker = ""  # folder: imported, u2net or u2netp
    config.features = ""  # folder: imported, vgg16
    config.class_names = ""  # file, one name a line; else the generator's, or numbers
    # Real pictures of the same classes, by which an evaluation reads samples; "": none.
    config.dataset, config.data_dir = "", ""
    config.train_split, config.validation_split = "train", "validation"
    config.num_workers, config.judge_steps = 8, 20_000
    config.truncation = 1.0
    config.reference = False  # the published port's interpolation of statistics
    config.shared_noise = False  # one noise for the three parts
    config.masker_size = 0  # side that pictures are masked at; 0 for their own
    config.align_corners = False  # of the masker, see networks.u2net
    config.normalize = True  # what the masker sees, by ImageNet's mean and deviation
    config.num_steps = 300  # 1.2 million pictures
    config.batch_size = 4000
    config.num_accumulated = 1000  # parts a batch is computed in, per device
    config.steps_per_dispatch = 1
    config.dtype = "float32"  # of the generators' blocks, or "bfloat16"
    settings = {"betas": (0.9, 0.999), "average_rate": 0.01, "remat": True}
    settings["learning_rates"] = dict(cgn_imagenet.LEARNING_RATES)
    settings["weights"] = cgn_imagenet.Weights()._asdict()
    settings["collage"] = {}  # of `losses.cgn_imagenet.collage`; empty for the paper's
    config.cgn = ml_collections.ConfigDict(settings)
    for part in variants(variant):
        if part == "tiny":
            _tiny(config)
        elif part == "reference":
            config.reference = config.shared_noise = True
            config.normalize, config.align_corners = False, True
            config.cgn.average_rate = 1.0
        elif part in _WITHOUT:
            config.cgn.weights.update(_WITHOUT[part])
        elif part == QUICKTEST:
            config.num_steps, config.batch_size, config.num_accumulated = 2, 2, 1
            config.judge_steps = 2
        else:
            raise unknown_variant(part, EXISTING)
    return config


def _tiny(config) -> None:
    """64 pixels: masks are found when pictures are enlarged."""
    config.dataset, config.num_workers = "tiny_imagenet_20", 0
    config.judge_steps = 1100
    config.masker_size = 112
    config.num_steps, config.batch_size, config.num_accumulated = 700, 16, 1
    config.cgn.remat = False
    config.cgn.learning_rates.update(shape=5e-5, texture=2e-4, background=1e-4)
    config.cgn.collage = ml_collections.ConfigDict(
        {"working_size": 64, "patch": 10, "num_best": 60, "grid": 6}
    )
