"""The model that a classifier's pictures are drawn from, and drawing them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from causal_jax.data import tfds
from causal_jax.importers import cgn as official
from causal_jax.importers import weight_file
from causal_jax.networks.cgn.sampler import Counterfactuals, sample_counterfactuals
from causal_jax.progress import tqdm
from causal_jax.recipes.digits.data import sources
from causal_jax.recipes.settings import Settings
from causal_jax.runs import folder
from causal_jax.runs.load import load, require_finished
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Params

_BLOCK = 2000  # pictures drawn at once
_SAME = ("variant", "dataset")  # what a classifier and its pictures have in common


def generator_of(config: Settings) -> tuple[SCM, Params] | None:
    """The model that a classifier config's pictures are drawn from; None for none.

    Raises:
      ValueError: there is none where one is needed, or it is of the wrong kind.
    """
    from_model = config.train_on not in ("original", "irm")
    if not from_model or config.counterfactuals:
        return None
    generator = open_generator(config.generator)
    _require_same_digits(config)
    if Path(config.generator).is_dir():
        require_finished(config.generator)
    if "cgn" in config.train_on:
        require_parts(generator[0], config.generator)
    elif "shape" in generator[0].nodes:
        raise ValueError(
            f"{config.generator} is no plain GAN: train one with "
            "--config=mnist_cgn:VARIANT,gan"
        )
    return generator


def _require_same_digits(config: Settings) -> None:
    """Raises ValueError where a run draws another variant's digits, or other ones."""
    if Path(config.generator).is_dir():  # a published checkpoint does not say
        _require_fitting(config, config.generator, digits_of_run(config.generator))


def counterfactuals_root(config: Settings) -> str | None:
    """Where a config's set of counterfactuals lies; None for tfds' own place."""
    return config.counterfactuals_dir or config.data_dir or None


def require_set_of_same_digits(config: Settings) -> None:
    """Raises ValueError where a set is not there, or was drawn of other digits."""
    name = config.counterfactuals
    theirs = tfds.about(name, data_dir=counterfactuals_root(config))
    if theirs:  # a set that somebody else wrote does not say
        _require_fitting(config, f"the set {name}", theirs)


def digits_of_run(workdir: str | Path) -> dict[str, Any]:
    """What digits a run draws: what `generate` writes beside its sets."""
    config = folder.read_config(workdir)
    found = {key: config[key] for key in _SAME if key in config}
    return found | {
        "textures": bool(config.get("textures", "")),
        "files": folder.read_sources(workdir),
    }


def _require_fitting(config: Settings, drawn_by: str, theirs: dict[str, Any]) -> None:
    for key in _SAME:
        own = getattr(config, key)
        if theirs.get(key, own) != own:
            raise ValueError(
                f"{drawn_by} draws digits of {key} {theirs[key]}, and the "
                f"classifier is tested on {own}: train "
                f"--config=mnist_classifier:{theirs.get('variant', 'VARIANT')} with "
                f"--config.dataset={theirs.get('dataset', 'NAME')}"
            )
    has_files = bool(config.textures)
    if has_files != theirs["textures"]:
        kinds = {True: "photographs'", False: "drawn"}
        raise ValueError(
            f"{drawn_by} paints {kinds[theirs['textures']]} textures, and the "
            f"classifier is tested on {kinds[has_files]} ones: give both the same "
            "--config.textures"
        )
    if changed := folder.changed_sources(theirs["files"], sources(config)):
        other = next(iter(changed.values()))
        raise ValueError(
            f"{drawn_by} paints other textures than {other}: give both the same "
            "--config.textures"
        )


def open_generator(path: str | Path) -> tuple[SCM, Params]:
    """The model in a run's folder, or in a published checkpoint.

    Raises:
      ValueError: there is none.
    """
    if not path:
        raise ValueError(
            "no generator: give --config.generator=DIR, the folder of an mnist_cgn "
            "run, or a published ckp.pth or .safetensors"
        )
    is_file = str(path).lower().endswith(weight_file.ENDINGS)
    return official.load(path) if is_file else load(path)


def require_parts(scm: SCM, generator: str) -> None:
    """Raises ValueError unless the model can make counterfactuals of its parts."""
    if "shape" not in scm.nodes:
        raise ValueError(
            f"{generator} is no counterfactual generative network: train one with "
            "--config=mnist_cgn"
        )


def require_multiple(num: int, per_mask: int) -> None:
    """Raises ValueError unless so many pictures can share masks by `per_mask`."""
    if num % per_mask:
        raise ValueError(
            f"per_mask={per_mask} does not divide {num}: ask for a multiple"
        )


def draw_blocks(
    scm: SCM, params: Params, key: Key, *, num: int, per_mask: int = 1
) -> Iterator[Counterfactuals]:
    """Counterfactuals, block after block, with a progress bar.

    Raises:
      ValueError: `per_mask` does not divide `num`.
    """
    require_multiple(num, per_mask)
    block = max(_BLOCK // per_mask, 1) * per_mask
    with tqdm(total=num, desc="counterfactuals", unit="picture") as bar:
        for first in range(0, num, block):
            size = min(block, num - first)
            one = jax.random.fold_in(key, first)
            yield sample_counterfactuals(scm, params, one, num=size, per_mask=per_mask)
            bar.update(size)


def draw_generated(scm: SCM, params: Params, key: Key, num: int) -> tuple[Array, Array]:
    """Pictures of a plain GAN and their labels."""
    images, labels = [], []
    for first in tqdm(range(0, num, _BLOCK), desc="generated", unit="block"):
        size = min(_BLOCK, num - first)
        values = scm.sample(params, jax.random.fold_in(key, first), num=size)
        images.append(values["image"])
        labels.append(values["label"].astype(jnp.int32))
    return jnp.concatenate(images), jnp.concatenate(labels)
