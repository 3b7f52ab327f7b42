"""The persistent compilation cache: a machine compiles a program once.

Programs are kept in ~/.cache/causal_jax (or below $XDG_CACHE_HOME), one folder for each
kind of processor. CAUSAL_JAX_CACHE=DIR names another place, CAUSAL_JAX_CACHE=off
switches the cache off; JAX's own JAX_COMPILATION_CACHE_DIR goes before both.
"""

import os
import platform
import zlib
from pathlib import Path

import jax

OFF = "off"
_MIN_SECONDS = 0.2  # what compiles faster is not worth a file


def enable() -> Path | None:
    """Switches the cache on for this process; returns its folder, None where it is off.

    Programs are written by JAX when they are compiled; a folder that cannot be written
    costs a warning and nothing else.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return None
    place = os.environ.get("CAUSAL_JAX_CACHE", "")
    if place == OFF:
        return None
    folder = Path(place or _default_root()) / processor()
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _MIN_SECONDS)
    return folder


def _default_root() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home) / "causal_jax"


def processor() -> str:
    """A name of this processor's kind: programs of another may not run on it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.is_file() else []
    features = next((x for x in lines if x.startswith(("flags", "Features"))), "")
    code = zlib.crc32((platform.processor() + features).encode())
    return f"{platform.machine() or 'unknown'}-{code:08x}"
