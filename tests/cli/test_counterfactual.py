import html

import numpy as np
import pytest

from causal_jax.cli import counterfactual, factual


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
        ({"do": "image=1"}, "--do names 'image', which is the picture itself"),
        ({"image": "none.png"}, "there is no picture none.png"),
        ({"image": "99999999"}, "there are 64 held-out pictures, 0 to 63"),
        ({"image": "0-99999999"}, "give 1 to 64 pictures"),
    ],
)
def test_bad_questions_are_one_line_and_nothing_is_written(
    ask, tmp_path, flags, message, monkeypatch
):
    def late(*_):
        pytest.fail("an encoder is trained, or pictures are drawn")

    monkeypatch.setattr(counterfactual, "with_encoder", late)
    monkeypatch.setattr(factual.data, "images", late)
    with pytest.raises(ValueError, match=message) as raised:
        ask(**flags)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_an_array_of_another_size_is_refused_before_an_encoder_is_trained(
    ask, tmp_path, monkeypatch
):
    monkeypatch.setattr(counterfactual, "with_encoder", lambda _: pytest.fail("late"))
    path = tmp_path / "large.npy"
    np.save(path, np.zeros((218, 178, 3), np.uint8))
    with pytest.raises(ValueError, match="the model draws 32x32x3: crop and resize"):
        ask(image=str(path))
