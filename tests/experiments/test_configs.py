"""Laws of all files in experiments/configs."""

import importlib
import pkgutil

import pytest

from experiments import configs

SHARED = ("defaults", "digits")
FILES = [m.name for m in pkgutil.iter_modules(configs.__path__) if m.name not in SHARED]
QUICK = {
    "labels": {"num_steps": 2, "batch_size": 8, "num_rows": 500},
    "images": {"num_steps": 2, "label_steps": 2, "label_batch_size": 8}
    | {"batch_size": 8, "num_images": 64},
    "cgn": {"num_steps": 2, "batch_size": 4, "dataset": "embedded"},
    "classifier": {"num_epochs": 1, "batch_size": 8, "num_digits": 80}
    | {"dataset": "embedded", "num_counterfactuals": 80},
}


def _get_config(file, variant):
    return importlib.import_module(f"experiments.configs.{file}").get_config(variant)


def _variants(file):
    """The variants that the config itself says it has."""
    with pytest.raises(SystemExit, match="unknown variant 'nope'") as raised:
        _get_config(file, "nope")
    return str(raised.value).rsplit(": there are ", 1)[1].split(", ")


def test_all_configs_are_found():
    assert {"faces_causal_began", "celeba_causal_began", "networks_labels"} <= set(
        FILES
    )
    assert len(FILES) == 10


@pytest.mark.parametrize("file", FILES)
def test_every_config_has_a_quicktest(file):
    assert _variants(file)[-1] == "quicktest"
    config = _get_config(file, "quicktest")
    assert QUICK[config.stage].items() <= config.to_dict().items()


@pytest.mark.parametrize("file", FILES)
def test_quicktest_is_quick_wherever_it_stands(file):
    for variant in _variants(file):
        before = _get_config(file, f"quicktest,{variant}")
        after = _get_config(file, f"{variant},quicktest")
        assert before.to_dict() == after.to_dict()
        assert QUICK[before.stage].items() <= before.to_dict().items()
        if before.stage == "images":
            assert before.generator.width == 4


def test_unknown_variant_lists_what_there_is():
    assert _variants("faces_labels") == ["mle", "reference", "random", "quicktest"]


@pytest.mark.parametrize("part", ["no_mask", "no_shuffler", "no_style", "style"])
def test_what_changes_the_reference_does_so_wherever_it_stands(part):
    before = _get_config("mnist_cgn", f"{part},reference").to_dict()
    assert before == _get_config("mnist_cgn", f"reference,{part}").to_dict()
    assert before != _get_config("mnist_cgn", "reference").to_dict()


@pytest.mark.parametrize("file", ["mnist_cgn", "mnist_classifier"])
def test_a_digit_config_has_one_set_wherever_it_is_named(file):
    assert _get_config(file, "embedded,wildlife").variant == "wildlife"
    assert _get_config(file, "").variant == "double_colored"
    with pytest.raises(SystemExit, match="one of colored, double_colored, wildlife"):
        _get_config(file, "colored,wildlife")
