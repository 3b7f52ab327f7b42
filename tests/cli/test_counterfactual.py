import html

import pytest

from causal_jax.cli import counterfactual


@pytest.fixture
def ask(imagination_model, flags_of, tmp_path):
    """ask(**flags): runs the command on the quick run."""
    workdir = str(imagination_model.trained.run.workdir)

    def main(**flags):
        flags = {"workdir": workdir, "image": "0,1", "do": "Male=1", **flags}
        out = str(tmp_path / flags.pop("out", "men.html"))
        counterfactual.main(flags_of(counterfactual, out=out, **flags))

    return main


def test_the_page_is_written_and_its_notes_are_printed(ask, tmp_path, capsys):
    ask(labels="Young=1,Male=0")
    printed = capsys.readouterr().out
    assert f"wrote {tmp_path / 'men.html'}" in printed
    page = html.unescape((tmp_path / "men.html").read_text())
    for text in (printed, page):
        assert "not identified" in text and "the run's Labeler" in text
    assert "faces_causal_gan: imagine do(Male=1)" in page


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"out": "men.jpg"}, "must end in .png or .html"),
        ({"do": ""}, "--do names no label"),
        ({"do": "Mael=1"}, "did you mean 'Male'"),
        ({"labels": "Mael=1"}, "did you mean 'Male'"),
        ({"image": "none.png"}, "there is no picture none.png"),
    ],
)
def test_bad_questions_are_one_line_and_nothing_is_written(
    ask, tmp_path, flags, message
):
    with pytest.raises(ValueError, match=message) as raised:
        ask(**flags)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())
