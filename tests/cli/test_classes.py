"""What --classes says."""

import json
from types import SimpleNamespace

import pytest

from causal_jax.cli import classes
from causal_jax.networks.cgn import imagenet
from causal_jax.networks.cgn.composition import LABELS

STATES = ("lion, king of beasts, Panthera leo", "red_panda", "pizza", "crane")
STATES += ("crane (4)", 'odd|one; "a=b"', "king snake, king")


@pytest.fixture(scope="module")
def scm():
    return imagenet.scm(
        size=32, width=4, num_classes=len(STATES), class_names=STATES, num_levels=1
    )


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("lion, king of beasts, Panthera leo", 0),
        ("lion", 0),
        ("panthera LEO", 0),
        ("red_panda", 1),
        ("Red Panda", 1),
        ("2", 2),
        ("crane", 3),
        ("crane (4)", 4),
        ('"odd|one; ""a=b"""', 5),
        ("king", 6),
    ],
)
def test_a_class_is_a_name_a_word_of_it_or_a_number(word, number):
    assert classes.index_of(word, STATES) == number


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("shape=lion|red_panda;texture=pizza", ((0, 1), (2,), None)),
        ("background_label=6", (None, None, (6,))),
        ('shape=lion, king of beasts, Panthera leo|2; texture="odd|one; ""a=b"""|0',
         ((0, 2), (5, 0), None)),
        ("shape=lion,pizza", ((0, 2), None, None)),
        ("random", (None, None, None)),
    ],
)  # fmt: skip
def test_parts_that_are_not_named_have_all_classes(scm, tmp_path, text, wanted):
    every = tuple(range(len(STATES)))
    found = classes.read_choices(text, scm, tmp_path)
    assert [found[label] for label in LABELS] == [one or every for one in wanted]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shape=lian", "did you mean 'lion'"),
        ("shap=lion", "unknown part 'shap': did you mean 'shape'"),
        ("shape=7", "there is no class 7: classes are 0 to 6"),
        ("shape", "'shape' names no class"),
        ("shape=", "names no class"),
        ("shape=1;shape_label=2", "names 'shape_label' twice"),
        ("shape=3|3|5", "twice, and classes once each"),
        ("best", "metrics.json is missing: run causal-jax evaluate"),
    ],
)
def test_what_is_unknown_is_one_line_with_the_nearest(scm, tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as raised:
        classes.read_choices(text, scm, tmp_path)
    assert "\n" not in str(raised.value)


def test_a_word_of_two_names_is_not_guessed():
    with pytest.raises(ValueError, match="is each of crab, king | king snake, king"):
        classes.index_of("king", ("crab, king", "king snake, king"))


def test_the_best_classes_are_the_evaluation_s(scm, tmp_path):
    path = tmp_path / "metrics.json"
    best = {"shape": [3, 0], "texture": ["pizza"], "background": [1]}
    path.write_text(json.dumps({"best_classes": best}))
    found = classes.read_choices("best", scm, tmp_path)
    assert [found[label] for label in LABELS] == [(3, 0), (2,), (1,)]


def test_the_best_classes_are_numbers_also_where_classes_are_named_so(tmp_path):
    states = tuple(map(str, range(1, 11)))
    scm = SimpleNamespace(states=lambda label: states)
    (tmp_path / "metrics.json").write_text(
        json.dumps({"best_classes": {"shape": [3], "texture": [7], "background": [0]}})
    )
    found = classes._best(tmp_path, scm)
    assert [found[label] for label in LABELS] == [(3,), (7,), (0,)]
    (tmp_path / "metrics.json").write_text(
        json.dumps({"best_classes": {"shape": [10]}})
    )
    with pytest.raises(ValueError, match="names class 10: there are 0 to 9"):
        classes._best(tmp_path, scm)


@pytest.mark.parametrize(
    "written", [{}, {"best_classes": []}, {"best_classes": {"shape": []}}]
)
def test_an_evaluation_without_best_classes_is_one_line(scm, tmp_path, written):
    (tmp_path / "metrics.json").write_text(json.dumps(written))
    with pytest.raises(ValueError, match="best classes.*causal-jax evaluate"):
        classes.read_choices("best", scm, tmp_path)


def test_two_ends_are_two_classes():
    assert classes.read_ends("lion|pizza", STATES) == (0, 2)
    assert classes.read_ends("lion,pizza", STATES) == (0, 2)
    assert classes.read_ends(None, STATES) == (0, 6)
    for text in ("lion", "lion|pizza|2", "lion|lion"):
        with pytest.raises(ValueError, match="two different ones"):
            classes.read_ends(text, STATES)
