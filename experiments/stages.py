"""The stages of a run: its folder, the label stage, the image stage."""

import hashlib
import inspect
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from causal_jax import workdir as workdirs
from causal_jax.networks import controller
from causal_jax.networks.image import ImageGenerator
from causal_jax.scm import SCM
from causal_jax.training import loop, parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.causal_began import causal_began
from causal_jax.training.causal_gan import causal_gan
from causal_jax.training.image_stage import flattened
from causal_jax.training.label_mle import label_mle
from causal_jax.training.label_wgan import even_roots, label_wgan
from causal_jax.training.seeds import fit_seeds
from causal_jax.training.unseen import unseen_pairs
from causal_jax.workdir import IMAGE
from experiments import data

# Where data lies is not part of what a run is.
_PLACES = ("data_dir",)

# Steps and batch of each label trainer where the config leaves them 0.
LABEL_DEFAULTS = {"wgan": (6000, 512), "mle": (2000, 4096)}

LABEL_ALGORITHMS = {"wgan": label_wgan, "mle": label_mle}
IMAGE_ALGORITHMS = {"causal_gan": causal_gan, "causal_began": causal_began}
# What algorithms are given beside the config's own settings of them.
_GIVEN = ("batch_size", "num_steps", "unseen")


def config_json(config) -> str:
    """The configuration as text, keys sorted."""
    return json.dumps(config.to_dict(), indent=1, sort_keys=True, default=list)


