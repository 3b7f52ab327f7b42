"""Which family a configuration belongs to, and where its config files lie.

A config's key `stage` names its family, as it does in every `config.json` on file. A
family is a package with a module `recipe` and a package `configs`; it is imported when
it is asked for.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from causal_jax.graph import suggestion

# {config.stage: "module:recipe"}
RECIPES = {
    "labels": "causal_jax.recipes.labels_images.recipe:RECIPE",
    "images": "causal_jax.recipes.labels_images.recipe:RECIPE",
    "cgn": "causal_jax.recipes.digits.recipe:NETWORK",
    "classifier": "causal_jax.recipes.digits.recipe:CLASSIFIER",
    "imagenet_biggan": "causal_jax.recipes.imagenet.recipe:GENERATOR",
    "imagenet_cgn": "causal_jax.recipes.imagenet.recipe:NETWORK",
    "ensemble": "causal_jax.recipes.ensemble.recipe:RECIPE",
}

_SHARED = ("__init__", "defaults")  # files beside the configs of a family


def recipe_of(config: Any) -> Any:
    """The `Recipe` of a configuration's family.

    Raises:
      ValueError: there is no such family.
    """
    family = getattr(config, "stage", "")
    if not isinstance(family, str) or family not in RECIPES:
        raise ValueError(f"stage is one of {', '.join(RECIPES)}, not {family!r}")
    module, _, name = RECIPES[family].partition(":")
    return getattr(importlib.import_module(module), name)


def config_paths() -> dict[str, Path]:
    """{config name: its file}, of all families."""
    packages = dict.fromkeys(
        entry.partition(":")[0].rpartition(".")[0] for entry in RECIPES.values()
    )
    found = {}
    for package in packages:
        spec = importlib.util.find_spec(f"{package}.configs")
        for folder in spec.submodule_search_locations if spec else ():
            for path in sorted(Path(folder).glob("*.py")):
                if path.stem not in _SHARED:
                    found[path.stem] = path
    return found


def config_file(name: str) -> Path:
    """The file of a config.

    Raises:
      ValueError: there is no such config.
    """
    paths = config_paths()
    if name not in paths:
        raise ValueError(f"there is no config {name!r}: {suggestion(name, paths)}")
    return paths[name]


def get_config(name: str) -> Any:
    """The configuration of "NAME" or "NAME:variant,variant".

    Raises:
      ValueError: there is no such config.
      SystemExit: it has no such variant.
    """
    name, _, variant = name.partition(":")
    path = config_file(name)
    spec = importlib.util.spec_from_file_location(f"_config_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(variant)
