"""Training of a digit classifier on originals, generated or counterfactual pictures."""

from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

import causal_jax
from causal_jax.data import counterfactuals
from causal_jax.data.counterfactuals import LABELS
from causal_jax.data.mnist import Pictures
from causal_jax.networks import cgn_official
from causal_jax.networks.cgn_sampler import sample_counterfactuals
from causal_jax.networks.digit_classifier import DigitClassifier
from causal_jax.scm import SCM
from causal_jax.training import loop, parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.classifier import classifier
from causal_jax.types import Array, Key, Params
from experiments import digit_sets, stages
from experiments.cgn_stage import require_one_of
from experiments.configs.mnist_classifier import TRAINED_ON

STAGE = "classifier"
TARGETS = dict(zip(("shape", "texture", "background"), LABELS, strict=True))
_BLOCK = 2000  # pictures drawn at once


def train(config, workdir: str | Path) -> dict[str, float]:
    """Trains a config's classifier; returns the seconds of its stage."""
    _check(config)
    generator = _generator(config)  # errors leave nothing behind
    originals = digit_sets.training(config)
    workdir = stages.open_workdir(config, workdir)
    return stages.timed(workdir, STAGE, _fit, config, originals, generator, workdir)


def train_together(configs: list, folders: list[str | Path]) -> None:
    """Trains runs that differ in seed and generator at once, on one device.

    Raises:
      ValueError: pictures are to be drawn in every step.
    """
    config = configs[0]
    _check(config)
    if config.on_the_fly:
        raise ValueError("on_the_fly draws with each run's generator: train in turn")
    originals = digit_sets.training(config)
    data = [_run_data(each, originals, _generator(each)) for each in configs]
    folders = [*map(stages.open_workdir, configs, folders)]
    algorithm, num_steps = algorithm_of(config, len(data[0]["labels"]))
    stages.fit_together(
        folders,
        configs,
        STAGE,
        algorithm,
        jax.tree.map(lambda *each: jnp.stack(each), *data),
        num_steps=num_steps,
        data_axis=0,
    )


def needs_generator(config) -> bool:
    """Whether pictures are drawn from a model."""
    return config.train_on not in ("original", "irm") and not config.counterfactuals


def _generator(config) -> tuple[SCM, Params] | None:
    """The model that a config's pictures are drawn from."""
    generator = open_generator(config.generator) if needs_generator(config) else None
    _require_kind(config, generator)
    return generator


def open_generator(path: str | Path) -> tuple[SCM, Params]:
    """The model in a run's folder, or in a published checkpoint.

    Raises:
      ValueError: there is none.
    """
    if not path:
        raise ValueError(
            "no generator: give --config.generator=DIR, the folder of an mnist_cgn "
            "run, or a published ckp.pth"
        )
    if str(path).endswith(".pth"):
        return cgn_official.load(path)
    return causal_jax.load(path)


def _check(config) -> None:
    require_one_of("train_on", config.train_on, TRAINED_ON)
    require_one_of("target", config.target, TARGETS)
    for key in ("num_epochs", "batch_size", "num_counterfactuals", "per_mask"):
        if config[key] < 1:
            raise ValueError(f"{key} is at least 1, not {config[key]}")
    parallel.require_divisible(config.batch_size, jax.device_count())
    if config.num_digits < 0:
        raise ValueError(f"num_digits is at least 0 (all), not {config.num_digits}")
    if config.train_on == "cgn" and config.num_counterfactuals < config.batch_size:
        raise ValueError(
            f"num_counterfactuals={config.num_counterfactuals} is less than a batch: "
            f"ask for {config.batch_size} or more"
        )
    _require_multiple(config.num_counterfactuals, config.per_mask)
    if config.on_the_fly and config.per_mask != 1:
        raise ValueError("on_the_fly draws a mask for every picture: per_mask=1")
    if config.target != "shape" and config.train_on != "cgn":
        raise ValueError(
            f"target={config.target} goes with train_on=cgn: other pictures are "
            "labelled by their shape"
        )
    if config.on_the_fly and (config.train_on != "cgn" or config.counterfactuals):
        raise ValueError(
            "on_the_fly draws counterfactuals in every step: it goes with train_on=cgn "
            "and a generator"
        )
    if config.counterfactuals and "cgn" not in config.train_on:
        raise ValueError(
            f"counterfactuals={config.counterfactuals} is a set of counterfactuals: it "
            f"goes with train_on=cgn or original_cgn, not {config.train_on}"
        )


def require_parts(scm: SCM, generator: str) -> None:
    """Raises ValueError unless the model can make counterfactuals of its parts."""
    if "shape" not in scm.nodes:
        raise ValueError(
            f"{generator} is no counterfactual generative network: train one with "
            "--config=experiments/configs/mnist_cgn.py"
        )


def _require_kind(config, generator) -> None:
    """Raises where the generator is of the wrong kind."""
    if generator is None:
        return
    if "cgn" in config.train_on:
        require_parts(generator[0], config.generator)
    elif "shape" in generator[0].nodes:
        raise ValueError(
            f"{config.generator} is no plain GAN: train one with "
            "--config=experiments/configs/mnist_cgn.py:VARIANT,gan"
        )


