"""Runs that are killed five times: do they end as one that nobody has killed?

A part of `experiments.reliability`. A cell is a model, a number of devices and a
signal; the calm run of a model and a number of devices is made once. The moments: while
data are prepared, in the first compilation, at the commit of a checkpoint, after a
random number of dispatches, in the evaluation. A kill comes a random time after each.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from causal_jax.runs import folder
from causal_jax.training.checkpoint import Checkpoints

# Tiny networks; eight dispatches or more of the stage that is trained longest.
MODELS = {
    "wgan": ("faces_labels:quicktest", {"num_steps": 1600}),
    "mle": ("faces_labels:mle,quicktest", {"num_steps": 1600}),
    "causal_gan": ("faces_causal_gan:mle,quicktest", {"num_steps": 200}),
    "causal_began": ("faces_causal_began:mle,quicktest", {"num_steps": 200}),
    "cgn": ("mnist_cgn:double_colored,quicktest", {"num_steps": 400}),
    "classifier": (
        "mnist_classifier:double_colored,original,embedded,quicktest",
        {"num_epochs": 64},
    ),
}
DEVICES = (1, 2)
SIGNALS = (signal.SIGKILL, signal.SIGTERM)


class Kill(NamedTuple):
    """When a run is killed.

    Attributes:
      moment: of `experiments.interrupted`.
      times: how often the moment has come by then.
      most_seconds: after it; the time is uniform below.
    """

    moment: str
    times: int
    most_seconds: float


def kills(generator: random.Random) -> list[Kill]:
    """The five of a run, in order."""
    return [
        Kill(moment="data", times=1, most_seconds=1.5),
        Kill(moment="compile", times=1, most_seconds=1.5),
        Kill(moment="commit", times=1, most_seconds=0.03),
        Kill(moment="dispatch", times=generator.randint(1, 3), most_seconds=0.1),
        Kill(moment="evaluation", times=1, most_seconds=3.0),
    ]


def cells() -> dict[str, tuple[str, int, signal.Signals]]:
    """{cell: (model, devices, signal)}, both signals of a calm run in turn."""
    return {
        f"kills_{model}_{num}_{number.name}": (model, num, number)
        for model in MODELS
        for num in DEVICES
        for number in SIGNALS
    }


def run(root: Path, cell: str) -> dict[str, Any]:
    """Kills a cell's run five times; what came of it."""
    model, num, number = cells()[cell]
    root.mkdir(parents=True, exist_ok=True)
    calm, workdir = root / f"calm_{model}_{num}", root / cell
    if not (calm / "metrics.json").is_file():
        shutil.rmtree(calm, ignore_errors=True)
        for command in ("train", "evaluate"):
            _finish(_start(command, model, num, calm))
    shutil.rmtree(workdir, ignore_errors=True)
    generator = random.Random(zlib.crc32(cell.encode()))
    hit = []
    for kill in kills(generator):
        command = "evaluate" if kill.moment == "evaluation" else "train"
        if command == "evaluate":
            _finish(_start("train", model, num, workdir))
        seconds = generator.uniform(0, kill.most_seconds)
        process = _start(command, model, num, workdir, cache=kill.moment != "compile")
        hit.append(f"{kill.moment}: {_kill(process, kill, seconds, number)}")
    _finish(_start("evaluate", model, num, workdir))
    return {"hit": hit, "differences": differences(calm, workdir)}


def _start(command: str, model: str, num: int, workdir: Path, *, cache: bool = True):
    config, overrides = MODELS[model]
    arguments = [f"--workdir={workdir}"]
    if command == "train":
        arguments += [f"--config={config}", "--checkpoint_seconds=1"]
        arguments += [f"--config.{key}={value}" for key, value in overrides.items()]
    flags = f"--xla_force_host_platform_device_count={num}"
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": flags,
        "CAUSAL_JAX_CACHE": str(workdir.parent / "cache") if cache else "off",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.interrupted", command, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def _finish(process: subprocess.Popen) -> None:
    _, said = process.communicate()
    if process.returncode:
        raise ValueError(f"{process.args[3:]} ended by itself: {said[-600:]}")


def _kill(process: subprocess.Popen, kill: Kill, seconds: float, number: int) -> str:
    """Waits for the moment, sends the signal; how the process has ended."""
    times = 0
    for line in process.stderr:
        times += line.strip() == f"@{kill.moment}"
        if times == kill.times:
            break
    time.sleep(seconds)
    process.send_signal(number)
    _, said = process.communicate()
    last = (said.strip().splitlines() or [""])[-1]
    if process.returncode == 0:
        return "had ended"
    expected = {signal.SIGKILL: (-9,), signal.SIGTERM: (143, -15)}[number]
    told = number == signal.SIGKILL or "to go on: " in last
    if process.returncode not in expected or not told or "Traceback" in said:
        raise ValueError(f"exit {process.returncode} at {kill.moment}: {said[-600:]}")
    return f"killed after {seconds:.2f} s"


def differences(calm: Path, workdir: Path) -> list[str]:
    """What two finished runs do not have in common, to the bit; times left out."""
    found = []
    for name in ("metrics.jsonl", "metrics.json", "scm.json", "config.json"):
        texts = [_text(path / name) for path in (calm, workdir)]
        if texts[0] != texts[1]:
            found.append(name)
    stages = [sorted(p.name for p in (path / "checkpoints").iterdir())
              for path in (calm, workdir)]  # fmt: skip
    if stages[0] != stages[1]:
        return [*found, "stages"]
    for stage in stages[0]:
        trees = [_arrays(folder.checkpoints(path, stage)) for path in (calm, workdir)]
        same = jax.tree.map(_is_same, *trees)
        if not jax.tree.all(same):
            found.append(stage)
    return found


def _text(path: Path) -> Any:
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    if path.name == "metrics.json":
        return {k: v for k, v in json.loads(text).items() if k != "seconds"}
    return text


def _arrays(checkpoints: Checkpoints) -> Any:
    step = checkpoints.latest()
    return {"step": np.asarray(step), **checkpoints.restore_all(step)}


def _is_same(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()
