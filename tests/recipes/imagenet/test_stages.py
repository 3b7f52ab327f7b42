"""Settings of the family of natural images: what is refused before anything is read."""

import pytest

from causal_jax.recipes import recipe, registry, settings
from causal_jax.recipes.imagenet import data
from causal_jax.recipes.imagenet.measures import loss_changes
from causal_jax.training.cgn_imagenet import WITHOUT


def refusal(name, **changed):
    config = registry.get_config(name)
    for key, value in changed.items():
        place, _, last = key.rpartition("__")
        target = config
        for part in place.split("__") if place else ():
            target = target[part]
        target[last] = value
    config = settings.plain(config)
    with pytest.raises(ValueError) as caught:
        recipe.check(registry.recipe_of(config), config)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model__size": 48}, "size is one of 32, 64, 128, 256, 512"),
        ({"model__width": 6}, "a multiple of 4"),
        ({"batch_size": 0}, "num_steps and batch_size are at least 1"),
        ({"gan__augmentation": ("blur",)}, "not 'blur'"),
        ({"discriminator": "strided"}, "discriminator is one of biggan, features"),
        ({"features_steps": 0}, "features_steps, steps of its training, is at least 1"),
    ],
)
def test_settings_of_a_generator_are_checked(changed, words):
    assert words in refusal("imagenet_biggan:tiny", **changed)


def folders(tmp_path):
    return dict.fromkeys(("generator", "masker", "features"), str(tmp_path))


def test_folders_that_are_not_given_or_not_there_are_named(tmp_path):
    assert "--config.generator is missing: give a folder" in refusal("imagenet_cgn")
    given = {**folders(tmp_path), "masker": str(tmp_path / "none")}
    assert "masker: there is no folder" in refusal("imagenet_cgn", **given)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"truncation": 1.5}, "above 0 and at most 1, not 1.5"),
        ({"num_accumulated": 3}, "no multiple of num_accumulated=3"),
        ({"dtype": "float16"}, "dtype is one of float32, bfloat16, not 'float16'"),
        ({"cgn__weights__perceptual": (4.0, 4.0)}, "weights.perceptual are 4 numbers"),
        ({"cgn__collage": {"patch": 200}}, "has 0 patches of 200: num_best is 100"),
        ({"cgn__collage": {"grid": 0}}, "patch=15 and grid=0 of a collage are at le"),
        ({"masker_size": -5}, "masker_size is at least 0"),
        ({"dataset": "x", "judge_steps": 0}, "judge_steps is at least 1, not 0"),
    ],
)
def test_settings_of_a_network_are_checked(changed, words, tmp_path):
    assert words in refusal("imagenet_cgn", **folders(tmp_path), **changed)


@pytest.mark.parametrize("name", WITHOUT)
def test_each_ablation_switches_its_losses_off(name):
    weights = registry.get_config(f"imagenet_cgn:tiny,without_{name}").cgn.weights
    for key, value in WITHOUT[name].items():
        assert (
            tuple(weights[key]) == value
            if isinstance(value, tuple)
            else (weights[key] == value)
        )


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("a", "b"), "it has 3 classes, the model 2"),
        (("cat", "owl", "dog"), "its class 1 is 'dog', the model's 'owl'"),
    ],
)
def test_a_data_set_of_other_classes_cannot_judge(names, words, monkeypatch):
    monkeypatch.setattr(data, "class_names", lambda config: ("cat", "dog", "owl"))
    config = settings.Settings(dataset="animals")
    with pytest.raises(ValueError, match=f"{words}; name a set of the same classes"):
        data.require_same_classes(config, names)
    data.require_same_classes(config, ("cat", "dog", "owl"))
    data.require_same_classes(config, ("0", "1", "2"))  # no names to compare


def test_losses_at_the_end_are_held_against_those_at_the_start():
    names = ("l1", "perceptual", "binary", "size", "texture", "background")
    entries = [
        {"stage": "model", "step": i, **dict.fromkeys(names, 1.0), "loss": 6.0 - i}
        for i in range(3)
    ]
    entries[0]["size"] = entries[2]["size"] = 0.0
    entries[2]["texture"] = 3.0
    found = loss_changes(entries)
    assert found["loss_end_over_start"] == pytest.approx(4 / 6)
    assert found["worst_term"] == "texture" and found["worst_term_over_start"] == 3
    entries[2]["size"] = 27.0  # from nothing: no factor is as large
    found = loss_changes(entries)
    assert found["worst_term"] == "size" and found["worst_term_over_start"] > 1e6
    assert loss_changes([]) == {}
