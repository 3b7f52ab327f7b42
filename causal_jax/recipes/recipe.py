"""Recipes: train, train together, resume and evaluate, written once for all families.

A family of models is a `Recipe`: a few functions, of which none knows a run's folder,
devices or checkpoints. What is done with them is the same for every family:

    train      check, data, model; then each stage is one fit, resumed by itself
    evaluate   measure, then the page; metrics.json and report.html
"""

import contextlib
import dataclasses
import inspect
import itertools
import json
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from causal_jax.arguments import require_seed
from causal_jax.messages import one_line
from causal_jax.recipes import registry, settings
from causal_jax.recipes.settings import Settings
from causal_jax.reporting.page import Page
from causal_jax.runs import folder, lock
from causal_jax.runs.spec import save_spec
from causal_jax.scm import SCM
from causal_jax.training import hosts, loop
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.seeds import fit_seeds
from causal_jax.types import Batch, Key, Params


class Stage(NamedTuple):
    """One fit inside a run.

    Attributes:
      name: of its checkpoints, log lines and progress bar.
      algorithm_fn: from what the stages it needs have learned, {their name: params}, to
        its algorithm.
      data: what its batches are drawn from, {name: [N, ...]}.
      num_steps: in all, those of interrupted calls included.
      key_number: folded into the run's seed: no two stages of a run draw alike.
      steps_per_dispatch: as in `loop.fit`.
      keep_every: as in `loop.fit`.
      needs: stages that are fitted first; their time counts as this one's.
      alone: why runs cannot be trained together here; "" where they can.
    """

    name: str
    algorithm_fn: Callable[[dict[str, Params]], Algorithm]
    data: Batch
    num_steps: int
    key_number: int = 0
    steps_per_dispatch: int = 50
    keep_every: int = 0
    needs: tuple["Stage", ...] = ()
    alone: str = ""


class Run(NamedTuple):
    """A run's folder and its configuration.

    Attributes:
      workdir: the folder.
      config: its configuration.
    """

    workdir: Path
    config: Settings


