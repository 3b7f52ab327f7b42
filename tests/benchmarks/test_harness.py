import sys

import numpy as np
import pytest

from benchmarks import harness
from benchmarks.harness import Comparison


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch):
    monkeypatch.setattr(harness, "PAUSE", 0.0)


def test_all_sides_run_in_turns():
    runs = []
    comparison = Comparison(
        what="x",
        ours=lambda: runs.append("ours"),
        theirs=lambda: runs.append("theirs"),
        beside={"native": lambda: runs.append("native")},
    )
    figures = harness.measured(comparison, None, rounds=2)
    sides = ["ours", "theirs", "native"]
    in_turn = [side for side in sides for _ in range(2)]  # the second time counts
    assert runs == [*sides, *sides, *in_turn]  # the first to compile
    assert figures["ratio"] > 0 and set(figures["beside"]) == {"native"}


def test_results_that_differ_are_no_comparison():
    def check(ours, theirs):
        np.testing.assert_allclose(ours, theirs)

    same = Comparison(what="x", ours=lambda: 1.0, theirs=lambda: 1.0, check=check)
    harness.measured(same, None, rounds=1)
    with pytest.raises(AssertionError):
        harness.measured(same._replace(theirs=lambda: 1.1), None, rounds=1)


@pytest.mark.parametrize("theirs", [1.001, -1.0, np.nan])
def test_a_way_that_says_another_number_is_refused(theirs):
    comparison = Comparison(what="x", ours=lambda: None, same={"loss": 1.0})
    harness.require_same(comparison, {"eager": {"loss": 1.000001}})
    with pytest.raises(ValueError, match=r"loss is 1, but .* \(compiled\)"):
        harness.require_same(
            comparison, {"eager": {"loss": 1.0}, "compiled": {"loss": theirs}}
        )


def test_an_opponent_that_says_no_number_is_refused():
    comparison = Comparison(what="x", ours=lambda: None, same={"loss": 1.0})
    with pytest.raises(ValueError, match="did not say"):
        harness.require_same(comparison, {})
    harness.require_same(comparison._replace(same={}), {})


def test_trees_are_carried_over_by_their_paths():
    tree = {"a": {"w": np.arange(6.0).reshape(2, 3)}, "b": np.int32(4)}
    with np.load(harness.carried(tree), allow_pickle=False) as arrays:
        assert set(arrays.files) == {"a/w", "b"}
        np.testing.assert_array_equal(arrays["a/w"], tree["a"]["w"])


def test_the_opponents_error_is_said():
    opponent = harness.Opponent(sys.executable, threads=1)
    try:
        for name in ("nothing.here", "nothing"):
            with pytest.raises(ValueError, match="the opponent says: .*nothing"):
                opponent.prepare(name, {})
    finally:
        opponent.close()


def test_the_table_names_the_opponents_fastest_way_and_the_rate_reached():
    figures = {
        "ours_seconds": 0.01,
        "theirs_seconds": 0.2,
        "ratio": 20.0,
        "ratio_min": 19.0,
        "ratio_max": 21.0,
        "variant": "channels last, eager",
        "fraction": 0.5,
        "beside": {"native": 1.0},
        "must": 16,
    }
    assert harness.line("layer", figures) == (
        "| layer | 10 ms (50 % of the rate); native 1 s | "
        "0.2 s (channels last, eager) | "
        "20 (19 to 21) | 16 | - |"
    )


def test_without_an_opponent_the_table_says_the_seconds_that_it_may_take():
    figures = {"ours_seconds": 2.5, "must": 10, "goal": 5}
    assert harness.line("net", figures) == "| net | 2.5 s | - | - | 10 s | 5 s |"