def config_hash(config) -> str:
    """Twelve hex digits that name a configuration, wherever its data lies."""
    settings = {k: v for k, v in config.to_dict().items() if k not in _PLACES}
    text = json.dumps(settings, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def open_workdir(config, workdir: str | Path) -> Path:
    """Makes a run's folder, or checks that it holds a run of the same config.

    Raises:
      ValueError: the folder holds another config's run, or other files.
    """
    workdir = Path(workdir)
    path = workdir / "config.json"
    if path.is_file():
        _require_same(config, json.loads(path.read_text(encoding="utf-8")), workdir)
    elif workdir.exists() and any(workdir.iterdir()):
        raise ValueError(
            f"{workdir} holds files that are no run (no config.json): choose an empty "
            "or a new folder"
        )
    workdirs.write_text(path, config_json(config))
    return workdir


def _require_same(config, kept: dict, workdir: Path) -> None:
    asked = json.loads(config_json(config))
    different = [
        f"{key} {kept.get(key)!r} there, {asked.get(key)!r} here"
        for key in sorted(asked.keys() | kept.keys())
        if key not in _PLACES and asked.get(key) != kept.get(key)
    ]
    if different:
        raise ValueError(
            f"{workdir} holds another config's run ({'; '.join(different[:3])}): "
            "choose another workdir or the same config"
        )


def train(config, workdir: str | Path) -> dict[str, float]:
    """Trains all stages of a config; returns their seconds."""
    _check(config)
    labels = data.labels(config)  # before anything is written: its errors leave nothing
    pictures = data.images(config, labels.graph) if config.stage == "images" else None
    workdir = open_workdir(config, workdir)
    label_scm = label_model(config, labels.graph)
    scm = label_scm
    if pictures is not None:
        generator = image_mechanism(config, label_scm)
        scm = label_scm.extend(IMAGE, parents=label_scm.nodes, mechanism=generator)
    workdirs.save_spec(workdir, scm)
    seconds = timed(workdir, "labels", train_labels, config, labels, label_scm, workdir)
    if pictures is not None:
        seconds = timed(
            workdir, "images", train_images, config, pictures, generator, workdir
        )
    return seconds


def _check(config) -> None:
    """Raises before data is read where a setting cannot be right."""
    for name, choices in (
        ("trainer", ("wgan", "mle")),
        ("controller", ("neural", "reference")),
    ):
        if config[name] not in choices:
            raise ValueError(f"{name} is {' or '.join(choices)}, not {config[name]!r}")
    if config.stage == "images" and config.algorithm not in IMAGE_ALGORITHMS:
        known = " or ".join(IMAGE_ALGORITHMS)
        raise ValueError(f"algorithm is {known}, not {config.algorithm!r}")
    smallest = 1 if config.stage == "images" else 0
    if config.num_steps < smallest or config.batch_size < smallest:
        raise ValueError(f"num_steps and batch_size are at least {smallest}")
    if config.trainer == "mle" and config.controller == "reference":
        raise ValueError(
            "trainer=mle needs controller=neural: the reference's nodes "
            "have no likelihood"
        )
    parallel.require_divisible(config.batch_size, jax.device_count())
    label_fn = LABEL_ALGORITHMS[config.trainer]
    require_known(config.trainer, label_fn, config.trainer_settings)
    if config.stage == "images":  # built for one label: its settings are checked
        image_algorithm(config, _generator(config, (2,)))


def require_known(name: str, algorithm_fn, settings, given=_GIVEN) -> None:
    """Raises where an algorithm is given a setting that it does not have.

    Args:
      name: the algorithm's, for the message.
      algorithm_fn: what takes the settings as keyword-only arguments.
      settings: the config's.
      given: arguments that are no settings.
    """
    has = [
        key
        for key, parameter in inspect.signature(algorithm_fn).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and key not in given
    ]
    unknown = [key for key in settings if key not in has]
    if unknown:
        raise ValueError(
            f"{name} has no setting {', '.join(map(repr, unknown))}: it has "
            f"{', '.join(has)}"
        )


def label_model(config, graph: nx.DiGraph) -> SCM:
    """The untrained label model of a config."""
    if config.controller == "reference":
        return controller.reference_controller(graph)
    return controller.controller(graph, hidden=tuple(config.hidden))


def image_mechanism(config, label_scm: SCM) -> ImageGenerator:
    """The untrained image mechanism of a config."""
    return _generator(config, tuple(len(label_scm.states(n)) for n in label_scm.nodes))


def _generator(config, parent_states: tuple[int, ...]) -> ImageGenerator:
    settings = config.generator.to_dict()
    settings["label_noise"] = settings["label_noise"] or None
    return ImageGenerator(
        parent_states=parent_states,
        resolution=config.image_size,
        **settings,
    )


def label_algorithm(config, scm: SCM) -> tuple[Algorithm, int]:
    """The label stage's algorithm and its number of steps."""
    prefix = "label_" if config.stage == "images" else ""
    steps_key = "label_steps" if prefix else "num_steps"
    default_steps, default_batch = LABEL_DEFAULTS[config.trainer]
    num_steps = config[steps_key] or default_steps
    batch_size = config[f"{prefix}batch_size"] or default_batch
    algorithm = LABEL_ALGORITHMS[config.trainer](
        scm,
        num_steps=num_steps,
        batch_size=batch_size,
        **settings_of(config.trainer_settings),
    )
    return algorithm, num_steps


def image_algorithm(
    config, generator: ImageGenerator, unseen: np.ndarray | None = None
) -> Algorithm:
    """The image stage's algorithm; `unseen` as `unseen_pairs` finds them.

    Raises:
      ValueError: a setting that it does not have, or that it cannot take.
    """
    algorithm_fn = IMAGE_ALGORITHMS[config.algorithm]
    require_known(config.algorithm, algorithm_fn, config.gan)
    return algorithm_fn(
        generator,
        batch_size=config.batch_size,
        num_steps=config.num_steps if config.decay else None,
        unseen=unseen,
        **settings_of(config.gan),
    )


def settings_of(settings) -> dict:
    """A config's settings as arguments: lists become tuples."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in settings.to_dict().items()
    }


def train_labels(config, labels: data.Labels, scm: SCM, workdir: Path) -> None:
    """Fits the label model; its checkpoint is in the workdir afterwards."""
    algorithm, num_steps = label_algorithm(config, scm)
    smallest = np.uint8 if labels.rows.max() < 256 else np.int32
    rows = labels.rows.astype(smallest)
    batches = {"rows": jnp.asarray(rows)}
    if config.trainer == "wgan" and config.controller == "neural":
        roots = [i for i, name in enumerate(scm.nodes) if not scm.parents[name]]
        batches["even_rows"] = jnp.asarray(even_roots(rows, roots))
    loop.fit(
        algorithm,
        batches,
        key=jax.random.fold_in(jax.random.key(config.seed), 0),
        num_steps=num_steps,
        stage="labels",
        workdir=workdir,
        steps_per_dispatch=200,
    )


def train_images(config, pictures, generator: ImageGenerator, workdir: Path) -> None:
    """Fits the image mechanism; its checkpoint is in the workdir afterwards."""
    rows = pictures.table.values
    unseen = unseen_pairs(rows, generator.parent_states)
    algorithm = image_algorithm(config, generator, unseen)
    batches = {"images": jnp.asarray(pictures.images), "labels": jnp.asarray(rows)}
    if config.flatten:
        batches["cumulated"] = jnp.asarray(flattened(rows, config.flatten))
    loop.fit(
        algorithm,
        batches,
        key=jax.random.fold_in(jax.random.key(config.seed), 1),
        num_steps=config.num_steps,
        stage="images",
        workdir=workdir,
        steps_per_dispatch=25,
    )


def timed(workdir: Path, stage: str, train_fn, *args) -> dict:
    """Runs a stage and adds its seconds to those of earlier, interrupted calls."""
    started = time.monotonic()
    train_fn(*args)
    return _add_seconds(workdir, stage, time.monotonic() - started)


def _add_seconds(workdir: Path, stage: str, seconds: float) -> dict:
    path = workdir / "seconds.json"
    kept = json.loads(path.read_text()) if path.is_file() else {}
    kept[stage] = kept.get(stage, 0.0) + seconds
    workdirs.write_text(path, json.dumps(kept))
    return kept


def fit_together(
    folders: list[Path], configs: list, stage: str, algorithm: Algorithm, data, **kwargs
) -> None:
    """Fits runs that differ in their seed at once; each counts an equal share of time.

    Args:
      folders: the runs'.
      configs: theirs.
      stage: as in `loop.fit`.
      algorithm: of every run.
      data: as in `fit_seeds`.
      **kwargs: for `fit_seeds`.
    """
    started = time.monotonic()
    keys = [jax.random.fold_in(jax.random.key(config.seed), 0) for config in configs]
    fit_seeds(
        algorithm,
        data,
        keys=jnp.stack(keys),
        stage=stage,
        workdirs=folders,
        steps_per_dispatch=50,
        **kwargs,
    )
    for folder in folders:
        _add_seconds(folder, stage, (time.monotonic() - started) / len(folders))