class Measured(NamedTuple):
    """What an evaluation found.

    Attributes:
      metrics: numbers by name, as metrics.json will hold them.
      shown: whatever the family's page needs beside them.
    """

    metrics: dict[str, Any]
    shown: Any


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The parts of one family.

    Attributes:
      check: (config) -> None; raises ValueError where a setting cannot be right, before
        anything is read.
      data: (config) -> data; reads or draws what is trained on, and writes nothing.
      model: (config, data) -> the untrained model, or None where there is no SCM.
      stages: (config, data, model) -> the stages, in order. A generator makes each when
        the ones before it are done.
      measure: (run, **options) -> `Measured`; reads what it needs again.
      page: (run, metrics, shown) -> the report.
      meanings: (config) -> {key, of a group after a dot: what it is}, for --help.
      sources: (config) -> {name: the user's own file}, such as the table; where the
        name is a key of the configuration, it may be moved.
    """

    check: Callable[[Settings], None]
    data: Callable[[Settings], Any]
    model: Callable[[Settings, Any], SCM | None]
    stages: Callable[[Settings, Any, SCM | None], Iterable[Stage]]
    measure: Callable[..., Measured]
    page: Callable[[Run, dict, Any], Page]
    sources: Callable[[Settings], folder.Sources] = lambda config: {}
    meanings: Callable[[Settings], dict[str, str]] = lambda config: {}


# --- training -------------------------------------------------------------------------


def train(
    config: Any,
    workdir: str | Path,
    *,
    seconds_per_checkpoint: float = loop.SECONDS_PER_CHECKPOINT,
) -> dict[str, float]:
    """Trains a configuration's model, or resumes its training.

    Args:
      config: see `settings.plain`.
      workdir: the run's folder; made if missing. Nobody else may train there.
      seconds_per_checkpoint: as in `loop.fit`.

    Returns:
      {stage: seconds}, interrupted calls included.

    Raises:
      ValueError: what is wrong and what would be right, before anything is written.
    """
    config = settings.plain(config)
    recipe = registry.recipe_of(config)
    check(recipe, config)
    # Said before data are read or drawn; claimed when nothing else can be wrong.
    wanted = settings.to_dict(config)
    hosts.on_writer(
        lambda: folder.require_free(workdir, wanted, places=_places(workdir))
    )
    sources: dict = {}  # known to process 0 alone

    def check_sources() -> None:
        sources.update(recipe.sources(config))
        folder.require_sources(workdir, sources)

    hosts.on_writer(check_sources)
    data = recipe.data(config)
    model = recipe.model(config, data)
    stages = iter(recipe.stages(config, data, model))
    first = next(stages)  # its errors leave nothing
    with contextlib.ExitStack() as holding:  # process 0 alone holds and writes
        hosts.on_writer(lambda: holding.enter_context(lock.held(workdir)))
        workdir = Path(
            hosts.on_writer(lambda: str(_claim(config, workdir, model, sources)))
        )
        for stage in itertools.chain((first,), stages):
            hosts.on_writer(partial(_keep_num_steps, workdir, stage))
            with _counted(workdir, stage.name) as count_seconds:
                fit_stage(
                    stage,
                    config.seed,
                    workdir,
                    seconds_per_checkpoint=seconds_per_checkpoint,
                    on_checkpoint=lambda _, count=count_seconds: count(),
                )
        return hosts.on_writer(lambda: folder.read_seconds(workdir))


def _keep_num_steps(workdir: Path, stage: Stage) -> None:
    folder.keep_num_steps(workdir, stage.name, stage.num_steps)


def _counted(workdir: Path, stage: str):
    """`folder.counted` in the process that writes."""
    if hosts.is_writer():
        return folder.counted(workdir, stage)
    return contextlib.nullcontext(lambda: None)


def train_together(configs: Sequence[Any], workdirs: Sequence[str | Path]) -> None:
    """Trains runs that differ in their seed at once, on one device (`fit_seeds`).

    Args:
      configs: of one family, alike but for the seed and what their stages read for
        themselves, such as a generator.
      workdirs: a folder for each.

    Raises:
      ValueError: as `train`; configs that differ in more, or a stage that has to be
        trained in turn.
    """
    configs = [settings.plain(config) for config in configs]
    for config in configs:
        _require_alike(configs[0], config)
    recipe = registry.recipe_of(configs[0])
    for config, workdir in zip(configs, workdirs, strict=True):
        check(recipe, config)
        folder.require_sources(workdir, recipe.sources(config))
    data = recipe.data(configs[0])
    model = recipe.model(configs[0], data)
    stages = [recipe.stages(config, data, model) for config in configs]
    folders: list[Path] = []
    with contextlib.ExitStack() as locks:
        for alike in zip(*stages, strict=True):
            if alike[0].alone or alike[0].needs:
                needed = ", ".join(stage.name for stage in alike[0].needs)
                reason = alike[0].alone or f"each learns from its own {needed}"
                raise ValueError(f"{reason}: train them in turn")
            if not folders:  # after the first stage's errors, which leave nothing
                for config, workdir in zip(configs, workdirs, strict=True):
                    locks.enter_context(lock.held(workdir))
                    sources = recipe.sources(config)
                    folders.append(_claim(config, workdir, model, sources))
            for workdir, stage in zip(folders, alike, strict=True):
                _keep_num_steps(workdir, stage)
            _fit_together(alike, [config.seed for config in configs], folders)


def _require_alike(one: settings.Settings, other: settings.Settings) -> None:
    """Raises ValueError where configs differ in what is trained for both at once."""
    first, second = vars(one), vars(other)
    for key in sorted((first.keys() | second.keys()) - {"seed", "generator"}):
        if key not in settings.PLACES and first.get(key) != second.get(key):
            raise ValueError(
                f"runs that are trained together have one {key}, not "
                f"{first.get(key)!r} and {second.get(key)!r}: train them in turn"
            )


def fit_stage(stage: Stage, seed: int, workdir: Path, **options: Any) -> loop.Fit:
    """Fits a stage and those that it needs, from their last checkpoints on.

    Args:
      stage: what is fitted.
      seed: the run's.
      workdir: the run's folder; who calls holds it (`lock`) where steps are left.
      **options: as `loop.fit` takes them.
    """
    needed = {one.name: fit_stage(one, seed, workdir, **options) for one in stage.needs}
    return loop.fit(
        stage.algorithm_fn({name: fitted.params for name, fitted in needed.items()}),
        stage.data,
        key=_key(stage, seed),
        num_steps=stage.num_steps,
        stage=stage.name,
        workdir=workdir,
        steps_per_dispatch=stage.steps_per_dispatch,
        keep_every=stage.keep_every,
        before_manifests=hosts.on_writer(lambda: folder.is_before_manifests(workdir)),
        **options,
    )


def _fit_together(stages: Sequence[Stage], seeds: list[int], folders: list[Path]):
    """Fits one stage of several runs at once; each counts an equal share of time."""
    started, first = time.monotonic(), stages[0]
    data, is_shared = _joined([stage.data for stage in stages])
    fit_seeds(
        first.algorithm_fn({}),
        data,
        keys=jnp.stack([_key(first, seed) for seed in seeds]),
        num_steps=first.num_steps,
        data_axis=None if is_shared else 0,
        stage=first.name,
        workdirs=folders,
        steps_per_dispatch=first.steps_per_dispatch,
    )
    seconds = (time.monotonic() - started) / len(folders)
    for workdir in folders:
        folder.add_seconds(workdir, first.name, seconds)


def _joined(data: list[Batch]) -> tuple[Batch, bool]:
    """The runs' data, and whether it is one for all or stacked [S, ...]."""

    def is_same(one, other) -> bool:
        return one is other or bool(jnp.array_equal(one, other))

    same = all(
        jax.tree.all(jax.tree.map(is_same, data[0], other)) for other in data[1:]
    )
    if same:
        return data[0], True
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *data), False


