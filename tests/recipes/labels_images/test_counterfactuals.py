"""Given images imagined with a quick run: what is kept, notes and bounds."""

import numpy as np
import pytest
from PIL import Image

from causal_jax.cli import factual
from causal_jax.cli.counterfactual import summary
from causal_jax.data.faces import LABELS
from causal_jax.recipes.labels_images import counterfactuals


@pytest.fixture(scope="module")
def imagined(imagination_model):
    """Two held-out faces, their labels read, do(Male=1)."""
    model = imagination_model
    images, names = factual.pictures("0,1", model.trained)
    rows, note = factual.labels(model.trained, images, "Young=1,Male=0")
    found = counterfactuals.imagine(model, images, rows, {"Male": 1})
    return names, rows, note, found


def test_non_descendants_keep_their_labels_and_the_intervened_one_is_set(imagined):
    _, rows, _, found = imagined
    assert set(found.others[:, LABELS.index("Male")]) == {1}
    for name in ("Young", "Eyeglasses"):
        column = LABELS.index(name)
        np.testing.assert_array_equal(found.others[:, column], rows[:, column])


def test_the_null_intervention_gives_the_image_back_with_the_residual(
    imagination_model,
):
    model = imagination_model
    images, _ = factual.pictures("0", model.trained)
    rows = np.zeros((1, 9), np.int32)
    found = counterfactuals.imagine(model, images, rows, {"Bald": 0})
    np.testing.assert_allclose(found.counterfactual, images, atol=1e-5)
    alone = counterfactuals.imagine(model, images, rows, {"Bald": 0}, residual=False)
    np.testing.assert_allclose(alone.counterfactual, alone.reconstruction, atol=1e-4)


def test_the_page_says_what_is_not_identified_and_bounds_it(
    imagination_model, imagined, tmp_path
):
    model = imagination_model
    names, _, note, found = imagined
    texts = counterfactuals.notes(model, found, {"Male": 1}, note)
    rows = counterfactuals.bound_rows(model, names, found, {"Male": 1})
    picture = counterfactuals.sheet(model, names, found, {"Male": 1})
    path = tmp_path / "men.html"
    counterfactuals.write(path, picture, "men", texts, rows)
    page = path.read_text()
    assert "not identified" in page and "Labeler" in page and "at most" in page
    assert {row.label for row in rows} <= set(LABELS) - {"Male", "Young", "Eyeglasses"}
    for row in rows:
        assert 0 <= row.low <= row.high <= 1
        assert row.low <= row.coupled <= row.high and row.error == 0
        *_, shown, low, high = row.cells()
        assert float(low) <= float(shown) <= float(high)  # as it is printed, too
    assert "not identified" in summary(texts, rows)
    counterfactuals.write(tmp_path / "men.png", picture, "men", texts, rows)
    written = Image.open(tmp_path / "men.png")
    assert written.width > 4 * 128
    assert written.height > picture.height + 5 * 12, "the notes stand below"


def test_a_leaf_label_has_no_bounds(imagination_model, imagined):
    names, *_, found = imagined
    model, do = imagination_model, {"Bald": 1}
    assert counterfactuals.bound_rows(model, names, found, do) == []
    texts = counterfactuals.notes(model, found, do, "")
    assert "No label lies below Bald" in texts[-1]


def test_a_coupling_without_closed_form_is_printed_with_its_error(
    imagination_model, imagined, monkeypatch
):
    names, *_, found = imagined
    exact = counterfactuals.bound_rows(imagination_model, names, found, {"Male": 1})
    monkeypatch.setattr(counterfactuals.coupled, "coupled_laws", lambda *_: None)
    drawn = counterfactuals.bound_rows(imagination_model, names, found, {"Male": 1})
    assert len(exact) == len(drawn) > 0
    for one, other in zip(exact, drawn, strict=True):
        assert abs(one.coupled - other.coupled) <= 5 * other.error + 1e-4
        assert ("±" in other.cells()[4]) == (other.error > 0)
