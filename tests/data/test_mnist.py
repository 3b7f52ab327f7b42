"""The three sets: what tells the class in training tells nothing in testing."""

import jax
import numpy as np
import pytest
from PIL import Image

from causal_jax.data import digits, mnist, textures
from causal_jax.data.digits import Digits, Split

NUM = 600


@pytest.fixture(scope="module")
def grey():
    """Random blots in random classes, a quarter of each picture at most."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (NUM, 28, 28), dtype=np.uint8)
    images[:, :10], images[:, 20:] = 0, 0
    return Digits(images, random.integers(0, 10, NUM).astype(np.int32))


@pytest.fixture(scope="module")
def drawn(grey):
    """{(variant, correlated): the set}."""
    return {
        (variant, correlated): mnist.paint(
            grey,
            variant,
            jax.random.key(0),
            correlated=correlated,
            textures=textures.procedural() if variant == "wildlife" else None,
        )
        for variant in mnist.VARIANTS
        for correlated in (True, False)
    }


@pytest.mark.parametrize("correlated", [True, False])
@pytest.mark.parametrize("variant", mnist.VARIANTS)
def test_shapes_and_ranges(drawn, grey, variant, correlated):
    images, labels, truth = drawn[variant, correlated]
    assert images.shape == (NUM, 32, 32, 3) and images.dtype == np.float32
    assert np.abs(images).max() <= (1.1 if variant == "double_colored" else 1 + 1e-6)
    np.testing.assert_array_equal(labels, grey.labels)
    assert truth.masks.shape == (NUM, 32, 32, 1)
    if variant != "colored":
        assert set(np.unique(truth.masks)) == {0, 1}


@pytest.mark.parametrize("variant", mnist.VARIANTS)
def test_training_colours_are_functions_of_the_class(drawn, variant):
    _, labels, truth = drawn[variant, True]
    np.testing.assert_array_equal(truth.objects, labels)
    if variant != "colored":
        np.testing.assert_array_equal(truth.backgrounds, labels)


@pytest.mark.parametrize("variant", mnist.VARIANTS)
def test_test_colours_are_uniform_and_independent(drawn, variant):
    _, labels, truth = drawn[variant, False]
    pairs = [(truth.objects, labels)]
    if variant != "colored":
        pairs += [(truth.backgrounds, labels), (truth.objects, truth.backgrounds)]
    for a, b in pairs:
        agree = np.mean(np.asarray(a) == np.asarray(b))
        assert abs(agree - 0.1) < 5 * np.sqrt(0.1 * 0.9 / NUM)
        share = np.bincount(np.asarray(a), minlength=10) / NUM
        assert np.all(np.abs(share - 0.1) < 5 * np.sqrt(0.1 * 0.9 / NUM))


def test_double_colours_are_those_of_the_palettes(drawn):
    images, _, truth = drawn["double_colored", False]
    images = (np.asarray(images) + 1) / 2
    corner = images[:, 0, 0]  # outside the digit
    jitter = corner - np.array(mnist.BACKGROUND_PALETTE)[truth.backgrounds] / 255
    spread = np.sqrt(np.mean(jitter**2))
    assert abs(spread - 0.01) < 5 * 0.01 / np.sqrt(2 * jitter.size)
    inside = np.asarray(truth.masks)[:, 15, 15, 0] == 1
    found = images[:, 15, 15][inside]
    expected = np.array(mnist.OBJECT_PALETTE)[np.asarray(truth.objects)[inside]] / 255
    assert np.abs(found - expected).max() < 0.06
    assert mnist.OBJECT_PALETTE[0] == mnist.BACKGROUND_PALETTE[4]


def test_coloured_digits_are_grey_times_colour(drawn):
    images, labels, truth = drawn["colored", True]
    images, masks = (np.asarray(images) + 1) / 2, np.asarray(truth.masks)
    brightest = masks.reshape(NUM, -1).argmax(1)
    rows = np.arange(NUM)
    colours = images.reshape(NUM, -1, 3)[rows, brightest]
    colours = colours / masks.reshape(NUM, -1)[rows, brightest, None]
    np.testing.assert_allclose(images, masks * colours[:, None, None], atol=0.01)
    # Crimson's second channel, 20/255, is clipped at 0 in a third of the pictures;
    # teal's is in the middle: there the spread is the variance that is said.
    teal = colours[np.asarray(labels) == 1, 1]
    standard_error = np.sqrt(0.02 / len(teal))
    assert abs(teal.mean() - 128 / 255) < 5 * standard_error
    assert abs(teal.var() - 0.02) < 5 * 0.02 * np.sqrt(2 / len(teal))


def test_wildlife_is_made_of_crops(drawn):
    images, _, truth = drawn["wildlife", False]
    picture = np.round((np.asarray(images[0]) + 1) * 127.5).astype(int)
    texture = textures.procedural().backgrounds[int(truth.backgrounds[0])].astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(texture, (32, 32), (0, 1))
    outside = np.asarray(truth.masks[0, ..., 0]) == 0
    found = np.moveaxis(windows, 2, -1)[:, :, outside]
    gaps = np.abs(found - picture[outside]).max((-2, -1))
    assert gaps.shape == (125, 125) and gaps.min() <= 1


def test_enlarging_samples_as_the_reference_does(grey):
    digit = grey.images[0]
    pillow = Image.fromarray(digit).resize((32, 32), Image.NEAREST)
    np.testing.assert_array_equal(mnist._nearest_resize(digit, centred=True), pillow)
    corner = mnist._nearest_resize(digit, centred=False)
    assert corner[15, 8] == digit[13, 7] and corner[16, 9] == digit[14, 7]


def test_a_row_depends_on_the_key_and_its_place_alone(drawn, grey):
    part = mnist.paint(
        grey.rows(0, 7), "double_colored", jax.random.key(0), correlated=False
    )
    whole = drawn["double_colored", False]
    np.testing.assert_allclose(part.images, whole.images[:7], atol=1e-6)


def test_protocols_train_on_the_same_digits(grey):
    split = Split(grey, grey.rows(0, 90))
    for variant, num in (("colored", 600), ("double_colored", 500), ("wildlife", 500)):
        headline, reference = (
            mnist.by_protocol(split, variant, protocol) for protocol in mnist.PROTOCOLS
        )
        assert len(headline.train) == len(reference.train) == num
        np.testing.assert_array_equal(headline.train.images, grey.images[:num])
        np.testing.assert_array_equal(headline.test.images, grey.images[:90])
        expected = split.test if variant == "colored" else grey.rows(500, None)
        np.testing.assert_array_equal(reference.test.images, expected.images)


def test_wrong_words_and_missing_textures_are_refused(grey):
    with pytest.raises(ValueError, match="unknown variant 'coloured': did you mean"):
        mnist.paint(grey, "coloured", jax.random.key(0), correlated=True)
    with pytest.raises(ValueError, match="wildlife needs textures"):
        mnist.paint(grey, "wildlife", jax.random.key(0), correlated=True)
    with pytest.raises(ValueError, match="unknown protocol 't11k'"):
        mnist.by_protocol(Split(grey, grey), "wildlife", "t11k")
    small = textures.Textures(*np.zeros((2, 10, 32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match="textures are uint8"):
        mnist.paint(
            grey, "wildlife", jax.random.key(0), correlated=True, textures=small
        )
    wrong = digits.Digits(grey.images, grey.labels + 1)
    with pytest.raises(ValueError, match="label 10 is out of range"):
        mnist.paint(wrong, "colored", jax.random.key(0), correlated=True)
