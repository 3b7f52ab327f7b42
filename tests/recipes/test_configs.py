"""Laws of the config files of all families."""

import ast

import pytest

from causal_jax.recipes import registry

NAMES = sorted(registry.config_paths())
QUICK = {
    "labels": {"num_steps": 2, "batch_size": 8, "num_rows": 500},
    "images": {"num_steps": 2, "label_steps": 2, "label_batch_size": 8}
    | {"batch_size": 8, "num_images": 64},
    "cgn": {"num_steps": 2, "batch_size": 4, "dataset": "embedded"},
    "classifier": {"num_epochs": 1, "batch_size": 8, "num_digits": 80}
    | {"dataset": "embedded", "num_counterfactuals": 80},
    "ensemble": {"num_steps": 2, "batch_size": 4, "width": 4},
    "imagenet_biggan": {"num_steps": 2, "batch_size": 4, "judge_steps": 2},
    "imagenet_cgn": {"num_steps": 2, "batch_size": 2, "judge_steps": 2},
}


def _get_config(name, variant):
    return registry.get_config(f"{name}:{variant}")


def _variants(name):
    """The variants that the config itself says it has."""
    with pytest.raises(SystemExit, match="unknown variant 'nope'") as raised:
        _get_config(name, "nope")
    return str(raised.value).rsplit(": there are ", 1)[1].split(", ")


def test_all_configs_are_found():
    assert NAMES == [
        "celeba_causal_began",
        "celeba_causal_gan",
        "celeba_labels",
        "faces_causal_began",
        "faces_causal_gan",
        "faces_labels",
        "imagenet_biggan",
        "imagenet_cgn",
        "imagenet_ensemble",
        "mnist_cgn",
        "mnist_classifier",
        "networks_labels",
        "table",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_config_is_named_after_its_file(name):
    assert registry.get_config(name).name == name
    assert registry.config_file(name).name == f"{name}.py"


@pytest.mark.parametrize("name", NAMES)
def test_every_config_has_a_quicktest(name):
    assert _variants(name)[-1] == "quicktest"
    config = _get_config(name, "quicktest")
    assert QUICK[config.stage].items() <= config.to_dict().items()


@pytest.mark.parametrize("name", NAMES)
def test_quicktest_is_quick_wherever_it_stands(name):
    for variant in _variants(name):
        before = _get_config(name, f"quicktest,{variant}")
        after = _get_config(name, f"{variant},quicktest")
        assert before.to_dict() == after.to_dict()
        quick = dict(QUICK[before.stage])
        if name == "table" and "num_images" in quick:
            quick["num_images"] = 0  # of one's own pictures all are read
        assert quick.items() <= before.to_dict().items()
        if before.stage == "images":
            assert before.generator.width == 4


def test_unknown_variant_lists_what_there_is():
    assert _variants("faces_labels") == ["mle", "reference", "random", "quicktest"]


@pytest.mark.parametrize("name", NAMES)
def test_a_config_says_command_hardware_time_and_what_comes_out(name):
    text = ast.get_docstring(ast.parse(registry.config_file(name).read_text("utf-8")))
    assert f"--config={name}" in text
    for word in ("Hardware:", "Time:", "Expected:", "Measured:"):
        (line,) = (line for line in text.splitlines() if line.startswith(word))
        assert len(line) > len(word) + 10, f"{word} says nothing"
