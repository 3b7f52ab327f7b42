"""Figures: they draw without a display, for few nodes and for many."""

import sys

import matplotlib as mpl
import numpy as np
import pytest

from causal_jax import graph
from causal_jax.reporting import plots


def is_drawn(image):
    pixels = np.asarray(image)
    return pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.std() > 1.0


@pytest.mark.parametrize(
    "name", ["big_causal_graph", "complete_big_causal_graph", "M", "complete_all"]
)
def test_graphs_are_drawn_from_one_node_to_forty(name):
    assert is_drawn(plots.graph_figure(graph.named(name), title=name))


def test_laws_are_drawn_with_and_without_interventions():
    model = {"Male": np.array([0.6, 0.4]), "Hair": np.array([0.2, 0.3, 0.5])}
    truth = {"Male": np.array([0.58, 0.42]), "Hair": np.array([0.25, 0.25, 0.5])}
    rows = plots._state_rows(model, truth, {"Hair": ("none", "grey", "red")})
    assert [row[0] for row in rows] == ["Male", "Hair=none", "Hair=grey", "Hair=red"]
    assert rows[0][1:] == (0.4, 0.42)
    named = plots._state_rows(model, truth, {"Male": ("no", "yes")})
    assert named[0][0] == "Male=yes", "real names, not the second state's index"
    seen = plots.law_figure(model, truth, num_rows=100)
    done, chance = {"Male=0": 0.01, "Male=1": 0.02}, {"Male=1": 0.004}
    both = plots.law_figure(
        model,
        truth,
        num_rows=100,
        by_intervention=done,
        floor_by_intervention=chance,
    )
    without = plots.law_figure(model, truth, num_rows=100, by_intervention=done)
    assert both.size != without.size or np.any(np.asarray(both) != np.asarray(without))
    assert is_drawn(seen)
    assert both.width > seen.width
    with pytest.raises(ValueError, match="no marginal of 'Hair'"):
        plots.law_figure(model, {"Male": truth["Male"]}, num_rows=100)


@pytest.mark.parametrize("num", [2, 9, 40])
def test_pairs_are_a_heat_map(num):
    names = [f"label_{i}" for i in range(num)]
    assert is_drawn(plots.pairwise_figure(names, np.arange(num * (num - 1) / 2)))
    with pytest.raises(ValueError, match="one for each pair"):
        plots.pairwise_figure(names, np.zeros(num * num + 1))


def test_names_with_dollars_and_markup_are_text_and_no_formula():
    names = (r"$\frac$", "<b>$x$</b>", "price $, cost $")
    laws = {name: np.array([0.4, 0.6]) for name in names}
    done = {f"{name}=0": 0.1 for name in names}
    assert is_drawn(plots.graph_figure(graph.complete(names), title=names[0]))
    assert is_drawn(plots.law_figure(laws, laws, num_rows=9, by_intervention=done))
    three = np.array([0.1, 0.2, 0.3])
    assert is_drawn(plots.pairwise_figure(names, three, title=names[0]))


def test_curves_have_one_panel_a_stage_and_quantity():
    lines = [{"stage": "labels", "step": s, "loss": 1 / (s + 1)} for s in range(5)]
    lines += [{"stage": "images", "step": 10, "loss": 2.0, "note": "text", "ok": True}]
    lines += [{"message": "a line without a step", "loss": 1.0}]
    assert is_drawn(plots.curves_figure(lines))
    tall = plots.curves_figure(lines, columns=1)
    assert tall.height > tall.width
    assert plots.curves_figure([]) is None
    assert plots.curves_figure([{"stage": "labels", "step": 3}]) is None


def test_figures_leave_settings_alone_and_need_no_pyplot():
    before = dict(mpl.rcParams)
    plots.graph_figure(graph.named("M"))
    assert dict(mpl.rcParams) == before
    assert "causal_jax.reporting.plots" in sys.modules
    assert not hasattr(plots, "plt")


def test_long_axes_are_folded_to_the_bars_that_are_furthest_off():
    laws = {f"label {i}": np.array([1 - i / 200, i / 200]) for i in range(100)}
    truth = {name: np.array([1.0, 0.0]) for name in laws}
    tall = plots.law_figure(laws, truth, num_rows=100)
    kept = plots._largest(list(range(100)), lambda i: i)
    assert kept == list(range(100 - plots.MAX_BARS, 100))
    assert tall.height < 1500
    assert plots._cut("x" * 100) == "x" * 38 + ".."
