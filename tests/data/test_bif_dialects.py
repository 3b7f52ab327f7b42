"""Files of Bayesian networks in the dialects that people post: values by hand."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_jax.data.bif_lists import cuts
from causal_jax.data.bif_text import read_statements
from causal_jax.data.networks import read_bif
from causal_jax.queries import exact

CASES = Path(__file__).parent / "bif"
AGES = ("(0,18]", "(18,65]", "(65,120]")
BY_AGE = {
    "Age": (AGES, (), [0.2, 0.5, 0.3]),
    "Ill": (("no", "yes"), ("Age",), [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]),
}
TRUTH = ("true", "false")

# file: {node: (states, parents, table)}, nodes in the order of their declaration
RIGHT = {
    "bif_adhd_like.bif": {
        "S": (("No", "Yes", "Don't know"), (), [0.5, 0.3, 0.2]),
        "T": (("0", "1"), ("S",), [[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]]),
    },
    "bif_commas_plain.bif": BY_AGE,
    "bif_commas_quoted.bif": BY_AGE,
    "bif_crlf.bif": {
        "A": (("a.1", "b-2"), (), [0.001, 0.999]),
        "B": (("<5", "5-10", ">10"), ("A",), [[1, 0, 0], [0.5, 0.5, 0]]),
    },
    "bif_declared_after.bif": {
        "B": (("x", "y"), ("A",), [[0.1, 0.9], [0.6, 0.4]]),
        "A": (("a", "b"), (), [0.25, 0.75]),
    },
    "bif_javabayes.bif": {
        "out": (TRUTH, (), [0.2, 0.8]),
        "ill": (TRUTH, (), [0.05, 0.95]),
        "bark": (
            *(TRUTH, ("out", "ill")),
            [[[0.9, 0.1], [0.8, 0.2]], [[0.7, 0.3], [0.1, 0.9]]],
        ),
    },
    "bif_latin1.bif": {"Café": (("a", "b"), (), [0.5, 0.5])},
    "bif_one_state.bif": {
        "A": (("only",), (), [1.0]),
        "B": (("x", "y"), ("A",), [[0.3, 0.7]]),
    },
    "bif_property_semicolon.bif": {"A": (("a", "b"), (), [0.25, 0.75])},
    "bif_states_10.bif": {
        "X": (("1", "0"), (), [0.3, 0.7]),
        "Y": (("1", "0"), ("X",), [[0.9, 0.1], [0.2, 0.8]]),
    },
    "bif_states_123.bif": {
        "Dose": (("1", "2", "3"), (), [0.2, 0.3, 0.5]),
        "Out": (("0", "1"), ("Dose",), [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]),
    },
    "bif_third.bif": {"A": (tuple("abcdefg"), (), [1 / 7] * 7)},
    "bif_tiny.bif": {
        "Meltdown": (("no", "yes"), (), [0.99999998, 2e-8]),
        "Siren": (("off", "on"), ("Meltdown",), [[0.999, 0.001], [0.01, 0.99]]),
    },
    "bif_upper.bif": {"A": (("a", "b"), (), [0.25, 0.75])},
}
WRONG = {
    "bif_missing_rows.bif": r"node 'B' given \(b\) has no probabilities",
    "bif_dsc.dsc": "of format DSC, not BIF: convert it .*bnlearn's read.dsc",
    "hugin.net": "of format Hugin NET, not BIF: convert it .*bnlearn's read.net",
    "xmlbif.xml": "of format XMLBIF, not BIF: convert it .*XMLBIFReader and its BIFWr",
}


def test_every_case_has_a_right_value():
    assert {path.name for path in CASES.iterdir()} == {*RIGHT, *WRONG}


@pytest.mark.parametrize("name", RIGHT)
def test_a_dialect_is_read_as_its_writer_means_it(name):
    scm, params = read_bif(CASES / name)
    assert scm.nodes == tuple(RIGHT[name])
    for node, (states, parents, table) in RIGHT[name].items():
        assert (scm.states(node), scm.parents[node]) == (states, parents)
        np.testing.assert_allclose(params[node]["probs"], table, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_named_with_the_way_out(name):
    with pytest.raises(ValueError, match=WRONG[name]) as raised:
        read_bif(CASES / name)
    assert "\n" not in str(raised.value) and name in str(raised.value)


def test_a_variable_of_one_state_is_sampled_asked_and_abducted():
    scm, params = read_bif(CASES / "bif_one_state.bif")
    key = jax.random.key(0)
    assert set(np.asarray(scm.sample(params, key, num=9)["A"])) == {0}
    law = exact.marginal(scm, params, ("A", "B"))
    np.testing.assert_allclose(law, [[0.3, 0.7]], atol=1e-6)
    seen = {"A": "only", "B": jnp.array(1)}
    imagined = scm.counterfactual(params, key, seen, do={"A": "only"})
    assert (int(imagined["A"]), int(imagined["B"])) == (0, 1)


def test_states_that_are_numbers_are_set_by_their_names():
    # P(Out = 1 | do(Dose = "1")) = 0.1, by the file's first row.
    scm, params = read_bif(CASES / "bif_states_123.bif")
    drawn = scm.sample(params, jax.random.key(0), num=20_000, do={"Dose": "1"})["Out"]
    assert abs(float(drawn.mean()) - 0.1) < 5 * np.sqrt(0.1 * 0.9 / 20_000)


def network(tmp_path, variable, probability):
    path = tmp_path / "net.bif"
    path.write_text(f"network n {{ }}\n{variable}\n{probability}", encoding="utf-8")
    return read_bif(path)


@pytest.mark.parametrize(
    ("name", "states", "header"),
    [
        ("Age (years)", "{ a, b }", "( Age (years) )"),
        ('"A | B"', "{ a, b }", '( "A | B" )'),
        ('"A | B"', "{ a, b }", '( "A | B" | )'),
        ('"}"', "{ a, b }", '( "}" )'),
        ("table", "{ a, b }", "( table )"),
        ("A", '{ "}", ";" }', "( A )"),
        ("A", '{ ",", "//" }', "( A )"),
        ("A", "{ property, default }", "( A )"),
        ("A", "{ a b }", "( A )"),
        ("A B", "{ a,\n\n b\n c }", "(\n A\n  B )"),
        ("A", "{ a, b, }", "( A )"),
        ("A", "{ (0,1],(1,2] }", "( A )"),
        ("A", "{ a /* first */, b // second\n }", "( A )"),
    ],
)
def test_names_may_hold_what_a_bif_is_written_with(tmp_path, name, states, header):
    variable = f"variable {name} {{ type discrete [ 2 ] {states}; }}"
    scm, params = network(
        tmp_path, variable, f"probability {header} {{ table 0.25, 0.75; }}"
    )
    (node,) = scm.nodes
    assert node == name.strip('"') and len(scm.states(node)) == 2
    np.testing.assert_allclose(params[node]["probs"], [0.25, 0.75])


@pytest.mark.parametrize(
    "property_",
    ['"a; b"', "http://x.org/y", "pos = (1,2)", '"}"', 'size 5" ', "/* no comment", ""],
)
def test_a_property_may_hold_anything_up_to_its_semicolon(tmp_path, property_):
    property_ = f"property {property_} ;"
    variable = f"variable A {{ {property_} type discrete [ 2 ] {{ a, b }}; }}"
    _, params = network(
        tmp_path, variable, f"probability ( A ) {{ {property_}\n table 0.25, 0.75; }}"
    )
    np.testing.assert_allclose(params["A"]["probs"], [0.25, 0.75])


A = "variable A { type discrete [ 2 ] { a, b }; }"


@pytest.mark.parametrize(
    ("variable", "probability", "message"),
    [
        (A, "probability A { table 1, 0; }", "line 3: expected 'probability "),
        (A, "probability ( A ) { table 1, x; }", "line 3: .* no number, found 'x'"),
        (A, "probability ( A ) { table 1, 0 }", ".*the file is truncated"),
        (A, "probability ( A | A, B ) { table 1, 0; }", "unknown parent of 'A' 'B'"),
        (A, "probability ( ) { table 1, 0; }", "unknown node ''"),
        ("variable A { }", "", "line 2: variable 'A' needs one or more distinct"),
        (
            "variable A { type continuous; }",
            "",
            "line 2: expected 'discrete', found 'continuous'",
        ),
        (
            "variable A { type discrete [ 2 ] { a, a }; }",
            "",
            "line 2: variable 'A' needs one or more distinct states",
        ),
    ],
)
def test_malformed_files_name_the_file_and_the_place(
    tmp_path, variable, probability, message
):
    with pytest.raises(ValueError, match=f"net.bif: {message}") as raised:
        network(tmp_path, variable, probability)
    assert "\n" not in str(raised.value)


@given(st.text('AB ab"{}()[]|,;/*\n[2]0.5', max_size=80))
def test_any_text_is_a_network_or_refused_in_one_line(text):
    for start in ("", "network n { }\n", "network n { }\nvariable A {"):
        try:
            read_statements(start + text)
        except ValueError as error:
            assert "\n" not in str(error)


NAMES = (
    st.text(
        st.characters(exclude_categories=("Cc", "Cs"), exclude_characters='"'),
        min_size=1,
    )
    .map(str.strip)
    .filter(bool)
)


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_quoted_lists_are_cut_between_the_quotes(names):
    quoted = [f'"{name}"' for name in names]

    def fits(found):
        return len(found) == len(names)

    assert cuts(", ".join(quoted), fits) == names
    assert cuts(" ".join(quoted), fits) == names
