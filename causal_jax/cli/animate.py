r"""Draws an animation: a picture changes its texture, background and shape, and back.

    causal-jax animate --workdir=DIR --classes="lion|pizza" --out=lion.gif
    causal-jax animate --workdir=DIR --classes="lion|pizza" --truncation=0.4 \
        --seconds=8 --fps=25 --out=lion.mp4

The model is the folder of a run with parts (natural images or digits), or of weights
that `causal-jax import --as=cgn-imagenet` wrote. From the first class to the second the
texture goes, then the background, then the shape, then all three go back; noise stays.
Each of these four legs has --midpoints frames between its ends; without it, as many as
--seconds at --fps need. With both --midpoints and --seconds, --fps follows.

GIF needs nothing more; .mp4 needs pip install "imageio[ffmpeg]".
"""

import math
import sys

import jax
from absl import flags

from causal_jax.cli import assignments, classes, opened_parts
from causal_jax.networks.cgn import pictures
from causal_jax.networks.cgn.composition import LABELS
from causal_jax.reporting import animation, between_classes

_SECONDS, _FPS = 8.0, 25.0  # where nothing is said
_LEGS = len(between_classes.LEGS)
_MAX_FRAMES = 10_000
_LEAST_FPS = 0.01  # a GIF's frames last up to 655 s


def define_flags() -> None:
    """Defines this command's flags."""
    flags.DEFINE_string(
        "workdir", None, "Folder of a run or of imported weights.", required=True
    )
    flags.DEFINE_string("out", None, "File to write: .gif or .mp4.", required=True)
    flags.DEFINE_string("classes", None, 'From which to which: "lion|pizza".')
    flags.DEFINE_integer("num", 1, "Pictures side by side, each of its own noise.")
    flags.DEFINE_integer("midpoints", None, "Frames of a leg between its ends.")
    flags.DEFINE_float("seconds", None, f"Length of the whole, {_SECONDS:g} if unsaid.")
    flags.DEFINE_float("fps", None, f"Frames per second, {_FPS:g} if unsaid.")
    flags.DEFINE_integer("seed", 0, "Seed; the same seed gives the same noise.")
    opened_parts.define_flags()


def main(args: flags.FlagValues) -> None:
    """Draws the animation that the flags ask for."""
    midpoints, fps = timing(args.midpoints, args.seconds, args.fps)
    animation.require_writer(args.out, fps)
    if args.num < 1:
        raise ValueError(f"--num is {args.num}: ask for at least one picture")
    scm, params = opened_parts.open_model(args.workdir, args)
    pictures.require_parts(scm, args.workdir)
    ends = classes.read_ends(args.classes, scm.states(LABELS[0]))
    print("drawing (a first call compiles) ...", file=sys.stderr)
    frames = between_classes.animation_frames(
        scm, params, jax.random.key(args.seed), ends, args.num, midpoints=midpoints
    )
    animation.save(args.out, frames, fps)
    num_frames = _LEGS * (midpoints + 1)
    seconds = num_frames / animation.shown_fps(args.out, fps)
    print(f"wrote {num_frames} frames, {seconds:.3g} s, to {args.out}")
    where = assignments.as_flag("workdir", args.workdir)
    kind = "--kind=counterfactuals --out=counterfactuals.png"
    print(f"Next: causal-jax sheet {where} {kind}")


def timing(
    midpoints: int | None, seconds: float | None, fps: float | None
) -> tuple[int, float]:
    """How many frames a leg has between its ends, and how many are shown per second.

    Raises:
      ValueError: more than two of them are given, or numbers that do not fit.

    >>> timing(None, 8, 25)
    (49, 25)
    >>> timing(9, 4, None)
    (9, 10.0)
    """
    given = {"midpoints": midpoints, "seconds": seconds, "fps": fps}
    if None not in given.values():
        raise ValueError("--midpoints, --seconds, --fps: give two, the third follows")
    for name, value in given.items():
        # (A leg without a frame between its ends is a step.)
        least = 0 if name == "midpoints" else math.ulp(0)
        if value is not None and not least <= value < math.inf:
            raise ValueError(f"--{name} is {value:g}: give a number above 0")
    if midpoints is None:
        fps = fps or _FPS
        midpoints = max(0, round((seconds or _SECONDS) * fps / _LEGS) - 1)
    elif seconds:
        fps = _LEGS * (midpoints + 1) / seconds
    if _LEGS * (midpoints + 1) > _MAX_FRAMES:
        raise ValueError(f"an animation has at most {_MAX_FRAMES} frames: ask for less")
    fps = fps or _FPS
    if fps < _LEAST_FPS:
        raise ValueError(f"{fps:g} frames a second are too few: give {_LEAST_FPS}")
    return midpoints, fps
