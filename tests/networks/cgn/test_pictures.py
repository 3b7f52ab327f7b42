"""Parts drawn one by one and in blocks are the model's own."""

import jax
import numpy as np
import pytest

from causal_jax.networks.cgn import imagenet, mnist, pictures
from causal_jax.networks.cgn.composition import LABELS, PARTS
from tests.natural_images import SMALL, random_model

KEY = jax.random.key(3)
CLASSES = dict(zip(LABELS, ([0, 1, 2, 0, 1], [2, 2, 1, 0, 0], [1] * 5), strict=True))
CLASSES = {name: np.array(classes) for name, classes in CLASSES.items()}


@pytest.fixture(scope="module")
def digits():
    scm = mnist.scm(width=2, noise_size=3, init_scale=1.5)
    return scm, scm.init(jax.random.key(0))


@pytest.fixture(scope="module")
def natural():
    return random_model()


def drawn(model, labels=CLASSES, **settings):
    scm, params = model
    noise = pictures.unit_noise(scm, KEY, 0, num=5)
    return pictures.draw(scm, params, noise, labels, **settings)


@pytest.mark.parametrize("kind", ["digits", "natural"])
def test_a_unit_is_the_model_s_under_the_unit_s_own_key(kind, request):
    scm, params = request.getfixturevalue(kind)
    found = drawn((scm, params))
    do = {name: classes[4:] for name, classes in CLASSES.items()}
    wanted = scm.sample(params, jax.random.fold_in(KEY, 4), num=1, do=do)
    fields = (*PARTS, "image")
    for node, values in zip(fields, found[1:], strict=True):
        np.testing.assert_allclose(values[4], wanted[node][0], atol=2e-3, err_msg=node)
    assert (found.premasks is None) == (kind == "digits")


def test_blocks_change_no_picture_and_a_unit_does_not_know_how_many_there_are(digits):
    scm, params = digits
    whole, blocks = drawn(digits), drawn(digits, block=2)
    fewer = pictures.unit_noise(scm, KEY, 2, num=2)
    labels = {name: classes[2:4] for name, classes in CLASSES.items()}
    some = pictures.draw(scm, params, fewer, labels)
    for one, other, part in zip(whole[1:], blocks[1:], some[1:], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
        np.testing.assert_allclose(one[2:4], part, atol=1e-5)


def test_a_part_is_drawn_alone_and_without_the_others(digits):
    alone = drawn(digits, parts=("texture",))
    assert alone.masks is alone.backgrounds is alone.images is None
    np.testing.assert_allclose(alone.textures, drawn(digits).textures, atol=1e-6)


@pytest.mark.parametrize("kind", ["digits", "natural"])
def test_a_class_is_its_own_vector_and_something_lies_between_two(kind, request):
    model = request.getfixturevalue(kind)
    num_classes = pictures.num_classes(model[0])
    vectors = {n: np.eye(num_classes, dtype="f4")[c] for n, c in CLASSES.items()}
    ask = {"parts": ("texture",)}
    whole, mixed = drawn(model, **ask), drawn(model, vectors, **ask)
    # Random weights amplify the rounding of two programs a thousand times.
    np.testing.assert_allclose(whole.textures, mixed.textures, atol=3e-3)
    half = {name: (v + np.roll(v, 1, axis=1)) / 2 for name, v in vectors.items()}
    assert np.abs(drawn(model, half, **ask).textures - mixed.textures).max() > 0.05


def test_a_shared_noise_is_the_same_for_all_parts():
    scm = imagenet.scm(**SMALL, shared_noise=True)
    noise = pictures.unit_noise(scm, KEY, 0, num=2)
    assert set(noise) == set(PARTS)
    for part in PARTS[1:]:
        np.testing.assert_array_equal(noise[part], noise[PARTS[0]])
    own = pictures.unit_noise(imagenet.scm(**SMALL), KEY, 0, num=2)
    assert np.abs(own[PARTS[1]] - own[PARTS[0]]).min() > 0


def test_what_is_drawn_at_once_is_bounded_by_pixels():
    models = [imagenet.scm(**{**SMALL, "size": size}) for size in (32, 64, 256, 512)]
    assert [pictures.block_size(scm) for scm in models] == [256, 64, 4, 1]
    with pytest.raises(ValueError, match="no counterfactual generative network"):
        pictures.require_parts(mnist.gan(width=2), "it")