def _fit(config, originals: Pictures, generator, workdir: Path) -> None:
    data = _run_data(config, originals, generator)
    algorithm, num_steps = algorithm_of(config, len(data["labels"]), generator)
    loop.fit(
        algorithm,
        data,
        key=jax.random.fold_in(jax.random.key(config.seed), 0),
        num_steps=num_steps,
        stage=STAGE,
        workdir=workdir,
        steps_per_dispatch=50,
    )


def _run_data(config, originals: Pictures, generator) -> dict[str, Array]:
    key = jax.random.fold_in(jax.random.key(config.seed), 2)
    return training_data(config, originals, generator, key)


def algorithm_of(config, num_rows: int, generator=None) -> tuple[Algorithm, int]:
    """The classifier's algorithm over so many rows, and its number of steps."""
    steps_per_epoch = max(num_rows // config.batch_size, 1)
    settings = {}
    if config.train_on == "irm":
        settings = {
            "num_environments": 2,
            "penalty_weight": config.penalty_weight,
            "penalty_from": config.penalty_from,
        }
    if config.on_the_fly:
        scm, params = generator

        def draw_fn(rows, key, num):
            del rows
            drawn = sample_counterfactuals(scm, params, key, num=num)
            return drawn.images, drawn._asdict()[f"{config.target}_labels"]

        settings["draw_fn"] = draw_fn
    algorithm = classifier(
        DigitClassifier(),
        steps_per_epoch=steps_per_epoch,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        decay=config.decay,
        **settings,
    )
    return algorithm, config.num_epochs * num_rows // config.batch_size


def training_data(config, originals: Pictures, generator, key: Key) -> dict[str, Array]:
    """What is trained on: {"images", "labels"} and, for IRM, "environments"."""
    if config.train_on == "irm":
        return environments(config, originals)
    if config.on_the_fly:
        return {"labels": jnp.zeros(config.num_counterfactuals, jnp.int32)}
    parts = []
    if "original" in config.train_on:
        parts.append((originals.images, originals.labels))
    if "gan" in config.train_on:
        parts.append(generated(*generator, key, config.num_counterfactuals))
    if "cgn" in config.train_on:
        parts.append(_counterfactuals(config, generator, key))
    images, labels = zip(*parts, strict=True)
    return {"images": jnp.concatenate(images), "labels": jnp.concatenate(labels)}


def _counterfactuals(config, generator, key: Key) -> tuple[Array, Array]:
    if config.counterfactuals:
        read = counterfactuals.read(
            config.counterfactuals, data_dir=config.data_dir or None
        )
        num = config.num_counterfactuals
        if len(read.images) < num:
            raise ValueError(
                f"{config.counterfactuals} holds {len(read.images)} pictures: "
                f"--config.num_counterfactuals={num} is too many"
            )
        images = jnp.asarray(read.images[:num], jnp.float32) / 127.5 - 1
        return images, jnp.asarray(read.labels[TARGETS[config.target]][:num])
    num, per_mask = config.num_counterfactuals, config.per_mask
    drawn = [*draw_blocks(*generator, key, num=num, per_mask=per_mask)]
    images = np.concatenate([np.asarray(block.images) for block in drawn])
    labels = np.concatenate(
        [np.asarray(block._asdict()[f"{config.target}_labels"]) for block in drawn]
    )
    return jnp.asarray(images), jnp.asarray(labels)


def _require_multiple(num: int, per_mask: int) -> None:
    if num % per_mask:
        raise ValueError(
            f"per_mask={per_mask} does not divide {num}: ask for a multiple"
        )


def draw_blocks(
    scm: SCM, params: Params, key: Key, *, num: int, per_mask: int = 1
) -> Iterator:
    """Counterfactuals, block after block, with a progress bar.

    Raises:
      ValueError: `per_mask` does not divide `num`.
    """
    _require_multiple(num, per_mask)
    block = max(_BLOCK // per_mask, 1) * per_mask
    with tqdm(total=num, desc="counterfactuals", unit="picture") as bar:
        for first in range(0, num, block):
            size = min(block, num - first)
            one = jax.random.fold_in(key, first)
            yield sample_counterfactuals(scm, params, one, num=size, per_mask=per_mask)
            bar.update(size)


def generated(scm: SCM, params: Params, key: Key, num: int) -> tuple[Array, Array]:
    """Pictures of a plain GAN and their labels."""
    images, labels = [], []
    for first in tqdm(range(0, num, _BLOCK), desc="generated", unit="block"):
        size = min(_BLOCK, num - first)
        values = scm.sample(params, jax.random.fold_in(key, first), num=size)
        images.append(values["image"])
        labels.append(values["label"].astype(jnp.int32))
    return jnp.concatenate(images), jnp.concatenate(labels)


def environments(config, originals: Pictures) -> dict[str, Array]:
    """The training digits in two halves, the environments of IRM.

    In the first colours or textures tell the class always, in the second in a share
    `config.correlation` of the pictures; the others' are independent of it.
    """
    half = len(originals.labels) // 2
    free = digit_sets.training(config, correlated=False)
    key = jax.random.fold_in(jax.random.key(digit_sets.DATA_KEY), 9)
    is_free = jax.random.uniform(key, (half,)) >= config.correlation
    second = jnp.where(
        is_free[:, None, None, None], free.images[-half:], originals.images[-half:]
    )
    return {
        "images": jnp.concatenate([originals.images[:-half], second]),
        "labels": originals.labels,
        "environments": jnp.repeat(
            jnp.arange(2), jnp.array([len(originals.labels) - half, half])
        ),
    }
