import gzip
import os
from pathlib import Path

import jax
import numpy as np
import pytest

from causal_jax.data.networks import read_bif
from causal_jax.queries import laws

FOLDER = os.environ.get("CAUSAL_JAX_NETWORKS")
REAL = sorted(Path(FOLDER).glob("*.bif.gz")) if FOLDER else []

HEAD = """network weather { property "made for a test"; }
// The declared order is not the causal one.
variable Wet { type discrete [ 2 ] { dry, <=5/mm }; }
variable Rain { type discrete [ 3 ] { none, 1-3, "a lot" }; }
variable Wind { property where = (1, 2); type discrete [ 2 ] { n, y }; }
"""
RAIN = "probability ( Rain ) { table 0.5, 0.3, 0.2; }\n"
WIND = "probability ( Wind | Rain ) { (none) .9, .1; default 4e-1, .6; }\n"
# Parents not in the declared order.
WET = """probability ( Wet | Wind, Rain ) {
  /* wind, then rain */
  (n, none) 0.9, 0.1; (n, 1-3) 0.8, 0.2; (n, "a lot") 0.7, 0.3;
  (y, none) 0.6, 0.4; (y, 1-3) 0.5, 0.5; (y, "a lot") 0.0, 1.0;
}
"""


def read(tmp_path, text):
    path = tmp_path / "net.bif"
    path.write_text(text)
    return read_bif(path)


def test_states_graph_and_tables_are_those_of_the_file(tmp_path):
    scm, params = read(tmp_path, HEAD + RAIN + WIND + WET)
    assert scm.nodes == ("Wet", "Rain", "Wind")
    assert scm.states("Wet") == ("dry", "<=5/mm")
    assert scm.states("Rain") == ("none", "1-3", "a lot")
    assert scm.parents["Wet"] == ("Rain", "Wind")  # the declared order
    np.testing.assert_allclose(params["Rain"]["probs"], [0.5, 0.3, 0.2])
    np.testing.assert_allclose(
        params["Wind"]["probs"], [[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]]
    )
    dry = np.array([[0.9, 0.6], [0.8, 0.5], [0.7, 0.0]])  # [Rain, Wind]
    np.testing.assert_allclose(params["Wet"]["probs"][..., 0], dry, atol=1e-7)


def test_its_samples_follow_its_tables(tmp_path):
    scm, params = read(tmp_path, HEAD + RAIN + WIND + WET)
    rows = laws.sampled_rows(scm, params, jax.random.key(0), 20_000)
    law = laws.exact_law(scm, params)
    found = laws.empirical_law(rows, (2, 3, 2))
    assert np.all(np.abs(found - law) <= 5 * np.sqrt(law * (1 - law) / 20_000) + 1e-6)


def test_the_nodes_own_state_changes_slowest_in_a_table_with_parents(tmp_path):
    table = "probability ( Wind | Rain ) { table .9 .4 .3 .1 .6 .7; }\n"
    _, params = read(tmp_path, HEAD + RAIN + table + WET)
    np.testing.assert_allclose(
        params["Wind"]["probs"], [[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]]
    )


def test_rounded_rows_are_made_to_sum_to_one(tmp_path):
    rounded = RAIN.replace("0.5, 0.3, 0.2", "0.333, 0.333, 0.333")
    _, params = read(tmp_path, HEAD + rounded + WIND + WET)
    np.testing.assert_allclose(params["Rain"]["probs"], 1 / 3, atol=1e-7)


def test_packed_files_are_recognised_by_their_content(tmp_path):
    path = tmp_path / "packed.bif"
    path.write_bytes(gzip.compress((HEAD + RAIN + WIND + WET).encode()))
    assert read_bif(path)[0].nodes == ("Wet", "Rain", "Wind")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="truncated or damaged"):
        read_bif(path)