def _key(stage: Stage, seed: int) -> Key:
    return jax.random.fold_in(jax.random.key(seed), stage.key_number)


def _claim(
    config: Settings, workdir: str | Path, model: SCM | None, sources: folder.Sources
) -> Path:
    wanted = settings.to_dict(config)
    workdir = folder.claim(workdir, wanted, places=_places(workdir))
    folder.keep_sources(workdir, sources)
    if model is not None:
        save_spec(workdir, model)
    return workdir


def _places(workdir: str | Path) -> set[str]:
    """Keys that may differ: where files lie whose contents are known and checked."""
    return {*settings.PLACES, *folder.read_sources(workdir)}


def check(recipe: Recipe, config: Settings) -> None:
    """What a recipe checks; a setting of a wrong kind (None for a number) is said too.

    Raises:
      ValueError: a setting cannot be right.
    """
    try:
        require_seed(config.seed)
        recipe.check(config)
    except ValueError as error:
        raise ValueError(one_line(error)) from error
    except Exception as error:  # of what is done with a setting: any class
        reason = one_line(error, limit=200) or type(error).__name__
        raise ValueError(
            f"a setting of the configuration is of a wrong kind ({reason}): compare "
            "them with those of the config that it was made of"
        ) from error


# --- evaluating -----------------------------------------------------------------------


def open_run(workdir: str | Path) -> Run:
    """A run's folder and configuration.

    Raises:
      ValueError: there is no run, or its configuration is damaged.
    """
    return Run(Path(workdir), settings.plain(folder.read_config(workdir)))


def evaluate(workdir: str | Path, **options: Any) -> dict[str, Any]:
    """Measures a run, writes its metrics.json and report.html; returns the metrics.

    Args:
      workdir: the folder of a trained run.
      **options: what the family's `measure` takes; those that are None are left out.

    Raises:
      ValueError: no run there, damaged, or an option that its family does not have.
    """
    run = open_run(workdir)
    recipe = registry.recipe_of(run.config)
    options = {name: value for name, value in options.items() if value is not None}
    known = list(inspect.signature(recipe.measure).parameters)[1:]
    for name in options:
        if name not in known:
            raise ValueError(
                f"--{name} is not for this run, {run.config.name}: leave it out"
            )
    folder.require_sources(run.workdir, recipe.sources(run.config))
    metrics, shown = recipe.measure(run, **options)
    metrics = {**metrics, **receipt(run)}
    folder.write_text(run.workdir / "metrics.json", json.dumps(metrics, indent=1))
    page = recipe.page(run, metrics, shown)
    from causal_jax.reporting import training_section  # matplotlib: slow to import

    training_section.add(page, run.workdir)
    page.write(run.workdir / "report.html")
    return metrics


def receipt(run: Run) -> dict[str, Any]:
    """What every metrics.json says of its run: steps, seconds, seed, config."""
    seconds = folder.read_seconds(run.workdir)
    return {
        "steps": {s: folder.checkpoints(run.workdir, s).latest() for s in seconds},
        "seconds": seconds,
        "seed": run.config.seed,
        "config_hash": settings.config_hash(run.config),
    }
