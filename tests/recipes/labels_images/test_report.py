import json
import re

import numpy as np
import pytest
from PIL import Image

from causal_jax.metrics.conditionals import Cell, WorstCells
from causal_jax.queries import effects, laws
from causal_jax.recipes.labels_images import (
    label_measures,
    report_effects,
    report_soundness,
    report_words,
)
from causal_jax.recipes.labels_images.label_measures import LabelShown
from causal_jax.reporting.page import Page


def test_report_is_one_self_contained_page(run):
    page = (run / "report.html").read_text()
    assert "http://" not in page and "https://" not in page
    assert page.count("data:image/png;base64,") >= 9
    for words in ("Do against see", "twins", "causal graph", "Training"):
        assert words in page


def test_the_worst_pairs_have_their_tables_behind_a_fold(run):
    labels = json.loads((run / "metrics.json").read_text())["labels"]
    worst, distance = next(iter(labels["largest_pair_tvds"].items()))
    details = (run / "report.html").read_text().split("pairs that differ most")[1]
    details = details.split("</details>")[0]
    worst = worst.replace(", ", " and ")
    assert f"<h3>{worst}: TVD {distance:.4f}</h3>" in details
    assert details.count("<table>") == 36 and ">truth</th>" in details


# --- sentences ------------------------------------------------------------------------


def test_the_page_begins_with_sentences_and_explains_its_figures(run):
    page = (run / "report.html").read_text()
    metrics = json.loads((run / "metrics.json").read_text())
    summary = page.split("<h2>")[0]
    assert summary.index("What is seen") < summary.index("<table>")
    for words in (
        f"{metrics['labels']['tvd']:.4f}",
        "Chance alone makes",
        "Where it misleads most, of what at least",
        "the Frechet distance between",
        "50 % is guessing",
    ):
        assert words in summary, words
    assert "TVD of chance alone" not in page and "Means over each" not in page
    for caption in re.findall("<figcaption>(.*?)</figcaption>", page):
        assert len(caption.split()) >= 8, caption


def test_the_worst_cells_stand_in_the_metrics(run):
    labels = json.loads((run / "metrics.json").read_text())["labels"]
    cells = labels["worst_conditionals"]
    assert cells.keys() == {"absolute", "relative"}
    for cell in cells.values():
        difference = abs(cell["model"] - cell["reference"])
        assert difference == pytest.approx(cell["difference"])
        assert cell["mass"] >= 0.002 and cell["node"] in cell["cell"]
    assert labels["conditional_max"] == cells["absolute"]["difference"]
    assert cells["relative"]["difference"] <= cells["absolute"]["difference"]


def test_two_different_worst_cells_are_both_said():
    forgotten = Cell("Bald", "1", {"Male": "1"}, 0.0, 0.02, 0.01)
    wrong = Cell("Narrow_Eyes", "0", {}, 0.7, 0.8, 0.8)
    text = report_words.worst_sentence(WorstCells(wrong, forgotten), "truth", 10_000)
    assert text.index("P(Bald=1 | Male=1) is 0.000") < text.index("P(Narrow_Eyes=0)")
    same = report_words.worst_sentence(WorstCells(wrong, wrong), "truth", 10_000)
    assert same.count("P(Narrow_Eyes=0)") == 1


# --- the graph and what is done -------------------------------------------------------


def test_what_the_graph_assumes_is_said_in_words(tables):
    text = " ".join(report_effects.assumptions(tables.scm))
    assert "no two labels have a hidden common cause" in text
    # A -> B, A -> C, B -> C, C -> D: the other arrows are missing.
    assert "no direct effect of A on D; B on D." in text


def test_done_stands_beside_seen_with_the_laws_of_an_enumeration(tables):
    known = effects.effects_of_laws(
        tables.scm, laws.exact_laws(tables.scm, tables.params)
    )
    shown = LabelShown(
        tables=None,
        worst=None,
        effects=known,
        reference_effects=None,
        left_open={},
        num_rows=100,
        is_truth_known=True,
    )
    rows = report_effects._rows_of(tables.scm, shown, "C")
    assert len(rows) == 2 + 2 + 3  # do(A), do(D), do(B)
    law, done = tables.law(), tables.law({"D": 1})
    (row,) = (row for row in rows if row[0] == "D=1")
    axis_c, given = tables.nodes.index("C"), np.take(law, 1, tables.nodes.index("D"))
    assert row[1] == "C=1"
    assert float(row[2]) == pytest.approx(np.take(done, 1, axis_c).sum(), abs=1e-3)
    assert float(row[3]) == pytest.approx(
        np.take(given, 1, axis_c).sum() / given.sum(), abs=1e-3
    )
    changed = report_effects._largest_effects(tables.scm, shown)
    pairs = {(row[0][0], row[1][0]) for row in changed}
    assert pairs == {(a, b) for a in "ABC" for b in "BCD" if a < b}


# --- soundness ------------------------------------------------------------------------


def test_what_no_row_says_is_left_out_and_said(tables):
    known = effects.effects_of_laws(
        tables.scm, laws.exact_laws(tables.scm, tables.params)
    )
    left_open = {"A=1": 0.25, "B=2": 0.001}
    kept = label_measures._said(known, left_open)
    assert known.done.keys() - kept.done.keys() == {("A", "1")}
    assert kept.seen == known.seen
    shown = LabelShown(
        tables=None,
        worst=None,
        effects=known,
        reference_effects=kept,
        left_open=left_open,
        num_rows=100,
        is_truth_known=False,
    )
    assert "do(A=1) 25 %, do(B=2) 0.1 %." in report_effects._left_open(shown)
    rows = report_effects._rows_of(tables.scm, shown, "C")
    assert {row[0] for row in rows if row[3] is None} == {"A=1"}


def test_without_soundness_the_command_is_named(run, tmp_path):
    assert f"causal-jax soundness --workdir={run}" in (run / "report.html").read_text()
    text = report_soundness.add(page := Page("t"), tmp_path) or page.html()
    assert f"causal-jax soundness --workdir={tmp_path}" in text


def test_with_soundness_its_figures_and_its_sheet_are_in_the_page(tmp_path):
    quantities = {"effective": {"value": 0.75, "low": 0.5, "high": 0.875}}
    figures = {"num_per_stratum": 3, "strata": 6}
    figures["variants"] = {"residual": {"all": quantities}}
    (tmp_path / "soundness.json").write_text(json.dumps(figures))
    Image.new("RGB", (7, 5), "red").save(tmp_path / "soundness.png")
    page = Page("t")
    report_soundness.add(page, tmp_path)
    text = page.html()
    assert "18 cases" in text and "0.7500 [0.5000, 0.8750]" in text
    assert "reads as it was set" in text and text.count("<img") == 1


def test_soundness_of_an_earlier_step_and_of_trained_pictures_says_so(
    tmp_path, monkeypatch
):
    figures = {"num_per_stratum": 3, "strata": 6, "step": 25, "left_out": ["A=1 to 0"]}
    figures |= {"were_trained_on": True, "variants": {"residual": {"all": {}}}}
    (tmp_path / "soundness.json").write_text(json.dumps(figures))
    monkeypatch.setattr(report_soundness, "image_step", lambda workdir: 2000)
    report_soundness.add(page := Page("t"), tmp_path)
    text = page.html()
    assert "These are of step 25; the run is at 2,000: measure again" in text
    assert "a picture that was trained on" in text
    assert "but for A=1 to 0 (too few pictures)" in text