GOOD = HEAD + RAIN + WIND + WET
CYCLE = "probability ( Rain | Wet ) { default 0.5, 0.3, 0.2; }\n"
BAD = {
    "cut in a block": (GOOD[: GOOD.rindex("(y, 1-3)")], "truncated"),
    "cut between blocks": (HEAD + RAIN + WIND, "'Wet' has no probability block"),
    "empty": ("", "truncated"),
    "no network": ("hello\n", "line 1: expected 'network', found 'hello'"),
    "sum": (
        GOOD.replace("0.5, 0.5", "0.5, 0.4"),
        r"'Wet' given \(y, 1-3\) has probabilities that do not sum to one: 0.5, 0.4",
    ),
    "sum of a root": (
        GOOD.replace("0.3, 0.2;", "0.3, 0.3;"),
        "node 'Rain' has probabilities that do not sum to one",
    ),
    "negative": (
        GOOD.replace("0.8, 0.2", "1.2, -0.2"),
        r"given \(n, 1-3\) has a negative probability: 1.2, -0.2",
    ),
    "not finite": (GOOD.replace("0.8, 0.2", "nan, 0.2"), "is not finite"),
    "no number": (GOOD.replace("0.8, 0.2", "many, 0.2"), "no number, found 'many'"),
    "too few": (GOOD.replace("0.8, 0.2", "1"), "has 1 probabilities instead of 2"),
    "unknown parent": (
        GOOD.replace("( Wind | Rain )", "( Wind | Rein )"),
        "unknown parent of 'Wind' 'Rein': did you mean 'Rain'",
    ),
    "unknown node": (
        GOOD.replace("( Wind | Rain )", "( Wnd | Rain )"),
        "unknown node 'Wnd': did you mean 'Wind'",
    ),
    "unknown state": (
        GOOD.replace("(n, 1-3)", "(n, 1-4)"),
        "'1-4' is no state of its parent 'Rain': did you mean '1-3'",
    ),
    "configuration too short": (
        GOOD.replace("(n, 1-3)", "(n)"),
        "has 1 states for 2 parents",
    ),
    "a row twice": (GOOD.replace("(n, 1-3)", "(n, none)"), "has probabilities twice"),
    "a row missing": (
        GOOD.replace("(n, 1-3) 0.8, 0.2;", ""),
        r"'Wet' given \(n, 1-3\) has no probabilities",
    ),
    "a block twice": (GOOD + RAIN, "'Rain' has two probability blocks"),
    "a variable twice": (HEAD + HEAD[HEAD.index("variable Wind") :], "declared twice"),
    "states miscounted": (
        GOOD.replace("[ 3 ]", "[ 4 ]"),
        "announces 4 states and names 3",
    ),
    "one state": (
        GOOD.replace("[ 2 ] { n, y }", "[ 1 ] { n }"),
        r"given \(none\) has 2 probabilities instead of 1",
    ),
    "its own parent": (
        GOOD.replace("( Wind | Rain )", "( Wind | Wind )"),
        "not distinct other nodes",
    ),
    "a cycle": (HEAD + CYCLE + WIND + WET, "a cycle: .*Wet -> Rain|Rain -> Wet"),
    "a stray word": (GOOD + "frequency ( Rain ) { }", "expected 'variable'"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_one_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)
    assert "net.bif" in str(error.value)


def test_every_truncation_is_an_error(tmp_path):
    text = GOOD.rstrip()
    for end in range(0, len(text), 7):
        with pytest.raises(ValueError, match="net.bif"):
            read(tmp_path, text[:end])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="there is no network"):
        read_bif(tmp_path / "no.bif.gz")


# Number of nodes, of edges, and of free parameters, from the repository of bnlearn.
KNOWN = {
    "asia": (8, 8, 18),
    "cancer": (5, 4, 10),
    "earthquake": (5, 4, 10),
    "survey": (6, 6, 21),
    "sachs": (11, 17, 178),
    "child": (20, 25, 230),
    "insurance": (27, 52, 1008),
    "alarm": (37, 46, 509),
    "win95pts": (76, 112, 574),
    "andes": (223, 338, 1157),
    "hailfinder": (56, 66, 2656),
    "munin1": (186, 273, 15622),
    "mildew": (35, 46, 540150),
}


@pytest.mark.skipif(not REAL, reason="no networks in $CAUSAL_JAX_NETWORKS")
@pytest.mark.parametrize("path", REAL, ids=lambda p: p.name)
def test_published_networks_are_read_whole(path):
    if path.stat().st_size > 20_000 and not os.environ.get("CAUSAL_JAX_NETWORKS"):
        pytest.skip("seconds each: only where $CAUSAL_JAX_NETWORKS is set")
    scm, params = read_bif(path)
    tables = [np.asarray(p["probs"]) for p in params.values()]
    assert max(np.abs(table.sum(-1) - 1).max() for table in tables) < 1e-5
    name = path.name.split(".")[0]
    if name in KNOWN:
        free = sum(table[..., 1:].size for table in tables)
        assert (len(scm.nodes), scm.graph.number_of_edges(), free) == KNOWN[name]
