"""Crops: which part of a picture is kept, and how it is resized."""

import numpy as np
import pytest
from PIL import Image

from causal_jax.data import crops, images

NUM = 4000


@pytest.fixture(scope="module")
def picture():
    random = np.random.default_rng(0)
    return Image.fromarray(random.integers(0, 256, (30, 44, 3), np.uint8))


def _boxes(width, height, **settings):
    generator = np.random.default_rng(1)
    settings = {"min_area": crops.MIN_AREA, **settings}
    found = [crops.random_box(width, height, generator, **settings) for _ in range(NUM)]
    return np.array(found, float)


def test_random_parts_lie_in_the_picture_with_the_areas_and_ratios_asked_for():
    left, top, right, bottom = _boxes(500, 400).T
    assert (left >= 0).all() and (right <= 500).all()
    assert (top >= 0).all() and (bottom <= 400).all()
    area = (right - left) * (bottom - top) / (500 * 400)
    ratio = (right - left) / (bottom - top)
    assert 0.075 < area.min() < 0.1 and area.max() > 0.95
    assert 0.74 < ratio.min() < 0.76 and 1.3 < ratio.max() < 1.35


def test_the_smallest_area_is_kept_to():
    left, top, right, bottom = _boxes(512, 512, min_area=0.5).T
    area = (right - left) * (bottom - top) / 512**2
    assert 0.495 < area.min() < 0.52


def test_parts_lie_everywhere_alike():
    """The middle of a part is uniform about the picture's middle, within 5 errors."""
    left, _, right, _ = _boxes(300, 300).T
    room = 300 - (right - left)
    place = (left[room > 20] / room[room > 20]) - 0.5
    assert abs(place.mean()) < 5 * place.std() / np.sqrt(len(place))


def test_half_of_the_random_crops_are_mirrored():
    ramp = np.tile(np.arange(64, dtype=np.uint8)[None, :, None], (64, 1, 3))
    image, generator = Image.fromarray(ramp), np.random.default_rng(2)
    drawn = [crops.random(image, 8, generator).astype(int) for _ in range(1000)]
    mirrored = np.mean([d[0, 0, 0] > d[0, -1, 0] for d in drawn])
    assert abs(mirrored - 0.5) < 5 * np.sqrt(0.25 / 1000)


def test_a_picture_without_any_such_part_keeps_its_largest_middle():
    box = crops.random_box(1000, 2, np.random.default_rng(0), min_area=1.0)
    assert box[3] - box[1] == 2 and box[2] - box[0] == 3  # 4 to 3
    assert 498 <= box[0] <= 499


def test_the_centre_is_seven_eighths_of_the_shorter_side():
    ramp = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (256, 1, 3))
    found = crops.fixed(Image.fromarray(ramp), "centre", 224)
    np.testing.assert_array_equal(found, ramp[16:240, 16:240])  # 16 = (256 - 224) / 2


def test_the_square_is_what_decoding_gives(picture):
    wanted = images.decode(images.encoded_png(np.asarray(picture)), size=10)
    np.testing.assert_array_equal(crops.fixed(picture, "square", 10), wanted)


def test_an_unknown_crop_is_refused():
    with pytest.raises(ValueError, match="did you mean 'centre'"):
        crops.require_known("center")
