import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from causal_jax.cli import assignments

WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


def quoted(word):
    return '"' + word.replace('"', '""') + '"'


@example({'say "hi"': '""', ",": "=", " a ": " "})
@given(st.dictionaries(WORDS, WORDS, max_size=5))
def test_any_quoted_names_and_states_are_read_as_they_are(assigned):
    text = ",".join(f"{quoted(n)}={quoted(s)}" for n, s in assigned.items())
    assert assignments.read(text, "do") == assigned
    assert assignments.read(f" {text} ,", "do") == assigned
    assert assignments.names(",".join(map(quoted, assigned)), "nodes") == (
        tuple(assigned)
    )


@example({'say "hi"': "$HOME", ",": "=`ls`", " a ": "", "!": "\\n"})
@given(st.dictionaries(WORDS, WORDS, min_size=1, max_size=5))
def test_what_is_suggested_goes_through_a_shell_and_back(assigned):
    if any("\0" in word for pair in assigned.items() for word in pair):
        return  # no shell passes it on
    (argument,) = shlex.split(assignments.written("do", assigned))
    assert argument.startswith("--do=")
    assert assignments.read(argument.removeprefix("--do="), "do") == assigned


@pytest.mark.parametrize(
    ("text", "assigned"),
    [
        ('"Income, annual"="<=50K, low"', {"Income, annual": "<=50K, low"}),
        ("Income=<=50K", {"Income": "<=50K"}),
        ('"A=B"=1', {"A=B": "1"}),
        ("km/h=-1.5e3, x y = Don't know", {"km/h": "-1.5e3", "x y": "Don't know"}),
        ('Age="(0,18]",B=1', {"Age": "(0,18]", "B": "1"}),
        ('A=""', {"A": ""}),
        ("Größe=groß 😀", {"Größe": "groß 😀"}),
    ],
)
def test_assignments_by_hand(text, assigned):
    assert assignments.read(text, "do") == assigned


@pytest.mark.parametrize("text", ['A="1', 'A=5" pipe', '"A=1', 'A="x"y', "Age=(0,18]"])
def test_what_should_be_quoted_is_refused_with_an_example(text):
    with pytest.raises(
        ValueError, match="^--do: .*stand in double quotes, --do='\"In"
    ) as e:
        assignments.read(text, "do")
    assert "\n" not in str(e.value)


@given(st.text("A1=,\"' \n", max_size=30))
def test_any_text_is_read_or_refused_in_one_line(text):
    for read in (assignments.read, assignments.names):
        try:
            read(text, "do")
        except ValueError as error:
            assert "\n" not in str(error)


def test_assignments_are_read_with_and_without_spaces():
    read = assignments.read(" Mustache=1, Bald = no ,", "do")
    assert read == {"Mustache": "1", "Bald": "no"}
    assert assignments.read("", "do") == {}


@pytest.mark.parametrize("text", ["Mustache", "=1", "Mustache=", "Male=1,Male=0"])
def test_assignments_that_are_none_name_the_flag(text):
    with pytest.raises(ValueError, match="^--given"):
        assignments.read(text, "given")
