import pytest

from causal_jax.recipes import registry


def _get_config(name, variant):
    return registry.get_config(f"{name}:{variant}")


@pytest.mark.parametrize("part", ["no_mask", "no_shuffler", "no_style", "style"])
def test_what_changes_the_reference_does_so_wherever_it_stands(part):
    before = _get_config("mnist_cgn", f"{part},reference").to_dict()
    assert before == _get_config("mnist_cgn", f"reference,{part}").to_dict()
    assert before != _get_config("mnist_cgn", "reference").to_dict()


@pytest.mark.parametrize("name", ["mnist_cgn", "mnist_classifier"])
def test_a_digit_config_has_one_set_wherever_it_is_named(name):
    assert _get_config(name, "embedded,wildlife").variant == "wildlife"
    assert _get_config(name, "").variant == "double_colored"
    with pytest.raises(SystemExit, match="one of colored, double_colored, wildlife"):
        _get_config(name, "colored,wildlife")
