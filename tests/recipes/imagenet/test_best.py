"""Every class is drawn as often, block by block, and scored by its own pictures."""

import jax
import numpy as np
import pytest

from causal_jax.networks.cgn import imagenet, pictures
from causal_jax.recipes.imagenet import best
from tests.natural_images import SMALL


@pytest.mark.parametrize("block", [None, 4])
def test_the_best_classes_are_those_with_masks_even_textures_and_no_object(
    monkeypatch, block
):
    """Class 1 has masks, 2 an even texture, 0 the background without an object."""
    scm, seen = imagenet.scm(**SMALL), []

    def draw(scm, params, noise, labels, block):
        classes = labels["shape_label"]
        assert all(len(leaf) == block for leaf in jax.tree.leaves(noise))
        seen.append(len(classes))
        half = np.indices((8, 8))[0][None, :, :, None] >= 4  # an object's half
        each = classes[:, None, None, None]
        return pictures.Pictures(
            premasks=None,
            masks=np.where(half & (each == 1), 1.0, 0.0),
            textures=np.where((each == 2) | half, 0.9, 0.1) * CHESS,
            backgrounds=np.broadcast_to(each / 2, (len(classes), 8, 8, 3)),
            images=None,
        )

    monkeypatch.setattr(best.pictures, "draw", draw)
    monkeypatch.setattr(best, "_saliency", lambda *a: np.abs(a[-1])[..., :1])
    found = best.find_best_classes(
        scm, dict.fromkeys(scm.nodes, {}), jax.random.key(0), per_class=3, block=block
    )
    assert found == {"shape": [1], "texture": [2], "background": [0]}
    assert seen == ([9] if block is None else [4, 4, 4])


CHESS = np.where(np.indices((8, 8)).sum(0)[None, :, :, None] % 2, 1.0, -1.0)
CHESS = CHESS * np.ones(3)
