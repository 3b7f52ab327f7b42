"""A small model of natural images with random weights that draw pictures of contrast.

Nothing is compiled for it: weights are drawn into the shapes that `SCM.init` has.
"""

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.networks.cgn import imagenet
from causal_jax.runs import folder, load, spec

SMALL = {
    "size": 32,
    "width": 4,
    "num_classes": 3,
    "noise_size": 5,
    "embedding_size": 4,
    "num_levels": 1,
    "masker": "u2netp",
}
NAMES = ("lion, king of beasts", "red panda", "pizza")


def random_model(*, seed=0, class_names=NAMES, **settings):
    """The model and its parameters."""
    scm = imagenet.scm(**{**SMALL, **settings}, class_names=class_names)
    shapes = jax.eval_shape(scm.init, jax.random.key(0))
    rng = np.random.default_rng(seed)

    def leaf(keys, shape):
        name = keys[-1].key
        values = rng.normal(0, 1, shape.shape)
        if name == "vars":
            values = np.full(shape.shape, 0.5)
        elif name == "kernel":
            fan_in = max(1, int(np.prod(shape.shape[:-1])))
            values *= (0.3 if keys[-2].key == "to_rgb" else 1.2) / np.sqrt(fan_in)
        elif name != "embedding":
            values *= 0.3
        return jnp.asarray(values, shape.dtype)

    return scm, jax.tree_util.tree_map_with_path(leaf, shapes)


def save_run(workdir, scm, params):
    """A run's folder with this model, as training leaves it."""
    spec.save_spec(workdir, scm)
    stage = folder.checkpoints(workdir, load.MODEL)
    stage.save(1, {"step": np.zeros(1)}, params)
    return workdir
