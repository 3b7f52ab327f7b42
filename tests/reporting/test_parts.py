"""Sheets of parts show the model's own pictures, in the order that they say."""

import jax
import numpy as np
import pytest

from causal_jax.networks.cgn import mnist, pictures
from causal_jax.networks.cgn.composition import LABELS, PARTS
from causal_jax.reporting import between_classes, parts

KEY = jax.random.key(1)


@pytest.fixture(scope="module")
def model():
    """Digits: the same nodes as natural images, and quick to compile."""
    scm = mnist.scm(width=2, noise_size=3, init_scale=1.5)
    return scm, scm.init(jax.random.key(0))


@pytest.fixture
def shown(monkeypatch):
    """What a sheet is composed of: cells and texts."""
    found = {}

    def composed(cells, **settings):
        found.update(settings, cells=np.array(cells))

    monkeypatch.setattr(parts, "compose", composed)
    monkeypatch.setattr(between_classes, "compose", composed)
    return found


def drawn(model, classes):
    """Units 0, 1, ... with the same class of all three labels each."""
    scm, params = model
    noise = pictures.unit_noise(scm, KEY, 0, num=len(classes))
    labels = dict.fromkeys(LABELS, np.array(classes))
    return pictures.draw(scm, params, noise, labels)


def close(cells, pictures_):
    """8-bit pictures equal but for rounding."""
    levels = (np.clip(pictures_, -1, 1) + 1) * 127.5
    np.testing.assert_allclose(cells, levels, atol=1.01)


def test_an_image_is_the_composition_of_the_parts_in_its_row(model, shown):
    parts.parts_sheet(*model, KEY, 3, do={"texture_label": 4})
    assert shown["column_labels"] == ["mask", "texture", "background", "image"]
    cells = shown["cells"] / 127.5 - 1
    mask = (cells[:, 0] + 1) / 2
    image = mask * cells[:, 1] + (1 - mask) * cells[:, 2]
    np.testing.assert_allclose(cells[:, 3], image, atol=4 / 127.5)
    assert all("texture 4, " in text for text in shown["row_labels"])


@pytest.mark.parametrize(
    ("draw_fn", "field"),
    [(parts.masks_sheet, "masks"), (parts.backgrounds_sheet, "backgrounds")],
)
def test_each_row_is_a_class_and_each_pair_a_unit(model, shown, draw_fn, field):
    draw_fn(*model, KEY, (7, 2), 2)
    assert shown["row_labels"] == ["7", "2"]
    for row, one in enumerate((7, 2)):
        wanted = drawn(model, [one, one])
        beside = getattr(wanted, field)
        if field == "masks":
            beside = parts.as_picture(beside)
        close(shown["cells"][row, 0::2], wanted.images)
        close(shown["cells"][row, 1::2], beside)


def test_a_label_that_is_done_is_no_longer_the_row_s(model, shown):
    parts.backgrounds_sheet(*model, KEY, (7, 2), 2, do={"background_label": 5})
    first, second = shown["cells"][:, 1::2]
    np.testing.assert_array_equal(first, second)
    close(first, drawn(model, [5, 5]).backgrounds)


@pytest.mark.parametrize("part", [None, "texture"])
def test_a_counterfactual_has_another_class_of_one_part(model, shown, part):
    """As `SCM.sample` of the unit's own key has it, under do."""
    scm, params = model
    parts.counterfactuals_sheet(
        *model, KEY, (3, 8), 2, part=part, do=dict.fromkeys(LABELS, 1)
    )
    names = (part,) if part else PARTS
    wanted = [f"{name}: {one}" for name in names for one in (3, 8)]
    assert shown["column_labels"] == ["as it is", *wanted]
    columns = [{}] + [{f"{name}_label": one} for name in names for one in (3, 8)]
    own = dict.fromkeys(LABELS, 1)
    for column, changed in enumerate(columns):
        key = jax.random.fold_in(KEY, 1)
        image = scm.sample(params, key, num=1, do=own | changed)["image"]
        close(shown["cells"][1, column], image[0])


def test_a_name_is_shown_by_its_first_word(model):
    assert parts.class_text(model[0], 3) == "3"
    assert parts.spread_classes(model[0], 4) == (0, 3, 6, 9)
    assert parts.spread_classes(model[0], 99) == tuple(range(10))


# --- between classes ------------------------------------------------------------------


@pytest.mark.parametrize("part", ["all", "background"])
def test_a_row_runs_from_one_class_to_the_other_with_its_noise(model, shown, part):
    between_classes.classes_sheet(*model, KEY, (2, 6), 2, part=part, midpoints=2)
    moved = LABELS if part == "all" else (f"{part}_label",)
    for column, one in ((0, 2), (-1, 6)):
        scm, params = model
        noise = pictures.unit_noise(scm, KEY, 0, num=2)
        labels = {n: np.full(2, one if n in moved else 2) for n in LABELS}
        close(
            shown["cells"][:, column], pictures.draw(scm, params, noise, labels).images
        )
    texts = ["2", "0.67 2 + 0.33 6", "0.33 2 + 0.67 6", "6"]
    assert shown["column_labels"] == texts
    between = shown["cells"][:, 1]
    ends = shown["cells"][:, 0], shown["cells"][:, -1]
    assert all(np.abs(between.astype(int) - end).max() > 5 for end in ends)


def test_an_animation_goes_leg_by_leg_and_comes_back(model):
    scm, params = model
    frames = list(between_classes.animation_frames(*model, KEY, (2, 6), 2, midpoints=1))
    assert len(frames) == 8 and {frame.shape for frame in frames} == {(128, 256, 3)}
    noise = pictures.unit_noise(scm, KEY, 0, num=2)
    # Shape, texture and background at the beginning of each leg, and half back.
    classes = {0: (2, 2, 2), 2: (2, 6, 2), 4: (2, 6, 6), 6: (6, 6, 6)}
    for place, row in classes.items():
        labels = {n: np.full(2, one) for n, one in zip(LABELS, row, strict=True)}
        images = pictures.draw(scm, params, noise, labels).images
        close(frames[place][::4, ::4], np.concatenate(images, axis=1))
    weights = np.tile(between_classes.weights_between(10, (2, 6), 3)[1], (2, 1))
    half = pictures.draw(scm, params, noise, dict.fromkeys(LABELS, weights)).images
    close(frames[7][::4, ::4], np.concatenate(half, axis=1))
