"""The images and labels that a command line names."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from causal_jax.cli import factual
from causal_jax.data import tfds
from causal_jax.data.faces import LABELS
from causal_jax.recipes import registry
from causal_jax.recipes.labels_images import data
from causal_jax.runs import folder


def test_numbers_are_held_out_pictures_and_ranges_of_them(imagination_model):
    two, names = factual.pictures("3,5", imagination_model.trained)
    some, _ = factual.pictures("3-5", imagination_model.trained)
    assert names == ["3", "5"]
    np.testing.assert_array_equal(two, some[[0, 2]])


def test_numbers_of_a_data_set_are_refused_before_it_is_read(celeba_dir, monkeypatch):
    config = registry.get_config("celeba_causal_gan")
    config.data_dir = str(celeba_dir)
    monkeypatch.setattr(data, "images", None)  # no picture can be read
    num = len(tfds.Records("celeb_a", "validation", ["image"], data_dir=celeba_dir))
    model = SimpleNamespace(run=SimpleNamespace(config=config), label_scm=None)
    with pytest.raises(ValueError, match=f"{num} held-out pictures, 0 to {num - 1}"):
        factual.pictures(str(num), model)


def test_a_file_s_name_may_hold_a_comma(imagination_model, tmp_path):
    path = tmp_path / "a, b.png"
    Image.new("RGB", (32, 32)).save(path)
    assert factual.pictures(str(path), imagination_model.trained)[1] == ["a, b.png"]


def test_held_out_pictures_of_a_changed_table_are_refused(
    imagination_model, tmp_path, monkeypatch
):
    table = tmp_path / "table.csv"
    table.write_text("before")
    trained = imagination_model.trained
    run = trained.run._replace(workdir=tmp_path)
    monkeypatch.setattr(data, "sources", lambda config: {"table": table})
    folder.keep_sources(tmp_path, {"table": table})
    table.write_text("after")
    with pytest.raises(ValueError, match="table.csv is not what"):
        factual.pictures("0", trained._replace(run=run))


def test_a_picture_of_another_size_is_cropped_and_resized(imagination_model, tmp_path):
    pixels = np.zeros((80, 48, 3), np.uint8)
    pixels[16:64] = 255  # the largest central square
    Image.fromarray(pixels).save(tmp_path / "tall.png")
    found, names = factual.pictures(
        str(tmp_path / "tall.png"), imagination_model.trained
    )
    assert names == ["tall.png"] and found.shape == (1, 32, 32, 3)
    assert (found == 1).all()


def test_what_the_labeler_read_and_what_was_given_is_said(imagination_model):
    model = imagination_model.trained
    images, _ = factual.pictures("0,1", model)
    rows, note = factual.labels(model, images, "Young=1,Male=0")
    assert "Bald" in note and "Young" not in note and "the run's Labeler" in note
    assert set(rows[:, LABELS.index("Young")]) == {1}
    assert set(rows[:, LABELS.index("Male")]) == {0}
    everything = ",".join(f"{name}=0" for name in LABELS)
    rows, note = factual.labels(model, np.zeros((1, 32, 32, 3)), everything)
    assert note == "All labels were given." and not rows.any()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m: factual.states(m, "Smilng=1", "do"), "Smiling"),
        (lambda m: factual.states(m, "Smiling=yes", "do"), "no state of 'Smiling'"),
        (lambda m: factual.states(m, "image=1", "do"), "'image'"),
        (lambda m: factual.pictures("", m), "names 0 pictures"),
        (lambda m: factual.pictures("5-3", m), "1 to 64 pictures"),
        (lambda m: factual.pictures("none.png", m), "there is no picture none.png"),
    ],
)
def test_bad_questions_are_one_line(imagination_model, ask, message):
    with pytest.raises(ValueError, match=message) as error:
        ask(imagination_model.trained)
    assert "\n" not in str(error.value)
