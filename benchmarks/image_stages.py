"""The image stages of the first system, as the reference sets them: against PyTorch.

At 64 pixels, CausalGAN's iteration (two generator updates, and one of all critics every
third) and CausalBEGAN's step. Ours takes a run in one dispatch, as training does. The
opponent first repeats our first run, with our weights, pictures, labels and noise: what
both report is compared, losses after both players have moved among it. Then it is timed
with draws of its own, in the fastest of both memory layouts, eager and compiled. On a
CPU ours spreads the batch over two devices (JAX_NUM_CPU_DEVICES=2 does so for any run).
"""

import argparse
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import traverse_util

from benchmarks import operations
from benchmarks.harness import Comparison
from causal_jax.data import celeba_graphs
from causal_jax.networks.image import ImageGenerator
from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.causal_began import REFERENCE as BEGAN
from causal_jax.training.causal_began import causal_began
from causal_jax.training.causal_gan import REFERENCE as GAN
from causal_jax.training.causal_gan import causal_gan
from causal_jax.types import Batch, Key, Noise

DEVICES = 2  # on a CPU: what is no product then runs on two cores, too
SIDE, NUM_ROWS = 64, 256
PARENTS = (2,) * len(celeba_graphs.named("big_causal_graph"))
SIZES = {  # of the networks; see recipes.labels_images.configs.defaults
    "gan": {"width": 64, "noise_size": 100},
    "began": {"width": 128, "noise_size": 64},
}
KEY = jax.random.key(0)
# Losses in float32: sums of thousands of products in another order, and Adam's first
# moves, which are as long for a gradient that rounding errors make as for any other.
TOLERANCE = 1e-3


class Stage(NamedTuple):
    """What is trained, and how its draws are made.

    Attributes:
      kind: "gan" or "began".
      generator: the image mechanism.
      algorithm: its training.
      settings: of the algorithm.
      num_steps: steps of a run.
      noises: (key of a step, its number) -> the generator's noise of each of its
        passes, as the algorithm draws it.
    """

    kind: str
    generator: ImageGenerator
    algorithm: Algorithm
    settings: dict[str, Any]
    num_steps: int
    noises: Callable[[Key, int], Iterator[Noise]]


def comparisons(args: argparse.Namespace) -> dict[str, Callable[[], Comparison]]:
    """{name: makes it}."""
    del args
    return {"causal_gan": gan, "causal_began": began}


def gan() -> Comparison:
    """Three iterations: six generator updates and one of all critics."""
    stage = gan_stage(GAN, SIZES["gan"])
    networks = operations.gan_networks(**SIZES["gan"], num_labels=len(PARENTS))
    updates = GAN["num_generator_steps"] * operations.generator_update(networks)
    updates += operations.critics_update(networks) / GAN["critics_every"]
    return comparison(
        stage,
        what=f"CausalGAN iteration, batch {GAN['batch_size']}, {SIDE} pixels",
        counted=updates * GAN["batch_size"],
        goals={"must": 1.0, "goal": 1.3, "must_rate": 0.6, "goal_rate": 0.75},
    )


def began() -> Comparison:
    """One step."""
    stage = began_stage(BEGAN, SIZES["began"])
    counted = operations.began_step(**SIZES["began"], num_labels=len(PARENTS))
    return comparison(
        stage,
        what=f"CausalBEGAN step, batch {BEGAN['batch_size']}, {SIDE} pixels",
        counted=counted * BEGAN["batch_size"],
        goals={"must": 1.0, "goal": 1.2, "goal_rate": 0.85},
    )


def gan_stage(settings: dict, sizes: dict) -> Stage:
    generator = ImageGenerator(
        PARENTS, SIDE, architecture="dcgan", label_noise="reference", **sizes
    )

    def noises(key: Key, number: int) -> Iterator[Noise]:
        _, key_critics, key_generator = jax.random.split(key, 3)
        keys = [key_critics] if number % settings["critics_every"] == 0 else []
        for i in range(settings["num_generator_steps"]):
            keys.append(jax.random.fold_in(key_generator, i))
        for each in keys:
            key_noise, _ = jax.random.split(each)
            yield generator.noise(key_noise, settings["batch_size"])

    algorithm = causal_gan(generator, **settings)
    every = settings["critics_every"]
    return Stage("gan", generator, algorithm, settings, every, noises)


