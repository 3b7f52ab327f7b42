"""How the states of a column are found in its words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_jax.data import column_states


@pytest.mark.parametrize(
    ("words", "states"),
    [
        (["+1", "-1"], ("0", "1")),
        (["-1", "0", "1"], ("-1", "0", "1")),
        (["+2", "10", "3.0"], ("2", "3", "10")),
        (["01", "02", "10"], ("01", "02", "10")),
        (["01", "1", "2"], ("1", "2")),
        (["1e3", "1000", "500"], ("500", "1000")),
        (["01", "1", "x"], ("01", "1", "x")),  # codes, not numbers
        (["[10,20)", "[0,10)", "[20, Inf]"], ("[0,10)", "[10,20)", "[20, Inf]")),
        (["(-inf, 0]", "(0, 5]", "low"], ("(-inf, 0]", "(0, 5]", "low")),
        (["(100, 200]", "(20, 100]", "?"], ("(100, 200]", "(20, 100]", "?")),
        (["12345678901234567890", "12345678901234567891"], None),
        (["1e9999", "1e99999999999"], None),
    ],
)
def test_states_of_numbers_and_intervals(words, states):
    found = column_states.find(words)
    assert found.states == (tuple(words) if states is None else states)
    assert set(found.indices) == set(words)


def test_declared_states_come_before_every_rule():
    found = column_states.find(["01", "1"], ("1", "01"))
    assert found.indices == {"1": 0, "01": 1} and found.states == ("1", "01")
    assert column_states.find(["1.0", "0"], ("1", "0")).indices == {"1.0": 0, "0": 1}
    assert column_states.find(["1e0"], ("0", "1")).indices == {"1e0": 1}
    assert column_states.find(["low "], ("low", "high")).indices == {"low ": 0}
    assert column_states.find(["mid"], ("low", "high")).indices == {}


@pytest.mark.parametrize(
    "word", ["", " ", "NA", "N/A", "NaN", "NULL", "None", "?", "."]
)
def test_a_missing_word_is_missing_unless_it_is_declared(word):
    assert column_states.is_missing(word)
    assert column_states.is_missing(word, ("0", "1"))
    assert not column_states.is_missing(word, ("0", word))
    assert not column_states.is_missing("no")


def test_what_looks_alike_is_said_and_kept_apart():
    found = column_states.find(["Yes", "yes", "no", "no ", "very high", "veryhigh"])
    assert found.states == ("Yes", "no", "very high", "veryhigh", "yes")
    assert found.indices["no"] == found.indices["no "] == 1
    said = "; ".join(found.notes)
    assert "'no ' is read as 'no'" in said
    assert "'Yes' and 'yes' are states that differ in case" in said
    assert "'very high' and 'veryhigh'" in said
    assert column_states.find(["yes", "no", "+x", "1.0", "+1"]).notes == ()


@settings(deadline=None)
@given(st.lists(st.integers(-999, 999), min_size=1, unique=True), st.randoms())
def test_numbers_are_in_number_order_however_they_are_spelled(numbers, random):
    """Two spellings of a number are one state, whichever words stand beside them."""
    spell = ("{}", "{}.0", "{}.", "{}e0", "{}.00")
    words = [random.choice(spell).format(number) for number in numbers * 2]
    found = column_states.find(words)
    values = [float(word) for word in words]
    if set(values) <= {0, 1} or set(values) == {-1, 1} or set(values) == {-1}:
        assert found.states == ("0", "1")
    else:
        assert list(map(float, found.states)) == sorted(set(values))
        assert all(
            float(found.states[found.indices[w]]) == v
            for w, v in zip(words, values, strict=True)
        )
