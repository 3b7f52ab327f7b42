"""Does a run go on as if nothing had happened on other devices, or on several hosts?

    python -m experiments.devices                      # every algorithm, float64
    python -m experiments.devices --only=label_mle --precision=float32

Every algorithm with tiny networks, 50 steps of plain SGD: Adam and Adadelta hide a
gradient of a wrong scale. The first 25 steps are made on one layout, the others, from
its checkpoint, on another:

    1, 2, 4    devices of one host (a CPU that says it has so many)
    2x2        two hosts of two: two processes that speak over the loopback network

A figure is the largest difference of any number in the state (parameters, averages,
batch statistics) from 50 steps in one go on one device; `moved` is how far the largest
is from where it began. `on 4` is the worst of the runs that went on there from another
layout, `the same` of those that were interrupted and went on where they were.

The table is printed; docs/reliability.md has it.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

from causal_jax import graph as graphs
from causal_jax.cli import command_line
from causal_jax.networks.biggan import Generator
from causal_jax.networks.cgn import imagenet, mnist
from causal_jax.networks.cgn.composition import PARTS
from causal_jax.networks.cgn.discriminators import LinearDiscriminator
from causal_jax.networks.controller import controller
from causal_jax.networks.digit_classifier import DigitClassifier
from causal_jax.networks.feature_discriminator import FeatureDiscriminator
from causal_jax.networks.image import ImageGenerator
from causal_jax.networks.resnet import ResNet
from causal_jax.training import hosts, loop
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.biggan import biggan
from causal_jax.training.causal_began import causal_began
from causal_jax.training.causal_gan import causal_gan
from causal_jax.training.cgn import cgn
from causal_jax.training.cgn_imagenet import Weights, cgn_imagenet
from causal_jax.training.classifier import classifier
from causal_jax.training.ensemble import ensemble
from causal_jax.training.label_local_wgan import label_local_wgan
from causal_jax.training.label_mle import label_mle
from causal_jax.training.noise_encoder import noise_encoder
from causal_jax.types import Batch

LAYOUTS = {"1": (1, 1), "2": (1, 2), "4": (1, 4), "2x2": (2, 2)}  # hosts, devices each
WHOLE = "whole"  # 50 steps in one go
NUM_STEPS = 50
COLUMNS = ("algorithm", "moved", *(f"on {layout}" for layout in LAYOUTS), "the same")
_BATCH = 8  # over all devices
_IMAGES = ImageGenerator((2, 3), resolution=8, width=2, noise_size=3)

# --- what is trained ------------------------------------------------------------------


def algorithms() -> dict[str, Callable[[], tuple[Algorithm, Batch]]]:
    """{name: its algorithm with tiny networks, and data}."""
    scm = controller(
        graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")}),
        hidden=(4,),
    )
    random = np.random.default_rng(0)
    rows = np.stack([random.integers(0, k, 40) for k in (2, 3)], -1)
    drawn = {
        "images": random.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8),
        "labels": rows,
    }
    digits = {
        "images": random.uniform(-1, 1, (40, 32, 32, 3)),
        "labels": random.integers(0, 10, 40),
    }
    pictures = {
        "image": random.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8),
        "label": random.integers(0, 3, 40, dtype=np.int32),
    }
    steps = {"num_steps": NUM_STEPS, "batch_size": _BATCH}
    rates = {"learning_rate": 0.05, "critic_learning_rate": 0.05}
    small = {"learning_rate": 0.01}
    return {
        "label_local_wgan": lambda: (
            label_local_wgan(scm, critic_hidden=(6,), **rates, **steps),
            {"rows": rows},
        ),
        "label_mle": lambda: (label_mle(scm, **small, **steps), {"rows": rows}),
        "causal_gan": lambda: (causal_gan(_IMAGES, flip=True, **rates, **steps), drawn),
        "causal_began": lambda: (
            causal_began(_IMAGES, flip=True, **rates, **steps),
            drawn,
        ),
        "cgn": lambda: (
            cgn(mnist.scm(width=2, noise_size=3), LinearDiscriminator(4), **steps),
            digits,
        ),
        "classifier": lambda: (
            classifier(
                DigitClassifier(), steps_per_epoch=20, batch_size=_BATCH, **small
            ),
            digits,
        ),
        "biggan": lambda: (_biggan(**steps), pictures),
        "cgn_imagenet": lambda: (_cgn_imagenet(), {"labels": np.arange(3)}),
        "ensemble": lambda: (
            ensemble(ResNet((1,), num_classes=3, width=4), **small, **steps),
            pictures,
        ),
        "noise_encoder": lambda: (
            noise_encoder(
                _IMAGES, _IMAGES.init(jax.random.key(5), ()), width=2, **small, **steps
            ),
            {"rows": rows},
        ),
    }


_PICTURE = {"size": 32, "width": 4, "num_classes": 3, "noise_size": 5}
_PICTURE |= {"embedding_size": 4, "spectral_norm": True, "rgb_features": 3}


def _biggan(**settings) -> Algorithm:
    """With a discriminator that reads the maps of a classifier."""
    classifier = ResNet((1,), num_classes=3, width=4)
    return biggan(
        Generator(**_PICTURE, statistics="batch"),
        FeatureDiscriminator(classifier, 32, width=4, num_classes=3),
        features=classifier.init(jax.random.key(2), jnp.zeros((1, 32, 32, 3))),
        learning_rate=0.01,
        discriminator_learning_rate=0.01,
        **settings,
    )


def _cgn_imagenet() -> Algorithm:
    """With a masker of few channels, and pixels for features."""
    imagenet.MASKERS["u2netp"] = ((2, 4),) * 11
    scm = imagenet.scm(masker="u2netp", num_levels=1, **_PICTURE)

    def start(key):
        params = scm.init(key)
        return params, params["texture"], ()

    return cgn_imagenet(
        scm,
        start,
        lambda _, images: (images,),
        batch_size=_BATCH,
        learning_rates=dict.fromkeys(PARTS, 1e-3),
        weights=Weights(perceptual=(0.05,), texture=(0.03,)),
        collage={"working_size": 16, "patch": 4, "num_best": 20, "grid": 4},
        average_rate=0.1,
    )


def use_sgd() -> None:
    """Every optimiser is SGD from now on, its rate what the algorithm says."""
    optax.adam = lambda rate, *betas, **named: optax.sgd(rate)
    optax.adadelta = lambda rate, **named: optax.sgd(rate)


def in_default_precision(algorithm: Algorithm) -> Algorithm:
    """The algorithm with a state in float64, where JAX computes in it."""
    dtype = jnp.zeros(()).dtype

    def init(key):
        return jax.tree.map(
            lambda x: x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x,
            algorithm.init(key),
        )

    return algorithm._replace(init=init)


# --- a process of a layout ------------------------------------------------------------


def work(names: list[str], part: str, layout: str, folder: Path) -> None:
    """Trains in this process: the `first` half, the `second` of each, or `whole`."""
    for name in names:
        algorithm, data = algorithms()[name]()
        fit = partial(
            loop.fit,
            in_default_precision(algorithm),
            data,
            key=jax.random.key(1),
            steps_per_dispatch=NUM_STEPS // 2,
            progress=False,
        )
        if part == "first":
            fit(num_steps=NUM_STEPS // 2, workdir=folder / layout / name)
        elif part == "second":
            for source in filter(lambda s: (folder / s).is_dir(), LAYOUTS):
                workdir = folder / f"{source}_{layout}" / name
                hosts.on_writer(partial(_copy, folder / source / name, workdir))
                _keep(fit(num_steps=NUM_STEPS, workdir=workdir).state, workdir)
        else:
            start = in_default_precision(algorithm).init(jax.random.key(1))
            _keep(start, folder / "start" / name)
            _keep(fit(num_steps=NUM_STEPS).state, folder / WHOLE / name)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target)


def _keep(state, workdir: Path) -> None:
    """Writes what is compared, in one process."""
    if hosts.is_writer():
        workdir.mkdir(parents=True, exist_ok=True)
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
        np.savez(workdir / "state.npz", *leaves)


# --- all of them ----------------------------------------------------------------------


def launch(layout: str, arguments: list[str], precision: str = "float64") -> None:
    """Runs this module's processes of a layout, and waits for them.

    Raises:
      ValueError: one of them failed; with the end of what it said.
    """
    num_hosts, num_devices = LAYOUTS[layout]
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": str(int(precision == "float64")),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # programs of 25 steps
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} "
        f"--xla_force_host_platform_device_count={num_devices}",
    }
    coordinator = f"127.0.0.1:{free_port()}"
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "experiments.devices", *arguments]
            + [f"--layout={layout}", f"--coordinator={coordinator}"]
            + [f"--num_processes={num_hosts}", f"--process_id={i}"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(num_hosts)
    ]
    said = [process.communicate()[0] for process in processes]
    for process, text in zip(processes, said, strict=True):
        if process.returncode:
            raise ValueError(f"layout {layout} failed: {text[-2000:]}")


def free_port() -> int:
    """A port of the loopback network that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def measure(names: list[str], folder: Path, precision: str) -> Iterator[list[str]]:
    """Trains everything; the table's rows, see `COLUMNS`."""
    named = [f"--only={','.join(names)}", f"--folder={folder}"]
    launch("1", [*named, f"--part={WHOLE}"], precision)
    for part in ("first", "second"):
        for layout in LAYOUTS:
            launch(layout, [*named, f"--part={part}"], precision)
    for name in names:
        moved = gap(folder / "start" / name, folder / WHOLE / name)
        yield [name, f"{moved:.2g}", *(f"{g:.1e}" for g in worst(folder, name))]


