import pytest

from causal_jax.cli import assignments


def test_assignments_are_read_with_and_without_spaces():
    read = assignments.read(" Mustache=1, Bald = no ,", "do")
    assert read == {"Mustache": "1", "Bald": "no"}
    assert assignments.read("", "do") == {}


@pytest.mark.parametrize("text", ["Mustache", "=1", "Mustache=", "Male=1,Male=0"])
def test_assignments_that_are_none_name_the_flag(text):
    with pytest.raises(ValueError, match="^--given"):
        assignments.read(text, "given")
