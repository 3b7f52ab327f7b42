"""Two pictures in one: what is of which, and which masks are used."""

import numpy as np
import pytest

from causal_jax.data import mixtures

SIZE = 16


@pytest.fixture
def mask():
    found = np.zeros((SIZE, SIZE), np.float32)
    found[4:12, 4:12] = 1
    return found


def _plain(*colour):
    return np.full((SIZE, SIZE, 3), colour, np.uint8)


def test_an_object_is_put_before_another_background(mask):
    found = mixtures.composed(_plain(255, 0, 0), mask, _plain(0, 0, 255))
    assert (found[mask > 0] == [255, 0, 0]).all()
    assert (found[mask == 0] == [0, 0, 255]).all()


def test_half_a_mask_mixes_evenly(mask):
    found = mixtures.composed(_plain(200, 0, 0), mask / 2, _plain(0, 0, 100))
    assert (found[mask > 0] == [100, 0, 50]).all()


def test_without_shading_a_conflict_shows_the_texture_and_the_outline_alone(mask):
    random = np.random.default_rng(0)
    one, other = random.integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    texture = random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    grey = _plain(128, 128, 128)
    found = mixtures.cue_conflict(one, mask, texture, grey, shading=0)
    same = mixtures.cue_conflict(other, mask, texture, grey, shading=0)
    np.testing.assert_array_equal(found, same)
    np.testing.assert_array_equal(found[mask > 0], texture[mask > 0])
    assert (found[mask == 0] == 128).all()


def test_shading_adds_the_objects_own_light_around_its_mean(mask):
    image = _plain(0, 0, 0)
    image[:8] = 100  # the object is half dark and half light: 50 on average
    found = mixtures.cue_conflict(
        image, mask, _plain(120, 100, 80), _plain(7, 7, 7), shading=0.5
    )
    assert (found[4:8, 4:12] == [145, 125, 105]).all()
    assert (found[8:12, 4:12] == [95, 75, 55]).all()


def test_the_objects_colours_do_not_show(mask):
    """Two pictures of one luminance give one conflict."""
    red, blue = _plain(114, 0, 0), _plain(0, 0, 299)  # .299 * 114 = .114 * 299
    blue = np.clip(blue, 0, 255)
    texture, grey = _plain(10, 90, 30), _plain(128, 128, 128)
    np.testing.assert_array_equal(
        mixtures.cue_conflict(red, mask, texture, grey),
        mixtures.cue_conflict(blue, mask, texture, grey),
    )


def test_masks_are_judged_by_area_and_by_what_is_undecided():
    masks = np.zeros((6, 10, 10))
    masks[1, 0, :4] = 1  # 4 %: too small
    masks[2, 0, :6] = 1
    masks[3, :8] = 1  # 80 %: too large
    masks[4, :4] = 0.6
    masks[5, :4] = np.where(np.arange(10) < 7, 1, 0.3)  # 30 % of it is undecided
    found = [mixtures.VERDICTS[i] for i in mixtures.judged(masks)]
    assert found == ["empty", "empty", "usable", "full", "unsure", "usable"]
    strict = mixtures.Limits(min_area=0.1, max_area=0.9, max_unsure=0.2)
    found = [mixtures.VERDICTS[i] for i in mixtures.judged(masks, strict)]
    assert found == ["empty", "empty", "empty", "usable", "unsure", "unsure"]


def test_a_hole_holds_all_that_the_mask_suspects_and_a_rim(mask):
    faint = 0.2 * mask
    expected = np.zeros((SIZE, SIZE), bool)
    expected[4:12, 3:13] = expected[3:13, 4:12] = True
    np.testing.assert_array_equal(mixtures.hole(faint), expected)


def test_a_background_does_not_depend_on_the_object(mask):
    ground = np.random.default_rng(0).integers(90, 110, (SIZE, SIZE, 3), np.uint8)
    with_object = np.where(mask[..., None] > 0, [255, 0, 0], ground).astype(np.uint8)
    found = mixtures.background_of(with_object, mask)
    np.testing.assert_array_equal(found, mixtures.background_of(ground, mask))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mixtures.Limits(min_area=0), "0 < min_area < max_area <= 1"),
        (lambda: mixtures.Limits(min_area=0.8), "0 < min_area < max_area <= 1"),
        (lambda: mixtures.Limits(max_unsure=2), "max_unsure=2 is no share"),
        (lambda: mixtures.Limits(max_hole=0), "max_hole=0 is no share"),
        (lambda: mixtures.require_shading(1.5), "shading=1.5: it is 0"),
        (
            lambda: mixtures.cue_conflict(
                *(_plain(1, 1, 1), np.zeros((SIZE, SIZE))), *2 * (_plain(1, 1, 1),)
            ),
            "the mask is empty",
        ),
    ],
)
def test_what_is_out_of_range_is_one_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