def worst(folder: Path, name: str) -> list[float]:
    """The largest gap of those that went on on each layout, and on the same one."""
    gaps = {
        (first, second): gap(folder / f"{first}_{second}" / name, folder / WHOLE / name)
        for first in LAYOUTS
        for second in LAYOUTS
    }
    changed = [
        max(gap for (first, second), gap in gaps.items() if second == layout != first)
        for layout in LAYOUTS
    ]
    return [
        *changed,
        max(gap for (first, second), gap in gaps.items() if first == second),
    ]


def gap(one: Path, other: Path) -> float:
    """The largest difference between the floats of two states.

    Raises:
      ValueError: one is not finite.
    """
    with np.load(one / "state.npz") as a, np.load(other / "state.npz") as b:
        floats = [key for key in a.files if a[key].dtype.kind == "f"]
        found = max(float(np.max(np.abs(a[k] - b[k]), initial=0)) for k in floats)
        if not np.isfinite(found):
            raise ValueError(f"{one} and {other}: numbers that are not finite")
    return found


def define_flags() -> None:
    names = ",".join(algorithms())
    flags.DEFINE_string("only", names, "Algorithms, separated by commas.")
    flags.DEFINE_enum("precision", "float64", ["float32", "float64"], "Of the state.")
    flags.DEFINE_string("part", None, "A process of a layout: first, second or whole.")
    flags.DEFINE_enum("layout", "1", list(LAYOUTS), "Of this process.")
    flags.DEFINE_string("folder", None, "Of the processes; else one that is deleted.")
    flags.DEFINE_string("coordinator", None, "As of causal-jax train.")
    flags.DEFINE_integer("num_processes", 1, "As of causal-jax train.")
    flags.DEFINE_integer("process_id", 0, "As of causal-jax train.")


def main(args: flags.FlagValues) -> None:
    names = args.only.split(",")
    if args.part:
        hosts.start(args.coordinator, args.num_processes, args.process_id)
        with hosts.ending_together("devices"):
            use_sgd()
            work(names, args.part, args.layout, Path(args.folder))
        return
    with tempfile.TemporaryDirectory() as folder:
        print("| " + " | ".join(COLUMNS) + " |")
        print("|---" * len(COLUMNS) + "|")
        for row in measure(names, Path(folder), args.precision):
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    command_line.run("devices", define_flags, main, help_text=__doc__)
