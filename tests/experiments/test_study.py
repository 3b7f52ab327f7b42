"""What all studies do alike, of one that trains nothing."""

import types

import pytest

from experiments import results, study

CELLS = ("a_x", "a_x_y", "b_x", "b_y")


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A study whose runs and pages are noted in `toy.calls`."""
    monkeypatch.setattr(results, "FOLDER", tmp_path / "docs" / "results")
    calls = []

    def run(args, *cells):
        calls.append(cells)
        for cell in cells:
            row = {"command": "", "seconds": {}, "metrics": {}, "seed": [0]}
            results.write(f"toy_{cell}", row | {"config": {"num_steps": args.steps}})

    def write_pages(args):
        calls.append([row["cell"] for row in study.finished("toy_", CELLS)])

    own = study.Study(
        prefix="toy_",
        cells=lambda args: CELLS,
        run=run,
        write_pages=write_pages,
        endings=("y",),
    )
    return types.SimpleNamespace(study=own, calls=calls, docs=tmp_path / "docs")


def typed(only="", *, again=False, num_steps=1):
    """The flags."""
    return types.SimpleNamespace(
        only=only, again=again, num_steps=num_steps, steps=num_steps
    )


@pytest.mark.parametrize(
    ("only", "chosen"),
    [
        ("", CELLS),
        ("a", ("a_x", "a_x_y")),
        ("a_x", ("a_x",)),  # a whole name, though another begins with it
        ("y", ("a_x_y", "b_y")),
        ("b_", ("b_x", "b_y")),
    ],
)
def test_only_is_a_name_a_beginning_or_an_ending(toy, only, chosen):
    assert study.choose(toy.study, typed(only)) == list(chosen)


@pytest.mark.parametrize("only", ["x", "c"])
def test_what_chooses_no_cell_is_answered_with_all_there_are(toy, only):
    expected = f"--only={only}: there are a_x, a_x_y, b_x, b_y, y$"
    with pytest.raises(ValueError, match=expected):
        study.main(toy.study, typed(only))
    assert not toy.calls


def test_finished_cells_are_skipped_unless_again(toy, capsys):
    study.main(toy.study, typed("a_x"))
    assert toy.calls == [("a_x",), ["toy_a_x"]]
    toy.calls.clear()
    study.main(toy.study, typed("a"))
    assert toy.calls == [("a_x_y",), ["toy_a_x", "toy_a_x_y"]]
    assert capsys.readouterr().out == "a_x: done before\n"
    toy.calls.clear()
    study.main(toy.study, typed("a", again=True))
    assert toy.calls == [("a_x",), ("a_x_y",), ["toy_a_x", "toy_a_x_y"]]
    assert not capsys.readouterr().out


def test_cells_of_a_group_are_run_at_once_if_they_are_not_finished(toy):
    study.main(toy.study, typed("b_y"))
    toy.calls.clear()
    grouped = toy.study._replace(group=lambda args, cell: cell[-1])
    study.main(grouped, typed())
    assert toy.calls[:-1] == [("a_x", "b_x"), ("a_x_y",)]


def test_rows_that_are_kept_have_the_settings_asked_for(toy):
    alike = toy.study._replace(alike=("num_steps",))
    study.main(alike, typed("a"))
    with pytest.raises(ValueError, match="a_x was run with --num_steps=1"):
        study.main(alike, typed("b", num_steps=2))
    study.main(alike, typed(again=True, num_steps=2))
    assert results.read("toy_b_x")["config"] == {"num_steps": 2}


def test_the_page_of_all_rows_is_made_last(toy):
    study.main(toy.study, typed("b_x"))
    assert "| toy_b_x |" in (toy.docs / "results.md").read_text()
