"""Writes frames as an animation: GIF, or MP4 where imageio and its ffmpeg are there.

Files are written whole or not at all, like all others.
"""

import importlib.util
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from causal_jax import files

_MAX_GIF_FPS = 50  # a frame lasts whole hundredths of a second; viewers slow 1 down
INSTALL = 'pip install "imageio[ffmpeg]"'


def require_writer(path: str | os.PathLike, fps: float) -> None:
    """Checks that an animation can be written, before any frame is drawn.

    Raises:
      ValueError: another ending, so many frames per second that the format cannot say
        them, or an MP4 without imageio and its ffmpeg.
    """
    ending = Path(path).suffix.lower()
    if ending not in _WRITERS:
        raise ValueError(f"{path} must end in {' or '.join(_WRITERS)}")
    if not 0 < fps <= 1000:
        raise ValueError(f"an animation has 1 to 1000 frames per second, not {fps:g}")
    if ending == ".gif" and fps > _MAX_GIF_FPS:
        raise ValueError(
            f"a GIF has at most {_MAX_GIF_FPS} frames per second, not {fps:g}: write "
            "an .mp4"
        )
    if ending == ".mp4" and not _has_ffmpeg():
        raise ValueError(f"an MP4 needs imageio and ffmpeg: {INSTALL}, or write a .gif")


def save(path: str | os.PathLike, frames: Iterable[np.ndarray], fps: float) -> None:
    """Writes an animation by its file's ending, .gif (which loops) or .mp4.

    Args:
      path: of the file.
      frames: uint8 [H, W, 3], all of one size; taken one after another.
      fps: frames per second.

    Raises:
      ValueError: see `require_writer`; or there is no frame.

    >>> path = Path(tempfile.mkdtemp(), "grey.gif")
    >>> save(path, (np.full((8, 8, 3), level, np.uint8) for level in (0, 99, 198)), 10)
    >>> Image.open(path).n_frames
    3
    """
    require_writer(path, fps)
    _WRITERS[Path(path).suffix.lower()](Path(path), frames, fps)


def shown_fps(path: str | os.PathLike, fps: float) -> float:
    """Frames per second as a file shows them: a GIF counts in whole hundredths.

    >>> shown_fps("a.gif", 40), shown_fps("a.mp4", 40)
    (50.0, 40)
    """
    return 1000 / _milliseconds(fps) if Path(path).suffix.lower() == ".gif" else fps


def _milliseconds(fps: float) -> int:
    # Pillow cuts what is between hundredths, and 30 per second became 33.
    return 10 * max(2, round(100 / fps))


def _save_gif(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    pictures = map(Image.fromarray, frames)
    first = next(pictures, None)
    if first is None:
        raise ValueError(f"{path}: an animation needs a frame")
    milliseconds = _milliseconds(fps)
    with files.whole(path, "wb") as file:
        first.save(
            file,
            format="GIF",
            save_all=True,
            append_images=pictures,
            duration=milliseconds,
            loop=0,
        )


def _save_mp4(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    import imageio.v2 as imageio  # optional, and slow to import

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # JAX warns of every fork; this one becomes ffmpeg at once.
        warnings.filterwarnings("ignore", message=r"os\.fork", category=RuntimeWarning)
        whole = Path(folder, "animation.mp4")
        # H.264 with colours at half the side: even sizes, which every player shows.
        with imageio.get_writer(
            whole, fps=fps, codec="libx264", quality=8, macro_block_size=1
        ) as writer:
            for frame in frames:
                writer.append_data(_with_even_sides(frame))
        if not whole.is_file():
            raise ValueError(f"{path}: an animation needs a frame")
        with files.whole(path, "wb") as file:
            file.write(whole.read_bytes())


def _with_even_sides(frame: np.ndarray) -> np.ndarray:
    """The picture with its last row or column twice where there is an odd number."""
    odd = [(0, side % 2) for side in frame.shape[:2]]
    return np.pad(frame, (*odd, (0, 0)), mode="edge") if any(map(any, odd)) else frame


def _has_ffmpeg() -> bool:
    return all(map(importlib.util.find_spec, ("imageio", "imageio_ffmpeg")))


_WRITERS: dict[str, Callable[[Path, Iterable[np.ndarray], float], None]] = {
    ".gif": _save_gif,
    ".mp4": _save_mp4,
}
