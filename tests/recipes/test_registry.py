import dataclasses
import inspect

import ml_collections
import pytest

from causal_jax.recipes import registry, settings
from causal_jax.recipes.recipe import Recipe

NAMES = sorted(registry.config_paths())


@pytest.mark.parametrize("name", NAMES)
def test_every_config_has_a_recipe_of_callable_parts(name):
    for config in (registry.get_config(name), registry.get_config(f"{name}:quicktest")):
        recipe = registry.recipe_of(config)
        assert isinstance(recipe, Recipe)
        assert recipe is registry.recipe_of(settings.plain(config))
    parts = [field.name for field in dataclasses.fields(recipe)]
    assert parts == [
        "check",
        "data",
        "model",
        "stages",
        "measure",
        "page",
        "sources",
        "meanings",
    ]
    assert all(callable(getattr(recipe, part)) for part in parts)


def _keys(config, prefix=""):
    for key, value in config.items():
        if isinstance(value, ml_collections.ConfigDict):
            yield from _keys(value, f"{prefix}{key}.")
        else:
            yield prefix + key


@pytest.mark.parametrize("name", [*NAMES, "imagenet_cgn:tiny", "mnist_cgn:gan"])
def test_help_says_what_every_key_is(name):
    config = registry.get_config(name)
    meanings = registry.recipe_of(config).meanings(config)
    assert {key for key in _keys(config) if not meanings.get(key)} == set()


@pytest.mark.parametrize("family", registry.RECIPES)
def test_the_parts_of_a_family_take_what_a_recipe_gives_them(family):
    recipe = registry.recipe_of(settings.Settings(stage=family))
    config, data, model = settings.Settings(), object(), object()
    inspect.signature(recipe.check).bind(config)
    inspect.signature(recipe.data).bind(config)
    inspect.signature(recipe.model).bind(config, data)
    inspect.signature(recipe.stages).bind(config, data, model)
    inspect.signature(recipe.measure).bind(object())
    inspect.signature(recipe.page).bind(object(), {}, object())
    inspect.signature(recipe.sources).bind(config)
    inspect.signature(recipe.meanings).bind(config)


@pytest.mark.parametrize("family", registry.RECIPES)
def test_every_family_has_a_config(family):
    assert family in {registry.get_config(name).stage for name in NAMES}


@pytest.mark.parametrize("config", [settings.Settings(stage="dreams"), object()])
def test_an_unknown_family_is_one_line_with_those_there_are(config):
    known = ", ".join(registry.RECIPES)
    with pytest.raises(ValueError, match=f"^stage is one of {known}, not ") as raised:
        registry.recipe_of(config)
    assert "\n" not in str(raised.value)


def test_a_config_is_found_by_name_with_and_without_variants():
    assert registry.get_config("faces_labels").trainer == "wgan"
    config = registry.get_config("faces_labels:mle,quicktest")
    assert (config.trainer, config.num_steps) == ("mle", 2)
    assert registry.get_config("faces_labels:") == registry.get_config("faces_labels")


@pytest.mark.parametrize("function", [registry.get_config, registry.config_file])
def test_an_unknown_config_is_one_line_with_a_suggestion(function):
    message = "there is no config 'faces_label': did you mean 'faces_labels'"
    with pytest.raises(ValueError, match=message) as raised:
        function("faces_label")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["defaults", "__init__", "", "recipe", "../data"])
def test_what_lies_beside_the_configs_is_none(name):
    with pytest.raises(ValueError, match="there is no config"):
        registry.get_config(name)


def test_an_unknown_variant_is_a_usage_error():
    with pytest.raises(SystemExit, match="^usage: unknown variant 'nope': there are"):
        registry.get_config("faces_labels:nope")