def began_stage(settings: dict, sizes: dict, num_steps: int = 1) -> Stage:
    generator = ImageGenerator(PARENTS, SIDE, architecture="began", **sizes)

    def noises(key: Key, number: int) -> Iterator[Noise]:
        del number
        _, key_loss = jax.random.split(key)
        key_noise, *_ = jax.random.split(key_loss, 4)
        yield generator.noise(key_noise, settings["batch_size"])

    algorithm = causal_began(generator, **settings)
    return Stage("began", generator, algorithm, settings, num_steps, noises)


def comparison(stage: Stage, *, what: str, counted: float, goals: dict) -> Comparison:
    """Ours and the opponent's runs of a stage."""
    folder = tempfile.TemporaryDirectory()
    data = random_data()
    state = start(stage)
    file = Path(folder.name) / "shared.npz"
    np.savez(file, **shared(stage, state, data))
    run = our_run(stage, state, data)
    weakref.finalize(run, folder.cleanup)
    generator = stage.generator
    settings = stage.settings | {
        "width": generator.width,
        "noise_size": generator.noise_size,
        "num_labels": generator.num_outputs,
        "num_steps": stage.num_steps,
    }
    return Comparison(
        what=what,
        ours=run,
        opponent="image_stages_torch.image_stage",
        settings={"kind": stage.kind, "file": str(file), "settings": settings},
        check=require_alike,
        count=stage.num_steps,
        operations=counted,
        **goals,
    )


def random_data() -> Batch:
    """Pictures uint8 [N, 64, 64, 3] and labels [N, n]."""
    rng = np.random.RandomState(0)
    images = rng.randint(0, 256, (NUM_ROWS, SIDE, SIDE, 3)).astype(np.uint8)
    return {"images": images, "labels": rng.randint(0, 2, (NUM_ROWS, len(PARENTS)))}


def start(stage: Stage) -> Any:
    """The state before the first step; CausalBEGAN's controls are already at work."""
    state = jax.jit(stage.algorithm.init)(KEY)
    if stage.kind == "began":
        controls = type(state.controls)(*np.float32([0.5, 0.4, 0.6]))
        state = state._replace(controls=controls)
    return state


def our_run(stage: Stage, state: Any, data: Batch) -> Callable[[], list]:
    """A function that takes a run, and returns what the first one reported."""
    steps = parallel.train_steps(stage.algorithm, num_steps=stage.num_steps)
    state, data = parallel.replicate(state), parallel.spread(data)
    first, reported = 0, []

    def run() -> list:
        nonlocal state, first
        state, info = jax.block_until_ready(steps(state, data, KEY, first))
        if not first:
            values = parallel.unreplicate(info)._asdict()
            values.pop(
                "distance", None
            )  # of CausalBEGAN's ours, which has no weight here
            reported.extend((name, float(value)) for name, value in values.items())
        first += stage.num_steps
        return reported

    return run


def shared(stage: Stage, state: Any, data: Batch) -> dict[str, np.ndarray]:
    """What the opponent needs to repeat our first run."""
    arrays = {f"data/{name}": value for name, value in data.items()}
    for name in ("generator", "critics"):
        arrays |= {
            f"{name}/{place.replace('params/', '')}": np.asarray(leaf)
            for place, leaf in traverse_util.flatten_dict(
                getattr(state, name), sep="/"
            ).items()
            if place.endswith("kernel")
        }
    if stage.kind == "began":
        arrays["controls"] = np.array(state.controls)
    batches, noises = [], []
    for number in range(stage.num_steps):
        key_data, key_step = jax.random.split(jax.random.fold_in(KEY, number))
        batches.append(parallel.draw(data, key_data, stage.algorithm.batch_shape))
        noises += stage.noises(key_step, number)
    arrays["batch/images"] = np.stack([batch["images"][0] for batch in batches])
    arrays["batch/labels"] = np.stack([batch["labels"] for batch in batches])
    arrays["z"] = np.stack([noise["z"] for noise in noises])
    for name in ("towards", "away") if "labels" in noises[0] else ():
        arrays[name] = np.stack([getattr(each["labels"], name) for each in noises])
    return arrays


def require_alike(ours: list, theirs: list) -> None:
    """Raises where two reports of the same run differ."""
    for (name, a), b in zip(ours, theirs, strict=True):
        if abs(a - b) > TOLERANCE * max(1, abs(a)):
            raise ValueError(f"{name}: ours {a:.6g}, theirs {b:.6g}")
