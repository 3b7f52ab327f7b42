"""Given images imagined with a quick run: files, notes and errors."""

import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from causal_jax.data.faces import LABELS
from experiments import cases, counterfactual, imagination, questions, soundness


@pytest.fixture(scope="module")
def model(run, tmp_path_factory):
    """The quick run with an encoder of two steps; its own folder."""
    workdir = tmp_path_factory.mktemp("imagined") / "faces"
    shutil.copytree(run, workdir)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagination, "NUM_STEPS", 2)
        yield imagination.open_model(workdir)


@pytest.fixture(scope="module")
def imagined(model):
    """Two held-out faces, their labels read, do(Male=1)."""
    images, names = questions.pictures("0,1", model)
    rows, note = questions.labels(model, images, "Young=1,Male=0")
    found = counterfactual.imagine(model, images, rows, {"Male": 1})
    return names, rows, note, found


def test_the_encoder_is_kept_in_the_runs_folder(model):
    assert (model.workdir / "checkpoints" / "encoder" / "2").is_dir()
    again = imagination.open_model(model.workdir)
    same = jax.tree.map(np.array_equal, again.encoder, model.encoder)
    assert all(jax.tree.leaves(same))


def test_numbers_are_held_out_pictures_and_ranges_of_them(model):
    two, names = questions.pictures("3,5", model)
    some, _ = questions.pictures("3-5", model)
    assert names == ["3", "5"]
    np.testing.assert_array_equal(two, some[[0, 2]])


def test_what_the_labeler_read_and_what_was_given_is_said(model, imagined):
    _, rows, note, _ = imagined
    assert "Bald" in note and "Young" not in note and "the run's Labeler" in note
    assert set(rows[:, LABELS.index("Young")]) == {1}
    assert set(rows[:, LABELS.index("Male")]) == {0}
    everything = ",".join(f"{name}=0" for name in LABELS)
    rows, note = questions.labels(model, np.zeros((1, 32, 32, 3)), everything)
    assert note == "All labels were given." and not rows.any()


def test_non_descendants_keep_their_labels_and_the_intervened_one_is_set(imagined):
    _, rows, _, found = imagined
    assert set(found.others[:, LABELS.index("Male")]) == {1}
    for name in ("Young", "Eyeglasses"):
        column = LABELS.index(name)
        np.testing.assert_array_equal(found.others[:, column], rows[:, column])


def test_the_null_intervention_gives_the_image_back_with_the_residual(model):
    images, _ = questions.pictures("0", model)
    rows = np.zeros((1, 9), np.int32)
    found = counterfactual.imagine(model, images, rows, {"Bald": 0})
    np.testing.assert_allclose(found.counterfactual, images, atol=1e-5)
    alone = counterfactual.imagine(model, images, rows, {"Bald": 0}, residual=False)
    np.testing.assert_allclose(alone.counterfactual, alone.reconstruction, atol=1e-4)


def test_the_page_says_what_is_not_identified_and_bounds_it(model, imagined, tmp_path):
    names, _, note, found = imagined
    texts = counterfactual.notes(model, found, {"Male": 1}, note)
    rows = counterfactual.bound_rows(model, names, found, {"Male": 1})
    picture = counterfactual.sheet(model, names, found, {"Male": 1})
    path = tmp_path / "men.html"
    counterfactual.write(path, picture, "men", texts, rows)
    page = path.read_text()
    assert "not identified" in page and "Labeler" in page and "at most" in page
    assert {row.label for row in rows} <= set(LABELS) - {"Male", "Young", "Eyeglasses"}
    for row in rows:
        assert 0 <= row.low <= row.high <= 1
        # `coupled` is a share of 1,000 draws.
        bound = 5 * np.sqrt(0.25 / 1000)
        assert row.low - bound <= row.coupled <= row.high + bound
    assert "not identified" in counterfactual.summary(texts, rows)
    counterfactual.write(tmp_path / "men.png", picture, "men", texts, rows)
    written = Image.open(tmp_path / "men.png")
    assert written.width > 4 * 128
    assert written.height > picture.height + 5 * 12, "the notes stand below"


def test_a_leaf_label_has_no_bounds(model, imagined):
    names, *_, found = imagined
    assert counterfactual.bound_rows(model, names, found, {"Bald": 1}) == []
    texts = counterfactual.notes(model, found, {"Bald": 1}, "")
    assert "No label lies below Bald" in texts[-1]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m: questions.states(m, "Smilng=1", "do"), "Smiling"),
        (lambda m: questions.states(m, "Smiling=yes", "do"), "no state of 'Smiling'"),
        (lambda m: questions.states(m, "image=1", "do"), "'image'"),
        (lambda m: questions.pictures("", m), "names 0 pictures"),
        (lambda m: questions.pictures("5-3", m), "1 to 64 pictures"),
        (lambda m: questions.pictures("none.png", m), "there is no picture none.png"),
    ],
)
def test_bad_questions_are_one_line(model, ask, message):
    with pytest.raises(ValueError, match=message) as error:
        ask(model)
    assert "\n" not in str(error.value)


def test_a_run_without_images_is_refused(model, tmp_path):
    workdir = tmp_path / "labels"
    shutil.copytree(model.workdir, workdir)
    shutil.rmtree(workdir / "checkpoints" / "images")
    with pytest.raises(ValueError, match="has no images"):
        imagination.open_model(workdir)


def test_soundness_writes_its_figures_and_a_sheet(model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soundness, "ROUNDS", 2)
        figures, _ = soundness.evaluate(model.workdir, num=2)
    assert (model.workdir / "soundness.json").is_file()
    assert (model.workdir / "soundness.png").is_file()
    found = figures["variants"]["residual"]["all"]
    assert found["composition_1"]["value"] < 1e-4  # the residual gives it back
    alone = figures["variants"]["generator alone"]["all"]
    assert alone["composition_1"]["value"] == pytest.approx(
        figures["reconstruction"]["error"], rel=0.5
    )
    assert 0 <= found["effective"]["low"] <= found["effective"]["high"] <= 1
    assert "effective" in soundness.table(figures)
    _check_units(model, figures)


def _check_units(model, figures):
    """Every mean of the figures is that of the units kept beside them."""
    assert figures["composition_num_per_stratum"] == 1  # of 2: a quarter, at least 1
    units = np.load(model.workdir / "soundness_units.npz", allow_pickle=False)
    assert len(units["strata"]) == figures["strata"] == 18
    for variant, prefix in (
        ("residual", "residual"),
        ("generator alone", "generator_alone"),
    ):
        for quantity, interval in figures["variants"][variant]["all"].items():
            name, _, number = quantity.partition("_")
            values = units[f"{prefix}_{name}"]
            if name == "composition":
                assert values.shape == (2, 18, 1)
                values = values[int(number) - 1]
            else:
                assert values.shape == (18, 2)
            assert values.mean() == pytest.approx(interval["value"], rel=1e-5)


def test_true_cases_change_one_label_and_what_lies_below_it():
    found = cases.face_cases(8, 3)
    assert len(found.names) == 18 and found.labels.shape == (18, 3, 9)
    for i, column in enumerate(found.columns):
        before, after = found.labels[i, :, column], found.others[i, :, column]
        assert set(before) == {i % 2} and set(after) == {1 - i % 2}
    leaf = found.names.index("Bald=1 to 0")
    others = np.delete(found.labels[leaf] == found.others[leaf], 3, axis=1)
    assert LABELS[3] == "Bald" and others.all()
