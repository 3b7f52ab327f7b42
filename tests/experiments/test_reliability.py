"""The study of reliability: what it finds, and the page that it shares with others."""

import json
import random
import shutil

import pytest

from causal_jax.training import checkpoint, manifest
from experiments import damage, interrupted, kills, reliability, results


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Rows and pages in a folder of their own."""
    folder = tmp_path / "docs" / "results"
    monkeypatch.setattr(results, "FOLDER", folder)
    found = {"flips": 500, "files": 29, "noticed": 500, "equal": 0, "unnoticed": 0}
    row = {"command": "x", "seconds": {}, "metrics": {"reliability": found}}
    results.write("reliability_flips", row)
    return folder


def test_text_of_others_on_the_page_stays(rows):
    page = rows.parent / "reliability.md"
    reliability.write_pages(None)
    first = page.read_text()
    assert "500 were noticed before use" in first
    page.write_text(
        "# Title\n\nWords.\n\n" + first[first.index("<!--") :] + "## Hosts\n"
    )
    reliability.write_pages(None)
    text = page.read_text()
    assert text.startswith("# Title\n\nWords.\n\n") and text.endswith("-->\n## Hosts\n")
    assert text.count("500 were noticed") == 1


def test_its_rows_stand_on_its_own_page_alone(rows):
    assert "reliability_flips" not in results.filled(results.BARE_PAGE, results.rows())


def test_there_are_24_runs_and_each_is_killed_at_five_moments():
    cells = kills.cells()
    assert len(cells) == 24 and len(set(cells.values())) == 24
    moments = [kill.moment for kill in kills.kills(random.Random(0))]
    assert sorted(moments) == sorted(interrupted.MOMENTS)


def test_a_check_that_sees_nothing_would_be_found_out(tmp_path, monkeypatch):
    """The study counts flips that go unnoticed: here all that matter do."""
    found = damage.flips(tmp_path, num=20)
    assert found["noticed"] == 20 and found["unnoticed"] == 0
    monkeypatch.setattr(manifest, "damage", lambda folder: "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(damage, "_is_same", lambda one, other: False)
        patch.setattr(checkpoint.Checkpoints, "restore_all", lambda self, step: {})
        assert damage.flips(tmp_path, num=5)["unnoticed"] == 5


def test_runs_that_differ_in_a_bit_are_told_apart(tmp_path):
    with damage._stopped_after(damage._HALF):
        damage.recipe.train(damage.config(), tmp_path / "one", seconds_per_checkpoint=0)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert kills.differences(tmp_path / "one", tmp_path / "two") == []
    metrics = {"seconds": {"labels": 1}, "tvd": 0.5}
    for name in ("one", "two"):
        metrics["seconds"]["labels"] += 1
        (tmp_path / name / "metrics.json").write_text(json.dumps(metrics))
    assert kills.differences(tmp_path / "one", tmp_path / "two") == []
    newest = tmp_path / "two" / "checkpoints" / "labels" / str(damage._HALF)
    shutil.rmtree(newest)
    (tmp_path / "two" / "metrics.json").write_text("{}")
    found = kills.differences(tmp_path / "one", tmp_path / "two")
    assert found == ["metrics.json", "labels"]
