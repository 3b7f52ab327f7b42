"""Changes of pictures: their size, their range, and that gradients go through."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.training.augmentation import augment

KEY = jax.random.key(3)


def picture():
    return jax.random.uniform(KEY, (1, 16, 16, 3), minval=0.5, maxval=1.0)


def test_a_cutout_is_a_grey_square_of_at_most_half_the_side():
    images = augment(jnp.ones((200, 16, 16, 3)), KEY, ["cutout"])
    sizes = np.asarray((images == 0).all(-1).sum((1, 2)))
    assert sizes.max() == 64 and sizes.min() >= 16  # its centre lies in the picture


def test_a_translation_moves_whole_pixels_and_lets_grey_in():
    one = picture()
    images = np.asarray(augment(jnp.repeat(one, 1000, 0), KEY, ["translation"]))
    padded = np.pad(np.asarray(one[0]), ((2, 2), (2, 2), (0, 0)))
    places = {
        (i, j): padded[i : i + 16, j : j + 16] for i in range(5) for j in range(5)
    }
    seen = set()
    for image in images:
        found = [p for p, like in places.items() if np.allclose(image, like, atol=1e-6)]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) == 25


def test_colours_change_all_pixels_in_one_way():
    one = picture()
    grey = jnp.broadcast_to(one.mean(-1, keepdims=True), one.shape)
    found = np.asarray(augment(grey, KEY, ["colour"]))[0]
    np.testing.assert_allclose(found[..., 0], found[..., 1], atol=1e-5)
    slope = np.polyfit(np.asarray(grey[0, ..., 0]).ravel(), found[..., 0].ravel(), 1)
    assert 0.5 <= slope[0] <= 1.5


def test_equal_pictures_are_changed_each_in_its_own_way():
    images = augment(jnp.repeat(picture(), 2, 0), KEY)
    assert float(jnp.abs(images[0] - images[1]).max()) > 0.01


def test_gradients_go_through():
    gradient = jax.grad(lambda x: augment(x, KEY).sum())(picture())
    assert bool(jnp.isfinite(gradient).all()) and float(jnp.abs(gradient).max()) > 0


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="colour, translation, cutout, not 'blur'"):
        augment(picture(), KEY, ["blur"])
