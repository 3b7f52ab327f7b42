"""Rows of results: their page, and that a study's page does not mix settings."""

import pytest

from causal_jax.cli import command_line
from experiments import (
    ablation,
    networks_page,
    results,
    synthetic,
    table,
    table_mnist,
    table_networks,
    wrong_graph,
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "docs" / "results")
    return tmp_path / "docs"


def _write(cell, **more):
    row = {"command": "python -m experiments.x", "seconds": {"all": 1.0}, "metrics": {}}
    results.write(cell, row | more)


def test_the_page_has_every_row_whoever_wrote_it(elsewhere):
    _write("wrong_graph_true_mle", metrics={"labels": {"tvd": 0.25, "floor": None}})
    _write("soundness_faces", note="effective 0.9")
    results.write_page()
    page = (elsewhere / "results.md").read_text()
    assert "| wrong_graph_true_mle | tvd 0.2500 " in page and "floor" not in page
    assert "effective 0.9" in page


def test_the_text_around_the_tables_stays(elsewhere):
    page = elsewhere / "results.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    block = "<!-- rows: faces_ -->\nold\n<!-- end -->"
    page.write_text(f"# Results\n\nA story.\n\n{block}\n\nAnother.\n")
    _write("faces_a", note="of a face")
    _write("digits_a", note="of a digit")
    for _ in range(2):  # filled once more, it is the same
        results.write_page()
        text = page.read_text()
        story, table = text.index("A story."), text.index("| faces_a | of a face |")
        assert story < table < text.index("Another.") < text.index("| digits_a |")
        assert "old" not in text and text.count("| digits_a |") == 1


def test_rows_with_other_settings_are_refused_unless_run_again():
    _write("study_a", seed=[0, 1], config={"num_steps": 2})
    _write("another_a", seed=[0], config={})
    results.require_alike("study_", num_seeds=2, num_steps=2)
    results.require_alike("study_", rerun=["a"], num_seeds=5, num_steps=9)
    for asked in ({"num_seeds": 5, "num_steps": 2}, {"num_seeds": 2, "num_steps": 9}):
        with pytest.raises(
            ValueError, match="a was run with --num_seeds=2 --num_steps=2"
        ):
            results.require_alike("study_", **asked)
        with pytest.raises(ValueError, match="--again for all cells"):
            results.require_alike("study_", rerun=["b"], **asked)


STUDIES = {
    ablation: (ablation.PREFIX, "none_seed0"),
    synthetic: (synthetic.PREFIX, "line_fc3"),
    table_networks: (networks_page.PREFIX, "asia"),
    wrong_graph: (wrong_graph.PREFIX, "true_mle"),
}


class Flags:
    """What was typed: the study's own number of seeds and steps, or others."""

    only, again, workdir, networks = "", False, "", ""
    textures, dataset, together = "", "mnist", False

    def __init__(self, num_seeds=2, num_steps=2):
        self.num_seeds, self.num_steps = num_seeds, num_steps


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.__name__)
def test_every_study_refuses_to_mix_settings(study):
    prefix, cell = STUDIES[study]
    _write(prefix + cell, seed=[0, 1], config={"num_steps": 2})
    with pytest.raises(SystemExit) as raised, command_line.one_line_errors("study"):
        study.main(Flags(num_seeds=7, num_steps=9))
    assert f"{cell} was run with --num_" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "study", [*STUDIES, table, table_mnist], ids=lambda study: study.__name__
)
def test_every_study_makes_its_pages_and_that_of_all_rows(study, monkeypatch):
    written = []
    monkeypatch.setattr(results, "write_page", lambda: written.append("all"))
    monkeypatch.setattr(results, "read", lambda cell: {"cell": cell})  # all finished
    without_runs = study.STUDY._replace(
        run=None, write_pages=lambda args: written.append("own")
    )
    monkeypatch.setattr(study, "STUDY", without_runs)
    study.main(Flags())
    assert written == ["own", "all"]


def test_a_row_says_its_training_command():
    text = results.command("faces_labels:random,mle", {"table_seed": 3})
    assert text.endswith(
        " -m experiments.train --config=faces_labels:random,mle --config.table_seed=3 "
        "--workdir=DIR"
    )
