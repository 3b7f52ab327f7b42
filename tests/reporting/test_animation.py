"""Animations have the frames and the time that were asked for."""

import importlib.util
import warnings

import numpy as np
import pytest
from PIL import Image

from causal_jax.reporting import animation


def frames(num=5, height=16, width=16):
    for i in range(num):
        yield np.full((height, width, 3), 40 * i, np.uint8)


def test_a_gif_has_every_frame_and_loops(tmp_path):
    path = tmp_path / "new" / "a.gif"
    animation.save(path, frames(), 20)
    found = Image.open(path)
    assert (found.n_frames, found.size) == (5, (16, 16))
    assert (found.info["duration"], found.info["loop"]) == (50, 0)
    found.seek(3)
    assert abs(int(np.asarray(found.convert("RGB"))[0, 0, 0]) - 120) <= 2
    assert [one.name for one in path.parent.iterdir()] == ["a.gif"]


def test_an_mp4_has_every_frame_also_of_odd_sides(tmp_path):
    imageio = pytest.importorskip("imageio.v2")
    path = tmp_path / "a.mp4"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        animation.save(path, frames(6, 33, 47), 10)
    assert not [one for one in said if "fork" in str(one.message)]
    with imageio.get_reader(path) as reader:
        found = reader.get_meta_data()
        assert reader.count_frames() == 6
        assert (found["size"], found["fps"], found["duration"]) == ((48, 34), 10, 0.6)
        assert abs(int(reader.get_data(2).mean()) - 80) <= 4


def test_without_ffmpeg_the_command_that_brings_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'pip install "imageio\[ffmpeg\]"'):
        animation.save(tmp_path / "a.mp4", frames(), 10)
    animation.require_writer(tmp_path / "a.gif", 10)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "fps", "message"),
    [
        ("a.png", 10, "must end in .gif or .mp4"),
        ("a.gif", 60, "at most 50 frames per second, not 60"),
        ("a.mp4", 0, "1 to 1000 frames per second, not 0"),
        ("a.gif", float("nan"), "not nan"),
    ],
)
def test_what_cannot_be_written_is_one_line(tmp_path, name, fps, message):
    with pytest.raises(ValueError, match=message):
        animation.require_writer(tmp_path / name, fps)


@pytest.mark.parametrize("name", ["a.gif", "a.mp4"])
def test_no_frame_is_no_file(tmp_path, name):
    with pytest.raises(ValueError, match="needs a frame"):
        animation.save(tmp_path / name, iter(()), 10)
    assert not list(tmp_path.iterdir())
