"""`causal-jax animate`: how long, and what is refused before anything is drawn."""

import jax
import pytest
from PIL import Image

from causal_jax.cli import animate
from causal_jax.networks.cgn import mnist
from tests.natural_images import save_run


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """An untrained model of digits as a run's folder."""
    scm = mnist.scm(width=2, noise_size=3, init_scale=1.5)
    folder = tmp_path_factory.mktemp("digits")
    return save_run(folder, scm, scm.init(jax.random.key(0)))


def test_a_model_of_digits_is_animated(digits, flags_of, tmp_path, capsys):
    out = tmp_path / "digits.gif"
    flags = {"workdir": str(digits), "out": str(out), "classes": "3|8"}
    animate.main(flags_of(animate, **flags, midpoints=1, fps=10.0))
    found = Image.open(out)
    assert (found.n_frames, found.info["duration"]) == (8, 100)
    assert f"wrote 8 frames, 0.8 s, to {out}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((None, None, None), (49, 25.0)),  # 8 s
        ((None, 2.0, 20.0), (9, 20.0)),
        ((4, None, None), (4, 25.0)),
        ((4, 2.0, None), (4, 10.0)),
        ((0, None, 2.0), (0, 2.0)),
        ((None, 0.001, None), (0, 25.0)),
    ],
)
def test_two_of_midpoints_seconds_and_fps_give_the_third(given, wanted):
    assert animate.timing(*given) == wanted


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"out": "a.png"}, "must end in .gif or .mp4"),
        ({"midpoints": 3, "seconds": 1.0, "fps": 2.0}, "give two, the third follows"),
        ({"seconds": -1.0}, "--seconds is -1: give a number above 0"),
        ({"fps": 0.0}, "--fps is 0: give a number above 0"),
        ({"seconds": float("inf")}, "--seconds is inf: give a number above 0"),
        ({"fps": float("nan")}, "--fps is nan: give a number above 0"),
        ({"midpoints": -1}, "--midpoints is -1"),
        ({"seconds": 1e6}, "at most 10000 frames"),
        ({"num": 0}, "at least one picture"),
        ({"classes": "3"}, "two different ones"),
        ({"classes": "3|11"}, "there is no class 11"),
        ({"truncation": 2.0}, "above 0 and at most 1"),
    ],
)
def test_bad_questions_are_one_line_and_nothing_is_written(
    digits, flags_of, tmp_path, flags, message
):
    asked = {"workdir": str(digits), "out": "a.gif", **flags}
    asked["out"] = str(tmp_path / asked["out"])
    with pytest.raises(ValueError, match=message) as raised:
        animate.main(flags_of(animate, **asked))
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())
